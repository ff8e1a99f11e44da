"""The network that all methods share: standardised features, encoders with projections, and the joint heads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from pmrl.data import large
from pmrl.data.arrays import moments
from pmrl.data.dataset import Dataset
from pmrl.method.batch import Batch, StoredBatch
from pmrl.method.embeddings import Embeddings
from pmrl.method.encoders import ENCODERS
from pmrl.method.heads import Heads
from pmrl.method.sizes import NetworkSettings, Shape
from pmrl.records import PRETRAIN


class Standardize(nn.Module):
    """Centres and scales each feature by the statistics of the pre-training part.

    A feature that is constant there, relative to its magnitude, is only centred; see `pmrl.data.arrays.deviations`. The
    statistics are part of the checkpoint.

    Args:
        examples: (rows, features) of the pre-training part, part by part.
        noise: a feature that deviates less is only centred too; see `pmrl.data.dataset.Modality`.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, examples: Iterable[np.ndarray], noise: float = 0.0) -> None:
        super().__init__()
        mean, deviation = moments(examples, noise)
        deviation[deviation == 0] = 1.0
        self.register_buffer("mean", torch.from_numpy(mean).float())
        self.register_buffer("deviation", torch.from_numpy(deviation).float())

    def forward(self, x: Tensor) -> Tensor:
        """(…, features) in any float type to float32 of mean 0 and deviation 1."""
        return (x.float() - self.mean) / self.deviation


class Network(nn.Module):
    """Standardised features, encoders of all modalities of a data set, and the heads.

    Args:
        dataset: gives the sizes of features and tokens, and the statistics of the pre-training part.
        settings: sizes of the networks.
        encoders: builds the module that encodes all modalities, with the interface of
            :class:`pmrl.method.encoders.Encoders`; by default the one that the settings name.
    """

    def __init__(
        self,
        dataset: Dataset,
        settings: NetworkSettings,
        encoders: Callable[[Mapping[str, Shape], NetworkSettings], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.anchor = dataset.anchor
        self.pooled, self.tokens, shapes = nn.ModuleDict(), nn.ModuleDict(), {}
        rows = dataset.indices(PRETRAIN)
        for name in dataset.modalities:
            present_rows = rows[dataset.present[name][rows]]
            noise = dataset.card.modalities[name].noise
            self.pooled[name] = Standardize(large.parts(dataset.pooled[name], present_rows), noise)
            self.tokens[name] = Standardize(dataset.real_tokens(name, present_rows), noise)
            shapes[name] = Shape(dataset.pooled[name].shape[1], dataset.tokens[name].shape[1:])
        self.encoders = (encoders or ENCODERS[settings.encoder])(shapes, settings)
        self.heads = Heads(dataset.modalities, dataset.anchor, settings)

    def standardize(self, batch: Batch) -> Batch:
        """Stored features as float32 of mean 0 and deviation 1 in the pre-training part."""
        if isinstance(batch, StoredBatch):
            return batch.standardized(self.pooled, self.tokens)
        pooled = {name: layer(batch.pooled[name]) for name, layer in self.pooled.items()}
        tokens = {name: layer(batch.tokens[name]) for name, layer in self.tokens.items()}
        return replace(batch, pooled=pooled, tokens=tokens)

    def encode(self, batch: Batch) -> Embeddings:
        """Embed standardised features; modalities keep the data card's order."""
        vectors, tokens = self.encoders(batch)
        return Embeddings(vectors, tokens, batch.present, batch.lengths, self.anchor, self.heads)

    def forward(self, batch: Batch) -> Embeddings:
        """Embed stored features."""
        return self.encode(self.standardize(batch))


@torch.no_grad()
def embed(network: Network, batch: Batch, chunk: int = 2048) -> Embeddings:
    """Embed any number of instances in evaluation mode, ``chunk`` at a time."""
    network.eval()
    parts = [network(batch.rows(slice(start, start + chunk))) for start in range(0, len(batch), chunk)]

    def joined(field: str) -> dict[str, Tensor]:
        return {m: torch.cat([getattr(part, field)[m] for part in parts]) for m in parts[0].modalities}

    vectors, tokens, present, lengths = map(joined, ("vectors", "tokens", "present", "lengths"))
    return Embeddings(vectors, tokens, present, lengths, network.anchor, network.heads)
