"""Contrastive cross-entropy (InfoNCE) over the instances of a batch, and the learnable temperature it uses."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Temperature(nn.Module):
    """A learnable positive temperature, kept at or above ``minimum`` (as CLIP caps its logit scale at 100)."""

    def __init__(self, initial: float, minimum: float = 0.01) -> None:
        super().__init__()
        self.logarithm = nn.Parameter(torch.tensor(math.log(initial)))
        self.minimum = minimum

    def forward(self) -> Tensor:
        """The temperature, a scalar."""
        return self.logarithm.exp().clamp_min(self.minimum)


def info_nce(logits: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy of ``logits`` (n, n) against the diagonal, averaged over both directions, in nats.

    Fewer than two instances have nothing to be told apart from: the loss is 0 (and differentiable).
    """
    if len(logits) < 2:
        return logits.sum() * 0.0
    target = torch.arange(len(logits), device=logits.device)
    forward = functional.cross_entropy(logits, target, label_smoothing=label_smoothing)
    backward = functional.cross_entropy(logits.T, target, label_smoothing=label_smoothing)
    return (forward + backward) / 2
