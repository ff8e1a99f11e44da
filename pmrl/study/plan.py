"""What a config asks for: its data sets, runs and artefacts, and the settings that each of them depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pmrl import discovery
from pmrl.data.registry import absence
from pmrl.discovery import ROOT, method_files
from pmrl.errors import UserError
from pmrl.files import read_yaml
from pmrl.records import FOUNDATION, MAIN, SCRATCH


def applicable(config: dict[str, Any], kind: str) -> list[str]:
    """Names of the study's ``tables`` or ``figures``: those the config names, else all that apply to its regimes."""
    everything = {"tables": discovery.tables, "figures": discovery.figures}[kind]()
    return config[kind] or [name for name in everything if name != "from_scratch" or SCRATCH in config["regimes"]]


def absences(config: dict[str, Any]) -> dict[str, str]:
    """The data sets of the study whose files the user has not provided, each with the reason."""
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
    kinds = [f"{dataset}/{FOUNDATION}" for dataset in here]
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
    told["swept"] = config["sensitivity"]["datasets"]
    return {**told, **kept}


def tuned_values(config: dict[str, Any], dataset: str, method: str) -> dict[str, Any]:
    """What tuning chose on a data set for a method, or for a ``method/variant``; empty if it was never tuned there."""
    path = config["tuned"]
    if not path:
        return {}
    values = (read_yaml(ROOT / path) or {}).get(dataset, {})
    return dict(values.get(method, {}))
