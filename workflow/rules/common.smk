# Names and paths that the rules share. No science and no torch here, so that parsing stays fast.
# Files that a number depends on are inputs; code that it depends on is a parameter, the digest of all that a module
# imports, so that a changed comment makes nothing run again (pmrl/provenance.py).

import json
import os
import shutil
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from pmrl import discovery, provenance, records
from pmrl.data import registry
from pmrl.discovery import ROOT, method_file
from pmrl.errors import UserError
from pmrl.files import read_yaml, write_json
from pmrl.records import MAIN, ZERO_SHOT
from pmrl.study.belonging import stale_files
from pmrl.study.config import check_config
from pmrl.study.plan import (
    applicable,
    calibration_files,
    calibration_settings,
    cost_settings,
    folder_of,
    foundation_files,
    foundation_settings,
    run_folders,
    run_settings,
    searches,
    seeds,
    site_settings,
    study_settings,
    sweep_files,
    sweep_settings,
    swept_seeds,
    tuned_values,
    tuning_seeds,
    tuning_settings,
)

if ROOT != Path(workflow.basedir).resolve():
    raise WorkflowError(
        f"The installed package pmrl belongs to another folder, {ROOT}, than this Snakefile, {workflow.basedir}: its "
        "code would run here. Install this one, `pip install --no-deps -e .`, or use its own environment."
    )

try:
    for file in workflow.configfiles:
        read_yaml(file)  # refuses what Snakemake's own reader lets pass, such as a key that stands twice
    config.update(check_config(config, "config"))
    STUDY = study_settings(config)
    STALE = stale_files(config)
except UserError as error:
    raise WorkflowError(str(error)) from None

BEGAN = time.time()
RESULTS = config["results"]
DATA = config["data"]
DATASETS = STUDY["datasets"]
# Checkpoints of another version of torch are stale, see pmrl.experiments.resume.fingerprint.
TORCH = version("torch")
METHOD = "[a-z][a-z0-9_]*"
# What a run is started by, see config/README.md (computing). Results depend on it by rounding only, so it is no
# parameter of a rule, and a change makes nothing run again.
PROCESSES = config["computing"]["processes"]
LAUNCH = f"torchrun --standalone --nproc-per-node {PROCESSES} --no-python " if PROCESSES > 1 else ""
CHECKPOINTS = f"--checkpoint-minutes {config['computing']['checkpoint_minutes']}"
# Clusters give a GPU to jobs that ask for one; with the device auto, a job takes one only where it happens to be.
ON_GPU = config["device"].startswith("cuda")
GPU = {"gpu": 1} if ON_GPU else {}
GPUS = {"gpu": PROCESSES} if ON_GPU else {}


for name, reason in STUDY["absent"].items():
    logger.warning(f"Data set {name!r} is left out: {reason}")


wildcard_constraints:
    dataset="[^/]+",
    method=METHOD,
    variant="[a-z][a-z0-9_]*",
    name="[a-z][a-z0-9_]*",
    setting="[a-z][a-z0-9_]*",


def source(path):
    """A file of the project, relative to the working folder, so that a moved checkout reruns nothing."""
    return os.path.relpath(ROOT / path)


def code(module, *methods):
    """Digest of all code that a module of pmrl/ and the files of some methods depend on."""
    return provenance.code(ROOT / "pmrl" / module, *(method_file(name) for name in methods))


def stores():
    """The checksum files of all data sets; a store that is rebuilt with equal content reruns nothing."""
    return [f"{DATA}/{dataset}.checksum" for dataset in DATASETS]


def force_stale():
    """Have files made again that exist but that something else made, whatever their times and Snakemake's notes say.

    Snakemake offers this to its command line only (--forcerun); an input function is the first that meets the graph.
    """
    workflow.dag.forcefiles.update(STALE)


def seed_chunks():
    """The seeds in groups; each group is one job, so that process starts stay few."""
    every, size = seeds(config), config["seeds_per_job"]
    return [every[start : start + size] for start in range(0, len(every), size)]


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
    """A method's main form is one job and all its variants are another, since some take less time than a process start."""
    variants = [
        TrainingGroup(f"train_variants_of_{name}", name, list(own)) for name, own in config["variants"].items() if own
    ]
    return [TrainingGroup("train", METHOD, [MAIN]), *variants]


def run_files(folder, seed):
    """The files that a run writes; figures show the first seed of a method's main form, so it writes more."""
    for_figures = folder.endswith(f"/{MAIN}") and seed == 0
    return [*records.RUN_FILES, *(records.FIGURE_FILES if for_figures else [])]


