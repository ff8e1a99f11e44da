"""Contrast over the instances of a batch: InfoNCE, and the losses that contrast single vectors by their cosines.

Oord, Li, Vinyals: Representation Learning with Contrastive Predictive Coding, arXiv 1807.03748; both directions as in
CLIP (Radford et al., ICML 2021, arXiv 2103.00020).
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, normalize

from pmrl.losses.inputs import all_present, check_vectors, full_precision
from pmrl.losses.spectral import widen

# Replaces −∞ where a candidate does not count; finite in float32, so that gradients are finite too.
_LOWEST = -1e30
_ROUNDING = torch.finfo(torch.float32).eps


def info_nce(logits: Tensor, usable: Tensor | None = None, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of ``logits`` against the diagonal, averaged over rows and both directions, in nats.

    With more columns than rows, the columns beyond the n-th are further negatives of every row, such as a queue; in the
    other direction, the first n columns are contrasted with the rows.

    Half-precision logits are computed in float32, as the sum over a batch may not fit float16.

    Args:
        logits: (…, n, m) with m ≥ n, one contrastive task for each leading index.
        usable: (…, n), true where an instance takes part; None means that all do. With fewer than two candidates
            there is nothing to contrast, and the loss is 0 (and differentiable).
        label_smoothing: share of the target spread evenly over the usable candidates.

    Returns:
        (…), one loss ≥ 0 for each task, in float32 or float64.

    Example:
        >>> import torch
        >>> bool(info_nce(torch.zeros(5, 5)).isclose(torch.tensor(5.0).log()))
        True
    """
    logits = widen(logits)
    rows, columns = logits.shape[-2:]
    mine = None if usable is None else usable.bool()
    both = None
    if mine is not None:
        theirs = torch.cat([mine, mine.new_ones(*mine.shape[:-1], columns - rows)], dim=-1)
        both = mine.unsqueeze(-1) & theirs.unsqueeze(-2)
    positives = logits[..., :rows].diagonal(dim1=-2, dim2=-1)
    kept = _masked(logits, both, _LOWEST)
    losses = kept.logsumexp(-1) + kept[..., :rows].logsumexp(-2) - 2 * (1 - label_smoothing) * positives
    total = _masked(losses, mine, 0).sum(-1)
    count = torch.tensor(rows, device=logits.device) if mine is None else mine.sum(-1)
    candidates = count + columns - rows
    if label_smoothing:
        sums = _masked(logits, both, 0).sum(-2)
        spread = sums.sum(-1) / candidates.clamp_min(1) + sums[..., :rows].sum(-1) / count.clamp_min(1)
        total = total - label_smoothing * spread
    return torch.where((candidates > 1) & (count > 0), total / (2 * count).clamp_min(1), 0 * total)


def _masked(x: Tensor, mask: Tensor | None, value: float) -> Tensor:
    return x if mask is None else x.masked_fill(~mask, value)


