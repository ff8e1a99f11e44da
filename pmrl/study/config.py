"""The config of a study: reading it, filling in the schema's defaults, and refusing a config that cannot run."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema

from pmrl import discovery
from pmrl.discovery import ROOT
from pmrl.errors import UserError
from pmrl.files import read_yaml
from pmrl.study.hyperparameters import hyperparameter_names
from pmrl.study.plan import searches

DEFAULT_CONFIG = ROOT / "config" / "config.yaml"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"


def load_config(path: Path) -> dict[str, Any]:
    """The checked config at ``path``; keys that it leaves out have the schema's defaults.

    Raises:
        UserError: the file cannot be read, or its content is refused by :func:`check_config`.
    """
    content = read_yaml(path)
    if content is not None and not isinstance(content, dict):
        raise UserError(f"{path}: found {type(content).__name__}, expected keys and values; see config/README.md.")
    return check_config(content or {}, str(path))


def check_config(config: dict[str, Any], name: str) -> dict[str, Any]:
    """``config`` with the schema's defaults filled in.

    Raises:
        UserError: the schema rejects keys or values (all are listed with their paths), or a name is unknown.
    """
    schema = read_yaml(SCHEMA)
    filled = with_defaults(config, schema)
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(filled), key=lambda e: list(e.path))
    if errors:
        lines = [f"  {'.'.join(map(str, error.absolute_path)) or '(top level)'}: {error.message}" for error in errors]
        raise UserError(
            f"{name}: the config is not valid:\n" + "\n".join(lines) + "\nSee config/README.md for every key."
        )
    check_names(filled, name)
    return filled


def check_names(config: dict[str, Any], where: str) -> None:
    """Check that every method, variant, data set, table and figure that the config names exists.

    Raises:
        UserError: an unknown name; the message lists the valid ones.
    """
    names_and_valid = {
        "method": (
            [*config["methods"], config["foundation_method"], *config["variants"]],
            list(discovery.method_files()),
        ),
        "data set": (
            [
                *config["datasets"],
                *config["folders"],
                *config["classification"],
                *config["sensitivity"]["datasets"],
                *filter(None, [config["cost"]]),
            ],
            discovery.data_sets(),
        ),
        "table": (config["tables"], discovery.tables()),
        "figure": (config["figures"], discovery.figures()),
    }
    for kind, (names, valid) in names_and_valid.items():
        for name in names:
            if name not in valid:
                raise UserError(f"{where}: unknown {kind} {name!r}. Valid {kind}s: {', '.join(valid)}.")
    searches(config)
    check_hyperparameters(config, where)
    check_sweep(config, where)


def check_hyperparameters(config: dict[str, Any], where: str) -> None:
    """Check that variants set existing hyper-parameters, tuned values exist, and attention heads divide the width.

    Raises:
        UserError: a check fails; the message names the key of the config, its value and what is valid.
    """
    for method, variants in config["variants"].items():
        valid = hyperparameter_names(method)
        for variant, values in variants.items():
            for name in set(values) - set(valid):
                raise UserError(
                    f"{where}: variants.{method}.{variant}: unknown hyper-parameter {name!r}. "
                    f"Valid hyper-parameters: {', '.join(valid)}."
                )
    if config["tuned"] and not (ROOT / config["tuned"]).exists():
        raise UserError(
            f"{where}: tuned: there is no file {config['tuned']!r}. Name an existing file (an empty one for a search "
            "that will fill it), or leave the key out to use every method's defaults."
        )
    network = config["network"]
    if network["width"] % network["attention_heads"]:
        raise UserError(
            f"{where}: network.attention_heads: {network['attention_heads']} does not divide network.width, "
            f"{network['width']}."
        )


def check_sweep(config: dict[str, Any], where: str) -> None:
    """Check that the sweep has no more seeds than the study, from whose foundations it starts.

    Raises:
        UserError: ``sensitivity.seeds`` is larger than ``seeds``, and there are data sets to sweep.
    """
    sweep_seeds, study_seeds = config["sensitivity"]["seeds"], config["seeds"]
    if config["sensitivity"]["datasets"] and sweep_seeds > study_seeds:
        raise UserError(
            f"{where}: sensitivity.seeds: {sweep_seeds} is more than seeds, {study_seeds}, and the sweep starts from "
            "the foundations of the study's seeds. Lower sensitivity.seeds, raise seeds, or empty sensitivity.datasets."
        )


def with_defaults(value: Any, schema: dict[str, Any]) -> Any:
    """A copy of ``value`` in which missing keys have the schema's defaults, at every depth."""
    if not isinstance(value, dict):
        return copy.deepcopy(value)
    filled = copy.deepcopy(value)
    for key, part in schema.get("properties", {}).items():
        if key not in filled and "default" in part:
            filled[key] = copy.deepcopy(part["default"])
        if key in filled:
            filled[key] = with_defaults(filled[key], part)
    return filled


def default_batch_size() -> int:
    """The ``training.batch_size`` of a config that does not set one."""
    return with_defaults({}, read_yaml(SCHEMA))["training"]["batch_size"]
