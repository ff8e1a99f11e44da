"""Sizes: of a modality's stored features, and of the networks that all methods share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pmrl.data.dataset import Dataset


@dataclass(frozen=True)
class Shape:
    """Sizes of one modality's stored features: of the pooled vector, and tokens as (number, width)."""

    features: int
    tokens: tuple[int, int]


@dataclass(frozen=True)
class NetworkSettings:
    """Sizes of the shared networks; the keys of ``network:`` in the config."""

    encoder: str = "linear"
    dimension: int = 256
    hidden: int = 256
    width: int = 64
    layers: int = 1
    attention_heads: int = 4
    dropout: float = 0.0
    trained_encoders: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sizes:
    """What the sizes of a method's own parameters and buffers may depend on, see ``Method.setup``.

    Attributes:
        modalities: names, in the data card's order.
        anchor: the modality that anchored methods contrast with the others.
        shapes: sizes of the stored features of each modality.
        network: sizes of the networks; ``network.dimension`` is the length of the unit vectors.
        items: how many rows the data set has; ``embeddings.ids`` are below it.
        classes: how many labels the data set has; ``embeddings.labels`` are below it.
    """

    modalities: tuple[str, ...]
    anchor: str
    shapes: Mapping[str, Shape]
    network: NetworkSettings
    items: int
    classes: int

    @classmethod
    def of(cls, dataset: Dataset, network: NetworkSettings) -> Sizes:
        """Those of a data set and of the networks that are trained on it."""
        shapes = {
            name: Shape(dataset.pooled[name].shape[1], dataset.tokens[name].shape[1:]) for name in dataset.modalities
        }
        return cls(dataset.modalities, dataset.anchor, shapes, network, len(dataset.items), len(dataset.classes))
