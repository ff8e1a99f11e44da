"""One training loop for all methods: AdamW, linear warm-up and decay, the same batches for every method.

Stages: ``foundation`` (shared warm start), ``continued`` (each method's own objective on the pre-training
part), ``fine_tuned`` (on the target's training split) and ``scratch`` (``continued`` without the foundation).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from pmrl.data.dataset import Dataset
from pmrl.errors import UserError
from pmrl.method.base import Method, blaming
from pmrl.method.embeddings import Batch, Embeddings
from pmrl.method.networks import Network
from pmrl.method.steps import Step
from pmrl.progress import progress
from pmrl.records import MISMATCHED_ANCHOR, MISMATCHED_MODALITY, MISSING, MISSING_TRAINING, VALIDATION
from pmrl.seeds import derived_seed
from pmrl.training.corruption import drop_modalities, mismatch_anchor, mismatch_modalities
from pmrl.training.seeding import seed_draws

WARM_UP = 0.1
GRADIENT_CLIP = 5.0
CURVE_POINTS = 10
CURVE_INSTANCES = 256  # of the validation split, for the quantities logged on held-out instances


@dataclass
class Curves:
    """Quantities logged while training, as rows (step, quantity, value)."""

    rows: list[tuple[int, str, float]] = field(default_factory=list)

    def add(self, step: int, values: dict[str, float]) -> None:
        """Log several quantities at one step."""
        self.rows.extend((step, name, float(value)) for name, value in values.items())


@dataclass(frozen=True)
class Stage:
    """What one stage trains on.

    Attributes:
        name: foundation, continued, fine_tuned or scratch.
        split: the split whose instances are trained on.
        steps: optimiser steps.
        batch_size: instances in a batch.
        weight_decay: of AdamW.
        mismatched_anchor: percent of the training items whose modalities but the anchor are another instance's.
        mismatched_modality: percent of the cells (item, modality) that are another instance's, each a different one's.
        missing: percent of the modalities that are missing at random, including the anchor.
    """

    name: str
    split: str
    steps: int
    batch_size: int
    weight_decay: float = 0.01
    mismatched_anchor: float = 0.0
    mismatched_modality: float = 0.0
    missing: float = 0.0

    @property
    def label(self) -> str:
        """The name of the stage's files."""
        corruptions = {
            MISMATCHED_ANCHOR: self.mismatched_anchor,
            MISMATCHED_MODALITY: self.mismatched_modality,
            MISSING: self.missing,
        }
        return "_".join([self.name, *(f"{kind}_{level:g}" for kind, level in corruptions.items() if level)])


