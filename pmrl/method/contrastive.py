"""Contrastive cross-entropy (InfoNCE) over the instances of a batch, and the learnable temperature it uses."""

import math

import torch
from torch import Tensor, nn

from pmrl.errors import UserError
from pmrl.spectral import widen

# Replaces −∞ where a candidate does not count; finite in float32, so that gradients are finite too.
_LOWEST = -1e30


class Temperature(nn.Module):
    """A learnable positive temperature, clamped to at least ``minimum`` (as CLIP caps its logit scale at 100).

    Raises:
        UserError: ``initial`` is below ``minimum``, where the temperature would have no gradient.
    """

    def __init__(self, initial: float, minimum: float = 0.01) -> None:
        super().__init__()
        if initial < minimum:
            raise UserError(f"a learnable temperature starts at {initial}; expected at least its minimum, {minimum}")
        self.logarithm = nn.Parameter(torch.tensor(math.log(initial)))
        self.minimum = minimum

    def forward(self) -> Tensor:
        """The temperature, a scalar."""
        return self.logarithm.exp().clamp_min(self.minimum)


def info_nce(logits: Tensor, usable: Tensor | None = None, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of ``logits`` against the diagonal, averaged over rows and both directions, in nats.

    Half-precision logits are computed in float32, as the sum over a batch may not fit float16.

    Args:
        logits: (…, n, n), one contrastive task for each leading index.
        usable: (…, n), true where an instance takes part; None means that all do. With fewer than two instances
            there is nothing to contrast, and the loss is 0 (and differentiable).
        label_smoothing: share of the target spread evenly over the usable candidates.

    Returns:
        (…), one loss for each task, in float32 or float64.
    """
    logits = widen(logits)
    positives = logits.diagonal(dim1=-2, dim2=-1)
    if usable is None or usable.all():
        usable = pairs = None  # the common case needs no masks
        count = torch.tensor(positives.shape[-1], device=logits.device)
    else:
        pairs = usable.unsqueeze(-1) & usable.unsqueeze(-2)
        count = usable.sum(-1)
    candidates = _masked(logits, pairs, _LOWEST)
    losses = candidates.logsumexp(-1) + candidates.logsumexp(-2) - 2 * (1 - label_smoothing) * positives
    total = _masked(losses, usable, 0).sum(-1)
    if label_smoothing:
        total = total - 2 * label_smoothing * _masked(logits, pairs, 0).sum((-1, -2)) / count.clamp_min(1)
    return torch.where(count > 1, total / (2 * count).clamp_min(1), 0 * total)


def _masked(x: Tensor, mask: Tensor | None, value: float) -> Tensor:
    return x if mask is None else x.masked_fill(~mask, value)
