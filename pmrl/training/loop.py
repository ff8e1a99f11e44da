"""One training loop for all methods: AdamW, linear warm-up and decay, the same batches for every method.

Stages: ``foundation`` (shared warm start), ``continued`` (each method's own objective on the pre-training
part), ``fine_tuned`` (on the target's training split) and ``scratch`` (``continued`` without the foundation).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from pmrl.data.dataset import Dataset
from pmrl.errors import UserError
from pmrl.method.base import Method, blaming
from pmrl.method.batch import Batch
from pmrl.method.embeddings import Embeddings
from pmrl.method.networks import Network
from pmrl.method.steps import Step
from pmrl.progress import progress
from pmrl.records import VALIDATION
from pmrl.seeds import derived_seed
from pmrl.training import processes
from pmrl.training.batches import About, batch_indices, training_examples, wanted
from pmrl.training.encoding import Encoded, encoded
from pmrl.training.optimizer import Optimizer
from pmrl.training.reading import Drawn, drawn
from pmrl.training.seeding import seed_draws
from pmrl.training.stage import Stage

CURVE_POINTS = 10
CURVE_INSTANCES = 256  # of the validation split, for the quantities logged on held-out instances
CURVE_CLIPS = 32  # the same where they are encoded from clips


@dataclass
class Curves:
    """Quantities logged while training, as rows (step, quantity, value)."""

    rows: list[tuple[int, str, float]] = field(default_factory=list)

    def add(self, step: int, values: dict[str, float]) -> None:
        """Log several quantities at one step."""
        self.rows.extend((step, name, float(value)) for name, value in values.items())


Watch = Callable[[dict[str, Tensor] | None, Embeddings], dict[str, float]]
"""Computes what is logged beside the loss: ``watch(terms, embeddings)`` for a training batch before its backward pass,
and ``watch(None, embeddings)`` for held-out instances after it."""


class Saving(Protocol):
    """Keeps an unfinished training; see ``pmrl.training.unfinished``."""

    def resume(self, training: Training) -> None:
        """Bring a training that has not begun to where it was saved, if it was."""

    def after_step(self, training: Training) -> None:
        """Save it if it is time."""


def train_stage(
    network: Network,
    method: Method,
    dataset: Dataset,
    stage: Stage,
    seed: int,
    device: torch.device,
    watch: Watch | None = None,
    saving: Saving | None = None,
) -> Curves:
    """Train ``network`` and ``method`` in place, leave both in evaluation mode, and return what was logged.

    With ``saving``, a training that was stopped goes on where it was saved, and ends with the same weights.

    Raises:
        UserError: the batch is larger than the split, the method's loss or fit fails, a loss term is not finite, the
            method makes parameters or buffers while it trains, or there are more processes than instances in a batch.
    """
    processes.check_share(stage.batch_size)
    seed_draws("noise", stage.name, dataset.card.name, seed)
    examples = training_examples(dataset, stage, seed, device)
    if method.closed_form:
        with blaming(method, "fit"):
            method.fit(network, examples)
        set_mode(False, network, method)
        return Curves()
    examples = network.standardize(examples)
    watched_rows = dataset.indices(VALIDATION)[: CURVE_CLIPS if dataset.raw else CURVE_INSTANCES]
    held_out = network.standardize(Batch.from_dataset(dataset, watched_rows, device))
    about, title = About.of(dataset, stage.split, device), f"{dataset.card.name} {stage.name} {seed}"
    training = Training(network, method, stage, examples, about, held_out, watch, title, device)
    seed_of_batches = derived_seed("batches", stage.name, dataset.card.name, seed)
    instances = pd.factorize(dataset.instances[dataset.indices(stage.split)])[0]
    batches = batch_indices(instances, stage.batch_size, stage.steps, seed_of_batches)
    set_mode(True, network, method)
    method.step = Step(0, stage.steps, stage.name)
    with blaming(method, "begin_stage"):
        method.begin_stage(network, examples)
    if saving is not None:
        saving.resume(training)
    remaining = itertools.islice(batches, training.done, None)
    for draw in progress(training.drawn(remaining), title, stage.steps - training.done):
        training.step(draw)
        if saving is not None:
            saving.after_step(training)
    set_mode(False, network, method)
    return training.curves


class Training:
    """A stage of training under way.

    Args:
        network: is trained.
        method: is trained.
        stage: what the stage is.
        examples: all its instances, standardised.
        about: their labels and instances.
        held_out: standardised instances that are only watched.
        watch: what is logged beside the loss.
        title: the name of this training.
        device: where it computes.
    """

    def __init__(
        self,
        network: Network,
        method: Method,
        stage: Stage,
        examples: Batch,
        about: About,
        held_out: Batch,
        watch: Watch | None,
        title: str,
        device: torch.device,
    ) -> None:
        self.network, self.method, self.stage, self.title, self.device = network, method, stage, title, device
        self.examples, self.about, self.held_out, self.watch = examples, about, held_out, watch
        self.optimizer, self.curves = Optimizer(network, method, stage), Curves()
        self.interval = max(1, stage.steps // CURVE_POINTS)
        self.done = 0  # steps

    def drawn(self, batches: Iterable[np.ndarray]) -> Iterator[Drawn]:
        """The instances of each batch, given by their indices, the whole batch of all processes."""
        return drawn(self.examples, batches, self.device)

    def step(self, draw: Drawn) -> None:
        """Make one update with a batch."""
        number, stage = self.done, self.stage
        self.method.step = Step(number, stage.steps, stage.name)
        logged = number % self.interval == 0 or number == stage.steps - 1
        own, embeddings = self.embedded(draw)
        self.curves.add(number, self.update(own, embeddings, self.watch if logged else None))
        if logged:
            self.optimizer.check_complete(self.method)
            if self.watch is not None:
                self.curves.add(number, watched(self.network, self.held_out, self.watch))
        self.done += 1

    def embedded(self, draw: Drawn) -> tuple[Encoded, Embeddings]:
        """What this process embeds of a batch, and the embeddings of all of it, with what the method wants to know."""
        with processes.own_draws(self.title, self.done, device=self.device):
            own = encoded(self.network, draw.own, self.stage)
        joint = processes.joint(own.embeddings, draw.batch)
        return own, replace(joint, extra=wanted(self.method, draw.batch, self.about, draw.rows))

    def update(self, own: Encoded, embeddings: Embeddings, watch: Watch | None) -> dict[str, float]:
        """Make one update; return what is logged, with the loss terms if there is a ``watch``."""
        method, optimizer = self.method, self.optimizer
        with blaming(method, "loss"):
            terms = method.loss(embeddings)
            loss = check_finite(terms, method, method.step.number)
        with blaming(method, "the gradient of loss"):
            values = watch(terms, embeddings) if watch is not None else {}
            optimizer.backward(loss)
            own.finish()
        values["gradient_norm"] = optimizer.update()
        with blaming(method, "after_step"):
            method.after_step(self.network)
        if watch is not None:
            values |= {name: float(value) for name, value in method.step.logged.items()}
            values |= {"loss": loss.item(), **{name: term.item() for name, term in terms.items()}}
        return values


def set_mode(training: bool, *modules: nn.Module) -> None:
    """Set whether the modules train or are evaluated; dropout, for instance, acts in training only."""
    for module in modules:
        module.train(training)


@torch.no_grad()
def watched(network: Network, held_out: Batch, watch: Watch) -> dict[str, float]:
    """What is logged about held-out instances, computed in evaluation mode."""
    network.eval()
    values = watch(None, network.encode(held_out))
    network.train()
    return values


class Diverged(UserError):
    """A loss term became NaN or infinite while training."""


def check_finite(terms: dict[str, Tensor], method: Method, step: int) -> Tensor:
    """The sum of the loss terms.

    Raises:
        UserError: a term is not a scalar; the message names the method and the term.
        Diverged: a term is NaN or infinite; the message names the method, the term and the step.
    """
    for name, term in terms.items():
        if term.shape:
            raise UserError(
                f"Method {method.title!r}: loss term {name!r} has the shape {tuple(term.shape)}; expected a scalar."
            )
        if not torch.isfinite(term):
            raise Diverged(
                f"Method {method.title!r}: loss term {name!r} is {term.item()} at step {step}. "
                "Expected a finite number; check the method's loss and its hyper-parameters."
            )
    return torch.stack(tuple(terms.values())).sum()
