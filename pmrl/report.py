"""One HTML file with every table and figure (Snakemake's report), also while runs are still missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from pmrl import figures, tables
from pmrl.errors import UserError
from pmrl.records import RUN_FILES, collect
from pmrl.settings import study_settings


def artefacts(config: dict[str, Any]) -> dict[tuple[str, str], Path]:
    """The file that the report shows for each (kind, name) of the study."""
    results = Path(config["results"])
    named = {("table", name): results / "tables" / f"{name}.html" for name in config["tables"] or tables.available()}
    drawn = {("figure", name): results / "figures" / f"{name}.png" for name in config["figures"] or figures.available()}
    return {**named, **drawn}


def finished_runs(results: Path) -> list[Path]:
    """Folders of all runs that are complete."""
    described = sorted((results / "runs").rglob(RUN_FILES["description"]))
    return [path.parent for path in described if all((path.parent / file).exists() for file in RUN_FILES.values())]


def write_missing(config: dict[str, Any]) -> None:
    """From the finished runs, write the tables and figures that are not there yet; what lacks stays a dash.

    Raises:
        UserError: no run has finished.
    """
    missing = [key for key, path in artefacts(config).items() if not path.exists()]
    if not missing:
        return
    results, data, study = Path(config["results"]), Path(config["data"]), study_settings(config)
    if not (results / "records.parquet").exists():
        collect(finished_runs(results), results)
    for kind, name in missing:
        module = tables if kind == "table" else figures
        module.write(name, results, results / f"{kind}s", study, data)


def write(config: dict[str, Any], configfile: Path, output: Path) -> Path:
    """Write ``output``, one HTML file; Snakemake draws it from the artefacts that are there.

    Raises:
        UserError: no run has finished, or Snakemake fails.
    """
    write_missing(config)
    command = [sys.executable, "-m", "snakemake", "--configfile", str(configfile), "--report", str(output)]
    done = subprocess.run([*command, *map(str, artefacts(config).values())], check=False)
    if done.returncode:
        raise UserError(f"{output}: Snakemake could not write the report; see its message above.")
    return output
