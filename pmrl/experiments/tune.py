"""The search for hyper-parameters: the same number of trials for every method, evaluated on the validation split.

A trial continues from a foundation trained with seeds that the study never uses, or starts from random weights
(``tuning.regime: scratch``). Its value is the mean of two numbers on the validation split: the mean recall@1 over all
ordered modality pairs by cosine, and that of the anchor against everything else, both ways, by the method's own score.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from pmrl.data.dataset import Dataset
from pmrl.errors import UserError
from pmrl.evaluation.retrieval import Result, evaluate, mean_recall, of_anchor, of_pairs
from pmrl.experiments.foundation import train_foundation
from pmrl.experiments.run import REGIME_STAGES, Run, new_method, new_network
from pmrl.files import read_yaml, replacing
from pmrl.method.base import is_supported, load_method
from pmrl.method.networks import embed
from pmrl.progress import progress
from pmrl.records import CONTINUED, FOUNDATION, MAIN, VALIDATION, ZERO_SHOT
from pmrl.seeds import derived_seed
from pmrl.study.plan import foundation_settings, searches, variant_values
from pmrl.training.checkpoints import load_checkpoint
from pmrl.training.loop import Diverged, train_stage

SEARCH = ["dataset", "method", "variant"]
FIRST_TUNING_SEED = 1000
"""Tuning seeds count from here; a study's seeds count from 0."""


def trials(method: str, dataset: str, number: int) -> list[dict[str, Any]]:
    """The values to try: the defaults, then distinct random draws from the method's search space."""
    cls = load_method(method)
    space = cls.search_grids()
    defaults = {name: getattr(cls.Hyperparameters(), name) for name in space}
    combinations = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    others = [values for values in combinations if values != defaults]
    order = np.random.default_rng(derived_seed("tuning", method, dataset)).permutation(len(others))
    return [defaults, *(others[i] for i in order[: number - 1])]


def criterion(results: list[Result]) -> float:
    """The value of a trial in percent, as the module describes it."""
    return float(np.mean([mean_recall(part) for part in (of_pairs(results), of_anchor(results)) if part]))


def foundations(config: dict[str, Any], dataset: Dataset, results: Path, device: torch.device) -> list[Run]:
    """The foundations of the tuning seeds; they are trained, if not yet there, for trials that continue from them."""
    settings = foundation_settings(config, dataset.card.name)
    seeds = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + config["tuning"]["seeds"])
    runs = [Run(dataset, FOUNDATION, MAIN, settings, seed, results, device) for seed in seeds]
    for run in runs if config["tuning"]["regime"] == ZERO_SHOT else []:
        train_foundation(run)
    return runs


def run_trial(base: Run, method_name: str, values: dict[str, Any], regime: str = ZERO_SHOT) -> float:
    """Train with the given values, from a foundation unless from scratch; return the criterion on validation."""
    method = new_method(base, method_name, values)
    network = new_network(base, method)
    (stage,) = REGIME_STAGES[regime]
    if stage == CONTINUED and not method.closed_form:
        load_checkpoint(base.folder / f"{FOUNDATION}.safetensors", network, None, base.device)
    train_stage(network, method, base.dataset, base.stage(stage), base.seed, base.device)
    return criterion(
        evaluate(embed(network, base.batch(VALIDATION)), method, rerank=False, identity=base.identity(VALIDATION))
    )


