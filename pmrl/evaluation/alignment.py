"""How well an item's vectors are aligned by several scores, and for which items noise makes them look better.

A score that measures alignment should fall when one of the vectors is disturbed. The volume need not: it is small
wherever the vectors are nearly dependent, aligned or not. One modality is noisy at a time, as in a published noise
protocol for such scores (Luo et al. 2026); the noise is Gaussian and on the features, which is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pmrl.losses.spectral import spectrum
from pmrl.method.embeddings import Embeddings
from pmrl.records import MEAN_COSINE, SIGMA_1, VOLUME


@dataclass(frozen=True)
class AfterNoise:
    """Which items look better aligned when one of their modalities is noisy.

    Attributes:
        modality: the noisy one.
        items: (n,) indices of the items that have it and at least one other modality.
        better: by score (n,) booleans; an item that looks as well as before is not better.
    """

    modality: str
    items: np.ndarray
    better: dict[str, np.ndarray]


def alignments(z: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Alignment of each item's present vectors by each score, (items,) in float64, higher is better.

    With the Gram matrix G of n present unit vectors and its singular values σ1 ≥ … ≥ σn of the vectors: minus GRAM's
    volume, −√det G = −Πσ_j; σ1 = √λ1(G), PMRL's; the mean cosine of two vectors, (Σ_mn G_mn − n) / (n (n − 1)).

    Args:
        z: (items, modalities, dimension) unit vectors.
        mask: (items, modalities) booleans, true where present; at least two for a mean cosine.
    """
    z = z.double() * mask.unsqueeze(-1)
    sizes, count = spectrum(z, mask).singular_values, mask.sum(dim=1)
    beyond = torch.arange(z.shape[1], device=z.device) >= count.unsqueeze(1)  # an absent modality has no σ_j
    return {
        VOLUME: -sizes.masked_fill(beyond, 1).prod(dim=1),
        SIGMA_1: sizes[:, 0],
        MEAN_COSINE: (z.sum(dim=1).square().sum(dim=1) - count) / (count * (count - 1)),
    }


@torch.no_grad()
def after_noise(clean: Embeddings, noisy: Embeddings) -> Iterator[AfterNoise]:
    """Compare each item's vectors with the same after one of them was replaced by its noisy form, for each modality.

    Args:
        clean: embeddings of some items.
        noisy: embeddings of the same items with noise on every modality.
    """
    z, mask = clean.stack(), clean.mask()
    before = alignments(z, mask)
    for index, modality in enumerate(clean.modalities):
        items = (mask[:, index] & (mask.sum(dim=1) > 1)).nonzero().squeeze(1)
        if len(items):
            disturbed = z.clone()
            disturbed[:, index] = noisy.vectors[modality]
            after = alignments(disturbed, mask)
            better = {name: (after[name] > before[name])[items].cpu().numpy() for name in before}
            yield AfterNoise(modality, items.cpu().numpy(), better)
