"""The measurements of a run, as the tidy rows that ``pmrl.records`` describes, and how they are written."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from pmrl.discovery import ROOT
from pmrl.evaluation.alignment import AfterNoise
from pmrl.evaluation.identity import Identity
from pmrl.evaluation.retrieval import Result, contributions, item_shares
from pmrl.experiments.resume import Trained
from pmrl.experiments.run import Run
from pmrl.files import replacing, write_json
from pmrl.method.base import load_method
from pmrl.records import (
    ACCURACY,
    ALIGNMENTS,
    ALL_MODALITIES,
    BETTER_BY,
    CLEAN,
    COLUMNS,
    DESCRIPTION,
    FIGURE_TABLES,
    GAUSSIAN,
    OWN,
    PROBE,
    TABLES,
    TEST,
    TRAIN,
    TWO_TO_ONE,
    UNSUPPORTED,
    VALIDATION,
    ZERO_SHOT,
)
from pmrl.study.belonging import origin
from pmrl.training import processes

if TYPE_CHECKING:
    from pmrl.evaluation.probing import Probe

TARGET = (TRAIN, VALIDATION, TEST)  # the splits that no method is trained on before fine-tuning


@dataclass
class Measured:
    """The measurements of one run.

    Attributes:
        context: the columns that name the run.
        items: the table of the test items.
        identity: which of them are one instance.
        records: one row per number.
        ranks: one row per query.
        embeddings: one row per embedded test item, of the first seed's main variants only.
        examples: one row per retrieved item, of the same runs.
        contributions: one row per item and measure.
        parameters: number of parameters of each part of the network.
        began: when the run began, by ``time.perf_counter``.
    """

    context: dict[str, Any]
    items: pd.DataFrame
    identity: Identity
    records: list[dict[str, Any]] = field(default_factory=list)
    ranks: list[pd.DataFrame] = field(default_factory=list)
    embeddings: list[pd.DataFrame] = field(default_factory=list)
    examples: list[pd.DataFrame] = field(default_factory=list)
    contributions: list[pd.DataFrame] = field(default_factory=list)
    parameters: dict[str, int] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)

    def add_results(
        self, regime: str, results: Iterable[Result], corruption: str = CLEAN, level: float = 0.0, split: str = TEST
    ) -> None:
        """Add one record per direction, score, re-ranking and metric."""
        condition = {"corruption": corruption, "level": float(level), "split": split}
        for result in results:
            task = {name: getattr(result, name) for name in ("score", "reranked", "query", "gallery", "gallery_size")}
            for metric, value in result.metrics().items():
                self._add(regime, metric, value, **task, **condition, n=len(result.queries))

    def add_two_to_one(self, regime: str, results: Iterable[Result]) -> None:
        """Add one record per direction of two modalities and a third, score and metric, apart from those of pairs."""
        for result in results:
            task = {name: getattr(result, name) for name in ("score", "query", "gallery", "gallery_size")}
            for metric, value in result.metrics().items():
                self._add(regime, f"{TWO_TO_ONE}_{metric}", value, **task, n=len(result.queries))

    def add_unsupported(self, regime: str, reason: str) -> None:
        """Add the single record of a method that does not support a data set."""
        self._add(regime, UNSUPPORTED, float("nan"), reason=reason)

    def add_probe(self, probe: Probe, items: np.ndarray, method: str) -> None:
        """Add records and contributions of a probe; ``items`` are the ids of all items given to the probe."""
        context = {"method": method, "folds": probe.folds}
        for metric, value in probe.metrics().items():
            self._add(PROBE, metric, value, query=ALL_MODALITIES, n=probe.n, gallery_size=probe.classes, **context)
        self._add_shares(ACCURACY, items[probe.rows], 100.0 * probe.correct, **context)

    def add_space(self, regime: str, metrics: Mapping[str, float]) -> None:
        """Add one record per metric of the space of all test items."""
        for metric, value in metrics.items():
            self._add(regime, metric, value, query=ALL_MODALITIES, n=len(self.items))

    def add_better(self, parts: Sequence[AfterNoise], level: float) -> None:
        """Add, for each score, which items look better after noise, and one record per noisy modality."""
        condition = {"corruption": GAUSSIAN, "level": float(level)}
        for score in ALIGNMENTS if parts else ():
            name = f"{BETTER_BY}{score}"
            for part in parts:
                share = 100.0 * part.better[score].mean()
                self._add(ZERO_SHOT, name, share, query=part.modality, n=len(part.items), **condition)
            shares = item_shares([(part.items, part.better[score]) for part in parts], len(self.items))
            self._add_shares(name, self.items["id"].to_numpy(), shares, **condition)

    def add_ranks(self, regime: str, results: Iterable[Result]) -> None:
        """Add one row per query."""
        results = list(results)
        if not results:
            return
        names = ("score", "reranked", "query", "gallery")
        sizes = [len(result.queries) for result in results]
        task = {name: np.repeat([getattr(result, name) for result in results], sizes) for name in names}
        queries = np.concatenate([result.queries.cpu().numpy() for result in results])
        ranks = np.concatenate([result.ranks.cpu().numpy() for result in results]).astype(np.float32)
        rows = {**self.context, "regime": regime, **task, "item": self.items["id"].to_numpy()[queries], "rank": ranks}
        self.ranks.append(pd.DataFrame(rows)[COLUMNS["ranks"]])

    def add_contributions(
        self, measure: str, results: list[Result], corruption: str = CLEAN, level: float = 0.0
    ) -> None:
        """Add what each test item contributes to the mean recall@1 over ``results``, if there are any."""
        if results:
            values = contributions(results, len(self.items))
            self._add_shares(measure, self.items["id"].to_numpy(), values, corruption=corruption, level=float(level))

    def _add(self, regime: str, metric: str, value: float, **columns: Any) -> None:
        """Add a record; columns that are not given get their neutral values."""
        neutral = {
            "split": TEST,
            "score": OWN,
            "reranked": False,
            "query": "",
            "gallery": "",
            "corruption": CLEAN,
            "level": 0.0,
            "folds": "",
            "n": 0,
            "gallery_size": 0,
            "reason": "",
        }
        row = {**self.context, "regime": regime, **neutral, **columns, "metric": metric, "value": value}
        self.records.append({name: row[name] for name in COLUMNS["records"]})

    def _add_shares(self, measure: str, items: np.ndarray, values: np.ndarray, **columns: Any) -> None:
        """Add one row per item; the mean of ``values`` over the items is the measure, in percent."""
        row = {**self.context, "corruption": CLEAN, "level": 0.0, "folds": "", **columns, "measure": measure}
        table = pd.DataFrame({**row, "item": items, "value": values.astype(np.float32)})
        self.contributions.append(table[COLUMNS["contributions"]])


def finish(run: Run, method_name: str, stages: dict[str, Trained], measured: Measured) -> None:
    """Write the run's tables and its description, each file whole or not at all; of several processes one writes."""
    if not processes.leads():
        return
    names = ("ranks", "contributions", *(FIGURE_TABLES if run.is_shown else ()))
    tables = {name: joined(getattr(measured, name), COLUMNS[name]) for name in names}
    tables["records"] = pd.DataFrame(measured.records, columns=COLUMNS["records"])
    tables["curves"] = curve_rows(run.context, stages)
    for name, table in tables.items():
        with replacing(run.folder / TABLES[name]) as temporary:
            table.to_parquet(temporary, index=False)
    write_json(run.folder / DESCRIPTION, description(run, method_name, stages, measured))


