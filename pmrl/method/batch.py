"""Stored features of some instances, in memory or still in the files of the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from pmrl.data import large
from pmrl.data.dataset import Dataset


class Lazy(Mapping[str, Tensor]):
    """Tensors by modality that are computed from others when they are first read, for instance tokens by matching only.

    Args:
        parts: what they are computed from.
        change: gives the tensor of a modality from its name and part.
        names: the modalities; by default all that have a part.
    """

    def __init__(
        self,
        parts: Mapping[str, Tensor],
        change: Callable[[str, Tensor], Tensor],
        names: Iterable[str] | None = None,
    ) -> None:
        self.parts, self.change = parts, change
        self.names = tuple(parts if names is None else names)
        self.computed: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.names:
            raise KeyError(name)
        if name not in self.computed:
            self.computed[name] = self.change(name, self.parts[name])
        return self.computed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Batch:
    """Stored features of some instances, by modality.

    Attributes:
        pooled: (batch, features) of each modality.
        tokens: (batch, tokens, token width) of each modality.
        present: (batch,) booleans of each modality; absent rows hold zeros.
        lengths: (batch,) how many tokens of each modality are not padding.
        inputs: of each modality whose encoder is trained, what it reads of the instances, by name (batch, …).
    """

    pooled: Mapping[str, Tensor]
    tokens: Mapping[str, Tensor]
    present: dict[str, Tensor]
    lengths: dict[str, Tensor]
    inputs: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)

    @classmethod
    def from_dataset(cls, dataset: Dataset, indices: np.ndarray, device: torch.device) -> Batch:
        """The instances of ``dataset`` at ``indices``, moved to ``device``; large features are read when asked for."""

        def gather(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
            return {name: torch.from_numpy(array[indices]).to(device) for name, array in arrays.items()}

        lengths = gather({name: dataset.token_lengths(name) for name in dataset.modalities})
        if dataset.lies_in_files:
            numbers = dict.fromkeys(dataset.modalities, np.asarray(indices))
            return StoredBatch.of(Features(dataset), numbers, gather(dataset.present), lengths)
        return cls(gather(dataset.pooled), gather(dataset.tokens), gather(dataset.present), lengths)

    def __len__(self) -> int:
        return len(next(iter(self.present.values())))

    def rows(self, index: Tensor | slice) -> Batch:
        """The instances at ``index``; their tokens are gathered when they are first read."""

        def gather(part: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: x[index] for name, x in part.items()}

        tokens = Lazy(self.tokens, lambda _, x: x[index])
        inputs = {name: gather(values) for name, values in self.inputs.items()}
        return Batch(gather(self.pooled), tokens, gather(self.present), gather(self.lengths), inputs)

    def taken(self, index: Mapping[str, Tensor]) -> Batch:
        """As many instances, whose modalities are those of other rows; a modality without an ``index`` stays."""

        def gather(part: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: x[index[name]] if name in index else x for name, x in part.items()}

        pooled, tokens, present, lengths = map(gather, (self.pooled, self.tokens, self.present, self.lengths))
        return Batch(pooled, tokens, present, lengths)


class ReadsClips(Protocol):
    """An encoder that is trained from raw clips; see ``pmrl.method.trained_encoders``."""

    def inputs(self, rows: np.ndarray, present: Tensor) -> dict[str, Tensor]:
        """What it reads of some items of the data set."""


@dataclass(frozen=True)
class Features:
    """Where the features of instances are read.

    Attributes:
        dataset: the files are its arrays.
        pooled: standardise the pooled features of each modality; without, they come as stored.
        tokens: the same for tokens.
        encoders: that are trained, of some modalities, and say what they read.
    """

    dataset: Dataset
    pooled: nn.ModuleDict | None = None
    tokens: nn.ModuleDict | None = None
    encoders: Mapping[str, ReadsClips] = field(default_factory=dict)

    def read(self, tokens: bool, name: str, rows: np.ndarray, device: torch.device) -> Tensor:
        """The features of a modality at some rows of the data set."""
        arrays, layers = (self.dataset.tokens, self.tokens) if tokens else (self.dataset.pooled, self.pooled)
        values = torch.from_numpy(large.taken(arrays[name], rows))
        if device.type == "cuda":
            values = values.pin_memory().to(device, non_blocking=True)
        if layers is None:
            return values
        with torch.no_grad():
            standardized: Tensor = layers[name](values)
        return standardized


@dataclass(frozen=True)
class StoredBatch(Batch):
    """Instances whose features memory should not hold: those of a modality are read when they are asked for.

    Attributes:
        features: where they are read.
        numbers: (batch,) of each modality, the rows of the data set.
    """

    features: Features = field(kw_only=True)
    numbers: Mapping[str, np.ndarray] = field(kw_only=True)

    @classmethod
    def of(
        cls,
        features: Features,
        numbers: Mapping[str, np.ndarray],
        present: dict[str, Tensor],
        lengths: dict[str, Tensor],
    ) -> StoredBatch:
        """The instances whose modalities are at the rows ``numbers`` of a data set."""

        def reading(tokens: bool) -> Lazy:
            return Lazy(present, lambda name, mask: features.read(tokens, name, numbers[name], mask.device))

        return cls(reading(False), reading(True), present, lengths, features=features, numbers=numbers)

    def rows(self, index: Tensor | slice) -> StoredBatch:
        """The instances at ``index``."""
        at = index if isinstance(index, slice) else index.cpu().numpy()
        return StoredBatch.of(
            self.features,
            {name: rows[at] for name, rows in self.numbers.items()},
            {name: x[index] for name, x in self.present.items()},
            {name: x[index] for name, x in self.lengths.items()},
        )

    def taken(self, index: Mapping[str, Tensor]) -> StoredBatch:
        """As many instances, whose modalities are those of other rows; a modality without an ``index`` stays."""

        def gather(part: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: x[index[name]] if name in index else x for name, x in part.items()}

        numbers = {
            name: rows[index[name].cpu().numpy()] if name in index else rows for name, rows in self.numbers.items()
        }
        return StoredBatch.of(self.features, numbers, gather(self.present), gather(self.lengths))

    def read(self, with_tokens: bool) -> Batch:
        """The same instances in memory; without tokens, these are read when they are asked for."""
        tokens = dict(self.tokens) if with_tokens else self.tokens
        return Batch(dict(self.pooled), tokens, self.present, self.lengths, self.read_inputs())

    def read_inputs(self) -> dict[str, dict[str, Tensor]]:
        """What trained encoders read of these instances, by modality."""
        encoders = self.features.encoders
        return {name: reads.inputs(self.numbers[name], self.present[name]) for name, reads in encoders.items()}

    def standardized(
        self, pooled: nn.ModuleDict, tokens: nn.ModuleDict, encoders: Mapping[str, ReadsClips]
    ) -> StoredBatch:
        """The same instances, standardised when they are read, as input of the encoders that are trained."""
        features = replace(self.features, pooled=pooled, tokens=tokens, encoders=encoders)
        return StoredBatch.of(features, self.numbers, self.present, self.lengths)
