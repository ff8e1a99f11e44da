"""The search for hyper-parameters: the same budget of training steps for every method, judged on the validation split.

Training continues from a foundation trained with seeds that the study never uses, or starts from random weights
(``tuning.regime: scratch``). Many candidates train briefly with one seed (:mod:`pmrl.experiments.halving`), once for
each criterion; the best, and the defaults, train in full with other seeds, and one of them is chosen
(:mod:`pmrl.study.tuning`). Then, and only then, the defaults and the chosen values are measured on the test split.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from pmrl.data.dataset import Dataset
from pmrl.errors import UserError
from pmrl.experiments.halving import FULL, RUNGS, search
from pmrl.experiments.trials import Trials
from pmrl.files import read_yaml, replacing
from pmrl.method.base import is_supported, load_method
from pmrl.progress import progress
from pmrl.records import (
    CRITERIA,
    DEFAULTS,
    FINAL,
    GAIN,
    MAIN,
    ONE_SEARCH,
    SEARCH,
    TEST,
    TUNING,
    VALIDATION,
    ZERO_SHOT,
)
from pmrl.seeds import derived_seed
from pmrl.study.plan import present, searches, tuning_seeds, variant_values
from pmrl.study.tuning import choose, criterion_values, read_records, records_file

Row = dict[str, Any]
Grids = dict[str, tuple[Any, ...]]


def tune(
    config: dict[str, Any], dataset: Dataset, method: str, variant: str, results: Path, device: torch.device
) -> Path:
    """Search for a method's hyper-parameters on a data set; write all trials as a CSV file and return its path.

    A variant tries the same values as the method's main form, except for those that it sets itself. A training whose
    loss becomes infinite or NaN counts as a recall of 0, with the reason in the column ``problem``. A method that does
    not support the data set has no trials. Trainings of an interrupted search are not repeated.

    Raises:
        UserError: a training fails in any other way, or every one diverges; nothing is written then.
    """
    name, fixed = dataset.card.name, variant_values(config, method, variant)
    path = tuning_file(results, name, method, variant)
    rows: list[Row] = []
    if is_supported(method, dataset.card)[0]:
        trials = Trials(config, dataset, method, fixed, results, device, path)
        grids = {key: grid for key, grid in load_method(method).search_grids().items() if key not in fixed}
        rows = list(searched(config, trials, grids, name))
        if all(row["problem"] for row in rows):
            raise UserError(
                f"Tuning {method!r} ({variant}) on {name!r}: the loss diverged in all {len(rows)} trainings, the first "
                f"time: {rows[0]['problem']} There is nothing to choose from; check the method and its search grid."
            )
        combinations = math.prod(map(len, grids.values()))
        labels = {**dict(zip(ONE_SEARCH, (name, method, variant), strict=True)), "grid": combinations}
        rows = [{**labels, **row} for row in rows]
    table = pd.DataFrame(rows, columns=[*dict.fromkeys([*TUNING, *itertools.chain(*rows)])])
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)
    return path


def searched(config: dict[str, Any], trials: Trials, grids: Grids, dataset: str) -> Iterator[Row]:
    """The rows of a whole search: of all candidates, of the finalists, and of the defaults and the chosen on test."""
    first, *others = tuning_seeds(config)
    settings, title = config["tuning"], f"tuning {trials.method} on {dataset}"
    criteria = [name for name in CRITERIA if settings["regime"] == ZERO_SHOT or name != GAIN]
    candidates, made = halved(trials, grids, dataset, progress(criteria, title), settings["budget"], first)
    yield from made
    numbers = finalists(made, settings["criterion"], settings["finalists"], criteria)
    runs = progress(list(itertools.product(numbers, others)), f"{title}, finalists")
    final = [row(trials, FINAL, VALIDATION, number, candidates[number], seed) for number, seed in runs]
    yield from final
    chosen = choose(pd.DataFrame(final), settings["criterion"]).candidate
    for number, seed in itertools.product(sorted({DEFAULTS, chosen}), others):
        yield row(trials, FINAL, TEST, number, candidates[number], seed)


def halved(
    trials: Trials, grids: Grids, dataset: str, criteria: Iterable[str], budget: int, seed: int
) -> tuple[dict[int, dict[str, Any]], list[Row]]:
    """The candidates by number and the rows of their trainings, from a search under each criterion.

    A training that several searches ask for is made once; ``criteria`` names them in its row.
    """
    defaults = {name: getattr(load_method(trials.method).Hyperparameters(), name) for name in grids}
    candidates: dict[int, dict[str, Any]] = {DEFAULTS: defaults}
    rows: dict[tuple[int, float], Row] = {}

    def evaluate(criterion: str, number: int, values: dict[str, Any], share: float) -> float:
        candidates[number] = values
        if (number, share) not in rows:
            rows[number, share] = row(trials, SEARCH, VALIDATION, number, values, seed, share) | {"criteria": ""}
        made = rows[number, share]
        made["criteria"] = f"{made['criteria']} {criterion}".strip()
        return float(criterion_values(pd.DataFrame([made]), criterion).iloc[0])

    order, rungs = derived_seed("tuning", trials.method, dataset), FULL if trials.closed_form else RUNGS
    for criterion in criteria if grids else []:
        search(grids, defaults, partial(evaluate, criterion), budget, order, rungs)
    return candidates, list(rows.values())


def row(
    trials: Trials,
    phase: str,
    split: str,
    number: int,
    values: dict[str, Any],
    seed: int,
    share: float = 1.0,
) -> Row:
    """One training, measured on a split, with the columns that describe it."""
    where = {"phase": phase, "split": split, "candidate": number, "seed": seed, "share": share}
    return {**where, **trials.outcome(values, seed, share, split), **values, **trials.fixed}


def finalists(rows: list[Row], criterion: str, number: int, criteria: list[str]) -> list[int]:
    """The defaults, the best ``number`` others under the criterion, and the best under each other criterion.

    Only candidates count that their criterion's own search took to the end without a problem.
    """
    table = pd.DataFrame(rows)
    chosen = {DEFAULTS}
    for name in criteria if len(table) else []:
        asked = table["criteria"].str.split().map(lambda names, name=name: name in names)
        full = table[asked & table["share"].eq(1) & table["problem"].eq("") & table["candidate"].ne(DEFAULTS)]
        ranked = criterion_values(full, name).sort_values(ascending=False, kind="stable").index
        chosen |= set(full.loc[ranked, "candidate"].head(number if name == criterion else 1))
    return sorted(chosen)


def tuning_file(results: Path, dataset: str, method: str, variant: str = MAIN) -> Path:
    """The file with the trials of a method or variant on a data set."""
    return Path(results) / "tuning" / dataset / method / f"{variant}.csv"


def adopt(config: dict[str, Any], results: Path, tuned: Path) -> None:
    """Write the values that every search chose as YAML, and all trials as a table beside it (see :func:`records_file`).

    A method whose defaults stay has an empty entry. Searches of other data sets and methods that are already in the two
    files stay as they are.

    Raises:
        UserError: a search of the config's methods on a data set that is available has not been run.
    """
    records = records_file(tuned)
    best = (read_yaml(tuned) or {}) if tuned.exists() else {}
    tables = [read_records(records)]
    for dataset, (method, variant) in itertools.product(present(config), searches(config)):
        path = tuning_file(results, dataset, method, variant)
        if not path.exists():
            raise UserError(f"{path}: no such search. Run `snakemake tune --cores all` first.")
        table = read_records(path)
        if table.empty:
            continue
        name = method if variant == MAIN else f"{method}/{variant}"
        best.setdefault(dataset, {})[name] = chosen_values(table, config["tuning"]["criterion"])
        tables = [other[(other[ONE_SEARCH] != [dataset, method, variant]).any(axis=1)] for other in tables] + [table]
    with replacing(tuned) as temporary:
        temporary.write_text(
            "# Chosen on the validation split by `make tune`; {} where the defaults stay. The trials are in "
            f"{records.name} beside this file.\n" + yaml.safe_dump(best, sort_keys=True),
            encoding="utf-8",
        )
    with replacing(records) as temporary:
        filled = [table for table in tables if len(table)] or tables
        pd.concat(filled, ignore_index=True).sort_values(ONE_SEARCH, kind="stable").to_csv(temporary, index=False)


def chosen_values(table: pd.DataFrame, criterion: str) -> dict[str, Any]:
    """The hyper-parameters that a search chose, by name; none where the defaults stay."""
    candidate = choose(table, criterion).candidate
    if candidate == DEFAULTS:
        return {}
    values = table[table["candidate"].eq(candidate)].iloc[0].drop(TUNING).dropna()
    return {str(name): plain(value) for name, value in values.items()}


def plain(value: Any) -> Any:
    """A NumPy scalar as a Python value; anything else unchanged."""
    return value.item() if isinstance(value, np.generic) else value
