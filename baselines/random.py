"""Chance: every instance and modality gets a random vector that says nothing about its content.

Any evaluation must show this method at the level of guessing; if it does not, the evaluation leaks. The seed of a
vector is a hash of the features, so that it is the same in every batch and order, with a different salt for each
modality, so that modalities with equal features do not get equal vectors.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pmrl.method import Batch, Dataset, Method, Network, NetworkSettings, Shape, zero_tokens


class RandomEncoders(nn.Module):
    """Random unit vectors, seeded by a hash of the features; tokens are zero.

    Args:
        shapes: sizes of the features of each modality.
        settings: sizes of the networks.
    """

    salts: Tensor

    def __init__(self, shapes: Mapping[str, Shape], settings: NetworkSettings) -> None:
        super().__init__()
        self.register_buffer("salts", torch.randint(2**62, (len(shapes), 1)))
        self.dimension, self.width = settings.dimension, settings.width

    def forward(self, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Unit vectors (batch, dimension), zero where absent, and tokens, by modality."""
        vectors = {}
        for (name, features), salt in zip(batch.pooled.items(), self.salts.cpu().numpy(), strict=True):
            rows = features.detach().cpu().numpy()
            draws = np.stack([draw(salt.tobytes() + row.tobytes(), self.dimension) for row in rows])
            unit = functional.normalize(torch.from_numpy(draws).to(features.device), dim=-1)
            vectors[name] = unit * batch.present[name].unsqueeze(-1)
        return vectors, zero_tokens(batch, self.width)


def draw(content: bytes, dimension: int) -> np.ndarray:
    """A standard normal vector (dimension,) in float32 that depends on ``content`` only."""
    seed = int.from_bytes(hashlib.sha256(content).digest(), "big")
    return np.random.default_rng(seed).standard_normal(dimension, dtype=np.float32)


class Random(Method):
    """Guessing: nothing is fitted; scores by the cosine of the two sides' centroids."""

    title = "Chance"
    reference = "random vectors"
    color = "#000000"
    closed_form = True
    learns = False

    def new_network(self, dataset: Dataset, settings: NetworkSettings) -> Network:
        """A network with random encoders."""
        return Network(dataset, settings, encoders=RandomEncoders)
