"""The commands that make a number again."""

import shlex

from pmrl.discovery import method_files
from pmrl.records import DESCRIPTION, FOUNDATION, MAIN
from pmrl.reporting.site.shown import Shown


def run_command(shown: Shown, folder: str) -> str:
    """The command by which Snakemake makes one run of the study, and whatever it needs, again."""
    target = f"{shown.folder}/runs/{folder}/{DESCRIPTION}"
    return shlex.join(["snakemake", "--cores", "all", *_config(shown, "--configfile"), target])


def train_command(shown: Shown, dataset: str, method: str, variant: str) -> str:
    """The command that makes the runs of all seeds of a method on a data set again, if their foundations are there."""
    seeds = sorted({run.about["seed"] for run in shown.runs if run.folder.startswith(f"{dataset}/")}) or [0]
    if method == FOUNDATION or method not in method_files():
        parts = ["pmrl", FOUNDATION]
    else:
        parts = ["pmrl", "train", "--method", method, *(["--variant", variant] if variant != MAIN else [])]
    parts += ["--dataset", dataset, "--seeds", *map(str, seeds), *_config(shown, "--config")]
    return shlex.join(parts)


def _config(shown: Shown, option: str) -> list[str]:
    """The option that names the study's config; empty where it is not known."""
    config = shown.study.get("config")
    return [option, str(config)] if config else []
