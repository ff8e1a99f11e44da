"""Sizes: of a modality's stored features, and of the networks that all methods share."""

from dataclasses import dataclass


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
