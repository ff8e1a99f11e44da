"""The study's config: reading, checking against the schema, and the settings of one run. Never imports torch."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from pmrl.discovery import ROOT, hyperparameter_names, method_files
from pmrl.errors import UserError

DEFAULT_CONFIG = ROOT / "config" / "config.yaml"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
MAIN = "main"


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        UserError: the file is missing or is not YAML.
    """
    try:
        return yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}.") from error


def load_config(path: Path) -> dict[str, Any]:
    """A checked config with all defaults filled in; like Snakemake, laid over ``config/config.yaml``."""
    return check_config(merged(read_yaml(DEFAULT_CONFIG), read_yaml(path) or {}), str(path))


def merged(base: Any, over: Any) -> Any:
    """``over`` laid over ``base``: mappings are merged at every depth, all else is replaced."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}


def check_config(config: dict[str, Any], name: str) -> dict[str, Any]:
    """``config`` with the schema's defaults filled in.

    Raises:
        UserError: a key or value that the schema rejects (all are listed with their paths), or an unknown method.
    """
    schema = read_yaml(SCHEMA)
    filled = with_defaults(config, schema)
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(filled), key=lambda e: list(e.path))
    if errors:
        lines = [f"  {'.'.join(map(str, error.absolute_path)) or '(top level)'}: {error.message}" for error in errors]
        raise UserError(
            f"{name}: the config is not valid:\n" + "\n".join(lines) + "\nSee config/README.md for every key."
        )
    filled["variants"] = {
        method: {variant: values for variant, values in variants.items() if values is not None}
        for method, variants in filled["variants"].items()
    }
    filled["classification"] = {dataset: regime for dataset, regime in filled["classification"].items() if regime}
    check_names(filled, name)
    return filled


def check_names(config: dict[str, Any], where: str) -> None:
    """Every method, variant, data set, table and figure that the config names exists.

    Raises:
        UserError: an unknown name; the message lists the valid ones.
    """
    from pmrl import data, figures, tables

    named = {
        "method": ([*config["methods"], config["foundation_method"], *config["variants"]], list(method_files())),
        "data set": (
            [
                *config["datasets"],
                *config["folders"],
                *config["classification"],
                *config["sensitivity"]["datasets"],
                *filter(None, [config["cost"]]),
            ],
            data.available(),
        ),
        "table": (config["tables"], tables.available()),
        "figure": (config["figures"], figures.available()),
    }
    for kind, (names, known) in named.items():
        for name in names:
            if name not in known:
                raise UserError(f"{where}: unknown {kind} {name!r}. Valid {kind}s: {', '.join(known)}.")
    searches(config)
    check_hyperparameters(config, where)
    check_sweep(config, where)


def check_hyperparameters(config: dict[str, Any], where: str) -> None:
    """The variants set hyper-parameters that exist, the tuned values are there, and attention heads divide the width.

    Raises:
        UserError: naming the key of the config, what was found and what is valid.
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
            f"{where}: tuned: there is no file {config['tuned']!r}. Name one that exists (empty for a search that "
            'is to fill it), or "" to use every method\'s defaults.'
        )
    network = config["network"]
    if network["width"] % network["attention_heads"]:
        raise UserError(
            f"{where}: network.attention_heads: {network['attention_heads']} does not divide network.width, "
            f"{network['width']}."
        )


def check_sweep(config: dict[str, Any], where: str) -> None:
    """The sweep starts from the study's foundations, so that it has no more seeds than the study.

    Raises:
        UserError: ``sensitivity.seeds`` is larger than ``seeds``, and there is something to sweep.
    """
    swept, trained = config["sensitivity"]["seeds"], config["seeds"]
    if config["sensitivity"]["datasets"] and swept > trained:
        raise UserError(
            f"{where}: sensitivity.seeds: {swept} is more than seeds, {trained}, and the sweep starts from the "
            "foundations of the study's seeds. Lower sensitivity.seeds, raise seeds, or empty sensitivity.datasets."
        )


def applicable(config: dict[str, Any], kind: str) -> list[str]:
    """Names of the study's ``tables`` or ``figures``: those the config names, else all that apply to its regimes."""
    from pmrl import figures, tables

    everything = {"tables": tables.available, "figures": figures.available}[kind]()
    return config[kind] or [name for name in everything if name != "from_scratch" or "scratch" in config["regimes"]]


def absences(config: dict[str, Any]) -> dict[str, str]:
    """The data sets of the study whose files the user has not provided, each with the reason."""
    from pmrl.data import absence

    reasons = {name: absence(name, folder_of(config, name)) for name in config["datasets"]}
    return {name: reason for name, reason in reasons.items() if reason}


def present(config: dict[str, Any]) -> list[str]:
    """The data sets of the study that are here."""
    missing = absences(config)
    return [name for name in config["datasets"] if name not in missing]


def folder_of(config: dict[str, Any], dataset: str) -> Path | None:
    """Where the user keeps the files of a data set that no package carries, if the config says so."""
    folder = config["folders"].get(dataset)
    return Path(folder) if folder else None


