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
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

import pmrl
from pmrl.data.store import Dataset
from pmrl.discovery import ROOT, method_file
from pmrl.errors import UserError
from pmrl.evaluation import evaluate
from pmrl.files import replacing, sha256
from pmrl.method import Method, build_method, load_method
from pmrl.networks import Batch, Network, NetworkSettings
from pmrl.records import RUN_FILES, curve_rows, rank_rows, record_rows, unsupported_row
from pmrl.settings import MAIN
from pmrl.training import Curves, Stage, derived_seed, embed, train_stage

FOUNDATION = "foundation"
REGIME_STAGES = {
    "zero_shot": ("continued",),
    "fine_tuned": ("continued", "fine_tuned"),
    "scratch": ("scratch",),
}
STAGE_REGIMES = {"continued": "zero_shot", "fine_tuned": "fine_tuned", "scratch": "scratch"}
STAGE_SPLITS = {FOUNDATION: "pretrain", "continued": "pretrain", "scratch": "pretrain", "fine_tuned": "train"}
TRAINING_CODE = tuple(
    ROOT / "pmrl" / f"{name}.py" for name in ("networks", "training", "method", "matching", "contrastive", "spectral")
)


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

    def stage(self, name: str) -> Stage:
        """The training stage ``name`` with the config's steps and batch size."""
        training = self.settings["training"]
        return Stage(name, STAGE_SPLITS[name], training[f"{name}_steps"], training["batch_size"])


def run_folder(results: Path, dataset: str, method: str, variant: str, seed: int) -> Path:
    """Where a run lives; the foundation has no variants."""
    parts = (FOUNDATION,) if method == FOUNDATION else (method, variant)
    return Path(results, "runs", dataset, *parts, f"seed_{seed}")


def new_network(run: Run) -> Network:
    """An untrained network; its weights depend on the data set and the seed only, so methods start equal."""
    torch.manual_seed(derived_seed("weights", run.dataset.card.name, run.seed))
    return Network(run.dataset, NetworkSettings(**run.settings["network"])).to(run.device)


def fingerprint(run: Run, stage: Stage, method_name: str, hyperparameters: dict[str, Any], start: str) -> str:
    """Hash of all that a checkpoint depends on: data, settings, seed, code, torch, and where it started from."""
    content = {
        "data": run.dataset.card.checksum,
        "network": run.settings["network"],
        "stage": [stage.name, stage.split, stage.steps, stage.batch_size],
        "method": method_name,
        "hyperparameters": hyperparameters,
        "seed": run.seed,
        "code": sha256(*TRAINING_CODE, method_file(method_name)),
        "torch": torch.__version__,
        "device": run.device.type,
        "start": start,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def save_checkpoint(path: Path, network: nn.Module, method: nn.Module, mark: str) -> None:
    """Write both modules' tensors, with the fingerprint as metadata."""
    modules = {"network": network, "method": method}
    tensors = {
        f"{prefix}.{name}": tensor.detach().cpu().contiguous()
        for prefix, module in modules.items()
        for name, tensor in module.state_dict().items()
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"fingerprint": mark})


def read_fingerprint(path: Path) -> str | None:
    """The fingerprint of a checkpoint, or None if there is no readable one."""
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get("fingerprint")
    except (OSError, SafetensorError):
        return None


def load_checkpoint(path: Path, network: nn.Module, method: nn.Module | None, device: torch.device) -> None:
    """Load a checkpoint strictly: every tensor must be there, and no other.

    Raises:
        UserError: the file is missing, damaged, or belongs to another network.
    """
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: the checkpoint cannot be read ({error}). Delete it and train again.") from error
    for prefix, module in {"network": network, "method": method}.items():
        if module is None:
            continue
        state = {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}
        try:
            module.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise UserError(f"{path}: the checkpoint does not fit the {prefix}: {error}") from error


def train_or_resume(
    run: Run, stage: Stage, network: Network, method_name: str, method: Method, start: str
) -> tuple[str, Curves, float]:
    """Bring ``network`` and ``method`` to the end of ``stage``, from the checkpoint if its fingerprint holds.

    Returns:
        The fingerprint, the training curves and the seconds that training took when it was done.
    """
    path = run.folder / f"{stage.name}.safetensors"
    log = run.folder / f"{stage.name}.json"
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
    """Train and evaluate the shared warm start of one data set and seed."""
    network = new_network(run)
    name, method = foundation_method(run)
    require_support(run, name)
    stage = run.stage(FOUNDATION)
    _, curves, seconds = train_or_resume(run, stage, network, name, method, "random weights")
    finish(run, name, {FOUNDATION: (curves, seconds)}, evaluated(run, network, method, FOUNDATION))