@full_precision
def pairwise_loss(
    z: Tensor,
    mask: Tensor | None = None,
    *,
    anchor: int = 0,
    temperature: float | Tensor = 0.07,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Mean over the other modalities of the symmetric InfoNCE with an anchor (ImageBind, arXiv 2305.05665).

    Args:
        z: (batch, modalities, dimension) unit vectors; what stands in absent places is ignored.
        mask: (batch, modalities), true where a modality is present; None means that all are.
        anchor: place of the anchor.
        temperature: > 0, divides the cosines.
        label_smoothing: see :func:`info_nce`.

    Returns:
        A scalar ≥ 0, in nats.

    Example:
        >>> import torch
        >>> z = torch.eye(4)[:, None].expand(4, 3, 4)
        >>> round(pairwise_loss(z, temperature=0.1).item(), 4)
        0.0001
    """
    z, present = check_vectors(z, mask, "pairwise_loss", least=2)
    others = [place for place in range(z.shape[1]) if place != anchor]
    logits = z[:, anchor] @ z[:, others].permute(1, 2, 0) / temperature
    usable = None if present is None else (present[:, anchor, None] & present[:, others]).mT
    return info_nce(logits, usable, label_smoothing).mean()


@full_precision
def all_pairs_loss(
    z: Tensor, mask: Tensor | None = None, *, temperature: float | Tensor = 0.07, label_smoothing: float = 0.0
) -> Tensor:
    """Mean of the symmetric InfoNCE over all pairs of modalities (CMC's full graph, arXiv 1906.05849).

    Args:
        z: (batch, modalities, dimension) unit vectors; what stands in absent places is ignored.
        mask: (batch, modalities), true where a modality is present; None means that all are.
        temperature: > 0, divides the cosines.
        label_smoothing: see :func:`info_nce`.

    Returns:
        A scalar ≥ 0, in nats.

    Example:
        >>> import torch
        >>> z = torch.eye(4)[:, None].expand(4, 3, 4)
        >>> bool(all_pairs_loss(z).isclose(pairwise_loss(z)))
        True
    """
    z, present = check_vectors(z, mask, "all_pairs_loss", least=2)
    logits, usable = pair_products(z, present)
    return info_nce(logits / temperature, usable, label_smoothing).mean()


def pair_products(z: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Cosines (pairs, batch, batch) of every two modalities, and which instances (pairs, batch) have both."""
    vectors = z.transpose(0, 1)
    first, second = torch.triu_indices(len(vectors), len(vectors), offset=1, device=z.device)
    usable = None if present is None else present.mT[first] & present.mT[second]
    return vectors[first] @ vectors[second].mT, usable


@full_precision
def centroid_loss(z: Tensor, mask: Tensor | None = None, *, temperature: float | Tensor = 0.07) -> Tensor:
    """Mean over the modalities of the symmetric InfoNCE with the centroid (CentroBind, arXiv 2410.02086).

    An instance with a single modality takes no part: it is its own centroid.

    Args:
        z: (batch, modalities, dimension) unit vectors; what stands in absent places is ignored.
        mask: (batch, modalities), true where a modality is present; None means that all are.
        temperature: > 0, divides the cosines.

    Returns:
        A scalar ≥ 0, in nats.

    Example:
        >>> import torch
        >>> z = torch.eye(4)[:, None].expand(4, 3, 4)
        >>> bool(centroid_loss(z).isclose(pairwise_loss(z)))
        True
    """
    z, present = check_vectors(z, mask, "centroid_loss", least=2)
    logits = centroid(z) @ z.transpose(0, 1).mT / temperature
    usable = None if present is None else (present & (present.sum(1, keepdim=True) > 1)).mT
    return info_nce(logits, usable).mean()


def centroid(z: Tensor) -> Tensor:
    """Unit vectors (batch, dimension) along the sums of (batch, modalities, dimension); absent vectors are zero.

    A sum shorter than √ε, which rounding turns by √ε or more, is divided by √ε only, so that the derivative is bounded.
    """
    return normalize(z.sum(dim=1), dim=-1, eps=_ROUNDING**0.5)


@full_precision
def centroid_score(query: Tensor, gallery: Tensor) -> Tensor:
    """Cosine of the two sides' centroids, (queries, items).

    Args:
        query: (queries, modalities, dimension) unit vectors, zero where absent.
        gallery: (items, other modalities, dimension) unit vectors, zero where absent.

    Example:
        >>> import torch
        >>> centroid_score(torch.eye(2)[:, None], torch.eye(2)[:, None]).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    return centroid(query) @ centroid(gallery).mT


@full_precision
def sigmoid_loss(
    z: Tensor, mask: Tensor | None = None, *, scale: float | Tensor = 10.0, bias: float | Tensor = -10.0
) -> Tensor:
    """SigLIP's loss (Zhai et al., ICCV 2023, arXiv 2303.15343), mean over all pairs of modalities.

    Args:
        z: (batch, modalities, dimension) unit vectors; what stands in absent places is ignored.
        mask: (batch, modalities), true where a modality is present; None means that all are.
        scale: > 0, multiplies the cosines; the paper learns it from 10.
        bias: is added; the paper learns it from −10.

    Returns:
        A scalar ≥ 0, in nats.

    Example:
        >>> import torch
        >>> z = torch.eye(4)[:, None].expand(4, 2, 4)
        >>> round(sigmoid_loss(z, bias=0.0).item(), 3)  # 3 log 2 for the three unrelated others
        2.079
    """
    z, present = check_vectors(z, mask, "sigmoid_loss", least=2)
    products, usable = pair_products(z, present)
    return sigmoid_contrast(scale * products + bias, usable).mean()


def sigmoid_contrast(logits: Tensor, usable: Tensor | None = None) -> Tensor:
    """−(1/n) Σ_ij log σ(s_ij logits_ij) over the n usable instances, in nats; s_ij is 1 on the diagonal and −1 beside.

    Args:
        logits: (…, batch, batch), matched pairs on the diagonal.
        usable: (…, batch), true where an instance takes part.

    Returns:
        (…), one loss for each task; 0 where no instance takes part.
    """
    logits = widen(logits)
    usable = all_present(logits.shape[:-1], logits.device) if usable is None else usable
    sign = 2 * torch.eye(logits.shape[-1], dtype=logits.dtype, device=logits.device) - 1
    pairs = usable.unsqueeze(-1) & usable.unsqueeze(-2)
    total = -logsigmoid(sign * logits).masked_fill(~pairs, 0).sum(dim=(-2, -1))
    return total / usable.sum(dim=-1).clamp_min(1)
