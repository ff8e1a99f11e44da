"""Runs: train a method on a data set with one seed, keep its checkpoints, evaluate them, write the records.

A run's folder is ``<results>/runs/<dataset>/<method>/<variant>/seed_<n>/``. A checkpoint carries the fingerprint
of everything that it depends on; when that still holds, training is not repeated.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import pmrl
from pmrl.analyses import (
    RAW_FEATURES,
    Measured,
    embedded_target,
    keep_for_figures,
    measure_classification,
    measure_mismatched,
    measure_missing,
    measure_retrieval,
    measure_robustness,
    raw_target,
)
from pmrl.checkpoints import load_checkpoint, read_fingerprint, save_checkpoint
from pmrl.data.store import Dataset
from pmrl.discovery import ROOT
from pmrl.errors import UserError
from pmrl.files import replacing, sha256
from pmrl.method import Method, blaming, build_method, is_supported, load_method
from pmrl.networks import Network, NetworkSettings
from pmrl.records import CONTRIBUTION_COLUMNS, FIGURE_FILES, RANK_COLUMNS, RUN_FILES, curve_rows, unsupported_row
from pmrl.settings import MAIN
from pmrl.sources import method_sources
from pmrl.training import SCRATCH, Curves, Stage, derived_seed, train_stage

FOUNDATION = "foundation"
REGIME_STAGES = {
    "zero_shot": ("continued",),
    "fine_tuned": ("continued", "fine_tuned"),
    "scratch": ("scratch",),
}
STAGE_REGIMES = {"continued": "zero_shot", "fine_tuned": "fine_tuned", "scratch": "scratch"}
STAGE_SPLITS = {FOUNDATION: "pretrain", "continued": "pretrain", "scratch": "pretrain", "fine_tuned": "train"}
TRAINING_CODE = tuple(
    ROOT / "pmrl" / f"{name}.py"
    for name in ("networks", "training", "method", "matching", "contrastive", "spectral", "corruption")
)
# What the curves of the stage ``scratch`` rest on beside that; they are kept with its checkpoint.
DIAGNOSIS_CODE = tuple(ROOT / "pmrl" / f"{name}.py" for name in ("diagnosis", "evaluation", "retrieval"))


@dataclass(frozen=True)
class Run:
    """Which run this is, and where it lives.

    Attributes:
        dataset: the loaded data set.
        method: name of the method, or ``foundation``.
        variant: ``main`` or the name of an override.
        settings: see ``pmrl.settings.run_settings``.
        seed: index of the seed.
        results: the results folder.
        device: where to compute.
    """

    dataset: Dataset
    method: str
    variant: str
    settings: dict[str, Any]
    seed: int
    results: Path
    device: torch.device

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return run_folder(self.results, self.dataset.card.name, self.method, self.variant, self.seed)

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
        return self.variant == MAIN and self.seed == 0

    def stage(self, name: str, **corruption: float) -> Stage:
        """The training stage ``name`` with the config's steps and batch size, on corrupted data if asked for."""
        training = self.settings["training"]
        return Stage(name, STAGE_SPLITS[name], training[f"{name}_steps"], training["batch_size"], **corruption)


def run_folder(results: Path, dataset: str, method: str, variant: str, seed: int) -> Path:
    """Where a run lives; the foundation has no variants."""
    parts = (FOUNDATION,) if method == FOUNDATION else (method, variant)
    return Path(results, "runs", dataset, *parts, f"seed_{seed}")


def new_network(run: Run, method: Method) -> Network:
    """An untrained network; its weights depend on the data set and the seed only, so methods start equal."""
    torch.manual_seed(derived_seed("weights", run.dataset.card.name, run.seed))
    with blaming(method, "new_network"):
        return method.new_network(run.dataset, NetworkSettings(**run.settings["network"])).to(run.device)