def require_support(run: Run, name: str) -> None:
    """Raise a UserError if the foundation's method cannot work on the data set."""
    supported, reason = load_method(name).supports(run.dataset.card)
    if not supported:
        raise UserError(f"The foundation method {name!r} does not support {run.dataset.card.name!r}: {reason}")


def run_method(run: Run) -> None:
    """Train and evaluate one method, variant and seed in all regimes, starting from the foundation."""
    supported, reason = load_method(run.method).supports(run.dataset.card)
    if not supported:
        finish(
            run,
            run.method,
            {},
            ([unsupported_row(run.context, r, reason) for r in run.settings["regimes"]], []),
        )
        return
    stages: dict[str, tuple[Curves, float]] = {}
    records: list[dict[str, Any]] = []
    rank_tables: list[pd.DataFrame] = []
    network, method, mark = None, None, ""
    for name in needed_stages(run.settings["regimes"]):
        if name != "fine_tuned":
            network, method = new_network(run), build_method(run.method, run.settings["hyperparameters"])
            method.to(run.device)
            mark = start_from_foundation(run, network) if name == "continued" else "random weights"
        mark, *outcome = train_or_resume(run, run.stage(name), network, run.method, method, mark)
        stages[name] = tuple(outcome)
        if STAGE_REGIMES[name] in run.settings["regimes"]:
            more_records, more_ranks = evaluated(run, network, method, STAGE_REGIMES[name])
            records += more_records
            rank_tables += more_ranks
    finish(run, run.method, stages, (records, rank_tables))


def needed_stages(regimes: Iterable[str]) -> list[str]:
    """The stages that the regimes need, each once, in the order of training."""
    needed = {stage for regime in regimes for stage in REGIME_STAGES[regime]}
    return [stage for stage in STAGE_REGIMES if stage in needed]


def start_from_foundation(run: Run, network: Network) -> str:
    """Load the foundation's weights into ``network`` and return its fingerprint.

    Raises:
        UserError: the foundation has not been trained, or with other data, settings or code.
    """
    base = Run(run.dataset, FOUNDATION, MAIN, run.settings["foundation"], run.seed, run.results, run.device)
    path = base.folder / f"{FOUNDATION}.safetensors"
    name, method = foundation_method(base)
    expected = fingerprint(base, base.stage(FOUNDATION), name, vars(method.hyperparameters), "random weights")
    if read_fingerprint(path) != expected:
        raise UserError(
            f"{path}: the foundation is missing or was trained with other data, settings or code. "
            f"Run `pmrl foundation --dataset {run.dataset.card.name}` first (snakemake does so by itself)."
        )
    load_checkpoint(path, network, None, run.device)
    return expected


def evaluated(
    run: Run, network: Network, method: Method, regime: str
) -> tuple[list[dict[str, Any]], list[pd.DataFrame]]:
    """Records and ranks of the test split."""
    indices = run.dataset.indices("test")
    if len(indices) < 2:
        raise UserError(f"Data set {run.dataset.card.name!r}: the test split has {len(indices)} instances; need 2.")
    results = evaluate(embed(network, Batch.from_dataset(run.dataset, indices, run.device)), method)
    items = run.dataset.items["id"].to_numpy()[indices]
    context = {**run.context, "regime": regime}
    return record_rows(context, results), [rank_rows(context, results, items)]


def finish(
    run: Run,
    method_name: str,
    stages: dict[str, tuple[Curves, float]],
    outcome: tuple[list[dict[str, Any]], list[pd.DataFrame]],
) -> None:
    """Write the run's records, ranks, curves and description, each in one step."""
    records, rank_tables = outcome
    tables = {
        "records": pd.DataFrame(records),
        "ranks": pd.concat(rank_tables, ignore_index=True) if rank_tables else rank_rows(run.context, [], None),
        "curves": curve_rows(run.context, {stage: curves.rows for stage, (curves, _) in stages.items()}),
    }
    for name, table in tables.items():
        with replacing(run.folder / RUN_FILES[name]) as temporary:
            table.to_parquet(temporary, index=False)
    with replacing(run.folder / RUN_FILES["description"]) as temporary:
        temporary.write_text(json.dumps(description(run, method_name, stages), indent=2, sort_keys=True))


def description(run: Run, method_name: str, stages: dict[str, tuple[Curves, float]]) -> dict[str, Any]:
    """What ran: settings, versions, data, seed, and the seconds of each stage."""
    cls = load_method(method_name)
    return {
        **run.context,
        "title": cls.title,
        "reference": cls.reference,
        "color": cls.color,
        "settings": run.settings,
        "data_checksum": run.dataset.card.checksum,
        "training_seconds": {stage: round(seconds, 3) for stage, (_, seconds) in stages.items()},
        "versions": {
            "pmrl": pmrl.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "device": run.device.type,
    }
