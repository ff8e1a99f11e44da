"""How PMRL's any-modality retrieval depends on τ1, τ2 and the weight of matching: one training for each setting.

Each setting continues from the study's foundation, with tuned values for all other hyper-parameters. It is evaluated
by the mean recall@1 over all ordered modality pairs of the test split, by cosine. No choice rests on these numbers.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from pmrl.data.dataset import Dataset
from pmrl.evaluation.retrieval import evaluate_pairs, mean_recall
from pmrl.experiments.foundation import load_foundation, train_foundation
from pmrl.experiments.run import Run, new_network
from pmrl.files import replacing, write_json
from pmrl.method.base import build_method
from pmrl.method.networks import embed
from pmrl.progress import progress
from pmrl.records import CONTINUED, FOUNDATION, MAIN, PROPOSED, TEST
from pmrl.study.plan import foundation_settings, swept_seeds, tuned_values
from pmrl.training.loop import train_stage

SWEPT = ("alignment_temperature", "instance_temperature", "matching_weight")


@dataclass(frozen=True)
class Setting:
    """Values of the three swept hyper-parameters, and the sweep (``parameter``) that they belong to."""

    parameter: str
    alignment_temperature: float
    instance_temperature: float
    matching_weight: float

    def values(self) -> dict[str, float]:
        """The hyper-parameters by name."""
        return {name: getattr(self, name) for name in SWEPT}


def settings(sensitivity: dict[str, Any], tuned: dict[str, Any]) -> list[Setting]:
    """The grid of both temperatures at the tuned matching weight, then the weights at the tuned temperatures."""
    base = {name: tuned.get(name, default_value(name)) for name in SWEPT}
    grid = product(sensitivity["alignment_temperatures"], sensitivity["instance_temperatures"])
    temperatures = [Setting("temperatures", first, second, base["matching_weight"]) for first, second in grid]
    weights = [
        Setting("matching_weight", base["alignment_temperature"], base["instance_temperature"], weight)
        for weight in sensitivity["matching_weights"]
    ]
    return temperatures + weights


def default_value(name: str) -> float:
    """PMRL's default of a hyper-parameter."""
    return getattr(build_method(PROPOSED, {}).hyperparameters, name)


def sweep(config: dict[str, Any], dataset: Dataset, results: Path, device: torch.device) -> Path:
    """Train and evaluate every setting for the config's number of seeds; return the path of the table."""
    name, rows, began = dataset.card.name, [], time.perf_counter()
    tuned = tuned_values(config, name, PROPOSED)
    trainings = list(product(swept_seeds(config), settings(config["sensitivity"], tuned)))
    for seed, setting in progress(trainings, f"sensitivity on {name}"):
        run = Run(dataset, FOUNDATION, MAIN, foundation_settings(config, name), seed, results, device)
        value = judge(run, {**tuned, **setting.values()})
        rows.append({"dataset": name, "seed": seed, "parameter": setting.parameter, **setting.values(), "value": value})
    path = Path(results) / "sweep" / f"{name}.parquet"
    with replacing(path) as temporary:
        pd.DataFrame(rows).to_parquet(temporary, index=False)
    write_json(path.with_suffix(".json"), {"busy_seconds": round(time.perf_counter() - began, 3)})
    return path


def judge(foundation: Run, values: dict[str, Any]) -> float:
    """Mean recall@1 in percent after training with ``values`` from a foundation, which is trained first if missing.

    Raises:
        UserError: the foundation was trained with other data, settings, code, torch or kind of device.
    """
    if not (foundation.folder / f"{FOUNDATION}.safetensors").exists():
        train_foundation(foundation)
    method = build_method(PROPOSED, values).to(foundation.device)
    network = new_network(foundation, method)
    load_foundation(foundation, network, method)
    stage = foundation.stage(CONTINUED)
    train_stage(network, method, foundation.dataset, stage, foundation.seed, foundation.device)
    embeddings = embed(network, foundation.batch(TEST))
    return mean_recall(evaluate_pairs(embeddings, embeddings, foundation.identity(TEST)))
