"""What a data set is: instances in several modalities, and the card that says where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pmrl.data import large
from pmrl.errors import UserError
from pmrl.records import MEASUREMENT, SPLITS

if TYPE_CHECKING:
    from pmrl.data.raw_clips import RawModality


@dataclass(frozen=True)
class Modality:
    """What one modality is.

    Attributes:
        description: what it shows.
        encoder: how the features were made.
        kind: one of `pmrl.records.KINDS`.
        dimension: that of the pooled vector.
        tokens: (number, width).
        noise: in the unit of the features; a feature that deviates less is rounding noise of an encoder with unused
            units, and is centred but not scaled.
    """

    description: str
    encoder: str
    kind: str = MEASUREMENT
    dimension: int = 0
    tokens: tuple[int, int] = (0, 0)
    noise: float = 0.0


@dataclass(frozen=True)
class Card:
    """Where a data set comes from and how it was made.

    ``counts``, ``checksum``, those of the files of large ``arrays`` and the sizes within ``modalities`` are filled in
    by `pmrl.data.store.save`.
    """

    name: str
    title: str
    anchor: str
    modalities: dict[str, Modality]
    origin: str
    license: str
    citation: str
    split_rule: str
    flaws: list[str]
    versions: dict[str, str] = field(default_factory=dict)
    recipe: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    arrays: dict[str, str] = field(default_factory=dict)
    checksum: str = ""


@dataclass(frozen=True)
class NoisyFeatures:
    """One modality of the test items, encoded after noise was added to the signal; see `pmrl.data.noise`.

    Attributes:
        kind: one of `pmrl.records.SIGNAL_NOISES`.
        level: of the noise; blur in pixels, noise on sound in dB (signal to noise).
        modality: whose signal is noisy.
        pooled: float32 (test items, dimension), the same columns as in the clean features.
        tokens: (test items, tokens, width) in the type of the clean ones; as many of them are padding.
    """

    kind: str
    level: float
    modality: str
    pooled: np.ndarray
    tokens: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """All instances of a data set, row by row.

    Attributes:
        card: what the data set is.
        items: columns id, group, label, split, caption and perhaps instance (all text); one row per item.
        pooled: per modality float32 (instances, dimension); zeros where the modality is absent. Large arrays lie in
            files, see `pmrl.data.large`.
        tokens: per modality float16 or, where that would lose something, float32 (instances, tokens, width); zeros
            where it is absent.
        present: per modality bool (instances,).
        views: {modality: {item id: a small PNG picture or a text}}, read by figures only; figures draw a modality
            without views from its features.
        lengths: {modality: int32 (instances,), how many tokens of each item are real, the others being padding of
            zeros}; a modality without lengths has no padding.
        noisy: the test items under noise on their signals; empty where no modality is a picture or a sound, and for
            data sets of which only features are known.
        raw: by modality, where the signals of the items are read, if the encoder is trained; not part of a store.
        class_names: (pooled, tokens) of the name of each of the ``classes``, encoded as the anchor's texts are; None
            where the anchor is no text or the labels are no words.
    """

    card: Card
    items: pd.DataFrame
    pooled: dict[str, np.ndarray]
    tokens: dict[str, np.ndarray]
    present: dict[str, np.ndarray]
    views: Mapping[str, Mapping[str, bytes | str]] = field(default_factory=dict)
    lengths: Mapping[str, np.ndarray] = field(default_factory=dict)
    noisy: Sequence[NoisyFeatures] = ()
    class_names: tuple[np.ndarray, np.ndarray] | None = None
    raw: Mapping[str, RawModality] = field(default_factory=dict)

    @property
    def classes(self) -> np.ndarray:
        """The labels in alphabetical order; an empty label is none."""
        labels = np.unique(self.items["label"].to_numpy(dtype=str))
        return labels[labels != ""]

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities in the card's order."""
        return tuple(self.card.modalities)

    @property
    def anchor(self) -> str:
        """Name of the modality that anchored methods are built on."""
        return self.card.anchor

    @property
    def instances(self) -> np.ndarray:
        """(items,) name of the instance that each item is a view of; its id unless the table of items says more."""
        return self.items["instance" if "instance" in self.items else "id"].to_numpy()

    def token_lengths(self, modality: str) -> np.ndarray:
        """(instances,) int32: how many tokens of a modality are not padding."""
        tokens = self.tokens[modality]
        return self.lengths.get(modality, np.full(len(tokens), tokens.shape[1], np.int32))

    def real_tokens(self, modality: str, rows: np.ndarray) -> Iterator[np.ndarray]:
        """(tokens, width) of a modality of the instances in ``rows``, without padding, in parts of some instances."""
        lengths, start = self.token_lengths(modality)[rows], 0
        for tokens in large.parts(self.tokens[modality], rows):
            counts = lengths[start : start + len(tokens), np.newaxis]
            yield tokens[np.arange(tokens.shape[1]) < counts]
            start += len(tokens)

    @property
    def lies_in_files(self) -> bool:
        """Whether some of the features are larger than memory should hold, or are made anew from raw clips."""
        if self.raw:
            return True
        return any(large.lies_in_file(array) for part in (self.pooled, self.tokens) for array in part.values())

    def indices(self, split: str) -> np.ndarray:
        """Rows of one split, ascending, int64.

        Raises:
            UserError: there is no such split, or it is empty.
        """
        if split not in SPLITS:
            raise UserError(f"{self.card.name}: no split {split!r}; the splits are {', '.join(SPLITS)}.")
        rows = np.flatnonzero(self.items["split"].to_numpy() == split).astype(np.int64)
        if not rows.size:
            raise UserError(f"{self.card.name}: split {split!r} is empty; give it items in the items table.")
        return rows
