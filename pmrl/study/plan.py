"""What a study consists of: its data sets, runs and artefacts, and the settings that each of them depends on."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from pmrl import discovery
from pmrl.data.registry import absence
from pmrl.discovery import ROOT, method_files
from pmrl.errors import UserError
from pmrl.files import read_yaml
from pmrl.records import FOUNDATION, MAIN, OUTSIDE, SCRATCH, TWO_TO_ONE

FIRST_TUNING_SEED = 1000
# What a foundation depends on.
FOUNDATION_KEYS = ("foundation_method", "foundation_checkpoints", "network", "training", "classification")


def applicable(config: dict[str, Any], kind: str) -> list[str]:
    """Names of the study's ``tables`` or ``figures``: those in the config, else all that apply to its regimes."""
    everything = {"tables": discovery.tables, "figures": discovery.figures}[kind]()
    asked_for = {
        "from_scratch": SCRATCH in config["regimes"],
        TWO_TO_ONE: config["two_to_one"],
        "quality_and_cost": config["cost"],
    }
    return config[kind] or [name for name in everything if asked_for.get(name, True)]


def absences(config: dict[str, Any]) -> dict[str, str]:
    """The data sets of the study whose files the user has not provided, each with the reason."""
    reasons = {name: absence(name, folder_of(config, name)) for name in config["datasets"]}
    return {name: reason for name, reason in reasons.items() if reason}


def present(config: dict[str, Any]) -> list[str]:
    """The data sets of the study whose files are available."""
    missing = absences(config)
    return [name for name in config["datasets"] if name not in missing]


def folder_of(config: dict[str, Any], dataset: str) -> Path | None:
    """The user's folder with the files of a data set that no package contains, if the config names it."""
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


def seeds(config: dict[str, Any]) -> list[int]:
    """The seeds of the study."""
    return list(range(config["first_seed"], config["first_seed"] + config["seeds"]))


def run_folders(config: dict[str, Any]) -> list[str]:
    """Every run of the study whose data set is available, foundations first, as paths below ``<results>/runs``."""
    datasets = present(config)
    folders = [f"{dataset}/{FOUNDATION}" for dataset in datasets]
    folders += ["/".join(run) for run in runs(config) if run[0] in datasets]
    return [f"{folder}/seed_{seed}" for folder in folders for seed in seeds(config)]


def swept_seeds(config: dict[str, Any]) -> list[int]:
    """The seeds of the sensitivity sweep, whose foundations are the study's."""
    return list(range(config["first_seed"], config["first_seed"] + config["sensitivity"]["seeds"]))


def sweep_files(config: dict[str, Any]) -> list[str]:
    """The sensitivity sweeps of the study's available data sets, as paths below ``<results>``."""
    datasets = present(config)
    return [f"sweep/{name}.parquet" for name in config["sensitivity"]["datasets"] if name in datasets]


def run_settings(config: dict[str, Any], dataset: str, method: str, variant: str) -> dict[str, Any]:
    """Everything that a run's result depends on besides data, code and seed.

    The hyper-parameters are the tuned values of this data set and method, overridden by those of the variant's own
    search if there was one, overridden by the values that the variant sets.

    Raises:
        UserError: unknown method or variant; the message lists the valid ones.
    """
    if method not in method_files():
        raise UserError(f"Unknown method {method!r}. Valid methods: {', '.join(method_files())}.")
    return {
        "network": config["network"],
        "training": training_settings(config, dataset),
        "foundation": foundation_settings(config, dataset),
        "regimes": config["regimes"],
        "two_to_one": config["two_to_one"] and variant == MAIN,
        "corruption": config["corruption"] if variant == MAIN else {kind: [] for kind in config["corruption"]},
        "classification": config["classification"].get(dataset, "") if variant == MAIN else "",
        "hyperparameters": {
            **tuned_values(config, dataset, method),
            **tuned_values(config, dataset, f"{method}/{variant}"),
            **variant_values(config, method, variant),
        },
    }


def variant_values(config: dict[str, Any], method: str, variant: str) -> dict[str, Any]:
    """The hyper-parameters that a variant sets; the main form sets none.

    Raises:
        UserError: unknown variant; the message lists the valid ones.
    """
    variants = {MAIN: {}, **config["variants"].get(method, {})}
    if variant not in variants:
        raise UserError(f"Method {method!r} has no variant {variant!r}. Valid variants: {', '.join(variants)}.")
    return variants[variant]


def training_settings(config: dict[str, Any], dataset: str) -> dict[str, Any]:
    """The keys of ``training``, with the epochs of this data set only, if it has any."""
    training = dict(config["training"])
    epochs = training.pop("epochs").get(dataset)
    return training | ({"epochs": epochs} if epochs else {})


def foundation_settings(config: dict[str, Any], dataset: str) -> dict[str, Any]:
    """Settings of the shared warm start: its method (with default hyper-parameters), networks and training."""
    outside = config["foundation_checkpoints"].get(dataset)
    return {
        "method": config["foundation_method"],
        "network": config["network"],
        "training": training_settings(config, dataset),
        "classification": config["classification"].get(dataset, ""),
        **({OUTSIDE: outside} if outside else {}),
    }