def with_defaults(value: Any, schema: dict[str, Any]) -> Any:
    """A copy of ``value`` with the defaults of the schema's properties, at every depth."""
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


def runs(config: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Every (data set, method, variant) of the study; each method's main form comes before its variants."""
    return [
        (dataset, method, variant)
        for dataset in config["datasets"]
        for method in config["methods"]
        for variant in [MAIN, *config["variants"].get(method, {})]
    ]


def run_folders(config: dict[str, Any]) -> list[str]:
    """Every run of the study whose data set is here, the foundations first, as paths below ``<results>/runs``."""
    here = present(config)
    kinds = [f"{dataset}/foundation" for dataset in here]
    kinds += ["/".join(run) for run in runs(config) if run[0] in here]
    return [f"{kind}/seed_{seed}" for kind in kinds for seed in range(config["seeds"])]


def sweep_files(config: dict[str, Any]) -> list[str]:
    """The sensitivity sweep of every data set of the study that is swept and is here, as paths below ``<results>``."""
    here = present(config)
    return [f"sweep/{name}.parquet" for name in config["sensitivity"]["datasets"] if name in here]


def run_settings(config: dict[str, Any], dataset: str, method: str, variant: str) -> dict[str, Any]:
    """All that a run's result depends on, besides data, code and seed.

    Hyper-parameters: the tuned values of this data set and method, overridden by those of the variant's own search if
    it had one, overridden by what the variant sets.

    Raises:
        UserError: unknown method or variant; the message lists the valid ones.
    """
    if method not in method_files():
        raise UserError(f"Unknown method {method!r}. Valid methods: {', '.join(method_files())}.")
    return {
        "network": config["network"],
        "training": config["training"],
        "foundation": foundation_settings(config, dataset),
        "regimes": config["regimes"],
        "corruption": config["corruption"] if variant == MAIN else {kind: [] for kind in config["corruption"]},
        "classification": config["classification"].get(dataset, "") if variant == MAIN else "",
        "hyperparameters": {
            **tuned_values(config, dataset, method),
            **tuned_values(config, dataset, f"{method}/{variant}"),
            **variant_values(config, method, variant),
        },
    }


def variant_values(config: dict[str, Any], method: str, variant: str) -> dict[str, Any]:
    """The hyper-parameters that a variant sets; none for the main form.

    Raises:
        UserError: unknown variant; the message lists the valid ones.
    """
    variants = {MAIN: {}, **config["variants"].get(method, {})}
    if variant not in variants:
        raise UserError(f"Method {method!r} has no variant {variant!r}. Valid variants: {', '.join(variants)}.")
    return variants[variant]


def foundation_settings(config: dict[str, Any], dataset: str) -> dict[str, Any]:
    """The shared warm start: its method (with default hyper-parameters), networks and training."""
    return {
        "method": config["foundation_method"],
        "network": config["network"],
        "training": config["training"],
        "classification": config["classification"].get(dataset, ""),
    }


def sweep_settings(config: dict[str, Any]) -> dict[str, Any]:
    """All that the sensitivity sweep depends on."""
    kept = ("foundation_method", "network", "training", "classification", "sensitivity", "tuned", "device")
    return {key: config[key] for key in kept}


def tuning_settings(config: dict[str, Any], method: str, variant: str) -> dict[str, Any]:
    """All that the search for a method's or a variant's hyper-parameters depends on."""
    kept = ("foundation_method", "network", "training", "classification", "tuning", "device")
    own = {method: {variant: variant_values(config, method, variant)}} if variant != MAIN else {}
    return {**{key: config[key] for key in kept}, "variants": own}


def searches(config: dict[str, Any]) -> list[tuple[str, str]]:
    """Every (method, variant) whose hyper-parameters are searched.

    Raises:
        UserError: ``tuning.variants`` names an unknown variant.
    """
    own = [tuple(name.split("/")) for name in config["tuning"]["variants"]]
    for method, variant in own:
        variant_values(config, method, variant)
    return [*((method, MAIN) for method in config["methods"]), *own]


def cost_settings(config: dict[str, Any]) -> dict[str, Any]:
    """All that the measurement of costs depends on."""
    return {key: config[key] for key in ("methods", "network", "training", "device")}


def study_settings(config: dict[str, Any]) -> dict[str, Any]:
    """What tables and figures need to know of the config."""
    kept = {key: config[key] for key in ("methods", "variants", "regimes", "seeds", "network", "cost", "tuned")}
    told = {"datasets": present(config), "absent": absences(config), "tuning_regime": config["tuning"]["regime"]}
    return {**told, **kept}


def tuned_values(config: dict[str, Any], dataset: str, method: str) -> dict[str, Any]:
    """What tuning chose on a data set for a method, or for a ``method/variant``; empty if it was never tuned there."""
    path = config["tuned"]
    if not path:
        return {}
    values = (read_yaml(ROOT / path) or {}).get(dataset, {})
    return dict(values.get(method, {}))
