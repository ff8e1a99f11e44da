"""The learnable temperature of contrastive losses."""

import math

import torch
from torch import Tensor, nn

from pmrl.errors import UserError


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
