"""One HTML file with every table and figure (Snakemake's report), even while runs are missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pmrl.errors import UserError
from pmrl.records import DESCRIPTION, RUN_FILES, TABLES
from pmrl.reporting.collect import collect_runs, collect_sweeps, collected_runs
from pmrl.reporting.write_figure import write_figure
from pmrl.reporting.write_table import write_table
from pmrl.study import belonging
from pmrl.study.plan import applicable, run_folders, study_settings, sweep_files


def artefacts(config: dict[str, Any]) -> dict[tuple[str, str], Path]:
    """The file that the report shows for each ("table" or "figure", name) of the study."""
    results = Path(config["results"])
    tables = {("table", name): results / "tables" / f"{name}.html" for name in applicable(config, "tables")}
    figures = {("figure", name): results / "figures" / f"{name}.png" for name in applicable(config, "figures")}
    return {**tables, **figures}


def finished_runs(config: dict[str, Any]) -> dict[Path, str]:
    """Folders of the study's runs that are complete and belong to it, each with the digest of what made it.

    Complete runs that something else made are named on the error stream and left out.
    """
    folders = [Path(config["results"], "runs", run) for run in run_folders(config)]
    complete = [folder for folder in folders if all((folder / file).exists() for file in RUN_FILES)]
    foreign = belonging.foreign_runs(complete, config)
    for folder, reason in foreign.items():
        print(f"pmrl: left out: {folder}: {reason}.", file=sys.stderr)
    return belonging.require([folder for folder in complete if folder not in foreign], config)


def finished_sweeps(config: dict[str, Any]) -> list[Path]:
    """Files of the study's sensitivity sweeps that exist."""
    return [path for file in sweep_files(config) if (path := Path(config["results"], file)).exists()]


def write_outdated(config: dict[str, Any]) -> None:
    """Collect the finished runs unless already done, then write the tables and figures that are missing or outdated.

    Raises:
        UserError: no run has finished.
    """
    results, data, study = Path(config["results"]), Path(config["data"]), study_settings(config)
    study["origins"] = belonging.digests(config)
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
    """Write ``output``, one HTML file, by Snakemake from the artefacts that exist.

    Raises:
        UserError: no run has finished, or Snakemake fails.
    """
    write_outdated(config)
    with TemporaryDirectory() as folder:
        # a file keeps texts as texts, which --config would not: a folder may be called 2026
        places = Path(folder) / "folders.yaml"
        places.write_text(json.dumps({key: str(config[key]) for key in ("results", "data")}), encoding="utf-8")
        study = ["--configfile", str(configfile), str(places)]
        command = [sys.executable, "-m", "snakemake", *map(str, artefacts(config).values()), *study]
        process = subprocess.run([*command, "--report", str(output)], check=False)
    if process.returncode:
        raise UserError(f"{output}: Snakemake could not write the report; see its message above.")
    return output
