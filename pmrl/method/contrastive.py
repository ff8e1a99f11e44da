"""Contrastive cross-entropy (InfoNCE) over the instances of a batch, and the learnable temperature it uses."""

import math

import torch
from torch import Tensor, nn

# Stands for −∞ where a candidate does not count; finite, so that gradients stay so.
_LOWEST = -1e30


class Temperature(nn.Module):
    """A learnable positive temperature, kept at or above ``minimum`` (as CLIP caps its logit scale at 100)."""

    def __init__(self, initial: float, minimum: float = 0.01) -> None:
        super().__init__()
        self.logarithm = nn.Parameter(torch.tensor(math.log(initial)))
        self.minimum = minimum

    def forward(self) -> Tensor:
        """The temperature, a scalar."""
        return self.logarithm.exp().clamp_min(self.minimum)


def info_nce(logits: Tensor, usable: Tensor | None = None, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of ``logits`` against the diagonal, averaged over rows and both directions, in nats.

    Args:
        logits: (…, n, n), one contrastive task for each leading index.
        usable: (…, n), true where an instance takes part; all do if it is None. With fewer than two of them
            there is nothing to be told apart, and the loss is 0 (and differentiable).
        label_smoothing: share of the target spread evenly over the usable candidates.

    Returns:
        (…), one loss for each task.
    """
    right = logits.diagonal(dim1=-2, dim2=-1)
    if usable is None or usable.all():
        usable = pairs = None  # the common case needs no masks
        count = torch.tensor(right.shape[-1], device=logits.device)
    else:
        pairs = usable.unsqueeze(-1) & usable.unsqueeze(-2)
        count = usable.sum(-1)
    possible = _masked(logits, pairs, _LOWEST)
    losses = possible.logsumexp(-1) + possible.logsumexp(-2) - 2 * (1 - label_smoothing) * right
    total = _masked(losses, usable, 0).sum(-1)
    if label_smoothing:
        total = total - 2 * label_smoothing * _masked(logits, pairs, 0).sum((-1, -2)) / count.clamp_min(1)
    return torch.where(count > 1, total / (2 * count).clamp_min(1), 0 * total)


def _masked(x: Tensor, kept: Tensor | None, value: float) -> Tensor:
    return x if kept is None else x.masked_fill(~kept, value)
