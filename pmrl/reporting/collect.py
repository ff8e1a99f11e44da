"""Gather the runs of a study into the tables that ``pmrl.records`` describes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pmrl.errors import UserError
from pmrl.files import read_json, replacing, write_json
from pmrl.records import COLLECTED, COMPLETE, DESCRIPTION, FIGURE_TABLES, FOUNDATION, METHODS_FILE, RUN_TABLES, TABLES


def collect_runs(folders: Mapping[Path, str], results: Path) -> None:
    """Gather the tables of all runs and ``methods.json`` in the folder ``results``.

    Args:
        folders: of the runs, each with the digest of what made it, see ``pmrl.study.belonging``.
        results: where the tables go.

    The file ``COMPLETE`` is deleted: only the workflow knows all runs of the study and can say that none is missing.

    Raises:
        UserError: there are no runs, a run's file is missing or damaged, or two methods have the same title.
    """
    if not folders:
        raise UserError("There are no runs to collect. Run snakemake, or `pmrl train`, first.")
    methods = method_descriptions(folders)
    results = Path(results)
    (results / COMPLETE).unlink(missing_ok=True)
    for name in RUN_TABLES:
        write_table(results / TABLES[name], gathered([folder / TABLES[name] for folder in folders], categories=True))
    for name in FIGURE_TABLES:
        merge([path for folder in folders if (path := folder / TABLES[name]).exists()], results / TABLES[name])
    write_json(results / METHODS_FILE, methods)
    write_json(results / COLLECTED, {folder.as_posix(): digest for folder, digest in folders.items()})


def collect_sweeps(files: Iterable[Path], results: Path) -> None:
    """Gather the files of sensitivity sweeps into one table in ``results``; without files, an older table is deleted.

    Raises:
        UserError: a file is missing or damaged.
    """
    merge([Path(file) for file in files], Path(results) / TABLES["sweep"])


def collected_runs(results: Path) -> dict[Path, str]:
    """The folders of the runs that were collected last, each with the digest of what made it; empty if none were."""
    path = Path(results) / COLLECTED
    content = read_json(path) if path.exists() else {}
    if not isinstance(content, dict):  # an earlier version kept no digests
        content = dict.fromkeys(content, "")
    return {Path(folder): digest for folder, digest in content.items()}


def same(first: str, second: str) -> bool:
    """Whether two digests of ``pmrl.study.belonging`` name one origin; data count only where both sides know them."""
    (made, _, data), (other, _, other_data) = (digest.partition(" ") for digest in (first, second))
    return made == other and (not data or not other_data or data == other_data)


def gathered(paths: Iterable[Path], categories: bool = False) -> pa.Table:
    """The rows of several parquet tables as one table; with ``categories``, text columns become categories."""
    tables = [read_table(path, categories) for path in paths]
    # an empty table has no types of its own and would turn numbers into texts
    tables = [table for table in tables if table.num_rows] or tables[:1]
    return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries().replace_schema_metadata()


def merge(paths: list[Path], target: Path) -> None:
    """Write the rows of several tables as one; without tables, an older ``target`` is deleted."""
    if not paths:
        target.unlink(missing_ok=True)
        return
    write_table(target, gathered(paths))


def write_table(path: Path, table: pa.Table) -> None:
    """Write a parquet table atomically."""
    with replacing(path) as temporary:
        pq.write_table(table, temporary)


def read_table(path: Path, categories: bool = False) -> pa.Table:
    """Read a parquet table; with ``categories``, text columns become categories.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        texts = [field.name for field in pq.read_schema(path) if categories and is_text(field.type)]
        return pq.read_table(path, read_dictionary=texts)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}). Delete the run's folder and run again.") from error


def is_text(kind: pa.DataType) -> bool:
    """Whether an Arrow type holds texts."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def busy_seconds(results: Path, since: float) -> float:
    """Total seconds of training and evaluation in the runs and sweeps that were written after the time ``since``."""
    logs = [*(Path(results) / "runs").rglob(DESCRIPTION), *(Path(results) / "sweep").glob("*.json")]
    return sum(read_json(path)["busy_seconds"] for path in logs if path.stat().st_mtime > since)


def method_descriptions(folders: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Title, reference, colour, variants and sizes (per data set) of each method, in order of appearance.

    Raises:
        UserError: two methods have the same title, so tables could not tell them apart.
    """
    methods: dict[str, dict[str, Any]] = {}
    for folder in folders:
        run = read_json(folder / DESCRIPTION)
        entry = methods.setdefault(
            run["method"],
            {"title": run["title"], "reference": run["reference"], "color": run["color"], "variants": []},
        )
        entry.setdefault("parameters", {})[run["dataset"]] = run.get("parameters", {})
        if run["method"] == FOUNDATION:
            entry["title"] = f"Foundation ({run['title']})"
        if run["variant"] not in entry["variants"]:
            entry["variants"].append(run["variant"])
    by_title: dict[str, str] = {}
    for method, entry in methods.items():
        other = by_title.setdefault(entry["title"], method)
        if other != method:
            raise UserError(
                f"The methods {other!r} and {method!r} have the same title, {entry['title']!r}. Give each method a "
                "title of its own in its file."
            )
    return methods
