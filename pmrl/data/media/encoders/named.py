"""Encoders by name: those whose weights packages carry, and any model of transformers in a local folder."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pmrl.data.media.encoders.base import Encoded, Encoder, channel_by_channel, frame_by_frame
from pmrl.data.media.encoders.local import FOLDER, from_folder
from pmrl.errors import UserError
from pmrl.records import AUDIO, PICTURE, TEXT, VIDEO


@dataclass(frozen=True)
class _Packaged:
    """An encoder of this project: the module that has it, its function, and what the module calls its parts."""

    module: str
    function: str
    kinds: tuple[str, ...]
    description: str = "DESCRIPTION"
    packages: str = "PACKAGES"
    rate: int = 0


PACKAGED = {
    "efficientnet_lite0": _Packaged(
        "pmrl.data.encoders", "encode_pictures", (PICTURE, VIDEO), "PICTURE_ENCODER", "PICTURE_PACKAGES"
    ),
    "minilm": _Packaged("pmrl.data.encoders", "encode_texts", (TEXT,), "TEXT_ENCODER", "TEXT_PACKAGES"),
    "use_multilingual": _Packaged("pmrl.data.media.encoders.use_multilingual", "encode_texts", (TEXT,)),
    "multilingual_e5": _Packaged("pmrl.data.media.encoders.multilingual_e5", "encode_texts", (TEXT,)),
    "log_mel": _Packaged(
        "pmrl.data.encoders", "encode_speech", (AUDIO,), "SPEECH_ENCODER", "SPEECH_PACKAGES", rate=16000
    ),
    "whisper": _Packaged("pmrl.data.media.encoders.whisper", "encode_speech", (AUDIO,), rate=16000),
    "sound_effects": _Packaged("pmrl.data.media.encoders.sound_effects", "encode_sounds", (AUDIO,), rate=44100),
}
DEFAULTS = {VIDEO: "efficientnet_lite0", PICTURE: "efficientnet_lite0", AUDIO: "whisper", TEXT: "minilm"}


def encoder(name: str, kind: str, cache: Path, device: str = "cpu") -> Encoder:
    """The encoder of a name, for a kind of signal.

    Args:
        name: one of ``PACKAGED``, or ``transformers:`` and the path of a folder with a model's config and weights.
        kind: video, picture, audio or text.
        cache: folder for weights that are fetched from a package registry.
        device: where a model from a folder computes.

    Raises:
        UserError: there is no such encoder, it reads another kind, or the folder has no usable model.
    """
    if name.startswith(FOLDER):
        return from_folder(Path(name.removeprefix(FOLDER)), kind, device)
    packaged = PACKAGED.get(name)
    if packaged is None or kind not in packaged.kinds:
        fitting = [other for other, about in PACKAGED.items() if kind in about.kinds]
        found = "there is no such encoder" if packaged is None else f"it reads {' and '.join(packaged.kinds)}"
        raise UserError(
            f"Encoder {name!r}: {found}; for {kind}, choose {', '.join(fitting)}, or {FOLDER}FOLDER with a model's "
            "config.json and weights."
        )
    module = importlib.import_module(packaged.module)
    function = getattr(module, packaged.function)
    return Encoder(
        name,
        getattr(module, packaged.description),
        _reading(function, kind, packaged, cache),
        rate=packaged.rate,
        packages=getattr(module, packaged.packages),
    )


def _reading(
    function: Callable[..., Encoded], kind: str, packaged: _Packaged, cache: Path
) -> Callable[[Sequence[Any]], Encoded]:
    """A function of a batch of signals, from one of pictures, mono sounds or texts."""
    if kind == VIDEO:
        return lambda videos: frame_by_frame(videos, lambda frames: function(frames, grid=(1, 1))[0])
    if kind == AUDIO:
        extra = {"cache": cache} if packaged.function == "encode_sounds" else {}
        return lambda sounds: channel_by_channel(sounds, lambda waves: function(waves, packaged.rate, **extra))
    return function
