"""Symile: contrast by the multilinear inner product of all modalities at once.

Saporta, Puli, Goldstein, Ranganath: Contrasting with Symile, NeurIPS 2024, arXiv 2411.01053. The multilinear inner
product of vectors z^1 … z^k is Σ_d Π_m z^m_d. Each modality in turn is the query, for which the instance's own
combination of the other modalities is contrasted with n − 1 different ones. The loss is the mean of the k
cross-entropies.

- Negatives: ``shuffled`` is the paper's variant with n − 1 negatives (its code calls it O(n)): each of the other
  modalities is permuted independently. We do not permute the first of them, which only renumbers the combinations, so
  that no negative is the instance's own combination; with two modalities the loss is then the usual contrast in both
  directions. ``together`` takes all other modalities from one other instance, as in retrieval; these negatives are a
  subset of those of the paper's larger variant, n² − 1 for three modalities and n^(k−1) − 1 for k.
- Scale: unit vectors have entries near 1/√d, so the products shrink as d^(1 − k/2). The paper leaves that to its
  learned logit scale. Here every factor is multiplied by √d and the sum is a mean, which for complete data is a logit
  scale that starts at d^(k/2 − 1)/temperature. Products of unrelated vectors then have the standard deviation 1/√d,
  like a cosine, whatever k is.
- Missing modalities (ours; the paper learns a vector that stands for a missing modality): the product runs over the
  present modalities, so an absent one is a factor of 1.
"""

import math

import torch
from torch import Tensor

from pmrl.errors import ArgumentError
from pmrl.losses.inputs import all_present, check_vectors, full_precision

NEGATIVES = ("shuffled", "together")


@full_precision
def symile_loss(
    z: Tensor, mask: Tensor | None = None, *, temperature: float | Tensor = 0.07, negatives: str = "shuffled"
) -> Tensor:
    """Mean over the modalities of the cross-entropy against combinations of the others, in nats.

    Shuffled negatives are drawn from torch's generator.

    Args:
        z: (batch, modalities, dimension) unit vectors; what stands in absent places is ignored.
        mask: (batch, modalities), true where a modality is present; None means that all are.
        temperature: > 0.
        negatives: ``shuffled`` or ``together``, as the module says.

    Returns:
        A scalar ≥ 0; a modality with fewer than two instances that have it and another counts as 0.

    Example:
        >>> import torch
        >>> z = torch.nn.functional.normalize(torch.randn(8, 3, 32), dim=-1).requires_grad_()
        >>> symile_loss(z, negatives="together").backward()
    """
    if negatives not in NEGATIVES:
        raise ArgumentError(f"symile_loss: negatives is {negatives!r}, expected one of {', '.join(NEGATIVES)}.")
    z, present = check_vectors(z, mask, "symile_loss", least=2)
    present = all_present(z.shape[:2], z.device) if present is None else present
    places = range(z.shape[1])
    losses = [
        _loss_of(z, present, place, [other for other in places if other != place], temperature, negatives == "shuffled")
        for place in places
    ]
    return torch.stack(losses).mean()


def _loss_of(
    z: Tensor, present: Tensor, place: int, others: list[int], temperature: float | Tensor, shuffled: bool
) -> Tensor:
    """Cross-entropy of one modality against combinations of the others; the own combination is on the diagonal.

    An instance takes part if it has the modality and at least one other.
    """
    usable = present[:, place] & present[:, others].any(dim=1)
    query, rest, rest_mask = z[:, place], z[:, others], present[:, others]
    positive = product(rest, rest_mask)
    negative, counts = positive, usable
    if shuffled:
        order = shuffled_rows(usable, len(others))
        columns = torch.arange(len(others), device=z.device)
        rest, rest_mask = rest[order, columns], rest_mask[order, columns]
        negative, counts = product(rest, rest_mask), usable & rest_mask.any(dim=1)
    diagonal = torch.eye(len(z), dtype=torch.bool, device=z.device)
    own = (query * positive).sum(dim=1)
    products = torch.where(diagonal, own, query @ negative.mT)
    scale = 1 / (math.sqrt(z.shape[2]) * temperature)
    logits = (products * scale).masked_fill(~(diagonal | counts), -torch.inf)
    losses = (logits.logsumexp(1) - own * scale).masked_fill(~usable, 0)
    total = usable.sum()
    return torch.where(total > 1, losses.sum() / total.clamp_min(1), 0 * losses.sum())


def shuffled_rows(usable: Tensor, modalities: int) -> Tensor:
    """For each modality a permutation of the usable rows among themselves, (batch, modalities); the first stays."""
    own = torch.arange(len(usable), device=usable.device)
    place = usable.cumsum(0) - 1
    # usable rows first, in random order: the n-th usable row gets the n-th of them
    keys = torch.rand(len(usable), modalities - 1, device=usable.device) + (~usable).unsqueeze(1) * 2
    order = keys.argsort(dim=0)[place.clamp_min(0)]
    drawn = torch.where(usable.unsqueeze(1), order, own.unsqueeze(1))
    return torch.cat([own.unsqueeze(1), drawn], dim=1)


@full_precision
def symile_score(
    query: Tensor, gallery: Tensor, query_mask: Tensor | None = None, gallery_mask: Tensor | None = None
) -> Tensor:
    """Multilinear inner product of all vectors of both sides, (queries, items), as a mean of factors √d z_d.

    Args:
        query: (queries, modalities, dimension) unit vectors.
        gallery: (items, other modalities, dimension) unit vectors.
        query_mask: (queries, modalities), true where present; None means that all are.
        gallery_mask: (items, other modalities), true where present; None means that all are.

    Example:
        >>> import torch
        >>> symile_score(torch.eye(2)[:, None], torch.eye(2)[:, None]).round(decimals=3).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    return product(query, query_mask) @ product(gallery, gallery_mask).mT / query.shape[-1]


def product(vectors: Tensor, mask: Tensor | None = None) -> Tensor:
    """Elementwise product Π_m √d z^m of the present vectors, (batch, dimension), from (batch, modalities, …)."""
    scaled = math.sqrt(vectors.shape[-1]) * vectors
    return (scaled if mask is None else scaled.masked_fill(~mask.bool().unsqueeze(-1), 1)).prod(dim=1)