def batch_indices(instances: np.ndarray, batch_size: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """Batches of row indices, in which no two rows are views of one instance.

    Each epoch is a fresh permutation of the instances, each with one of its rows, drawn anew; incomplete batches are
    dropped.

    Args:
        instances: (rows,) the instance of each row, numbered from 0 in the order of appearance.
        batch_size: rows in a batch, at most the number of instances.
        steps: number of batches.
        seed: of the permutations and draws.
    """
    generator = np.random.default_rng(seed)
    by_instance = np.argsort(instances, kind="stable")
    counts = np.bincount(instances)
    first = np.cumsum(counts) - counts
    remaining = steps
    while True:
        order = generator.permutation(len(counts))
        rows = first[order]
        if len(instances) > len(counts):
            rows = rows + generator.integers(counts[order])
        for start in range(0, len(rows) - batch_size + 1, batch_size):
            if remaining == 0:
                return
            remaining -= 1
            yield by_instance[rows[start : start + batch_size]]


def learning_rate_factor(step: int, steps: int) -> float:
    """Linear warm-up over the first tenth of the steps, then linear decay to zero."""
    warm = max(1, round(WARM_UP * steps))
    return (step + 1) / warm if step < warm else (steps - step) / max(1, steps - warm)


Watch = Callable[[dict[str, Tensor] | None, Embeddings], dict[str, float]]
"""Computes what is logged beside the loss: ``watch(terms, embeddings)`` for a training batch before its backward pass,
and ``watch(None, embeddings)`` for held-out instances after it."""


def train_stage(
    network: Network,
    method: Method,
    dataset: Dataset,
    stage: Stage,
    seed: int,
    device: torch.device,
    watch: Watch | None = None,
) -> Curves:
    """Train ``network`` and ``method`` in place, leave both in evaluation mode, and return what was logged.

    Raises:
        UserError: the batch is larger than the split, the method's loss or fit fails, a loss term is not finite, or
            the method makes parameters or buffers while it trains.
    """
    seed_draws("noise", stage.name, dataset.card.name, seed)
    examples = training_examples(dataset, stage, seed, device)
    if method.closed_form:
        with blaming(method, "fit"):
            method.fit(network, examples)
        set_mode(False, network, method)
        return Curves()
    examples = network.standardize(examples)
    held_out = network.standardize(Batch.from_dataset(dataset, dataset.indices(VALIDATION)[:CURVE_INSTANCES], device))
    curves, optimizer, about = Curves(), Optimizer(network, method, stage), About.of(dataset, stage.split, device)
    interval = max(1, stage.steps // CURVE_POINTS)
    seed_of_batches = derived_seed("batches", stage.name, dataset.card.name, seed)
    instances = pd.factorize(dataset.instances[dataset.indices(stage.split)])[0]
    batches = batch_indices(instances, stage.batch_size, stage.steps, seed_of_batches)
    title = f"{dataset.card.name} {stage.name} {seed}"
    set_mode(True, network, method)
    method.step = Step(0, stage.steps, stage.name)
    with blaming(method, "begin_stage"):
        method.begin_stage(network, examples)
    for number, index in enumerate(progress(batches, title, stage.steps)):
        method.step = Step(number, stage.steps, stage.name)
        logged = number % interval == 0 or number == stage.steps - 1
        rows = torch.from_numpy(index).to(device)
        embeddings = embedded(network, examples.rows(rows), rows, about, method)
        curves.add(number, training_step(network, method, embeddings, optimizer, watch if logged else None))
        if logged:
            optimizer.check_complete(method)
        if logged and watch is not None:
            curves.add(number, watched(network, held_out, watch))
    set_mode(False, network, method)
    return curves


def set_mode(training: bool, *modules: nn.Module) -> None:
    """Set whether the modules train or are evaluated; dropout, for instance, acts in training only."""
    for module in modules:
        module.train(training)


def training_examples(dataset: Dataset, stage: Stage, seed: int, device: torch.device) -> Batch:
    """The instances that a stage trains on, with the stage's corruption.

    Raises:
        UserError: there are fewer instances than a batch holds.
    """
    rows = dataset.indices(stage.split)
    instances = dataset.instances[rows]
    count = len(set(instances))
    if stage.batch_size > count:
        raise UserError(
            f"Data set {dataset.card.name!r}: the batch of {stage.batch_size} is larger than the split "
            f"{stage.split!r} ({count} instances). Set training.batch_size to {count} or less."
        )
    examples = Batch.from_dataset(dataset, rows, device)
    if stage.mismatched_anchor:
        draw = derived_seed("corruption", MISMATCHED_ANCHOR, stage.mismatched_anchor, dataset.card.name, seed)
        examples = mismatch_anchor(examples, instances, dataset.anchor, stage.mismatched_anchor, draw)
    if stage.mismatched_modality:
        draw = derived_seed("corruption", MISMATCHED_MODALITY, stage.mismatched_modality, dataset.card.name, seed)
        examples = mismatch_modalities(examples, instances, stage.mismatched_modality, draw)
    if stage.missing:
        draw = derived_seed("corruption", MISSING_TRAINING, stage.missing, dataset.card.name, seed)
        examples = drop_modalities(examples, None, stage.missing, draw)
    return examples


class Optimizer:
    """The method's optimiser, AdamW by default, with clipped gradients and a schedule over the stage's steps."""

    def __init__(self, network: Network, method: Method, stage: Stage) -> None:
        self.parameters = [*network.parameters(), *method.parameters()]
        self.method_state = frozenset(method.state_dict())
        with blaming(method, "parameter_groups"):
            groups = self.groups(network, method, stage)
        with blaming(method, "new_optimizer"):
            self.inner = method.new_optimizer(groups)
        factor = functools.partial(learning_rate_factor, steps=stage.steps)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.inner, factor)

    def groups(self, network: Network, method: Method, stage: Stage) -> list[dict[str, Any]]:
        """The method's own groups of parameters, and one of all others."""
        rate, own, taken = method.hyperparameters.learning_rate, [], set()
        for group in method.parameter_groups(network):
            parameters = list(group.parameters)
            taken |= {id(parameter) for parameter in parameters}
            decay = stage.weight_decay if group.weight_decay is None else group.weight_decay
            own.append({"params": parameters, "lr": rate * group.rate, "weight_decay": decay})
        others = [parameter for parameter in self.parameters if id(parameter) not in taken]
        return [{"params": others, "lr": rate, "weight_decay": stage.weight_decay}, *own]

    def update(self) -> float:
        """Update the parameters; return the norm of their gradient before clipping."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, GRADIENT_CLIP)
        self.inner.step()
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


class About(NamedTuple):
    """(rows,) numbers of the labels and instances of the rows that a stage trains on; −1 where there is no label."""

    labels: Tensor
    ids: Tensor

    @classmethod
    def of(cls, dataset: Dataset, split: str, device: torch.device) -> About:
        """Those of a split of a data set."""
        rows = dataset.indices(split)
        labels = pd.Index(dataset.classes).get_indexer(dataset.items["label"].astype(str))
        numbers = labels, pd.factorize(dataset.instances)[0]
        return cls(*(torch.from_numpy(values[rows].astype(np.int64)).to(device) for values in numbers))


def embedded(network: Network, batch: Batch, rows: Tensor, about: About, method: Method) -> Embeddings:
    """Embeddings of standardised instances, with what the method wants to know of them."""
    known: dict[str, Any] = {"features": batch, "labels": about.labels[rows], "ids": about.ids[rows]}
    for name in method.wants:
        if name not in known:
            raise UserError(f"Method {method.title!r}: wants {name!r}; a batch has {', '.join(known)}.")
    return replace(network.encode(batch), extra={name: known[name] for name in method.wants})


def training_step(
    network: Network, method: Method, embeddings: Embeddings, optimizer: Optimizer, watch: Watch | None
) -> dict[str, float]:
    """Make one update; return what is logged, with the loss terms if there is a ``watch``."""
    with blaming(method, "loss"):
        terms = method.loss(embeddings)
        loss = check_finite(terms, method, method.step.number)
    optimizer.inner.zero_grad(set_to_none=True)
    with blaming(method, "the gradient of loss"):
        values = watch(terms, embeddings) if watch is not None else {}
        loss.backward()
    values["gradient_norm"] = optimizer.update()
    with blaming(method, "after_step"):
        method.after_step(network)
    if watch is not None:
        values |= {name: float(value) for name, value in method.step.logged.items()}
        values |= {"loss": loss.item(), **{name: term.item() for name, term in terms.items()}}
    return values


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
