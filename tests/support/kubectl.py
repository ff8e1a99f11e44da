"""Stands in for kubectl in tests: keeps each job's specification in a folder, and runs its command on this machine.

KUBECTL_FOLDER is the folder; with KUBECTL_RUNS=0 every job fails without being run.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(os.environ["KUBECTL_FOLDER"])


def create():
    job = json.load(sys.stdin)
    name = f"{job['metadata']['generateName']}{len([*FOLDER.glob('*.json')])}"
    (FOLDER / f"{name}.json").write_text(json.dumps(job))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    if os.environ.get("KUBECTL_RUNS") == "0":
        (FOLDER / f"{name}.code").write_text("1")
    else:
        code = f"{FOLDER / name}.code"
        command = [
            "/bin/sh",
            "-c",
            f'"$@"; echo $? > "{code}.new"; mv "{code}.new" "{code}"',
            "sh",
            *container["command"],
        ]
        with (FOLDER / f"{name}.log").open("w") as log:
            subprocess.Popen(command, cwd=container["workingDir"], stdout=log, stderr=log, start_new_session=True)
    print(f"job.batch/{name}")


def get(name):
    code = FOLDER / f"{name}.code"
    ended = {} if not code.exists() else {"succeeded": 1} if code.read_text().strip() == "0" else {"failed": 1}
    print(json.dumps({"kind": "Job", "status": ended}))


def main():
    match sys.argv[1:]:
        case ["auth", "can-i", "create", "jobs"]:
            print("yes")
        case ["create", "--filename", "-", "--output", "name"]:
            create()
        case ["get", "job", name, "--ignore-not-found", "--output", "json"]:
            get(name)
        case _:
            sys.exit(f"unexpected: kubectl {' '.join(sys.argv[1:])}")


if __name__ == "__main__":
    main()
