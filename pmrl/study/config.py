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
from pmrl.ranges import fitted
from pmrl.records import GAIN, GAUSSIAN, SCRATCH, SIGNAL_NOISES
from pmrl.study.hyperparameters import declarations
from pmrl.study.plan import searches, tuned_file

DEFAULT_CONFIG = ROOT / "config" / "config.yaml"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
# Keys of earlier versions, by group, and what to write instead.
FORMER_KEYS = {
    ("corruption", "mismatched"): (
        "write corruption.mismatched_anchor for what it was (only the anchor is wrong, the others still agree), or "
        "corruption.mismatched_modality for one that treats all modalities alike"
    ),
}


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
    check_keys(config, name)
    check_former_keys(config, name)
    filled = with_defaults(without_empty(config), schema)
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(filled), key=lambda e: list(e.path))
    if errors:
        lines = [f"  {'.'.join(map(str, error.absolute_path)) or '(top level)'}: {error.message}" for error in errors]
        raise UserError(
            f"{name}: the config is not valid:\n" + "\n".join(lines) + "\nSee config/README.md for every key."
        )
    for key in ("results", "data"):
        filled[key] = str(Path(filled[key]).expanduser())
    filled["folders"] = {dataset: str(Path(folder).expanduser()) for dataset, folder in filled["folders"].items()}
    filled["foundation_checkpoints"] = {
        dataset: {kind: str(Path(file).expanduser()) for kind, file in files.items()}
        for dataset, files in filled["foundation_checkpoints"].items()
    }
    check_names(filled, name)
    return filled


def check_keys(config: Any, where: str, path: str = "") -> None:
    """Check that every key is a text; YAML reads an unquoted ``no`` as False and ``1`` as a number.

    Raises:
        UserError: naming the key as YAML read it, and where it stands.
    """
    if isinstance(config, dict):
        for key, value in config.items():
            if not isinstance(key, str):
                raise UserError(
                    f"{where}: {path or 'the config'}: found the key {key!r} ({type(key).__name__}), expected a text; "
                    "YAML reads no, yes, on, off and numbers as values. Choose another name."
                )
            check_keys(value, where, f"{path}.{key}" if path else key)


def check_former_keys(config: dict[str, Any], where: str) -> None:
    """Check that no key is one of an earlier version.

    Raises:
        UserError: naming the key and what to write instead.
    """
    for (group, key), remedy in FORMER_KEYS.items():
        if isinstance(config.get(group), dict) and key in config[group]:
            raise UserError(f"{where}: {group}.{key}: there is no such key any more; {remedy}.")


def without_empty(config: dict[str, Any]) -> dict[str, Any]:
    """The config without variants and classifications that are null, and null for an empty ``cost`` or ``tuned``."""
    kept = dict(config)
    for key in ("cost", "tuned"):
        if kept.get(key) == "":
            kept[key] = None
    if isinstance(kept.get("classification"), dict):
        kept["classification"] = _given(kept["classification"])
    if isinstance(kept.get("variants"), dict):
        variants = kept["variants"].items()
        kept["variants"] = {m: _given(part) if isinstance(part, dict) else part for m, part in variants}
    return kept


def _given(part: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if value is not None}


def check_trained_encoders(config: dict[str, Any], where: str) -> None:
    """Check that noise is not asked for on features that trained encoders would make anew.

    Raises:
        UserError: naming the corruption.
    """
    noisy = [kind for kind in (GAUSSIAN, *SIGNAL_NOISES) if config["corruption"][kind]]
    if config["network"]["trained_encoders"] and noisy:
        raise UserError(
            f"{where}: corruption.{noisy[0]}: its noise is on stored features, which network.trained_encoders makes "
            "anew from clips; remove one of them."
        )


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
                *config["foundation_checkpoints"],
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
    check_trained_encoders(config, where)
    check_criterion(config, where)
    check_hyperparameters(config, where)
    check_tuned(config, where)
    check_sweep(config, where)


def check_criterion(config: dict[str, Any], where: str) -> None:
    """Check that there is a foundation where the search asks for gains over it.

    Raises:
        UserError: ``tuning.criterion`` is "gain" and trials train from random weights.
    """
    if config["tuning"]["criterion"] == GAIN and config["tuning"]["regime"] == SCRATCH:
        raise UserError(
            f"{where}: tuning.criterion: {GAIN!r} is relative to a foundation, and with tuning.regime: {SCRATCH!r} "
            "there is none. Choose another criterion, such as logit."
        )


def check_hyperparameters(config: dict[str, Any], where: str) -> None:
    """Check the hyper-parameters of variants, and that heads divide the width.

    Raises:
        UserError: a check fails; the message names the key of the config, its value and what is valid.
    """
    for method, variants in config["variants"].items():
        check_values(method, {f"{where}: variants.{method}.{variant}": values for variant, values in variants.items()})
    network = config["network"]
    if network["width"] % network["attention_heads"]:
        raise UserError(
            f"{where}: network.attention_heads: {network['attention_heads']} does not divide network.width, "
            f"{network['width']}."
        )


def check_tuned(config: dict[str, Any], where: str) -> None:
    """Check that the file of tuned values exists, and those of the study's data sets, methods and variants in it.

    Raises:
        UserError: a check fails; the message names the file, the entry, its value and what is valid.
    """
    if not config["tuned"]:
        return
    if not (ROOT / config["tuned"]).exists():
        raise UserError(
            f"{where}: tuned: there is no file {config['tuned']!r}. Name an existing file (an empty one for a search "
            "that will fill it), or leave the key out to use every method's defaults."
        )
    chosen = tuned_file(ROOT / config["tuned"])
    for method in config["methods"]:
        names = [method, *(f"{method}/{variant}" for variant in config["variants"].get(method, {}))]
        places = [
            (dataset, name) for dataset in config["datasets"] for name in names if name in chosen.get(dataset, {})
        ]
        check_values(method, {f"{config['tuned']}: {d}.{name}": chosen[d][name] for d, name in places})


def check_values(method: str, given: dict[str, dict[str, Any]]) -> None:
    """Check that a method has the hyper-parameters ``given``, by the place where they stand, and their ranges.

    Raises:
        UserError: an unknown name, or a value out of range; the message names the place and what is valid.
    """
    declared = declarations(method) if given else {}
    for place, name, value in ((place, *pair) for place, values in given.items() for pair in values.items()):
        if name not in declared:
            raise UserError(
                f"{place}: unknown hyper-parameter {name!r}. Valid hyper-parameters: {', '.join(declared)}."
            )
        try:
            fitted(value, *declared[name])
        except ValueError as error:
            raise UserError(f"{place}: hyper-parameter {name!r} is {error}.") from error


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
    """A copy of ``value`` in which missing keys have the schema's defaults, and 3.0 is 3 where an integer is wanted."""
    if not isinstance(value, dict):
        whole = isinstance(value, float) and value.is_integer() and schema.get("type") == "integer"
        return int(value) if whole else copy.deepcopy(value)
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
