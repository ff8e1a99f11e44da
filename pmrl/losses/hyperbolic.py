"""HyperGRAM: the volume of GRAM beside that of the vectors lifted to a hyperboloid (CVPR 2026).

The exponential map at the apex takes a unit vector z to (cosh(√κ)/√κ, sinh(√κ)/√κ z) at curvature −κ. The Lorentz Gram
matrix of lifted vectors is a rank-one shift of the usual one, G_L = (sinh²(√κ)/κ) (G − c·11ᵀ) with c = coth²(√κ).
The logits are −[(1 − α)·√|det G_L| + α·vol], plus 0.1 times instance matching.

By the determinant lemma det(G − c·11ᵀ) = vol² − c·W² with the volume W spanned by the differences of the vectors, and
the volume of the vectors (z; √c) is √(vol² + c·W²). So √|det G_L| = (sinh(√κ)/√κ)^k √(vol_c² − 2 vol²), from two
volumes of the kind that GRAM has, of the same products of vectors: no determinant of a pair is formed, and as W ≥ vol
and c > 1 nothing is lost.

Ours: a missing modality is left out of both volumes, as in GRAM.
"""

import torch
from torch import Tensor

from pmrl.losses.contrastive import info_nce
from pmrl.losses.gram import Products, around
from pmrl.losses.inputs import check_vectors, full_precision

# The root of a difference of squares has no derivative at 0; below this volume it counts as flat.
_FLAT = 1e-4


@full_precision
def hypergram_loss(
    z: Tensor,
    mask: Tensor | None = None,
    *,
    anchor: int = 0,
    temperature: float | Tensor = 0.07,
    label_smoothing: float = 0.1,
    curvature: float | Tensor = 1.0,
    euclidean_share: float = 0.5,
) -> Tensor:
    """Symmetric InfoNCE over minus the mixture of hyperbolic and Euclidean volume of anchor and others.

    Gradients are first-order only.

    Args:
        z: (batch, modalities, dimension) unit vectors; what stands in absent places is ignored.
        mask: (batch, modalities), true where a modality is present; None means that all are.
        anchor: place of the anchor.
        temperature: > 0.
        label_smoothing: see :func:`pmrl.losses.info_nce`.
        curvature: κ > 0; may be learned.
        euclidean_share: α in [0, 1].

    Returns:
        A scalar, in nats.

    Example:
        >>> import torch
        >>> z = torch.nn.functional.normalize(torch.randn(8, 4, 32), dim=-1).requires_grad_()
        >>> hypergram_loss(z).backward()
    """
    z, present = check_vectors(z, mask, "hypergram_loss", least=2)
    t, x, others, usable = around(z, present, anchor)
    flat, curved = volumes(t, x, others, curvature)
    logits = mixture(flat, curved, euclidean_share, common_scale(flat, curved))
    return info_nce(logits / temperature, usable, label_smoothing)


def common_scale(flat: Tensor, curved: Tensor) -> Tensor:
    """The factor, a scalar without gradient, that takes the mean hyperbolic volume to the mean Euclidean one.

    It is that of the authors' release, and lets α mix like with like.
    """
    return flat.detach().mean() / curved.detach().mean().clamp_min(_FLAT)


def mixture(flat: Tensor, curved: Tensor, euclidean_share: float, scale: float | Tensor) -> Tensor:
    """−[(1 − α)·scale·hyperbolic volume + α·volume]."""
    return -((1 - euclidean_share) * scale * curved + euclidean_share * flat)


@full_precision
def hypergram_score(
    query: Tensor,
    gallery: Tensor,
    gallery_mask: Tensor | None = None,
    *,
    curvature: float | Tensor = 1.0,
    euclidean_share: float = 0.5,
    scale: float | Tensor = 1.0,
) -> Tensor:
    """−[(1 − α)·hyperbolic volume + α·volume], (queries, items).

    Args:
        query: (queries, dimension) unit vectors of one modality.
        gallery: (items, other modalities, dimension) unit vectors.
        gallery_mask: (items, other modalities), true where present; None means that all are.
        curvature: κ > 0.
        euclidean_share: α in [0, 1].
        scale: multiplies the hyperbolic volumes; in the loss it is :func:`common_scale` of the batch.

    Example:
        >>> import torch
        >>> scores = hypergram_score(torch.eye(3), torch.eye(3)[:, None])
        >>> bool((scores.argmax(1) == torch.arange(3)).all())
        True
    """
    flat, curved = volumes(query, gallery, gallery_mask, curvature)
    return mixture(flat, curved, euclidean_share, scale)


def volumes(query: Tensor, gallery: Tensor, mask: Tensor | None, curvature: float | Tensor) -> tuple[Tensor, Tensor]:
    """Euclidean volume and hyperbolic volume √|det G_L| of every query with the vectors of every item.

    Args:
        query: (queries, dimension) unit vectors.
        gallery: (items, modalities, dimension) unit vectors.
        mask: (items, modalities), true where present; None means that all are.
        curvature: κ > 0.

    Returns:
        Two of (queries, items) ≥ 0.
    """
    products = Products.of(query, gallery, mask)
    root = torch.as_tensor(curvature, dtype=products.squares.dtype, device=query.device).sqrt()
    flat, lifted = products.volume(), products.lifted(root.tanh().square().reciprocal()).volume()
    spread = (lifted.square() - 2 * flat.square()).clamp_min(_FLAT**2).sqrt()
    modalities = 1 + products.present.sum(1)
    return flat, (root.sinh() / root) ** modalities * spread
