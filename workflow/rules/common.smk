# Names and paths that the rules share. No science and no torch here: parsing stays fast.

import json
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from pmrl.data import input_files, package_versions
from pmrl.discovery import ROOT
from pmrl.errors import UserError
from pmrl.figures import available as available_figures
from pmrl.settings import (
    MAIN,
    applicable,
    check_config,
    cost_settings,
    folder_of,
    foundation_settings,
    run_settings,
    run_folders,
    searches,
    study_settings,
    sweep_files,
    sweep_settings,
    tuned_values,
    tuning_settings,
)
from pmrl.sources import method_sources, sources
from pmrl.tables import available as available_tables

try:
    config.update(check_config(config, "config"))
    STUDY = study_settings(config)
except UserError as error:
    raise WorkflowError(str(error)) from None

BEGAN = time.time()
RESULTS = config["results"]
DATA = config["data"]
DATASETS = STUDY["datasets"]
# Checkpoints of another torch do not hold, see pmrl.runs.fingerprint.
TORCH = version("torch")
METHOD = "[a-z][a-z0-9_]*"
RUN_FILES = ["records.parquet", "ranks.parquet", "curves.parquet", "contributions.parquet", "run.json"]
# Editing one of these changes every result; a method's own files are inputs of its own jobs alone.
SHARED_CODE = [
    "analyses",
    "checkpoints",
    "contrastive",
    "corruption",
    "data/store",
    "diagnosis",
    "evaluation",
    "matching",
    "method",
    "networks",
    "probing",
    "records",
    "retrieval",
    "runs",
    "spectral",
    "training",
]


for name, reason in STUDY["absent"].items():
    logger.warning(f"Data set {name!r} is left out: {reason}")


wildcard_constraints:
    dataset="[^/]+",
    method=METHOD,
    variant="[a-z][a-z0-9_]*",
    name="[a-z][a-z0-9_]*",


def source(path):
    """A file of the project, relative to the working folder, so that a moved checkout reruns nothing."""
    return os.path.relpath(ROOT / path)


def shared_code():
    return [source(f"pmrl/{name}.py") for name in SHARED_CODE]


def method_code(*names):
    """The files of some methods: what no other method rests on, unless it imports them."""
    return sorted({source(path) for name in names for path in method_sources(name)})


def stores():
    """What stands for the content of every data set: a store that is built again, but equal, reruns nothing."""
    return [f"{DATA}/{dataset}.checksum" for dataset in DATASETS]


def seed_chunks():
    """The seeds in groups; each group is one job, so that process starts stay few."""
    seeds, size = list(range(config["seeds"])), config["seeds_per_job"]
    return [seeds[start : start + size] for start in range(0, len(seeds), size)]


class TrainingGroup(NamedTuple):
    """The variants of a method that one job trains.

    name: of the rule and its logs.
    methods: the methods that the group is for, as a regular expression.
    """

    name: str
    methods: str
    variants: list[str]

    def settings(self, wildcards):
        """The settings of each variant's run, for the job's data set and method."""
        return as_json(
            {name: run_settings(config, wildcards.dataset, wildcards.method, name) for name in self.variants}
        )


def training_groups():
    """A method's main form is one job, and all its variants are another: some of them take less time than a start."""
    variants = [
        TrainingGroup(f"train_variants_of_{name}", name, list(own)) for name, own in config["variants"].items() if own
    ]
    return [TrainingGroup("train", METHOD, [MAIN]), *variants]


def run_outputs(folders, seeds):
    return [
        f"{RESULTS}/runs/{{dataset}}/{folder}/seed_{seed}/{file}"
        for folder in folders
        for seed in seeds
        for file in RUN_FILES
    ]


def as_json(settings):
    return json.dumps(settings, sort_keys=True)


def time_summary():
    """The study's time, and which share of the cores' time was spent on anything but training and evaluating."""
    from pmrl.records import busy_seconds

    total = time.time() - BEGAN
    busy = busy_seconds(RESULTS, BEGAN)
    outside = max(0, 1 - busy / (total * workflow.cores))
    return f"{total:.0f} s on {workflow.cores} cores; {outside:.0%} of their time outside training and evaluation."
