"""Where training stands, and what a method may say about how it is trained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor, nn

from pmrl.records import CONTINUED


@dataclass
class Step:
    """Where training stands: ``self.step`` of a method, set anew before each loss.

    Attributes:
        number: of the optimiser's step in this stage, from 0.
        steps: how many the stage has.
        stage: foundation, continued, fine_tuned or scratch.
        logged: what the method has logged in this step.
    """

    number: int = 0
    steps: int = 1
    stage: str = CONTINUED
    logged: dict[str, float | Tensor] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Which part of the stage is done, from 0 to below 1; a method of two phases changes over at a share."""
        return self.number / self.steps

    def log(self, name: str, value: float | Tensor) -> None:
        """Log a quantity of the method's own; it stands in ``curves.parquet`` beside the loss terms."""
        self.logged[name] = value.detach() if isinstance(value, Tensor) else value


class ParameterGroup(NamedTuple):
    """Parameters that are trained otherwise than the rest.

    Attributes:
        parameters: of the network or the method.
        rate: factor of the method's learning rate.
        weight_decay: of AdamW; None means that of the config.
    """

    parameters: Iterable[nn.Parameter]
    rate: float = 1.0
    weight_decay: float | None = None