def tune(
    config: dict[str, Any], dataset: Dataset, method: str, variant: str, results: Path, device: torch.device
) -> Path:
    """Run all trials of a method on a data set and write them, best first, as a CSV file; return its path.

    A variant is tried with the same values as the method's main form, except for those that it sets itself. A trial
    whose loss becomes infinite or NaN counts as 0, with the reason in the column ``problem``. A method that does not
    support the data set has no trials.

    Raises:
        UserError: a trial fails in any other way, or every trial diverges; nothing is written then.
    """
    name, fixed = dataset.card.name, variant_values(config, method, variant)
    supported, _ = is_supported(method, dataset.card)
    bases = foundations(config, dataset, results, device) if supported else []
    number = config["tuning"]["trials"] if supported else 0
    search = dict(zip(SEARCH, (name, method, variant), strict=True))
    rows = []
    for values in progress(trials(method, name, number), f"tuning {method} {variant} on {name}"):
        point = values | fixed
        rows.append({**search, **outcome(bases, method, point, config["tuning"]["regime"]), **point})
    table = pd.DataFrame(rows, columns=None if rows else [*SEARCH, "value"])
    if rows and table["problem"].ne("").all():
        raise UserError(
            f"Tuning {method!r} ({variant}) on {name!r}: the loss diverged in all {len(rows)} trials, the first time: "
            f"{rows[0]['problem']} There is nothing to choose from; check the method and its search grid."
        )
    path = tuning_file(results, name, method, variant)
    with replacing(path) as temporary:
        table.sort_values("value", ascending=False, kind="stable").to_csv(temporary, index=False)
    return path


def outcome(bases: list[Run], method: str, values: dict[str, Any], regime: str) -> dict[str, Any]:
    """The value of a trial: the mean of the criterion over the tuning seeds, 0 if a loss diverged."""
    try:
        criteria = [run_trial(base, method, values, regime) for base in bases]
    except Diverged as error:
        return {"value": 0.0, "problem": str(error), "seeds": len(bases)}
    return {"value": float(np.mean(criteria)), "problem": "", "seeds": len(bases)}


def tuning_file(results: Path, dataset: str, method: str, variant: str = MAIN) -> Path:
    """The file with the trials of a method or variant on a data set."""
    return Path(results) / "tuning" / dataset / method / f"{variant}.csv"


def records_file(tuned: Path) -> Path:
    """The file with the trials behind a file of tuned values: ``tuning_records_X.csv`` beside ``tuned_X.yaml``."""
    return tuned.with_name(f"tuning_records{tuned.stem.removeprefix('tuned')}.csv")


def adopt(config: dict[str, Any], results: Path, tuned: Path) -> None:
    """Write the best values of every search as YAML, and all trials as a table beside it (see :func:`records_file`).

    Searches of other data sets and methods that are already in the two files stay as they are.

    Raises:
        UserError: a search of the config's data sets and methods has not been run.
    """
    records = records_file(tuned)
    best = (read_yaml(tuned) or {}) if tuned.exists() else {}
    all_trials = pd.read_csv(records) if records.exists() else pd.DataFrame(columns=SEARCH)
    for dataset, (method, variant) in itertools.product(config["datasets"], searches(config)):
        path = tuning_file(results, dataset, method, variant)
        if not path.exists():
            raise UserError(f"{path}: no such search. Run `snakemake tune --cores all` first.")
        table = pd.read_csv(path)
        if table.empty:
            continue
        space = load_method(method).search_grids()
        name = method if variant == MAIN else f"{method}/{variant}"
        best.setdefault(dataset, {})[name] = {key: plain(table[key].iloc[0]) for key in space}
        others = all_trials[(all_trials[SEARCH] != [dataset, method, variant]).any(axis=1)]
        all_trials = pd.concat([others, table], ignore_index=True)
    with replacing(tuned) as temporary:
        temporary.write_text(
            f"# Chosen on the validation split by `make tune`; the trials are in {records.name} beside this file.\n"
            + yaml.safe_dump(best, sort_keys=True),
            encoding="utf-8",
        )
    with replacing(records) as temporary:
        order = [*SEARCH, "value"]
        all_trials.sort_values(order, ascending=[True, True, True, False]).to_csv(temporary, index=False)


def plain(value: Any) -> Any:
    """A NumPy scalar as a Python value; anything else unchanged."""
    return value.item() if isinstance(value, np.generic) else value
