"""TRIANGLE: alignment by the area of the triangle whose corners are three modality vectors.

Cicchetti, Grassucci, Comminiello: A TRIANGLE Enables Multimodal Alignment Beyond Cosine Similarity, NeurIPS 2025,
arXiv 2509.24734. With the anchor t of one instance and the others v, a of another, u = t − v and w = v − a, the area
is ½√(|u|²|w|² − (u·w)²). (The authors' code leaves out the root; the paper has it.)

Ours: with more than three modalities, the area is the mean over all pairs of others; with three it is the paper's. A
missing modality counts as orthogonal to every vector, as a random vector nearly is in many dimensions.
"""

from itertools import combinations

import torch
from torch import Tensor

from pmrl.losses.contrastive import info_nce
from pmrl.losses.gram import around
from pmrl.losses.inputs import check_vectors, full_precision

# A triangle of less than half this area counts as flat and has no gradient: that of the root is infinite at 0.
FLAT = 1e-4


@full_precision
def triangle_loss(
    z: Tensor,
    mask: Tensor | None = None,
    *,
    anchor: int = 0,
    temperature: float | Tensor = 0.07,
    label_smoothing: float = 0.1,
) -> Tensor:
    """Symmetric InfoNCE over −area(anchor of i; others of j)/temperature, in nats.

    Args:
        z: (batch, modalities, dimension) unit vectors of at least three modalities; absent places are ignored.
        mask: (batch, modalities), true where a modality is present; None means that all are.
        anchor: place of the anchor.
        temperature: > 0.
        label_smoothing: see :func:`pmrl.losses.info_nce`.

    Returns:
        A scalar, in nats.

    Example:
        >>> import torch
        >>> z = torch.nn.functional.normalize(torch.randn(8, 3, 32), dim=-1).requires_grad_()
        >>> triangle_loss(z).backward()
    """
    z, present = check_vectors(z, mask, "triangle_loss", least=3)
    corner, others, _, usable = around(z, present, anchor)
    return info_nce(-mean_area(corner, others) / temperature, usable, label_smoothing)


@full_precision
def triangle_score(
    query: Tensor, gallery: Tensor, gallery_mask: Tensor | None = None, cosine_weight: float = 1.0
) -> Tensor:
    """−area + α·cosine, (queries, items); the cosine is the mean over the present others.

    With a single other modality there is no triangle, and the score is the cosine.

    Args:
        query: (queries, dimension) unit vectors of one modality.
        gallery: (items, other modalities, dimension) unit vectors, zero where absent.
        gallery_mask: (items, other modalities), true where present; None means that all are.
        cosine_weight: α.

    Example:
        >>> import torch
        >>> round(triangle_score(torch.eye(3)[:1], torch.eye(3)[:1].repeat(1, 2, 1)).item(), 3)  # three equal vectors
        1.0
    """
    count = gallery.shape[1] if gallery_mask is None else gallery_mask.sum(1, keepdim=True).clamp_min(1)
    cosine = query @ (gallery.sum(1) / count).mT
    return cosine if gallery.shape[1] == 1 else cosine_weight * cosine - mean_area(query, gallery)


def mean_area(corner: Tensor, others: Tensor) -> Tensor:
    """Area of the triangles of each corner with every two of an item's other vectors, averaged over these pairs.

    All vectors are unit vectors; the zero vector of an absent modality counts as one that is orthogonal to all others.
    With the inner products p = t·v, q = t·a and r = v·a: |u|² = 2 − 2p, |w|² = 2 − 2r and u·w = p − q − 1 + r. As
    |u|²|w|² − (u·w)² is a small difference of large numbers where vectors agree, it is computed in double precision.

    Args:
        corner: (queries, dimension) the first corners.
        others: (items, modalities, dimension) with at least two modalities.

    Returns:
        (queries, items) areas ≥ 0 in the type of ``corner``.
    """
    corner_products = torch.einsum("qd,gmd->mqg", corner.double(), others.double())
    item_products = others.double() @ others.double().mT
    pairs = list(combinations(range(others.shape[1]), 2))
    areas = (area(corner_products[v], corner_products[a], item_products[:, v, a]) for v, a in pairs)
    total = sum(areas, start=corner_products.new_zeros(()))
    return (total / len(pairs)).to(corner.dtype)


def area(p: Tensor, q: Tensor, r: Tensor) -> Tensor:
    """½√(|u|²|w|² − (u·w)²) from the inner products p = t·v, q = t·a, r = v·a of unit vectors."""
    squared = (2 - 2 * p) * (2 - 2 * r) - (p - q - 1 + r).square()
    return squared.clamp_min(FLAT**2).sqrt() / 2