def joined(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """The rows of all ``tables``; without any, an empty table with ``columns``."""
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def curve_rows(context: dict[str, Any], stages: dict[str, Trained]) -> pd.DataFrame:
    """One row per stage, step and quantity."""
    rows = [
        {**context, "stage": stage, "step": step, "quantity": quantity, "value": value}
        for stage, trained in stages.items()
        for step, quantity, value in trained.curves.rows
    ]
    return pd.DataFrame(rows, columns=COLUMNS["curves"])


def processor() -> str:
    """What computed: the model of the processor, as the operating system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def commit() -> str:
    """The commit of the project's code, with "+" behind it if files were changed since; empty without git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def description(run: Run, method_name: str, stages: dict[str, Trained], measured: Measured) -> dict[str, Any]:
    """What ran: settings, versions, data, seed, and the seconds of each stage and of this whole run."""
    cls = load_method(method_name)
    return {
        **run.context,
        "title": cls.title,
        "reference": cls.reference,
        "color": cls.color,
        "origin": origin(run.settings, run.method, run.dataset.card.checksum),
        "busy_seconds": round(time.perf_counter() - measured.began, 3),
        "parameters": measured.parameters,
        "training_seconds": {stage: round(trained.seconds, 3) for stage, trained in stages.items()},
        "versions": {
            "pmrl": version("pmrl-benchmark"),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "device": run.device.type,
        "processes": processes.count(),
        "processor": processor(),
        "commit": commit(),
    }
