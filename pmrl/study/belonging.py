"""Whether a finished run belongs to a study: trained with its settings, on its data, by the code that is here now.

A run says in ``run.json`` what made it. Files alone prove nothing: a config changes, a folder is copied, a clone is
old.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pmrl import provenance
from pmrl.data import registry
from pmrl.discovery import ROOT, method_file
from pmrl.errors import UserError
from pmrl.files import read_json
from pmrl.records import DESCRIPTION, FOUNDATION
from pmrl.study.plan import folder_of, foundation_settings, present, run_folders, run_settings, runs

Origin = dict[str, Any]
"""What a run is made of: ``settings``, ``code`` and ``data``."""


def origin(settings: dict[str, Any], method: str, dataset_checksum: str) -> Origin:
    """What a run with these settings is made of.

    Args:
        settings: see ``pmrl.study.plan.run_settings``; of the foundation, ``foundation_settings``.
        method: name of the method, or ``foundation``.
        dataset_checksum: of the feature store.
    """
    module = "foundation" if method == FOUNDATION else "train"
    file = method_file(settings["method"] if method == FOUNDATION else method)
    code = provenance.code(ROOT / "pmrl" / "experiments" / f"{module}.py", file)
    return {"settings": settings, "code": code, "data": dataset_checksum}


def origins(config: dict[str, Any]) -> dict[str, Origin]:
    """What every run of a study is made of, by its folder below ``<results>/runs`` without the seed."""
    expected: dict[str, Origin] = {}
    for dataset in present(config):
        checksum = store_checksum(config, dataset)
        expected[f"{dataset}/{FOUNDATION}"] = origin(foundation_settings(config, dataset), FOUNDATION, checksum)
    for dataset, method, variant in runs(config):
        if f"{dataset}/{FOUNDATION}" in expected:
            settings = run_settings(config, dataset, method, variant)
            checksum = expected[f"{dataset}/{FOUNDATION}"]["data"]
            expected[f"{dataset}/{method}/{variant}"] = origin(settings, method, checksum)
    return expected


def store_checksum(config: dict[str, Any], dataset: str) -> str:
    """The checksum of a data set's feature store; empty if there is no store."""
    path = Path(config["data"]) / f"{dataset}.checksum"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def digests(config: dict[str, Any]) -> dict[str, str]:
    """The digest of every run's origin, by the run's folder below ``<results>/runs`` without the seed."""
    return {kind: digest(made_of) for kind, made_of in origins(config).items()}


def digest(made_of: Origin) -> str:
    """A short name of an origin: a digest of settings and code, a space, and the checksum of the data.

    ``pmrl.reporting.collect.same`` compares two of them.
    """
    parts = {key: made_of[key] for key in ("settings", "code")}
    return f"{provenance.text_digest(json.dumps(parts, sort_keys=True))[:16]} {made_of['data']}"


def misfit(folder: Path, expected: Origin) -> str:
    """Why the run in ``folder`` is not what a study expects; empty if it is.

    Raises:
        UserError: its description is missing or damaged.
    """
    path = Path(folder) / DESCRIPTION
    actual = read_json(path).get("origin")
    if actual is None:
        return "an earlier version of the project made it"
    for key, reason in (("code", "other code made it"), ("data", "it was trained on other data")):
        if actual[key] != expected[key] and expected[key]:
            return reason
    for key, value, wanted in differences(actual["settings"], json.loads(json.dumps(expected["settings"]))):
        return f"{key} was {json.dumps(value)}, and is {json.dumps(wanted)} in this study"
    return ""


def differences(first: Any, second: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every key, joined by dots, at which two settings differ, with both values."""
    if isinstance(first, dict) and isinstance(second, dict):
        for name in {**first, **second}:
            yield from differences(first.get(name), second.get(name), f"{key}.{name}" if key else name)
    elif first != second:
        yield key, first, second


def require(folders: list[Path], config: dict[str, Any]) -> dict[Path, str]:
    """The digest of each run's origin; runs that do not belong to the study are refused.

    Raises:
        UserError: naming the first such run, why it does not belong, how many there are, and what to do.
    """
    foreign = foreign_runs(folders, config)
    if foreign:
        folder, reason = next(iter(foreign.items()))
        more = f" ({len(foreign)} such runs)" if len(foreign) > 1 else ""
        raise UserError(
            f"{folder}: this run does not belong to the study: {reason}{more}. Delete its folder and run snakemake "
            "again, which trains it anew."
        )
    return {folder: digest(read_json(folder / DESCRIPTION)["origin"]) for folder in folders}


def foreign_runs(folders: list[Path], config: dict[str, Any]) -> dict[Path, str]:
    """{folder: why the finished run in it does not belong to the study}, without those that do."""
    expected = origins(config)
    reasons = {}
    for folder in folders:
        kind = kind_of(folder, config)
        reasons[folder] = misfit(folder, expected[kind]) if kind in expected else "the study has no such run"
    return {folder: reason for folder, reason in reasons.items() if reason}


def kind_of(folder: Path, config: dict[str, Any]) -> str:
    """A run's folder below ``<results>/runs``, without the seed; empty for a folder that lies elsewhere."""
    runs_folder = Path(config["results"]) / "runs"
    return Path(folder).relative_to(runs_folder).parent.as_posix() if Path(folder).is_relative_to(runs_folder) else ""


def stale_files(config: dict[str, Any]) -> list[str]:
    """Files of the study that exist but were made by something else than what it asks for now.

    A workflow that compares times and its own notes alone would take them for its own: results that were copied here,
    or an input that was replaced by an older file.
    """
    stores = [
        f"{config['data']}/{name}.checksum"
        for name in present(config)
        if store_checksum(config, name) and not registry.is_current(name, Path(config["data"]), folder_of(config, name))
    ]
    folders = [Path(config["results"], "runs", run) for run in run_folders(config)]
    finished = [folder for folder in folders if (folder / DESCRIPTION).is_file()]
    return [*stores, *(f"{folder}/{DESCRIPTION}" for folder in foreign_runs(finished, config))]
