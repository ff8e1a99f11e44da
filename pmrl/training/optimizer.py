"""The optimiser of a stage: clipped gradients, a schedule over its steps, and scaled losses in half precision."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from pmrl.errors import UserError
from pmrl.method.base import Method, blaming
from pmrl.method.networks import Network
from pmrl.training import processes
from pmrl.training.stage import FLOAT16, Stage

WARM_UP = 0.1
GRADIENT_CLIP = 5.0


def learning_rate_factor(step: int, steps: int) -> float:
    """Linear warm-up over the first tenth of the steps, then linear decay to zero."""
    warm = max(1, round(WARM_UP * steps))
    return (step + 1) / warm if step < warm else (steps - step) / max(1, steps - warm)


class Optimizer:
    """The method's optimiser, AdamW by default, with clipped gradients and a schedule over the stage's steps.

    In float16 small gradients would vanish, so the loss is scaled before the backward pass and the gradients are scaled
    back here; a step whose gradients have overflowed is left out.
    """

    def __init__(self, network: Network, method: Method, stage: Stage) -> None:
        self.parameters = [*network.parameters(), *method.parameters()]
        self.method_state = frozenset(method.state_dict())
        with blaming(method, "parameter_groups"):
            groups = self.groups(network, method, stage)
        with blaming(method, "new_optimizer"):
            self.inner = method.new_optimizer(groups)
        factor = functools.partial(learning_rate_factor, steps=stage.steps)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.inner, factor)
        self.scaler = torch.amp.GradScaler(self.parameters[0].device.type, enabled=stage.precision == FLOAT16)

    def groups(self, network: Network, method: Method, stage: Stage) -> list[dict[str, Any]]:
        """The method's own groups of parameters, and one of all others."""
        rate, own, taken = method.hyperparameters.learning_rate, [], set()
        for group in [*network.parameter_groups(), *method.parameter_groups(network)]:
            parameters = list(group.parameters)
            taken |= {id(parameter) for parameter in parameters}
            decay = stage.weight_decay if group.weight_decay is None else group.weight_decay
            own.append({"params": parameters, "lr": rate * group.rate, "weight_decay": decay})
        others = [parameter for parameter in self.parameters if id(parameter) not in taken]
        return [{"params": others, "lr": rate, "weight_decay": stage.weight_decay}, *own]

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of the loss to those of the parameters, and of the embeddings it was computed from."""
        self.inner.zero_grad(set_to_none=True)
        scaled: Tensor = self.scaler.scale(loss)
        scaled.backward()

    def update(self) -> float:
        """Update the parameters; return the norm of their gradient before clipping."""
        processes.average_gradients(self.parameters)
        self.scaler.unscale_(self.inner)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, GRADIENT_CLIP)
        self.scaler.step(self.inner)
        self.scaler.update()
        self.schedule.step()
        return norm.item()

    def check_complete(self, method: Method) -> None:
        """Check that the method has made no parameters or buffers since the optimiser was made.

        Raises:
            UserError: naming them, and where to make them instead.
        """
        known = {id(parameter) for parameter in self.parameters}
        parameters = {name for name, parameter in method.named_parameters() if id(parameter) not in known}
        late = sorted(parameters | (method.state_dict().keys() - self.method_state))
        if late:
            raise UserError(
                f"Method {method.title!r}: {', '.join(late)} was made while training, so it is not trained and a "
                "second run cannot load it. Make all parameters and buffers in __init__, or in setup if their sizes "
                "depend on the data set; see docs/adding_a_baseline.md."
            )
