"""Clips of the free games Freedoom 1 and 2 in six modalities: video, sound, depth, text, subtitle and telemetry.

A seeded, scripted player records them on the 68 maps (`pmrl.data.freedoom`). They are kept as ordinary files, mp4, wav
and csv, and read from these as anybody's clips would be.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pmrl.data import noise
from pmrl.data.arrays import varying, varying_columns
from pmrl.data.dataset import Card, Dataset, Modality, NoisyFeatures
from pmrl.data.encoders import (
    PICTURE_PACKAGES,
    TEXT_ENCODER,
    TEXT_NOISE,
    TEXT_PACKAGES,
    Encoded,
    encode_pictures,
    encode_texts,
)
from pmrl.data.freedoom import engine, files
from pmrl.data.freedoom.features import depth_grid, motion_and_state
from pmrl.data.media import shards
from pmrl.data.media.decode import read_frames, read_sound
from pmrl.data.media.encoders import sound_effects
from pmrl.data.media.encoders.base import Encoder, frame_by_frame
from pmrl.data.media.encoders.named import encoder
from pmrl.data.media.signals import Sampling, Signals
from pmrl.data.pictures import png
from pmrl.data.splits import split_by_group
from pmrl.progress import progress
from pmrl.records import AUDIO, TEST, TEXT, VIDEO

PACKAGES = (
    *files.PACKAGES,
    "pillow",
    *noise.PACKAGES,
    *PICTURE_PACKAGES,
    *TEXT_PACKAGES,
    *sound_effects.PACKAGES,
)
FRAMES = 4  # of each clip, evenly over its length
VIDEO_ENCODER = "EfficientNet-lite0 (ImageNet), mean over four frames; tokens: the frames"
PATTERNS = {"video": files.VIDEOS, "sound": files.SOUNDS, "depth": files.DEPTHS}
absence = engine.absence


def build(cache: Path) -> Dataset:
    """Play all clips unless they are there, and encode them.

    Args:
        cache: where the files of the clips are kept, and the features of what is encoded.

    Raises:
        UserError: the engine does not run here, or its sound is silent.
    """
    folder = files.kept(cache)
    table = read_table(folder)
    by_name = encoders(cache)
    read = {
        name: shards.encode(signals, by_name[name], cache / "freedoom_features" / name, f"freedoom {name}")
        for name, signals in signals_of(folder, table).items()
    }
    columns = {name: varying_columns(one.pooled, one.present) for name, one in read.items()}
    measured = {"depth": encode_depth(folder, table), "telemetry": encode_telemetry(folder, table)}
    encoded = {name: (features.pooled, features.tokens) for name, features in read.items()} | measured
    every = np.ones(len(table), dtype=bool)
    present = {name: read[name].present if name in read else every for name in CARD.modalities}
    return Dataset(
        card=CARD,
        items=table[["id", "group", "label", "split", "caption"]],
        pooled={name: varying(encoded[name][0], present[name]) for name in CARD.modalities},
        tokens={name: encoded[name][1] for name in CARD.modalities},
        present=present,
        views=views(folder, table, read),
        noisy=noisy(folder, table, by_name["sound"], columns),
        lengths={name: read[name].lengths for name in ("text", "subtitle")},
        class_names=encode_texts(sorted(set(table["label"]))),
    )


def signals_of(folder: Path, table: pd.DataFrame) -> dict[str, Signals]:
    """What encoders read: the files of video and sound, and the texts."""
    paths = {name: [folder / pattern.format(id=key) for key in table["id"]] for name, pattern in PATTERNS.items()}
    return {
        "video": Signals(VIDEO, paths["video"], Sampling(frames=FRAMES, size=None)),
        "sound": Signals(AUDIO, paths["sound"], Sampling(channels=1)),
        "text": Signals(TEXT, list(table["caption"]), Sampling()),
        "subtitle": Signals(TEXT, list(table["subtitle"]), Sampling()),
    }


def encoders(cache: Path) -> dict[str, Encoder]:
    """The encoder of each modality that has one."""
    texts = encoder("minilm", TEXT, cache)
    return {
        "video": encoder("efficientnet_lite0", VIDEO, cache),
        "sound": encoder("sound_effects", AUDIO, cache),
        "text": texts,
        "subtitle": texts,
    }


def read_table(folder: Path) -> pd.DataFrame:
    """The table of clips with its splits: columns id, group (map), label, caption, subtitle and split."""
    table = pd.read_csv(folder / files.ITEMS, dtype=str, keep_default_na=False)
    table["split"] = split_by_group(list(table["group"]))
    return table


def encode_videos(videos: Sequence[np.ndarray]) -> Encoded:
    """Frames by the encoder of pictures; pooled is their mean, and each frame is a token."""
    return frame_by_frame(videos, lambda frames: encode_pictures(frames, grid=(1, 1))[0])


def encode_depth(folder: Path, table: pd.DataFrame) -> Encoded:
    """The grid of distances in each frame, which is a token."""
    frames = [
        depth_grid(read_frames(folder / PATTERNS["depth"].format(id=key), FRAMES)[..., 0])
        for key in progress(table["id"], "depth")
    ]
    return _in_a_row(np.stack(frames))


def encode_telemetry(folder: Path, table: pd.DataFrame) -> Encoded:
    """What happens to the player in each of four spans of time, which is a token."""
    tables = (pd.read_csv(folder / files.TELEMETRY.format(id=key)) for key in table["id"])
    return _in_a_row(np.stack([motion_and_state(telemetry) for telemetry in tables]))


def _in_a_row(tokens: np.ndarray) -> Encoded:
    """Pooled vectors that hold the tokens one after the other."""
    return tokens.reshape(len(tokens), -1), tokens


def noisy(folder: Path, table: pd.DataFrame, listener: Encoder, columns: dict[str, np.ndarray]) -> list[NoisyFeatures]:
    """The test items with blurred frames, and with noise on the sound; ``columns`` as kept of each modality."""
    test = list(table.loc[table["split"].eq(TEST), "id"])
    paths = {name: [folder / pattern.format(id=key) for key in test] for name, pattern in PATTERNS.items()}
    frames = [frame for path in progress(paths["video"], "videos read") for frame in read_frames(path, FRAMES)]
    sounds = [read_sound(path, listener.rate, channels=1) for path in progress(paths["sound"], "sounds read")]
    return [
        *noise.blurred("video", frames, lambda blurred: encode_videos(_in_videos(blurred)), columns["video"]),
        *noise.with_sound_noise(
            CARD.name, "sound", dict(zip(test, sounds, strict=True)), listener.encode, columns["sound"]
        ),
    ]


def _in_videos(frames: list[np.ndarray]) -> list[np.ndarray]:
    return [np.stack(frames[start : start + FRAMES]) for start in range(0, len(frames), FRAMES)]


def views(folder: Path, table: pd.DataFrame, read: dict[str, shards.Features]) -> dict[str, dict[str, bytes | str]]:
    """Views for figures: frames in a row, the spectrogram, the depth in the middle, texts, and what was measured."""
    ids = list(table["id"])
    depths = [folder / PATTERNS["depth"].format(id=key) for key in ids]
    told = [in_words(pd.read_csv(folder / files.TELEMETRY.format(id=key))) for key in ids]
    shown: dict[str, dict[str, bytes | str]] = {
        "depth": dict(zip(ids, [png(shown_depth(path)) for path in progress(depths, "depth pictures")], strict=True)),
        "telemetry": dict(zip(ids, told, strict=True)),
    }
    return shown | {name: {ids[row]: view for row, view in one.views.items()} for name, one in read.items()}


def shown_depth(path: Path) -> np.ndarray:
    """The depth in the middle of a clip as grey pixels: near is dark, and the farthest point is white."""
    depth = np.log1p(read_frames(path, 1)[0, ::2, ::2, 0].astype(np.float32))
    return np.round(255 * depth / max(float(depth.max()), 1e-6)).astype(np.uint8)


def in_words(telemetry: pd.DataFrame) -> str:
    """The beginning and the end of a table of telemetry, such as ``health 60 → 45, 3 shots, 2 kills, 210 units``."""
    first, last = telemetry.iloc[0], telemetry.iloc[-1]
    way = np.hypot(last["POSITION_X"] - first["POSITION_X"], last["POSITION_Y"] - first["POSITION_Y"])
    kills = last["KILLCOUNT"] - first["KILLCOUNT"]
    return (
        f"health {first['HEALTH']:.0f} → {last['HEALTH']:.0f}, {telemetry['SHOTS'].sum():.0f} shots, "
        f"{kills:.0f} kills, {way:.0f} units"
    )


CARD = Card(
    name="freedoom",
    title="Clips of a game as video, sound, depth, text, subtitle and telemetry",
    anchor="text",
    modalities={
        "video": Modality("what the player sees, 2 seconds", VIDEO_ENCODER, kind=VIDEO),
        "sound": Modality(
            "stereo sound of the game, without music, both channels as one", sound_effects.DESCRIPTION, kind=AUDIO
        ),
        "depth": Modality("distance of what is seen", "mean logarithm in cells of 8 × 8 pixels; tokens: four frames"),
        "text": Modality(
            "caption from what the engine says is in view and happens", TEXT_ENCODER, kind=TEXT, noise=TEXT_NOISE
        ),
        "subtitle": Modality("the game's own messages, where there are any", TEXT_ENCODER, kind=TEXT, noise=TEXT_NOISE),
        "telemetry": Modality(
            "movement, health, ammunition, shots, kills and finds", "means in four spans of time, which are the tokens"
        ),
    },
    origin="Freedoom 1 and 2, played by the engine ViZDoom (vizdoom), with sound by OpenAL Soft (cyal)",
    license="Freedoom BSD-3-Clause; ViZDoom MIT, its ZDoom under several; cyal MIT, with OpenAL Soft LGPL-2.1",
    citation=(
        "Freedoom, freedoom.github.io; M. Wydmuch, M. Kempka, W. Jaśkowski, ViZDoom competitions: playing Doom from "
        "pixels, IEEE Transactions on Games 11 (2019)"
    ),
    split_rule="by map, by hash: about 50/20/10/20 % of the clips",
    flaws=[
        "a rendered world, and the violence of a game: monsters are shot, and there is blood",
        "captions are templates over what the engine says is in view, so that their wording is uniform",
        "every caption names the weapon in hand, which the picture shows and a shot betrays",
        "the player is a script and moves like one; it is put at random places, with a random weapon, and cannot die",
        "monsters, things and sounds are the same on all maps; only places are new in the test part",
        "subtitles repeat a few dozen sentences, so that many items share one",
    ],
)
