"""Encoders that are trained from raw clips: the signals of a data set's items, and the models that read them.

A model starts from the weights of the folder that the card names, so that at the first step it gives the features of
the store.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pmrl.data.dataset import Dataset
from pmrl.data.media.decode import Unreadable
from pmrl.data.media.encoders.base import Encoder
from pmrl.data.media.encoders.local import FOLDER, Tower
from pmrl.data.media.keys import COLUMN, is_raw
from pmrl.data.media.raw import Raw
from pmrl.data.own_card import read_card
from pmrl.data.own_items import read_items
from pmrl.data.registry import PACKAGE_CACHE, card_path
from pmrl.errors import UserError


@dataclass(frozen=True)
class RawModality:
    """Where the signals of a modality's items are read, and which model reads them.

    Attributes:
        raw: the modality of the card.
        clip: (items,) the signal of each item of the data set.
        encoder: of the store, which says how signals are sampled.
        folder: of the model.
    """

    raw: Raw
    clip: np.ndarray
    encoder: Encoder
    folder: Path

    @property
    def kind(self) -> str:
        """Video, picture, audio or text."""
        return str(self.raw.entry["kind"])

    def tower(self) -> Tower:
        """The model with the weights of its folder, on the CPU."""
        return Tower.from_folder(self.folder, self.kind)

    def signals(self, rows: Iterable[int]) -> list[Any]:
        """What the model reads of some items.

        Raises:
            UserError: an item cannot be read now, which was when the store was made.
        """
        found = []
        for row in rows:
            place = int(self.clip[row])
            try:
                (piece,) = self.raw.signals.read(place, self.encoder).pieces
            except Unreadable as error:
                raise UserError(
                    f"{self.raw.name}: item {self.raw.ids[place]!r}: {error} It could be read when the store was made; "
                    "restore the file, or run `pmrl prepare` again."
                ) from error
            found.append(piece[:, 0] if getattr(piece, "ndim", 0) == 2 else piece)  # the only channel of a sound
        return found


def with_raw(dataset: Dataset, names: Iterable[str], root: Path) -> Dataset:
    """A data set that also knows the signals of the modalities whose encoders are trained.

    Args:
        dataset: from its store.
        names: of the modalities.
        root: where the stores are.

    Raises:
        UserError: a modality is not made from raw media by a model in a folder, or is read in several pieces.
    """
    names = list(names)
    if not names:
        return dataset
    path = card_path(dataset.card.name)
    card = {} if path is None else read_card(path)
    return replace(dataset, raw={name: _raw_modality(dataset, name, path, card, root) for name in names})


def _raw_modality(dataset: Dataset, name: str, path: Path | None, card: dict[str, Any], root: Path) -> RawModality:
    where = f"network.trained_encoders: {name}: data set {dataset.card.name!r}"
    entry = card.get("modalities", {}).get(name)
    if path is None or entry is None or not is_raw(entry):
        raise UserError(
            f"{where} has no such modality that is made from media; expected one with `from:` or `column:` in its "
            "card, see docs/adding_a_dataset.md."
        )
    encoder = entry.get("encoder", "")
    if not encoder.startswith(FOLDER):
        raise UserError(f"{where} is read by {encoder or 'the default encoder'!r}; expected `encoder: {FOLDER}FOLDER`.")
    if entry.get("windows", 1) != 1 or entry.get("channels", 1) != 1 or "frame_rate" in entry:
        raise UserError(
            f"{where}: found several windows or channels of sound, or a frame rate; expected one window, one channel, "
            "and a number of frames."
        )
    items = read_items(path, card)
    texts = COLUMN in entry
    ids = list(items.table["id"] if texts else items.spelled)
    raw = Raw.of(name, entry, path.parent, ids, items.texts)
    clip = np.arange(len(items.table)) if texts else items.clip
    return RawModality(raw, clip, raw.encoder(root / PACKAGE_CACHE), Path(encoder.removeprefix(FOLDER)))
