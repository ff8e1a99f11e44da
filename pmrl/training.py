"""One training loop for all methods: AdamW, linear warm-up and decay, the same batches for every method.

Stages: ``foundation`` (shared warm start), ``continued`` (each method's own objective on the pre-training
part), ``fine_tuned`` (on the target's training split) and ``scratch`` (``continued`` without the foundation).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from pmrl.corruption import drop_modalities, mismatch
from pmrl.data.store import Dataset
from pmrl.diagnosis import alignment, term_gradients
from pmrl.errors import UserError
from pmrl.method import Method, blaming
from pmrl.networks import Batch, Embeddings, Network
from pmrl.spectral import spectrum

ADAM_BETAS = (0.9, 0.98)
WEIGHT_DECAY = 0.01
WARM_UP = 0.1
GRADIENT_CLIP = 5.0
CURVE_POINTS = 10
CURVE_INSTANCES = 256  # of the validation split, whose spectra are logged
SCRATCH = "scratch"


def derived_seed(*purpose: object) -> int:
    """A seed that depends on what it is for and on nothing else, such as ``("batches", "digits", 0)``."""
    digest = hashlib.sha256("/".join(map(str, purpose)).encode()).digest()
    return int.from_bytes(digest[:4], "big")


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
        mismatched: percent of the training instances whose other modalities are another instance's.
        missing: percent of the modalities that are missing at random, the anchor among them.
    """

    name: str
    split: str
    steps: int
    batch_size: int
    mismatched: float = 0.0
    missing: float = 0.0

    @property
    def label(self) -> str:
        """The name of the stage's files."""
        corruptions = {"mismatched": self.mismatched, "missing": self.missing}
        return "_".join([self.name, *(f"{kind}_{level:g}" for kind, level in corruptions.items() if level)])


def batch_indices(size: int, batch_size: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """Index batches of ``size`` instances: a fresh permutation each epoch, incomplete batches dropped."""
    generator = np.random.default_rng(seed)
    remaining = steps
    while True:
        order = generator.permutation(size)
        for start in range(0, size - batch_size + 1, batch_size):
            if remaining == 0:
                return
            remaining -= 1
            yield order[start : start + batch_size]


def learning_rate_factor(step: int, steps: int) -> float:
    """Linear warm-up over the first tenth of the steps, then linear decay to zero."""
    warm = max(1, round(WARM_UP * steps))
    return (step + 1) / warm if step < warm else (steps - step) / max(1, steps - warm)


def train_stage(
    network: Network, method: Method, dataset: Dataset, stage: Stage, seed: int, device: torch.device
) -> Curves:
    """Train ``network`` and ``method`` in place and return what was logged.

    Raises:
        UserError: the batch is larger than the split, the method's loss or fit fails, or a loss term is not finite.
    """
    rows = dataset.indices(stage.split)
    if stage.batch_size > len(rows):
        raise UserError(
            f"Data set {dataset.card.name!r}: the batch of {stage.batch_size} is larger than the split "
            f"{stage.split!r} ({len(rows)} instances). Set training.batch_size to {len(rows)} or less."
        )
    torch.manual_seed(derived_seed("noise", stage.name, dataset.card.name, seed))
    examples = Batch.from_dataset(dataset, rows, device)
    if stage.mismatched:
        draw = derived_seed("corruption", "mismatched", stage.mismatched, dataset.card.name, seed)
        examples = mismatch(examples, dataset.anchor, stage.mismatched, draw)
    if stage.missing:
        draw = derived_seed("corruption", "missing_training", stage.missing, dataset.card.name, seed)
        examples = drop_modalities(examples, None, stage.missing, draw)
    if method.closed_form:
        with blaming(method, "fit"):
            method.fit(network, examples)
        network.eval()
        return Curves()
    examples = network.standardize(examples)
    held_out = network.standardize(Batch.from_dataset(dataset, dataset.indices("validation")[:CURVE_INSTANCES], device))
    parameters = [*network.parameters(), *method.parameters()]
    optimizer = torch.optim.AdamW(
        parameters, lr=method.hyperparameters.learning_rate, betas=ADAM_BETAS, weight_decay=WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, stage.steps))
    order = batch_indices(
        len(rows), stage.batch_size, stage.steps, derived_seed("batches", stage.name, dataset.card.name, seed)
    )
    curves = Curves()
    every = max(1, stage.steps // CURVE_POINTS)
    network.train()
    progress = tqdm(
        order, total=stage.steps, desc=f"{dataset.card.name} {stage.name} {seed}", disable=None, leave=False
    )
    for step, index in enumerate(progress):
        embeddings = network.encode(examples.rows(torch.from_numpy(index).to(device)))
        with blaming(method, "loss"):
            terms = method.loss(embeddings)
            loss = check_finite(terms, method, step)
        logged = step % every == 0 or step == stage.steps - 1
        optimizer.zero_grad(set_to_none=True)
        with blaming(method, "the gradient of loss"):
            if logged and stage.name == SCRATCH:
                curves.add(step, term_gradients(terms, embeddings))
            loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, GRADIENT_CLIP)
        optimizer.step()
        schedule.step()
        curves.add(step, {"gradient_norm": norm.item()})
        if logged:
            curves.add(step, {"loss": loss.item(), **{name: term.item() for name, term in terms.items()}})
            network.eval()
            with torch.no_grad():
                seen = network.encode(held_out)
            curves.add(step, geometry(seen) | (alignment(seen) if stage.name == SCRATCH else {}))
            network.train()
    network.eval()
    return curves


def check_finite(terms: dict[str, Tensor], method: Method, step: int) -> Tensor:
    """The sum of the loss terms.

    Raises:
        UserError: a term is not a scalar, NaN or infinite; the message names the method, the term and the step.
    """
    for name, term in terms.items():
        if term.shape:
            raise UserError(
                f"Method {method.title!r}: loss term {name!r} has the shape {tuple(term.shape)}; expected a scalar."
            )
        if not torch.isfinite(term):
            raise UserError(
                f"Method {method.title!r}: loss term {name!r} is {term.item()} at step {step}. "
                "Expected a finite number; look at the method's loss and its hyper-parameters."
            )
    return torch.stack(tuple(terms.values())).sum()


@torch.no_grad()
def embed(network: Network, batch: Batch, chunk: int = 2048) -> Embeddings:
    """Embed any number of instances in evaluation mode, ``chunk`` at a time."""
    network.eval()
    parts = [network(batch.rows(slice(start, start + chunk))) for start in range(0, len(batch), chunk)]

    def joined(pick: str) -> dict[str, Tensor]:
        return {m: torch.cat([getattr(part, pick)[m] for part in parts]) for m in parts[0].modalities}

    return Embeddings(joined("vectors"), joined("tokens"), joined("present"), network.anchor, network.heads)


@torch.no_grad()
def geometry(embeddings: Embeddings) -> dict[str, float]:
    """Mean singular values over instances with all modalities, and the uniformity of leading directions.

    Uniformity is log mean exp(−2‖u_i − u_j‖²) over pairs i ≠ j (Wang and Isola, ICML 2020): lower is more uniform.
    """
    complete = embeddings.mask().all(dim=1)
    values, direction = spectrum(embeddings.stack()[complete])
    result = {f"sigma_{j + 1}": value for j, value in enumerate(values.mean(dim=0).tolist())}
    if len(direction) > 1:
        result["uniformity"] = torch.pdist(direction).square().mul(-2).exp().mean().log().item()
    return result