def foundation_files(config: dict[str, Any], dataset: str) -> list[str]:
    """The files from outside the project that the foundation of a data set is made of."""
    return list(config["foundation_checkpoints"].get(dataset, {}).values())


def sweep_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that the sensitivity sweep depends on."""
    keys = (*FOUNDATION_KEYS, "sensitivity", "first_seed", "tuned", "device")
    return {key: config[key] for key in keys}


def tuning_settings(config: dict[str, Any], method: str, variant: str) -> dict[str, Any]:
    """The settings that the search for the hyper-parameters of a method or variant depends on."""
    keys = (*FOUNDATION_KEYS, "tuning", "device")
    variants = {method: {variant: variant_values(config, method, variant)}} if variant != MAIN else {}
    return {**{key: config[key] for key in keys}, "variants": variants}


def tuning_seeds(config: dict[str, Any]) -> list[int]:
    """The seed of the search, then those of its finalists; a study's seeds count from 0."""
    return [FIRST_TUNING_SEED + i for i in range(1 + config["tuning"]["seeds"])]


def searches(config: dict[str, Any]) -> list[tuple[str, str]]:
    """Every (method, variant) whose hyper-parameters are searched.

    Raises:
        UserError: ``tuning.variants`` names an unknown variant.
    """
    variants = [tuple(name.split("/")) for name in config["tuning"]["variants"]]
    for method, variant in variants:
        variant_values(config, method, variant)
    return [*((method, MAIN) for method in config["methods"]), *variants]


def calibration_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that the choice of heads, optimiser and steps depends on."""
    keys = ("methods", *FOUNDATION_KEYS, "calibration", "device")
    return {key: config[key] for key in keys}


def calibration_files(config: dict[str, Any]) -> list[str]:
    """The tables of all settings that are compared, as paths below ``<results>``."""
    settings = config["calibration"]["settings"]
    return [f"calibration/{dataset}/{setting}.csv" for setting in settings for dataset in present(config)]


def calibrated(config: dict[str, Any], setting: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The study under a setting of ``calibration.settings``, and the hyper-parameters that it gives every method."""
    given = dict(config["calibration"]["settings"][setting])
    factor, count = given.pop("steps", 1), given.pop("seeds", config["calibration"]["seeds"])
    values = {key: given.pop(key) for key in ("learning_rate",) if key in given}
    training = {
        key: max(1, round(factor * value)) if key.endswith("_steps") else given.pop(key, value)
        for key, value in config["training"].items()
    }
    return {**config, "seeds": count, "training": training, "network": {**config["network"], **given}}, values


def cost_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that the measurement of costs depends on."""
    return {key: config[key] for key in ("methods", "network", "training", "device")}


def study_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that tables and figures depend on."""
    keys = ("methods", "variants", "regimes", "seeds", "network", "cost", "tuned")
    return {
        "datasets": present(config),
        "absent": absences(config),
        "tuning_regime": config["tuning"]["regime"],
        "tuning_criterion": config["tuning"]["criterion"],
        "swept": config["sensitivity"]["datasets"],
        **{key: config[key] for key in keys},
    }


def site_settings(config: dict[str, Any], config_file: str) -> dict[str, Any]:
    """What the site needs to know of a study: its settings, the folders of its runs, and the file that names them."""
    return {**study_settings(config), "planned": run_folders(config), "config": config_file}


def tuned_values(config: dict[str, Any], dataset: str, method: str) -> dict[str, Any]:
    """The tuned values of a method, or of a ``method/variant``, on a data set; empty if it was not tuned there."""
    if not config["tuned"]:
        return {}
    return tuned_file(ROOT / config["tuned"]).get(dataset, {}).get(method, {})


def tuned_file(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """The content of a file of tuned values: {data set: {method: {hyper-parameter: value}}}, empty entries left out.

    Raises:
        UserError: an entry is no mapping; the message names the file and the entry.
    """
    state = Path(path).stat() if Path(path).is_file() else None
    return _tuned_file(path, state and (state.st_mtime_ns, state.st_size))


@functools.lru_cache(maxsize=4)
def _tuned_file(path: Path, _: object) -> dict[str, dict[str, dict[str, Any]]]:
    """As :func:`tuned_file`; read once in the state that the file is in, as every run of a study asks for it."""

    def mapping(content: Any, place: str, depth: int) -> dict[str, Any]:
        if content is None:
            return {}
        if not isinstance(content, dict):
            raise UserError(
                f"{path}: {place}: found {content!r}, expected keys and values: data set, then method, then "
                "hyper-parameter."
            )
        if depth == 0:
            return content
        return {str(key): mapping(part, f"{place}.{key}", depth - 1) for key, part in content.items()}

    return mapping(read_yaml(path), "tuned values", 2)
