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
    if usable is None:
        usable = logits.new_ones(logits.shape[:-1], dtype=torch.bool)
    pairs = usable.unsqueeze(-1) & usable.unsqueeze(-2)
    count = usable.sum(-1)
    total = sum(
        _row_losses(direction, pairs, count, label_smoothing).masked_fill(~usable, 0).sum(-1)
        for direction in (logits, logits.mT)
    )
    return torch.where(count > 1, total / (2 * count).clamp_min(1), 0 * total)


def _row_losses(logits: Tensor, pairs: Tensor, count: Tensor, label_smoothing: float) -> Tensor:
    """−(1 − ε) log p_ii − ε mean_j log p_ij for each row (…, n), over the usable candidates j."""
    normalizer = logits.masked_fill(~pairs, _LOWEST).logsumexp(-1)
    right = logits.diagonal(dim1=-2, dim2=-1)
    loss = normalizer - (1 - label_smoothing) * right
    if label_smoothing:
        loss = loss - label_smoothing * logits.masked_fill(~pairs, 0).sum(-1) / count.clamp_min(1).unsqueeze(-1)
    return loss
