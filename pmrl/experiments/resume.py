"""Training that is not repeated: a checkpoint holds a fingerprint of everything that it depends on."""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pmrl import provenance
from pmrl.discovery import method_file
from pmrl.errors import UserError
from pmrl.evaluation import diagnosis, geometry
from pmrl.experiments.run import Run
from pmrl.files import read_json, write_json
from pmrl.method import Method, Network
from pmrl.records import SCRATCH
from pmrl.training import loop, processes
from pmrl.training.checkpoints import load_checkpoint, read_fingerprint, save_checkpoint
from pmrl.training.loop import Curves, Watch, set_mode, train_stage
from pmrl.training.stage import Stage
from pmrl.training.unfinished import Unfinished

RANDOM_WEIGHTS = "random weights"  # the start of a training without a foundation


@dataclass(frozen=True)
class Trained:
    """A network and method at the end of a stage.

    Attributes:
        network: in evaluation mode.
        method: with its learned parameters, in evaluation mode.
        fingerprint: of everything that the weights depend on.
        curves: what was logged while they were trained.
        seconds: duration of that training.
    """

    network: Network
    method: Method
    fingerprint: str
    curves: Curves
    seconds: float


def watch_of(stage: Stage) -> Watch:
    """What a stage logs beside its loss."""
    return diagnosis.watch if stage.name == SCRATCH else geometry.watch


def dependencies(
    run: Run, stage: Stage, method_name: str, hyperparameters: dict[str, Any], start: str
) -> dict[str, Any]:
    """Everything that a checkpoint depends on: data, settings, seed, code, torch, and starting weights."""
    code = loop.__file__, inspect.getfile(watch_of(stage)), method_file(method_name)
    return {
        "data": run.dataset.card.checksum,
        "network": run.settings["network"],
        "stage": vars(stage),
        "method": method_name,
        "hyperparameters": hyperparameters,
        "seed": run.seed,
        "code": provenance.code(*code),
        "torch": torch.__version__,
        "device": run.device.type,
        "start": start,
    }


def fingerprint(run: Run, stage: Stage, method_name: str, hyperparameters: dict[str, Any], start: str) -> str:
    """Hash of everything that a checkpoint depends on, see :func:`dependencies`."""
    content = dependencies(run, stage, method_name, hyperparameters, start)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def train_or_resume(run: Run, stage: Stage, network: Network, method_name: str, method: Method, start: str) -> Trained:
    """Bring ``network`` and ``method`` to the end of ``stage``, from the checkpoint if its fingerprint matches.

    A training that was stopped in the middle goes on from there. Of several processes one writes files.

    Args:
        run: the run, for its settings, seed and folder.
        stage: what to train.
        network: holds the starting weights.
        method_name: name of the method's file, for the fingerprint.
        method: what trains the network.
        start: fingerprint of the starting weights.
    """
    path = run.folder / f"{stage.label}.safetensors"
    log_path = path.with_suffix(".json")
    hyperparameters = vars(method.hyperparameters)
    expected = fingerprint(run, stage, method_name, hyperparameters, start)
    log = read_log(log_path) if read_fingerprint(path) == expected else None
    if log is not None:
        load_checkpoint(path, network, method, run.device)
        set_mode(False, network, method)
        return Trained(network, method, expected, *log)
    about = dependencies(run, stage, method_name, hyperparameters, start) | {"processes": processes.count()}
    unfinished = Unfinished(path, about, run.checkpoint_minutes)
    began = time.perf_counter()
    with unfinished.kept():
        curves = train_stage(network, method, run.dataset, stage, run.seed, run.device, watch_of(stage), unfinished)
        seconds = time.perf_counter() - began
        if processes.leads():
            write_json(log_path, {"seconds": seconds, "curves": curves.rows})
            save_checkpoint(path, network, method, expected)
    return Trained(network, method, expected, curves, seconds)


def read_log(path: Path) -> tuple[Curves, float] | None:
    """The curves and seconds stored beside a checkpoint; None if the file is missing or damaged."""
    try:
        log = read_json(path)
        return Curves([tuple(row) for row in log["curves"]]), float(log["seconds"])
    except (UserError, KeyError, TypeError, ValueError):
        return None
