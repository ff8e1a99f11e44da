"""The spectral terms of PMRL's training objective (Liu et al., arXiv 2507.17343) and what goes with them."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def alignment_loss(singular_values: Tensor, temperature: float, mask: Tensor | None = None) -> Tensor:
    """L^M: cross-entropy of the logits σ_j/τ1 against the first class, in nats.

    Only the singular values of present modalities enter the softmax: a trailing zero that an absent modality
    leaves is not a direction to be suppressed. An instance with one modality, or none, has loss 0.

    Args:
        singular_values: ``(batch, modalities)``, descending, from :func:`pmrl.spectral.spectrum`.
        temperature: τ1 > 0.
        mask: ``(batch, modalities)``, true where a modality is present; all are present if it is None.

    Returns:
        Mean over the batch of −log softmax(σ/τ1)[1], a scalar; 0 for an empty batch.
    """
    logits = singular_values / temperature
    if mask is not None:
        count = mask.bool().sum(1, keepdim=True).clamp(min=1)
        logits = logits.masked_fill(torch.arange(logits.shape[1], device=logits.device) >= count, -torch.inf)
    losses = logits.logsumexp(1) - logits[:, 0]
    return losses.sum() / max(len(losses), 1)


def instance_regularization(direction: Tensor, temperature: float) -> Tensor:
    """L^M′: cross-entropy of u_i·u_j/τ2 against the diagonal, in nats.

    As u_i·u_i = 1 it equals the mean of log(1 + Σ_{j≠i} exp((u_i·u_j − 1)/τ2)): it drives instances apart.

    Args:
        direction: ``(batch, dimension)``, leading directions from :func:`pmrl.spectral.spectrum`.
        temperature: τ2 > 0.

    Returns:
        Mean over the batch, a scalar; 0 for an empty batch.
    """
    logits = (direction / temperature) @ direction.T
    own = torch.arange(len(direction), device=direction.device)
    return cross_entropy(logits, own, reduction="sum") / max(len(direction), 1)
