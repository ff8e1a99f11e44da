"""One HTML file with every table and figure (Snakemake's report), also while runs are still missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from pmrl.errors import UserError
from pmrl.records import DESCRIPTION, RUN_FILES, TABLES
from pmrl.reporting.collect import collect_runs, collect_sweeps, collected_runs
from pmrl.reporting.write_figure import write_figure
from pmrl.reporting.write_table import write_table
from pmrl.study.plan import applicable, run_folders, study_settings, sweep_files


def artefacts(config: dict[str, Any]) -> dict[tuple[str, str], Path]:
    """The file that the report shows for each (kind, name) of the study."""
    results = Path(config["results"])
    written = {("table", name): results / "tables" / f"{name}.html" for name in applicable(config, "tables")}
    drawn = {("figure", name): results / "figures" / f"{name}.png" for name in applicable(config, "figures")}
    return {**written, **drawn}


def finished_runs(config: dict[str, Any]) -> list[Path]:
    """Folders of the study's runs that are complete."""
    folders = [Path(config["results"], "runs", run) for run in run_folders(config)]
    return [folder for folder in folders if all((folder / file).exists() for file in RUN_FILES)]


def finished_sweeps(config: dict[str, Any]) -> list[Path]:
    """Files of the study's sensitivity sweeps that are there."""
    return [path for file in sweep_files(config) if (path := Path(config["results"], file)).exists()]


def write_outdated(config: dict[str, Any]) -> None:
    """Collect the finished runs unless that was done, and write the tables and figures that are missing or older.

    Raises:
        UserError: no run has finished.
    """
    results, data, study = Path(config["results"]), Path(config["data"]), study_settings(config)
    folders, records = finished_runs(config), results / TABLES["records"]
    if not folders:
        raise UserError(f"{results}: no run of this study has finished yet. Run snakemake first.")
    newest = max((folder / DESCRIPTION).stat().st_mtime for folder in folders)
    if not records.exists() or records.stat().st_mtime < newest or collected_runs(results) != folders:
        collect_runs(folders, results)
        collect_sweeps(finished_sweeps(config), results)
    for (kind, name), path in artefacts(config).items():
        if not path.exists() or path.stat().st_mtime < records.stat().st_mtime:
            write = {"table": write_table, "figure": write_figure}[kind]
            write(name, results, results / f"{kind}s", study, data)


def write(config: dict[str, Any], configfile: Path, output: Path) -> Path:
    """Write ``output``, one HTML file; Snakemake draws it from the artefacts that are there.

    Raises:
        UserError: no run has finished, or Snakemake fails.
    """
    write_outdated(config)
    folders = [f"{key}={config[key]}" for key in ("results", "data")]
    study = ["--configfile", str(configfile), "--config", *folders]
    command = [sys.executable, "-m", "snakemake", *study, "--report", str(output)]
    done = subprocess.run([*command, *map(str, artefacts(config).values())], check=False)
    if done.returncode:
        raise UserError(f"{output}: Snakemake could not write the report; see its message above.")
    return output
