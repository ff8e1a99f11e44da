"""The profile for Kubernetes: what each job asks for, and that its command does the job where the volume is mounted."""

import json
import os
import shutil
import sys

import pandas as pd
import pytest
import running
import yaml

STUDY = {
    "datasets": ["digits"],
    "methods": ["pmrl"],
    "seeds": 1,
    "training": {"foundation_steps": 10, "continued_steps": 10},
    "regimes": ["zero_shot"],
    "tables": ["any_modality"],
    "figures": ["any_modality"],
}
QUICKLY = ["--seconds-between-status-checks", "1", "--latency-wait", "5"]


def submit(project, study, environment, *options):
    (project / "study.yaml").write_text(yaml.safe_dump(study))
    profile = ["--profile", "profiles/kubernetes", "--configfile", "study.yaml"]
    return running.run_module(project, "snakemake", *profile, *QUICKLY, *options, environment=environment)


@pytest.fixture(scope="module")
def place(finished, tmp_path_factory):
    """The project with prepared data and no runs."""
    folder = tmp_path_factory.mktemp("volume")
    running.copy_project(folder)
    shutil.copytree(finished / "results" / "data", folder / "results" / "data")
    return folder


@pytest.fixture
def kubectl(tmp_path):
    """The environment in which ``kubectl`` is the stand-in, and the folder of its jobs."""
    command = tmp_path / "bin" / "kubectl"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{running.ROOT}/tests/support/kubectl.py" "$@"\n')
    command.chmod(0o755)
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    return jobs, {"PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}", "KUBECTL_FOLDER": str(jobs)}


def jobs_of(folder):
    """The specification of every job, with its container."""
    jobs = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return [(job, job["spec"]["template"]["spec"]["containers"][0]) for job in jobs]


def test_the_study_is_made_by_the_commands_of_its_jobs(place, kubectl):
    folder, environment = kubectl
    run = submit(place, STUDY, environment)
    logs = "".join(path.read_text()[-3000:] for path in folder.glob("*.log"))
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:] + logs
    results = place / "results"
    assert (results / "tables" / "any_modality.csv").exists() and (results / "figures" / "any_modality.png").exists()
    assert set(pd.read_parquet(results / "records.parquet")["method"]) == {"foundation", "pmrl"}
    jobs = jobs_of(folder)
    assert len(jobs) >= 3, "foundation, method, and what shows them"
    for job, container in jobs:
        pod = job["spec"]["template"]["spec"]
        assert container["workingDir"] == str(place)
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts["study"] == "/study" and {"claimName": "study"} in [
            volume.get("persistentVolumeClaim") for volume in pod["volumes"]
        ]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert "nvidia.com/gpu" not in container["resources"]["limits"]
        assert pod["restartPolicy"] == "Never" and job["spec"]["backoffLimit"] == 0
        assert job["spec"]["activeDeadlineSeconds"] >= 30 * 60
        assert len(job["metadata"]["generateName"]) <= 58  # Kubernetes adds five letters, and a name has 63


def test_jobs_on_gpus_ask_for_one_per_process_and_for_memory_by_the_size_of_their_features(place, kubectl):
    folder, environment = kubectl
    study = {**STUDY, "device": "cuda", "computing": {"processes": 2}, "results": "results/on_gpus"}
    run = submit(place, study, {**environment, "KUBECTL_RUNS": "0"}, "--retries", "0")
    assert run.returncode != 0 and "Traceback" not in run.stderr
    ((_, container),) = jobs_of(folder)  # the foundation comes first
    limits = container["resources"]["limits"]
    size = (place / "results" / "data" / "digits" / "features.safetensors").stat().st_size // 10**6
    assert limits == {"cpu": 2, "memory": f"{2 * (1500 + 4 * size)}M", "nvidia.com/gpu": 2}


def test_without_a_cluster_the_profile_says_so_before_anything_runs(place, tmp_path):
    command = tmp_path / "kubectl"
    command.write_text("#!/bin/sh\necho 'connection refused' >&2\nexit 1\n")
    command.chmod(0o755)
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    run = submit(place, {**STUDY, "results": "results/nowhere"}, path)
    assert run.returncode != 0 and "Traceback" not in run.stderr
    assert "No jobs can be created on a Kubernetes cluster from here (kubectl says: connection refused)" in run.stderr
    assert not (place / "results" / "nowhere" / "runs").exists()


def test_all_profiles_of_clusters_group_the_same_jobs():
    slurm, kubernetes = (
        yaml.safe_load((running.ROOT / "profiles" / name / "config.yaml").read_text())
        for name in ("slurm", "kubernetes")
    )
    assert slurm["groups"] == kubernetes["groups"] and slurm["group-components"] == kubernetes["group-components"]
