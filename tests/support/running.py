"""How the workflow tests run the project: in a copy of it, by its own commands."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PARTS = ["Snakefile", "results/reference", "pmrl", "baselines", "workflow", "config", "profiles", "pyproject.toml"]
PARTS += ["docs", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", "LICENSE"]  # that the site shows
SMOKE = yaml.safe_load((ROOT / "config" / "smoke.yaml").read_text())
METHODS = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["methods"]
TEMPLATE = (ROOT / "baselines" / "template_baseline.py").read_text()
RESULTS = SMOKE["results"]


def copy_project(folder):
    """The project's files, as a fresh clone has them."""
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)


def run_module(project, *arguments, errors=subprocess.PIPE, environment=None):
    return run_python(project, "-m", *arguments, errors=errors, environment=environment)


def run_python(project, *arguments, errors=subprocess.PIPE, environment=None):
    environment = {
        **os.environ,
        "PYTHONPATH": f"{project}{os.pathsep}{Path(__file__).parent}",
        **(environment or {}),
    }
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True, check=False
    )


def snakemake(project, *arguments, configfile="config/smoke.yaml"):
    return run_module(project, "snakemake", "--cores", "2", *arguments, "--configfile", configfile)


def pmrl(project, *arguments):
    return run_module(project, "pmrl.cli", *arguments)


def planned(project, configfile="config/smoke.yaml"):
    """The jobs that a dry run plans, as (rule, wildcards) pairs."""
    return [(rule, wildcards) for rule, wildcards, _ in planned_inputs(project, configfile)]


def planned_inputs(project, configfile="config/smoke.yaml"):
    """The jobs that a dry run plans, as (rule, wildcards, input files)."""
    run = snakemake(project, "-n", "--workflow-profile", "none", configfile=configfile)
    assert run.returncode == 0, run.stdout + run.stderr
    return jobs_of(run.stdout + run.stderr)


def jobs_of(output):
    """The jobs that a dry run printed, as (rule, wildcards, input files)."""
    jobs = re.findall(r"^rule (\w+):\n((?:    .*\n)*)", output, re.MULTILINE)
    return [
        (rule, dict(re.findall(r"(\w+)=([\w.]+)", told(body, "wildcards"))), set(told(body, "input").split(", ")))
        for rule, body in jobs
    ]


def planned_after_each_change(project, modules):
    """{module: the jobs that a dry run plans after a change of its code}, from one process; see plan_each.py."""
    run = run_module(project, "plan_each", *modules, errors=subprocess.STDOUT)
    assert run.returncode == 0, run.stdout[-4000:]
    parts = run.stdout.split("changed module: ")[1:]
    return {part.splitlines()[0]: jobs_of(part) for part in parts}


def told(body, key):
    """What a dry run tells of a job under a key."""
    return " ".join(re.findall(rf"^    {key}: (.*)", body, re.MULTILINE))


def trained(jobs):
    return {wildcards["method"] for rule, wildcards in jobs if rule.startswith("train")}


def rules(jobs):
    """Names of the planned rules; all tables are one kind, and so are all figures."""
    return {rule.split("_")[0] if rule.startswith(("table_", "figure_")) else rule for rule, _ in jobs}
