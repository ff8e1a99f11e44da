"""Tidy tables: one row per number. The formats of records, ranks and curves, and collecting them over runs.

``records``: dataset, method, variant, regime, seed, split, score, reranked, query, gallery, corruption, level,
metric, value, n (queries), gallery_size, reason. ``ranks``: one row per query. ``curves``: one per logged value.
``contributions``: what each item adds to a mean that is not a single retrieval task.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pmrl.errors import UserError
from pmrl.files import replacing

if TYPE_CHECKING:
    from pmrl.evaluation import Result

RUN_FILES = {
    "records": "records.parquet",
    "ranks": "ranks.parquet",
    "curves": "curves.parquet",
    "contributions": "contributions.parquet",
    "description": "run.json",
}
COLLECTED = "collected.json"  # the folders of the runs that records.parquet holds
COMPLETE = "complete"  # exists while these are all runs of the study
# Kept by the first seed of a method's main form only.
FIGURE_FILES = {"embeddings": "embeddings.parquet", "examples": "examples.parquet"}
RANK_COLUMNS = [
    "dataset", "method", "variant", "regime", "seed", "score", "reranked", "query", "gallery", "item", "rank",
]  # fmt: skip
CONTRIBUTION_COLUMNS = ["dataset", "method", "variant", "seed", "measure", "corruption", "level", "item", "value"]
CURVE_COLUMNS = ["dataset", "method", "variant", "stage", "seed", "step", "quantity", "value"]


def record_rows(
    context: dict[str, Any], results: Iterable[Result], corruption: str = "none", level: float = 0.0
) -> list[dict[str, Any]]:
    """One row per direction, score, re-ranking and metric."""
    return [
        record(
            context,
            metric,
            value,
            score=result.score,
            reranked=result.reranked,
            query=result.query,
            gallery=result.gallery,
            corruption=corruption,
            level=float(level),
            n=len(result.queries),
            gallery_size=result.gallery_size,
        )
        for result in results
        for metric, value in result.metrics().items()
    ]


def probe_row(context: dict[str, Any], folds: str, n: int, metric: str, value: float) -> dict[str, Any]:
    """A linear probe on all modalities; ``n`` instances were classified."""
    return record({**context, "regime": "probe"}, metric, value, query="all", gallery=folds, n=n)


def unsupported_row(context: dict[str, Any], regime: str, reason: str) -> dict[str, Any]:
    """The single row of a method that refuses a data set."""
    return record({**context, "regime": regime}, "unsupported", float("nan"), reason=reason)


def record(context: dict[str, Any], metric: str, value: float, **columns: Any) -> dict[str, Any]:
    """One row of records; what ``columns`` leaves out has its neutral value."""
    neutral = {
        "split": "test",
        "score": "own",
        "reranked": False,
        "query": "",
        "gallery": "",
        "corruption": "none",
        "level": 0.0,
        "n": 0,
        "gallery_size": 0,
        "reason": "",
    }
    return {**context, **neutral, **columns, "metric": metric, "value": value}


def rank_rows(context: dict[str, Any], results: Iterable[Result], items: np.ndarray) -> pd.DataFrame:
    """One row per query; ``items`` are the ids of the evaluated instances."""
    results = list(results)
    if not results:
        return pd.DataFrame(columns=RANK_COLUMNS)
    sizes = [len(result.queries) for result in results]
    told = {name: [getattr(result, name) for result in results] for name in ("score", "reranked", "query", "gallery")}
    queries, ranks = (
        np.concatenate([getattr(r, name).cpu().numpy() for r in results]) for name in ("queries", "ranks")
    )
    repeated = {name: np.repeat(values, sizes) for name, values in told.items()}
    rows = {**context, **repeated, "item": items[queries], "rank": ranks.astype(np.float32)}
    return pd.DataFrame(rows)[RANK_COLUMNS]


def contribution_rows(
    context: dict[str, Any],
    measure: str,
    values: np.ndarray,
    items: np.ndarray,
    corruption: str = "none",
    level: float = 0.0,
) -> pd.DataFrame:
    """One row per item; the mean of ``values`` over the items is the measure, in percent."""
    kept = {key: context[key] for key in ("dataset", "method", "variant", "seed")}
    told = {**kept, "measure": measure, "corruption": corruption, "level": float(level)}
    return pd.DataFrame({**told, "item": items, "value": values.astype(np.float32)})[CONTRIBUTION_COLUMNS]


def curve_rows(context: dict[str, Any], stages: dict[str, list[tuple[int, str, float]]]) -> pd.DataFrame:
    """One row per stage, step and quantity."""
    rows = [
        {**context, "stage": stage, "step": step, "quantity": quantity, "value": value}
        for stage, logged in stages.items()
        for step, quantity, value in logged
    ]
    return pd.DataFrame(rows, columns=CURVE_COLUMNS)


def collect(folders: Iterable[Path], results: Path, sweeps: Iterable[Path] = ()) -> None:
    """Gather runs into the four tables of the module's description and ``methods.json``, under ``results``.

    Args:
        folders: of the runs.
        results: the folder to write to.
        sweeps: the files of sensitivity sweeps, gathered into ``sweep.parquet``.

    ``COMPLETE`` is removed: only the workflow, which knows what the study is made of, can say that nothing is missing.

    Raises:
        UserError: a run's or a sweep's file is missing or damaged, or two methods have one title.
    """
    folders = list(folders)
    if not folders:
        raise UserError("There are no runs to collect. Run snakemake, or `pmrl train`, first.")
    methods = method_descriptions(folders)
    (Path(results) / COMPLETE).unlink(missing_ok=True)
    for name in ("records", "ranks", "curves", "contributions"):
        table = gathered([folder / RUN_FILES[name] for folder in folders], categories=True)
        with replacing(Path(results) / RUN_FILES[name]) as temporary:
            pq.write_table(table, temporary)
    for file in FIGURE_FILES.values():
        merge([folder / file for folder in folders if (folder / file).exists()], Path(results) / file)
    merge(list(sweeps), Path(results) / "sweep.parquet")
    with replacing(Path(results) / "methods.json") as temporary:
        temporary.write_text(json.dumps(methods, indent=2))
    with replacing(Path(results) / COLLECTED) as temporary:
        temporary.write_text(json.dumps([folder.as_posix() for folder in map(Path, folders)], indent=0))


def collected_runs(results: Path) -> list[Path]:
    """The folders of the runs that were collected last; none if nothing was."""
    path = Path(results) / COLLECTED
    return [Path(folder) for folder in json.loads(path.read_text())] if path.exists() else []


def gathered(paths: Iterable[Path], categories: bool = False) -> pa.Table:
    """The rows of some tables as one, with its texts as ``categories`` if asked for."""
    tables = [read_table(path, categories) for path in paths]
    # an empty table has no types of its own and would turn numbers into texts
    tables = [table for table in tables if table.num_rows] or tables[:1]
    return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries().replace_schema_metadata()


def merge(paths: list[Path], target: Path) -> None:
    """Write the rows of some tables as one; without any, an older ``target`` goes."""
    if not paths:
        target.unlink(missing_ok=True)
        return
    with replacing(target) as temporary:
        pq.write_table(gathered(paths), temporary)


def read_table(path: Path, categories: bool = False) -> pa.Table:
    """A parquet table, with its texts as ``categories`` if asked for, or a UserError that names the file."""
    try:
        texts = [field.name for field in pq.read_schema(path) if categories and is_text(field.type)]
        return pq.read_table(path, read_dictionary=texts)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}). Delete the run's folder and run again.") from error


def is_text(kind: pa.DataType) -> bool:
    """Whether an Arrow type holds texts."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def busy_seconds(results: Path, since: float) -> float:
    """Seconds that runs and sweeps written after the time ``since`` spent training and evaluating, summed."""
    logs = [*(Path(results) / "runs").rglob(RUN_FILES["description"]), *(Path(results) / "sweep").glob("*.json")]
    return sum(json.loads(path.read_text())["busy_seconds"] for path in logs if path.stat().st_mtime > since)


def method_descriptions(folders: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Title, reference, colour, variants and sizes (per data set) of each method, in order of appearance.

    Raises:
        UserError: two methods have one title, so that tables could not tell them apart.
    """
    methods: dict[str, dict[str, Any]] = {}
    for folder in folders:
        run = json.loads((folder / RUN_FILES["description"]).read_text())
        entry = methods.setdefault(
            run["method"],
            {"title": run["title"], "reference": run["reference"], "color": run["color"], "variants": []},
        )
        entry.setdefault("parameters", {})[run["dataset"]] = run.get("parameters", {})
        if run["method"] == "foundation":
            entry["title"] = f"Foundation ({run['title']})"
        if run["variant"] not in entry["variants"]:
            entry["variants"].append(run["variant"])
    named: dict[str, str] = {}
    for method, entry in methods.items():
        other = named.setdefault(entry["title"], method)
        if other != method:
            raise UserError(
                f"The methods {other!r} and {method!r} have the same title, {entry['title']!r}. Give each its own, in "
                "its file."
            )
    return methods
