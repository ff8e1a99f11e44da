"""Losses and scores of multimodal alignment as plain functions of tensors, for any training loop.

A loss takes unit vectors ``z`` of shape (batch, modalities, dimension) and a mask (batch, modalities) of what is
present, and gives a scalar. A score takes the vectors of queries and of gallery items and gives (queries, items),
higher is better. Nothing else of this project is needed, only PyTorch and NumPy. The benchmark's methods call the same
functions.

Every function takes float64, float32, float16 or bfloat16 and computes in float32 at least, also under autocast; works
under ``torch.compile(fullgraph=True)``, ``torch.export`` and ``torch.func`` (``grad``, ``vmap``, ``jacrev``); waits for
no device; and either has second derivatives or refuses them by name. See docs/losses.md.
"""

from pmrl.losses.alignment import (
    alignment_loss,
    direction_contrast,
    instance_regularization,
    leading_direction_score,
    pmrl_loss,
    singular_value_score,
)
from pmrl.losses.attention import scalar_score
from pmrl.losses.contrastive import (
    all_pairs_loss,
    centroid_loss,
    centroid_score,
    info_nce,
    pairwise_loss,
    sigmoid_loss,
)
from pmrl.losses.gram import gram_loss, volume, volume_score
from pmrl.losses.hyperbolic import hypergram_loss, hypergram_score
from pmrl.losses.projection import ova_ib_loss, ova_ib_score
from pmrl.losses.spectral import spectrum
from pmrl.losses.symile import symile_loss, symile_score
from pmrl.losses.triangle import triangle_loss, triangle_score
from pmrl.losses.uniformity import unialign_loss

__all__ = [
    "alignment_loss",
    "all_pairs_loss",
    "centroid_loss",
    "centroid_score",
    "direction_contrast",
    "gram_loss",
    "hypergram_loss",
    "hypergram_score",
    "info_nce",
    "instance_regularization",
    "leading_direction_score",
    "ova_ib_loss",
    "ova_ib_score",
    "pairwise_loss",
    "pmrl_loss",
    "scalar_score",
    "sigmoid_loss",
    "singular_value_score",
    "spectrum",
    "symile_loss",
    "symile_score",
    "triangle_loss",
    "triangle_score",
    "unialign_loss",
    "volume",
    "volume_score",
]