def fingerprint(run: Run, stage: Stage, method_name: str, hyperparameters: dict[str, Any], start: str) -> str:
    """Hash of all that a checkpoint depends on: data, settings, seed, code, torch, and where it started from."""
    code = TRAINING_CODE + (DIAGNOSIS_CODE if stage.name == SCRATCH else ())
    content = {
        "data": run.dataset.card.checksum,
        "network": run.settings["network"],
        "stage": vars(stage),
        "method": method_name,
        "hyperparameters": hyperparameters,
        "seed": run.seed,
        "code": sha256(*code, *method_sources(method_name)),
        "torch": torch.__version__,
        "device": run.device.type,
        "start": start,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def train_or_resume(
    run: Run, stage: Stage, network: Network, method_name: str, method: Method, start: str
) -> tuple[str, Curves, float]:
    """Bring ``network`` and ``method`` to the end of ``stage``, from the checkpoint if its fingerprint holds.

    Returns:
        The fingerprint, the training curves and the seconds that training took when it was done.
    """
    path = run.folder / f"{stage.label}.safetensors"
    log = run.folder / f"{stage.label}.json"
    mark = fingerprint(run, stage, method_name, vars(method.hyperparameters), start)
    if read_fingerprint(path) == mark and log.exists():
        load_checkpoint(path, network, method, run.device)
        network.eval()
        kept = json.loads(log.read_text())
        return mark, Curves([tuple(row) for row in kept["curves"]]), kept["seconds"]
    began = time.perf_counter()
    curves = train_stage(network, method, run.dataset, stage, run.seed, run.device)
    seconds = time.perf_counter() - began
    with replacing(log) as temporary:
        temporary.write_text(json.dumps({"seconds": seconds, "curves": curves.rows}))
    save_checkpoint(path, network, method, mark)
    return mark, curves, seconds


def foundation_method(run: Run) -> tuple[str, Method]:
    """The method that trains the shared foundation, with its default hyper-parameters."""
    settings = run.settings if run.method == FOUNDATION else run.settings["foundation"]
    return settings["method"], build_method(settings["method"], {}).to(run.device)


def run_foundation(run: Run) -> None:
    """Train and evaluate the shared warm start of one data set and seed, and probe the raw features."""
    measured = Measured()
    name, method = foundation_method(run)
    require_support(run, name)
    network = new_network(run, method)
    _, curves, seconds = train_or_resume(run, run.stage(FOUNDATION), network, name, method, "random weights")
    measure_retrieval(run, network, method, FOUNDATION, measured)
    if run.settings["classification"]:
        measure_classification(run, raw_target(run), RAW_FEATURES, measured)
    finish(run, name, {FOUNDATION: (curves, seconds)}, measured)


def require_support(run: Run, name: str) -> None:
    """Raise a UserError if the foundation's method cannot work on the data set."""
    supported, reason = is_supported(name, run.dataset.card)
    if not supported:
        raise UserError(f"The foundation method {name!r} does not support {run.dataset.card.name!r}: {reason}")


def run_method(run: Run) -> None:
    """Train and evaluate one method, variant and seed in all regimes, starting from the foundation."""
    measured, stages = Measured(), {}
    supported, reason = is_supported(run.method, run.dataset.card)
    if not supported:
        measured.records += [unsupported_row(run.context, regime, reason) for regime in run.settings["regimes"]]
        finish(run, run.method, stages, measured)
        return
    state: Trained | None = None
    for name in needed_stages([*run.settings["regimes"], *filter(None, [run.settings["classification"]])]):
        state = train(run, run.stage(name), state if name == "fine_tuned" else None)
        stages[name] = state.curves, state.seconds
        measure(run, STAGE_REGIMES[name], state, measured)
    for percent in run.settings["corruption"]["mismatched"]:
        state = train(run, run.stage("continued", mismatched=percent), None)
        measure_mismatched(run, state.network, percent, measured)
    for percent in run.settings["corruption"]["missing_training"]:
        state = train(run, run.stage("continued", missing=percent), None)
        measure_missing(run, state.network, state.method, percent, "missing_training", measured)
    finish(run, run.method, stages, measured)


@dataclass(frozen=True)
class Trained:
    """A network and method at the end of a stage, with the stage's curves, seconds and fingerprint."""

    network: Network
    method: Method
    mark: str
    curves: Curves
    seconds: float


def train(run: Run, stage: Stage, before: Trained | None) -> Trained:
    """Train one stage, going on from ``before``, else from the foundation, or from nothing for ``scratch``."""
    if before is not None:
        network, method, mark = before.network, before.method, before.mark
    else:
        method = build_method(run.method, run.settings["hyperparameters"]).to(run.device)
        network = new_network(run, method)
        from_nothing = method.closed_form or stage.name == "scratch"
        mark = "random weights" if from_nothing else start_from_foundation(run, network)
    mark, curves, seconds = train_or_resume(run, stage, network, run.method, method, mark)
    return Trained(network, method, mark, curves, seconds)


def measure(run: Run, regime: str, state: Trained, measured: Measured) -> None:
    """All that the settings ask of a model in a regime."""
    if regime in run.settings["regimes"]:
        measure_retrieval(run, state.network, state.method, regime, measured)
    if regime == "zero_shot":
        measure_robustness(run, state.network, state.method, measured)
        if run.is_shown:
            keep_for_figures(run, state.network, measured)
    if regime == run.settings["classification"] and run.variant == MAIN:
        measure_classification(run, embedded_target(run, state.network), run.method, measured)


def needed_stages(regimes: Iterable[str]) -> list[str]:
    """The stages that the regimes need, each once, in the order of training."""
    needed = {stage for regime in regimes for stage in REGIME_STAGES[regime]}
    return [stage for stage in STAGE_REGIMES if stage in needed]


def start_from_foundation(run: Run, network: Network) -> str:
    """Load the weights of the run's foundation into ``network`` and return its fingerprint; see `load_foundation`."""
    base = Run(run.dataset, FOUNDATION, MAIN, run.settings["foundation"], run.seed, run.results, run.device)
    return load_foundation(base, network)


def load_foundation(base: Run, network: Network) -> str:
    """Load the weights of the foundation ``base`` into ``network`` and return its fingerprint.

    Raises:
        UserError: the foundation has not been trained, or with other data, settings, code, torch or kind of device.
    """
    path = base.folder / f"{FOUNDATION}.safetensors"
    name, method = foundation_method(base)
    expected = fingerprint(base, base.stage(FOUNDATION), name, vars(method.hyperparameters), "random weights")
    if read_fingerprint(path) != expected:
        raise UserError(
            f"{path}: the foundation is missing or was trained with other data, settings, code, torch or kind of "
            f"device than now (torch {torch.__version__}, {base.device.type}). Delete the folder {base.folder} and run "
            "snakemake again, which trains it anew and then what started from it."
        )
    load_checkpoint(path, network, None, base.device)
    return expected


def finish(run: Run, method_name: str, stages: dict[str, tuple[Curves, float]], measured: Measured) -> None:
    """Write the run's records, ranks, curves and description, each in one step."""
    tables = {
        RUN_FILES["records"]: pd.DataFrame(measured.records),
        RUN_FILES["ranks"]: joined(measured.ranks, RANK_COLUMNS),
        RUN_FILES["contributions"]: joined(measured.contributions, CONTRIBUTION_COLUMNS),
        RUN_FILES["curves"]: curve_rows(run.context, {stage: curves.rows for stage, (curves, _) in stages.items()}),
        **{file: joined(getattr(measured, name), []) for name, file in FIGURE_FILES.items() if run.is_shown},
    }
    for file, table in tables.items():
        with replacing(run.folder / file) as temporary:
            table.to_parquet(temporary, index=False)
    with replacing(run.folder / RUN_FILES["description"]) as temporary:
        temporary.write_text(json.dumps(description(run, method_name, stages, measured), indent=2, sort_keys=True))


def joined(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """All rows of several tables; an empty one with ``columns`` if there are none."""
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def description(
    run: Run, method_name: str, stages: dict[str, tuple[Curves, float]], measured: Measured
) -> dict[str, Any]:
    """What ran: settings, versions, data, seed, the seconds of each stage, and those of the whole run just now."""
    cls = load_method(method_name)
    return {
        **run.context,
        "title": cls.title,
        "reference": cls.reference,
        "color": cls.color,
        "settings": run.settings,
        "data_checksum": run.dataset.card.checksum,
        "busy_seconds": round(time.perf_counter() - measured.began, 3),
        "parameters": measured.parameters,
        "training_seconds": {stage: round(seconds, 3) for stage, (_, seconds) in stages.items()},
        "versions": {
            "pmrl": pmrl.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "device": run.device.type,
    }
