"""SCALAR's score: the query's cosine with a mixture of the item's vectors that attends to what resembles the query.

⟨t, norm Σ_m softmax_m(⟨t, z^m⟩/τ) z^m⟩ with τ = 0.1, as stated by the field's notes on SCALAR.
"""

import torch
from torch import Tensor

from pmrl.losses.inputs import all_present, full_precision
from pmrl.losses.spectral import widen


@full_precision
def scalar_score(
    query: Tensor, gallery: Tensor, gallery_mask: Tensor | None = None, temperature: float = 0.1
) -> Tensor:
    """Cosine of every query with its own mixture of every item's vectors, (queries, items), in [−1, 1].

    With the cosines p_m = ⟨t, z^m⟩, weights w = softmax(p/τ) and the item's Gram matrix G it is Σ w_m p_m/√(wᵀGw), so
    no mixture of a pair is formed.

    Args:
        query: (queries, dimension) unit vectors of one modality.
        gallery: (items, modalities, dimension) unit vectors.
        gallery_mask: (items, modalities), true where present; None means that all are. Without any the score is 0.
        temperature: τ > 0.

    Example:
        >>> import torch
        >>> item = torch.eye(3)[None, :2]
        >>> scalar_score(torch.eye(3)[:1], item).item() > scalar_score(torch.eye(3)[2:], item).item()
        True
    """
    mask = all_present(gallery.shape[:2], gallery.device) if gallery_mask is None else gallery_mask.bool()
    vectors = widen(gallery).masked_fill(~mask[..., None], 0)
    cosines = (vectors.flatten(0, 1) @ widen(query).mT).view(*vectors.shape[:2], len(query))
    weights = (cosines / temperature).masked_fill(~mask[..., None], -1e30).softmax(1)
    lengths = (weights * ((vectors @ vectors.mT) @ weights)).sum(1)
    return ((weights * cosines).sum(1) / lengths.clamp_min(torch.finfo(lengths.dtype).tiny).sqrt()).mT
