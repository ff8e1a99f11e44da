"""PMRL's terms and scores: alignment by singular values, and contrast of leading directions.

Liu, Xia, Ng, Chua: Principled Multimodal Representation Learning, arXiv 2507.17343, TPAMI 2026. Instance matching, its
third term, needs a network of its own: see ``pmrl.method.instance_matching``.
"""

import torch
from torch import Tensor

from pmrl.losses.contrastive import info_nce
from pmrl.losses.inputs import all_present, check_vectors, full_precision
from pmrl.losses.spectral import inner_products, spectrum, widen

QUERIES_AT_ONCE = 64


@full_precision
def pmrl_loss(
    z: Tensor,
    mask: Tensor | None = None,
    *,
    alignment_temperature: float = 0.5,
    instance_temperature: float = 0.1,
    regularization_weight: float = 1.0,
    shift: float = 0.0,
) -> Tensor:
    """L^M + L^M′ of PMRL: align each instance's modalities, and keep the instances apart.

    Gradients are first-order only; a second derivative is refused. They are bounded everywhere, see
    :func:`pmrl.losses.spectral.spectrum`.

    Args:
        z: (batch, modalities, dimension) unit vectors; what stands in absent places is ignored.
        mask: (batch, modalities), true where a modality is present; None means that all are.
        alignment_temperature: τ1 > 0 of :func:`alignment_loss`.
        instance_temperature: τ2 > 0 of :func:`instance_regularization`.
        regularization_weight: weight of L^M′.
        shift: makes both terms aware of signs, see :func:`pmrl.losses.spectral.spectrum`; 0 is the paper's.

    Returns:
        A scalar ≥ 0, in nats.

    Example:
        >>> import torch
        >>> z = torch.nn.functional.normalize(torch.randn(8, 4, 32), dim=-1).requires_grad_()
        >>> pmrl_loss(z).backward()
        >>> z.grad.shape
        torch.Size([8, 4, 32])
    """
    z, present = check_vectors(z, mask, "pmrl_loss")
    singular_values, direction = spectrum(z, present, shift)
    alignment = alignment_loss(singular_values, alignment_temperature, present)
    usable = None if present is None else present.any(1)
    return alignment + regularization_weight * instance_regularization(direction, instance_temperature, usable)


@full_precision
def alignment_loss(singular_values: Tensor, temperature: float, mask: Tensor | None = None) -> Tensor:
    """L^M: cross-entropy of the logits σ_j/τ1 against the first class, in nats.

    Only the singular values of present modalities enter the softmax: the trailing zero that stands for an absent
    modality is not a direction to be suppressed. An instance with one modality, or none, has loss 0.

    Args:
        singular_values: (batch, modalities), descending, from :func:`pmrl.losses.spectral.spectrum`.
        temperature: τ1 > 0.
        mask: (batch, modalities), true where a modality is present; None means that all are present.

    Returns:
        Mean over the batch of −log softmax(σ/τ1)[1], a scalar; 0 for an empty batch.

    Example:
        >>> import torch
        >>> alignment_loss(torch.tensor([[2.0, 0.0, 0.0, 0.0]]), 0.1).item() < 1e-7  # four equal vectors
        True
    """
    logits = widen(singular_values) / temperature
    if mask is not None:
        count = mask.bool().sum(1, keepdim=True).clamp(min=1)
        logits = logits.masked_fill(torch.arange(logits.shape[1], device=logits.device) >= count, -torch.inf)
    losses = logits.logsumexp(1) - logits[:, 0]
    return losses.sum() / max(len(losses), 1)


@full_precision
def instance_regularization(direction: Tensor, temperature: float, usable: Tensor | None = None) -> Tensor:
    """L^M′: cross-entropy of u_i·u_j/τ2 against the diagonal, in nats.

    As u_i·u_i = 1 it equals the mean of log(1 + Σ_{j≠i} exp((u_i·u_j − 1)/τ2)): it drives instances apart.

    Args:
        direction: (batch, dimension), leading directions from :func:`pmrl.losses.spectral.spectrum`.
        temperature: τ2 > 0.
        usable: (batch,), which instances take part; None means all. One without any modality has no direction.

    Returns:
        Mean over these instances, a scalar ≥ 0; 0 if there are none.

    Example:
        >>> import torch
        >>> round(instance_regularization(torch.eye(3), 1.0).item(), 4)  # log(1 + 2/e)
        0.5514
    """
    logits = inner_products(direction) / temperature
    if usable is None:
        return (logits.logsumexp(1) - logits.diagonal()).sum() / max(len(logits), 1)
    usable = usable.bool()
    losses = logits.masked_fill(~usable, -torch.inf).logsumexp(1) - logits.diagonal()
    return losses.masked_fill(~usable, 0).sum() / usable.sum().clamp_min(1)


