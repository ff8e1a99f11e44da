"""One small training with dropout and random negatives, as a run of a study."""

from pathlib import Path

import torch

from pmrl.data.store import load
from pmrl.experiments.resume import RANDOM_WEIGHTS, Trained, train_or_resume
from pmrl.experiments.run import Run, new_method, new_network
from pmrl.study.config import check_config
from pmrl.study.plan import run_settings

CONFIG = check_config(
    {
        "regimes": ["scratch"],
        "network": {"dimension": 16, "width": 16, "attention_heads": 2, "dropout": 0.2},
        "training": {"batch_size": 16, "scratch_steps": 120},
    },
    "config",
)


def run_of(store: Path, results: Path, every_step: bool, method: str = "pmrl") -> Run:
    dataset = load(store)
    settings = run_settings(CONFIG, dataset.card.name, method, "main")
    minutes = 1e-9 if every_step else 60.0
    return Run(dataset, method, "main", settings, 0, results, torch.device("cpu"), minutes)


def trained(store: Path, results: Path, every_step: bool = False, method: str = "pmrl") -> Trained:
    run = run_of(store, results, every_step, method)
    built = new_method(run, method, {})
    return train_or_resume(run, run.stage("scratch"), new_network(run, built), method, built, RANDOM_WEIGHTS)
