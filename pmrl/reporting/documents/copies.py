"""Committed copies of what documents show: tables as CSV, figures as PNG, and what the runs were.

Results folders are not committed; these copies are, so that documents can be checked without running anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from pmrl import discovery
from pmrl.errors import UserError
from pmrl.files import read_json, replacing
from pmrl.records import DESCRIPTION, TABLES, TIME
from pmrl.reporting.documents.evidence import METHODS, RUN, Copies, place
from pmrl.reporting.report import finished_runs
from pmrl.reporting.results import Results
from pmrl.study.config import load_config
from pmrl.study.plan import applicable, run_folders, study_settings

FILES = "files"  # the table of all copies of a study with their digests


def of_study(study: str, config_file: Path, wanted: Collection[tuple[str, str]]) -> Copies:
    """Copies of the wanted tables and figures of a study that Snakemake has finished.

    Args:
        study: its name in documents.
        config_file: its config.
        wanted: ("table" or "figure", name); those that the study does not make are left out.

    Raises:
        UserError: a run, table or figure of the study is missing or out of date.
    """
    config = load_config(config_file)
    results = Path(config["results"])
    again = f"Run `snakemake --cores all --configfile {config_file}`, or leave this study as it is (--study)."
    finished, planned = [*finished_runs(config)] if results.exists() else [], len(run_folders(config))
    if len(finished) < planned:
        raise UserError(f"{results}: {len(finished)} of the {planned} runs of the study {study} have finished. {again}")
    copies = {
        place("table", study, RUN): _csv([run_description(config, config_file, finished)]),
        place("table", study, METHODS): _csv(labels(Results(results, study_settings(config)))),
    }
    for kind, name in sorted(wanted):
        copy = place(kind, study, name)
        source = results / f"{kind}s" / copy.name
        if name in applicable(config, f"{kind}s"):
            if outdated(source, kind, name, results):
                raise UserError(f"{source}: missing, or older than the records that it shows. {again}")
            copies[copy] = source.read_bytes()
    return with_digests(study, copies)


def of_folder(study: str, folder: Path, wanted: Collection[tuple[str, str]]) -> Copies:
    """Copies of the wanted tables that are CSV files of a folder, which another command than Snakemake writes."""
    files = {place(kind, study, name): folder / f"{name}.csv" for kind, name in sorted(wanted)}
    return with_digests(study, {copy: path.read_bytes() for copy, path in files.items() if path.exists()})


def outdated(file: Path, kind: str, name: str, results: Path) -> bool:
    """Whether the file of a table or figure is missing, or older than a table of the results folder that it reads."""
    read = [results / TABLES[part] for part in discovery.reads(kind, name) if part in TABLES]
    newest = max((path.stat().st_mtime for path in read if path.exists()), default=0.0)
    return not file.exists() or file.stat().st_mtime < newest


def with_digests(study: str, copies: Copies) -> Copies:
    """The copies and a table of their SHA-256, so that a number changed by hand does not go unnoticed."""
    rows = [{"file": path.as_posix(), "sha256": hashlib.sha256(copies[path]).hexdigest()} for path in sorted(copies)]
    return {**copies, place("table", study, FILES): _csv(rows)}


def stored(docs: Path) -> Copies:
    """All copies that are committed."""
    files = [path for folder in ("results", "figures") for path in (docs / folder).rglob("*") if path.is_file()]
    return {path.relative_to(docs): path.read_bytes() for path in files}


def write(copies: Copies, docs: Path) -> None:
    """Make ``copies`` those that are stored below ``docs``: write each file whole or not at all, delete the others."""
    before = stored(docs)
    for path, content in copies.items():
        if before.get(path) != content:
            with replacing(docs / path) as temporary:
                temporary.write_bytes(content)
    for path in before.keys() - copies.keys():
        (docs / path).unlink()


def run_description(config: Mapping[str, Any], config_file: Path, folders: Collection[Path]) -> dict[str, Any]:
    """What ran where and when: several commits, processors or versions are joined by commas.

    ``minutes`` is the time of training and evaluation of all runs together, on one core; ``first`` and ``last`` are the
    days (UTC) on which the first and the last run ended. ``wall_minutes``, ``cores`` and ``outside`` (percent of the
    cores' time outside training and evaluation) are empty unless one call of Snakemake made all runs.
    """
    files = [folder / DESCRIPTION for folder in folders]
    runs = [read_json(file) for file in files]
    days = sorted(datetime.fromtimestamp(file.stat().st_mtime, UTC).date().isoformat() for file in files)

    def all_of(values: list[str]) -> str:
        return ", ".join(sorted({value for value in values if value}))

    return {
        "config": config_file.name,
        "datasets": len({run["dataset"] for run in runs}),
        "methods": len(config["methods"]),
        "seeds": config["seeds"],
        "budget": config["tuning"]["budget"],
        "runs": len(runs),
        "minutes": round(sum(run["busy_seconds"] for run in runs) / 60, 1),
        **wall_time(Path(config["results"]), files),
        "first": days[0],
        "last": days[-1],
        "commit": all_of([run["commit"][:12] + "+" * run["commit"].endswith("+") for run in runs]),
        "processor": all_of([run["processor"] for run in runs]),
        "torch": all_of([run["versions"]["torch"] for run in runs]),
    }


def wall_time(results: Path, descriptions: Collection[Path]) -> dict[str, Any]:
    """How long the call took that made all runs, if there was one and no run is newer."""
    path = results / TIME
    if not path.exists() or path.stat().st_mtime < max(file.stat().st_mtime for file in descriptions):
        return {"wall_minutes": "", "cores": "", "outside": ""}
    time = read_json(path)
    return {"wall_minutes": time["seconds"] / 60, "cores": time["cores"], "outside": 100 * time["outside"]}


def labels(results: Results) -> list[dict[str, str]]:
    """One row per method and variant with the name that tables give it."""
    return [
        {"method": method, "variant": variant, "label": results.label(method, variant)}
        for method, variant in results.contestants()
    ]


def _csv(rows: list[dict[str, Any]]) -> bytes:
    return pd.DataFrame(rows).to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()
