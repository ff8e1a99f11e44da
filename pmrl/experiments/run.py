"""A run: what it trains on and where its files are. All commands that train share this.

A run's folder is ``<results>/runs/<dataset>/<method>/<variant>/seed_<n>/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from pmrl.data.dataset import Dataset
from pmrl.errors import UserError
from pmrl.evaluation.identity import Identity
from pmrl.experiments.memory import keep_freed_memory
from pmrl.method import Batch, Method, Network, NetworkSettings, Sizes
from pmrl.method.base import blaming, build_method
from pmrl.records import CONTINUED, FINE_TUNED, FOUNDATION, MAIN, PRETRAIN, SCRATCH, TRAIN, ZERO_SHOT
from pmrl.seeds import derived_seed
from pmrl.training import processes
from pmrl.training.seeding import seed_draws
from pmrl.training.stage import Stage

# The stages of training that a regime consists of, in order.
REGIME_STAGES = {ZERO_SHOT: (CONTINUED,), FINE_TUNED: (CONTINUED, FINE_TUNED), SCRATCH: (SCRATCH,)}
# The regime that is tested at the end of a stage.
STAGE_REGIMES = {CONTINUED: ZERO_SHOT, FINE_TUNED: FINE_TUNED, SCRATCH: SCRATCH}
STAGE_SPLITS = {FOUNDATION: PRETRAIN, CONTINUED: PRETRAIN, SCRATCH: PRETRAIN, FINE_TUNED: TRAIN}


@dataclass(frozen=True)
class Run:
    """One run, and where its files are.

    Attributes:
        dataset: the loaded data set.
        method: name of the method, or ``foundation``.
        variant: ``main`` or the name of an override.
        settings: see ``pmrl.study.plan.run_settings``.
        seed: index of the seed.
        results: the results folder.
        device: where to compute.
        checkpoint_minutes: of training, after which its state is saved.
    """

    dataset: Dataset
    method: str
    variant: str
    settings: dict[str, Any]
    seed: int
    results: Path
    device: torch.device
    checkpoint_minutes: float = 5.0

    @property
    def folder(self) -> Path:
        """The run's folder; the foundation has no variants."""
        parts = (FOUNDATION,) if self.method == FOUNDATION else (self.method, self.variant)
        return Path(self.results, "runs", self.dataset.card.name, *parts, f"seed_{self.seed}")

    @property
    def context(self) -> dict[str, Any]:
        """The columns that name the run in every table of records."""
        return {
            "dataset": self.dataset.card.name,
            "method": self.method,
            "variant": self.variant,
            "seed": self.seed,
        }

    @property
    def is_shown(self) -> bool:
        """Whether figures show this run's embeddings: the first seed of a method's main form."""
        return self.method != FOUNDATION and self.variant == MAIN and self.seed == 0

    def stage(self, name: str, **corruption: float) -> Stage:
        """The training stage ``name`` with the config's steps and batch size, with ``corruption`` if given."""
        training = self.settings["training"]
        return Stage(
            name,
            STAGE_SPLITS[name],
            self.steps(name),
            training["batch_size"],
            training["weight_decay"],
            precision=training["precision"],
            embedded_at_once=training["embedded_at_once"],
            **corruption,
        )

    def steps(self, stage: str) -> int:
        """The optimiser steps of a stage: as the config says, or so many epochs of the instances that it trains on."""
        training = self.settings["training"]
        if stage not in training.get("epochs", {}):
            return int(training[f"{stage}_steps"])
        instances = len(set(self.dataset.instances[self.rows(STAGE_SPLITS[stage])]))
        return max(1, round(training["epochs"][stage] * instances / training["batch_size"]))

    def batch(self, *splits: str) -> Batch:
        """The instances of the named splits, in the order of the names."""
        return Batch.from_dataset(self.dataset, self.rows(*splits), self.device)

    def sample(self, split: str, count: int) -> tuple[Batch, Identity]:
        """At most ``count`` items of a split, the same for all methods and seeds, and which are one instance."""
        order = np.random.default_rng(derived_seed("sample", self.dataset.card.name, split))
        rows = np.sort(order.permutation(self.rows(split))[:count])
        batch = Batch.from_dataset(self.dataset, rows, self.device)
        return batch, Identity.of(batch, self.dataset.instances[rows])

    def items(self, *splits: str) -> pd.DataFrame:
        """The table of the instances of the named splits, in the order of the names."""
        return self.dataset.items.iloc[self.rows(*splits)].reset_index(drop=True)

    def identity(self, split: str) -> Identity:
        """Which items of a split are one instance."""
        return Identity.of(self.batch(split), self.dataset.instances[self.rows(split)])

    def rows(self, *splits: str) -> np.ndarray:
        """Indices of the instances of the named splits, in the order of the names."""
        return np.concatenate([self.dataset.indices(split) for split in splits])


def new_method(run: Run, name: str, values: dict[str, Any]) -> Method:
    """An untrained method; what it draws in ``__init__`` depends on data set and seed only."""
    seed_draws("method", run.dataset.card.name, run.seed)
    return build_method(name, values).to(run.device)


def new_network(run: Run, method: Method) -> Network:
    """An untrained network; its weights depend on data set and seed only, so that all methods start from the same.

    Parameters that the method makes for itself at this point move to the run's device, too.
    """
    seed_draws("weights", run.dataset.card.name, run.seed)
    return network_of(method, run.dataset, run.settings["network"], run.device)


def network_of(method: Method, dataset: Dataset, settings: dict[str, Any], device: torch.device) -> Network:
    """A method's untrained network; what the method makes for itself with it moves to the device, too."""
    sizes = NetworkSettings(**settings)
    with blaming(method, "new_network"):
        network = method.new_network(dataset, sizes).to(device)
    with blaming(method, "setup"):
        method.setup(Sizes.of(dataset, sizes), network)
    method.to(device)
    return network


def set_up_torch(device: str, threads: int = 1) -> torch.device:
    """Set the number of threads, keep freed memory, request deterministic algorithms, and choose the device.

    If ``torchrun`` has started several processes, they join here, and each has a device of its own.

    Raises:
        UserError: the device is not available.
    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # it only helps to find bugs, and takes time in every step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device == "auto":
        return processes.start(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    try:
        torch_device = torch.device(device)
        torch.zeros(1, device=torch_device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"Device {device!r} is not available here ({error}). Use --device cpu.") from error
    return processes.start(torch_device)