def run_outputs(folders, seeds):
    """All files of some runs of a data set, for instance of the folder `{method}/main`."""
    return [
        f"{RESULTS}/runs/{{dataset}}/{folder}/seed_{seed}/{file}"
        for folder in folders
        for seed in seeds
        for file in run_files(folder, seed)
    ]


def megabytes(*paths):
    """Size of the files that exist, in MB."""
    return sum(os.path.getsize(path) for path in paths if os.path.exists(path)) // 10**6


def training_memory(wildcards, attempt):
    """MB for a job that trains: in each process torch, and the features of its data set with their copies."""
    return attempt * PROCESSES * (1500 + 4 * features_megabytes(wildcards))


def features_megabytes(wildcards):
    """Size of the features of a job's data set that are held in memory; large arrays are mapped."""
    return megabytes(f"{DATA}/{getattr(wildcards, 'dataset', config['cost'])}/features.safetensors")


def training_minutes(wildcards, attempt):
    """Minutes for a job that trains and evaluates, by the number of its steps and the size of the features.

    Meant to be ample for one core. A job that needs longer is stopped, and its next attempt, with twice the time, goes on
    from its last checkpoint.
    """
    training = config["training"]
    steps = sum(training[name] for name in training if name.endswith("_steps"))
    variants = 1 + max(map(len, config["variants"].values()), default=0)
    per_step = 0.1 + 0.001 * features_megabytes(wildcards)
    return attempt * (30 + round(config["seeds_per_job"] * variants * steps * per_step / 60))


def reporting_memory(wildcards, input):
    """MB for a job that reads records: pandas and matplotlib, and its tables with their copies."""
    return 1000 + 20 * megabytes(*input)


def as_json(settings):
    return json.dumps(settings, sort_keys=True)


def check_executor():
    """Say what to do where the cluster, or a partition that jobs ask for, does not exist."""
    plugin = workflow.executor_plugin
    checks = {"slurm": check_slurm, "cluster-generic": check_kubernetes}
    if plugin is not None and plugin.name in checks:
        checks[plugin.name]()


def check_slurm():
    if shutil.which("sbatch") is None:
        raise WorkflowError(
            "SLURM is not here: there is no command sbatch. Run this on a machine that submits jobs to your cluster, or "
            "without --profile profiles/slurm to use this machine alone."
        )
    wanted = {job.resources.get("slurm_partition") for job in workflow.dag.needrun_jobs()} - {None}
    listed = subprocess.run(["sinfo", "--noheader", "--format=%R"], capture_output=True, text=True).stdout.split()
    if listed and wanted - set(listed):
        raise WorkflowError(
            f"SLURM has no partition {', '.join(sorted(wanted - set(listed)))}; it has {', '.join(sorted(set(listed)))}. "
            "Set slurm_partition in profiles/slurm/config.yaml, or with --default-resources."
        )


def check_kubernetes():
    command = workflow.executor_settings.submit_cmd or ""
    if "profiles/kubernetes" not in command:
        return
    run = shutil.which("kubectl") and subprocess.run(
        ["kubectl", "auth", "can-i", "create", "jobs"], capture_output=True, text=True
    )
    if not run or run.returncode:
        found = f"kubectl says: {(run.stderr or run.stdout).strip()}" if run else "there is no command kubectl"
        raise WorkflowError(
            f"No jobs can be created on a Kubernetes cluster from here ({found}). Run this in a pod that mounts the volume "
            "of the study and may create jobs, see docs/full_scale.md, or without --profile profiles/kubernetes to use "
            "this machine alone."
        )


def time_summary():
    """The study's time, and the share of the cores' time that was not spent on training and evaluation.

    If all runs of the study are of this call, they are noted for documents. On a cluster there is no such share.
    """
    from pmrl.reporting.collect import busy_seconds

    total, busy = time.time() - BEGAN, busy_seconds(RESULTS, BEGAN)
    if workflow.resource_settings.cores is None:
        return f"{total:.0f} s; training and evaluation took {busy:.0f} s in all jobs together."
    outside = max(0, 1 - busy / (total * workflow.cores))
    descriptions = [f"{RESULTS}/runs/{run}/{records.DESCRIPTION}" for run in run_folders(config)]
    if all(os.path.exists(path) and os.path.getmtime(path) > BEGAN for path in descriptions):
        write_json(Path(RESULTS, records.TIME), {"seconds": total, "cores": workflow.cores, "outside": outside})
    return f"{total:.0f} s on {workflow.cores} cores; {outside:.0%} of their time outside training and evaluation."
