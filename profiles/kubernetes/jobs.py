"""Submits jobs of Snakemake to Kubernetes by kubectl, and says what has become of them; see config.yaml beside it.

All jobs see the files of the study on one volume, so nothing is copied to an object storage and back.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).with_name("job.yaml")
GPU = "nvidia.com/gpu"  # what the cluster calls a GPU


def specification(
    script: Path, rule: str, cores: int, megabytes: int, gpus: int, minutes: int, template: Path = TEMPLATE
) -> dict[str, Any]:
    """A Job of Kubernetes that runs a script of Snakemake.

    Args:
        script: on the volume of the study.
        rule: that the script is for.
        cores: what it computes with; requested, and its limit, as all that follows.
        megabytes: memory.
        gpus: 0 for a job without any.
        minutes: after which it is stopped.
        template: all that does not depend on the job.
    """
    job: dict[str, Any] = yaml.safe_load(template.read_text(encoding="utf-8"))
    amounts = {"cpu": cores, "memory": f"{megabytes}M"} | ({GPU: gpus} if gpus else {})
    container = job["spec"]["template"]["spec"]["containers"][0]
    container["command"] = ["/bin/sh", str(script)]
    container["workingDir"] = str(Path.cwd())
    container["resources"] = {"requests": amounts, "limits": amounts}
    job["spec"]["activeDeadlineSeconds"] = 60 * minutes
    job["metadata"]["generateName"] = f"{rule.replace('_', '-').lower()[:40]}-"
    return job


def submit(options: argparse.Namespace) -> str:
    """Create a job; return its name."""
    amounts = (options.cores, options.megabytes, options.gpus, options.minutes)
    job = specification(options.script.resolve(), options.rule, *amounts)
    created = kubectl("create", "--filename", "-", "--output", "name", given=json.dumps(job))
    return created.strip().removeprefix("job.batch/")


def status(name: str) -> str:
    """What has become of a job, in Snakemake's words; one that is gone has failed."""
    found = kubectl("get", "job", name, "--ignore-not-found", "--output", "json")
    about = json.loads(found).get("status", {}) if found.strip() else {"failed": 1}
    return "success" if about.get("succeeded") else "failed" if about.get("failed") else "running"


def kubectl(*arguments: str, given: str = "") -> str:
    """What kubectl prints; ends this program with its message if it fails."""
    if shutil.which("kubectl") is None:
        sys.exit("There is no command kubectl here. Run this in a pod or on a machine that reaches your cluster.")
    run = subprocess.run(["kubectl", *arguments], input=given, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"kubectl {' '.join(arguments)}: {run.stderr.strip()}")
    return run.stdout


def main() -> None:
    """Submit a job or say what has become of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    submitting = commands.add_parser("submit")
    submitting.add_argument("--rule", required=True)
    for name in ("cores", "megabytes", "gpus", "minutes"):
        submitting.add_argument(f"--{name}", type=int, required=True)
    submitting.add_argument("script", type=Path)
    commands.add_parser("status").add_argument("name")
    options = parser.parse_args()
    print(submit(options) if options.command == "submit" else status(options.name))


if __name__ == "__main__":
    main()
