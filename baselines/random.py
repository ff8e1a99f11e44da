"""Chance: every instance and modality gets a random vector that has nothing to do with its content.

A row that any evaluation must show at the level of guessing; if it does not, the evaluation leaks. The vector is drawn
with a hash of the features as the seed, so it is the same in every batch and order, and with another salt for each
modality, so that modalities with equal features do not find each other.
"""

import hashlib

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pmrl.data.store import Dataset
from pmrl.method import Method
from pmrl.networks import Embeddings, Network, NetworkSettings, Standardize


class RandomEncoder(nn.Module):
    """Random unit vectors, seeded by a hash of the features; tokens are zero.

    Args:
        pooled: examples (instances, features).
        tokens: examples (instances, tokens, token width).
        settings: sizes of the networks.
    """

    def __init__(self, pooled: np.ndarray, tokens: np.ndarray, settings: NetworkSettings) -> None:
        super().__init__()
        self.standardize_pooled = Standardize(pooled)
        self.standardize_tokens = Standardize(tokens)
        self.register_buffer("salt", torch.randint(2**62, (1,)))
        self.dimension, self.width = settings.dimension, settings.width

    def forward(self, pooled: Tensor, tokens: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors (batch, dimension), zero where absent, and zero tokens (batch, 1 + tokens, width)."""
        salt = self.salt.cpu().numpy().tobytes()
        rows = pooled.detach().float().cpu().numpy()
        drawn = np.stack([draw(salt + row.tobytes(), self.dimension) for row in rows])
        vectors = functional.normalize(torch.from_numpy(drawn).to(pooled.device), dim=-1)
        sequence = vectors.new_zeros(len(tokens), 1 + tokens.shape[1], self.width)
        return vectors * present.unsqueeze(-1), sequence


def draw(content: bytes, dimension: int) -> np.ndarray:
    """A standard normal vector (dimension,) in float32 that the content decides, and nothing else."""
    seed = int.from_bytes(hashlib.sha256(content).digest(), "big")
    return np.random.default_rng(seed).standard_normal(dimension, dtype=np.float32)


class Random(Method):
    """Guessing: nothing is fitted; scores by the cosine of the two sides' centroids."""

    title = "Chance"
    reference = "random vectors"
    color = "#000000"
    search_space = {}
    closed_form = True

    def new_network(self, dataset: Dataset, settings: NetworkSettings) -> Network:
        """A network whose encoders know nothing."""
        return Network(dataset, settings, encoder=RandomEncoder)

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Cosine of the centroids, (queries, gallery items)."""
        return query.centroid() @ gallery.centroid().T
