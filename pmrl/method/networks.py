"""The network that all methods share: standardised features, encoders with projections, and the joint heads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from pmrl.data import large
from pmrl.data.arrays import moments
from pmrl.data.dataset import Dataset
from pmrl.method.batch import Batch, Lazy, ReadsClips, StoredBatch
from pmrl.method.embeddings import Embeddings
from pmrl.method.encoders import ENCODERS
from pmrl.method.heads import Heads
from pmrl.method.sizes import NetworkSettings, Shape
from pmrl.method.steps import ParameterGroup
from pmrl.method.trained_encoders import TrainedEncoder
from pmrl.records import PRETRAIN

CLIPS = 16  # that trained encoders read at a time where no gradient is needed


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
        self.rates = {name: float(about.get("learning_rate", 1.0)) for name, about in settings.trained_encoders.items()}
        self.trained = nn.ModuleDict(
            {
                name: TrainedEncoder(
                    dataset.raw[name], shapes[name], about.get("frozen_layers", 0), about.get("checkpointing", False)
                )
                for name, about in settings.trained_encoders.items()
            }
        )

    def standardize(self, batch: Batch) -> Batch:
        """Stored features as float32 of mean 0 and deviation 1 in the pre-training part."""
        if isinstance(batch, StoredBatch):
            readers = cast(Mapping[str, ReadsClips], dict(self.trained.items()))
            return batch.standardized(self.pooled, self.tokens, readers)
        pooled = {name: layer(batch.pooled[name]) for name, layer in self.pooled.items()}
        tokens = {name: layer(batch.tokens[name]) for name, layer in self.tokens.items()}
        return replace(batch, pooled=pooled, tokens=tokens)

    def encode(self, batch: Batch) -> Embeddings:
        """Embed standardised features; modalities keep the data card's order."""
        vectors, tokens = self.encoders(self.from_clips(batch) if self.trained else batch)
        return Embeddings(vectors, tokens, batch.present, batch.lengths, self.anchor, self.heads)

    def from_clips(self, batch: Batch) -> Batch:
        """The batch with the features that trained encoders make of its clips, in place of the stored ones."""
        inputs = batch.read_inputs() if isinstance(batch, StoredBatch) else batch.inputs
        pooled, tokens = {}, {}
        for name, encoder in self.trained.items():
            features, states = encoder(inputs[name], batch.present[name])
            pooled[name], tokens[name] = self.pooled[name](features), self.tokens[name](states)
        return Batch(
            Lazy(batch.present, lambda name, _: pooled[name] if name in pooled else batch.pooled[name]),
            Lazy(batch.present, lambda name, _: tokens[name] if name in tokens else batch.tokens[name]),
            batch.present,
            batch.lengths,
        )

    def parameter_groups(self) -> list[ParameterGroup]:
        """The parameters of the encoders that are trained, with their learning rates."""
        return [
            ParameterGroup([x for x in encoder.parameters() if x.requires_grad], self.rates[name])
            for name, encoder in self.trained.items()
        ]

    def forward(self, batch: Batch) -> Embeddings:
        """Embed stored features."""
        return self.encode(self.standardize(batch))


@torch.no_grad()
def embed(network: Network, batch: Batch, chunk: int = 2048) -> Embeddings:
    """Embed any number of instances in evaluation mode, ``chunk`` at a time, and clips a few at a time."""
    network.eval()
    chunk = min(chunk, CLIPS) if isinstance(batch, StoredBatch) and batch.features.dataset.raw else chunk
    parts = [network(batch.rows(slice(start, start + chunk))) for start in range(0, len(batch), chunk)]

    def joined(field: str) -> dict[str, Tensor]:
        return {m: torch.cat([getattr(part, field)[m] for part in parts]) for m in parts[0].modalities}

    vectors, tokens, present, lengths = map(joined, ("vectors", "tokens", "present", "lengths"))
    return Embeddings(vectors, tokens, present, lengths, network.anchor, network.heads)