@full_precision
def direction_contrast(z: Tensor, direction: Tensor, mask: Tensor | None, temperature: float) -> Tensor:
    """InfoNCE of the vectors of each modality against the leading directions of all instances, in nats.

    Not in the paper. L^M ignores signs and L^M′ does not depend on single modalities, so in training from random
    weights neither says which instance a vector belongs to. Here each z_i^m is matched with u_i among all u_j, and
    each u_i with z_i^m among all z_j^m.

    Args:
        z: (batch, modalities, dimension) unit vectors.
        direction: (batch, dimension), leading directions.
        mask: (batch, modalities), true where a modality is present; None means that all are.
        temperature: > 0.

    Returns:
        Mean over modalities, a scalar ≥ 0.

    Example:
        >>> import torch
        >>> z = torch.eye(4)[:, None].expand(4, 3, 4)
        >>> direction_contrast(z, z[:, 0], None, 0.01).item()
        0.0
    """
    logits = z.transpose(0, 1) @ direction.mT / temperature
    return info_nce(logits, None if mask is None else mask.mT).mean()


@full_precision
def leading_direction_score(
    query: Tensor,
    gallery: Tensor,
    query_mask: Tensor | None = None,
    gallery_mask: Tensor | None = None,
    shift: float = 0.0,
) -> Tensor:
    """PMRL's score: cosine of the two sides' leading directions u1, (queries, items), in [−1, 1].

    Args:
        query: (queries, modalities, dimension) unit vectors.
        gallery: (items, other modalities, dimension) unit vectors.
        query_mask: (queries, modalities), true where present; None means that all are.
        gallery_mask: (items, other modalities), true where present; None means that all are.
        shift: see :func:`pmrl.losses.spectral.spectrum`.

    Example:
        >>> import torch
        >>> leading_direction_score(torch.eye(2)[:, None], torch.eye(2)[:, None]).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    return spectrum(query, query_mask, shift).direction @ spectrum(gallery, gallery_mask, shift).direction.mT


@full_precision
def singular_value_score(
    query: Tensor,
    gallery: Tensor,
    query_mask: Tensor | None = None,
    gallery_mask: Tensor | None = None,
    shift: float = 0.0,
) -> Tensor:
    """σ1 of the vectors of both sides together, for every pair, (queries, items), in [0, √modalities].

    It ignores signs, as the theory does, unless there is a ``shift``. Pairs are computed for a few queries at a time.

    Args:
        query: (queries, modalities, dimension) unit vectors.
        gallery: (items, other modalities, dimension) unit vectors.
        query_mask: (queries, modalities), true where present; None means that all are.
        gallery_mask: (items, other modalities), true where present; None means that all are.
        shift: see :func:`pmrl.losses.spectral.spectrum`.

    Example:
        >>> import torch
        >>> singular_value_score(torch.eye(2)[:, None], torch.eye(2)[:, None])[0, 1].item()
        1.0
    """
    masks = [
        all_present(side.shape[:2], side.device) if mask is None else mask.bool()
        for side, mask in ((query, query_mask), (gallery, gallery_mask))
    ]
    parts = [slice(start, start + QUERIES_AT_ONCE) for start in range(0, len(query), QUERIES_AT_ONCE)]
    pairs = ((_joined(query[part], gallery), _joined(masks[0][part], masks[1])) for part in parts)
    values = [spectrum(vectors, mask, shift).singular_values[:, 0] for vectors, mask in pairs]
    return torch.cat(values).view(len(query), len(gallery))


def _joined(queries: Tensor, gallery: Tensor) -> Tensor:
    """What belongs to the modalities of both sides, (pairs, modalities, …), for every pair of a query and an item."""
    shape = len(queries), len(gallery)
    first = queries.unsqueeze(1).expand(*shape, *queries.shape[1:])
    second = gallery.unsqueeze(0).expand(*shape, *gallery.shape[1:])
    return torch.cat([first, second], dim=2).flatten(0, 1)
