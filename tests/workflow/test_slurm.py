"""A small study through a real SLURM on this machine, each run trained by two processes."""

import json
import shutil

import cluster
import pandas as pd
import pytest
import running
import yaml

pytestmark = pytest.mark.skipif(bool(cluster.why_not()), reason=f"no SLURM here: {cluster.why_not()}")

STUDY = {
    "datasets": ["digits"],
    "methods": ["pmrl"],
    "seeds": 1,
    "training": {"foundation_steps": 10, "continued_steps": 10},
    "regimes": ["zero_shot"],
    "computing": {"processes": 2},
    "tables": ["any_modality", "datasets"],
    "figures": ["any_modality"],
}
# A cluster with accounting needs none of these.
HERE = ["--slurm-status-command", "squeue", "--slurm-no-account", "--slurm-keep-successful-logs"]
HERE += [
    "--slurm-init-seconds-before-status-checks",
    "2",
    "--seconds-between-status-checks",
    "2",
    "--latency-wait",
    "10",
]


def submit(project, study, *options):
    (project / "study.yaml").write_text(yaml.safe_dump(study))
    return running.run_module(
        project, "snakemake", "--profile", "profiles/slurm", "--configfile", "study.yaml", *HERE, *options
    )


@pytest.fixture(scope="module")
def place(finished, tmp_path_factory):
    """The project with prepared data and no runs; on a path that SLURM's jobs can reach."""
    folder = tmp_path_factory.mktemp("cluster")
    running.copy_project(folder)
    shutil.copytree(finished / "results" / "data", folder / "results" / "data")
    with cluster.slurm():
        yield folder


@pytest.fixture(scope="module")
def study(place):
    run = submit(place, STUDY)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-8000:]
    return place


def test_every_artefact_is_made_by_jobs_of_slurm(study):
    results = study / "results"
    for file in ("tables/any_modality.csv", "figures/any_modality.png", "complete"):
        assert (results / file).exists()
    records = pd.read_parquet(results / "records.parquet")
    assert set(records["method"]) == {"foundation", "pmrl"} and records["value"].notna().all()
    done = (study / ".snakemake" / "slurm_logs").rglob("*.log")
    assert len([*done]) >= 3, "foundation, method, and what shows them"


def test_two_processes_trained_each_run_and_one_wrote_it(study):
    descriptions = [json.loads(path.read_text()) for path in study.glob("results/runs/digits/**/run.json")]
    assert [about["processes"] for about in descriptions] == [2, 2]
    logs = [path.read_text() for path in study.glob("results/logs/*/digits*.log")]
    assert logs and not any("Traceback" in log for log in logs)


def test_a_partition_that_does_not_exist_is_named(place):
    (place / "results" / "tables" / "datasets.csv").unlink(missing_ok=True)
    run = submit(place, STUDY, "--default-resources", "slurm_partition=nowhere", "--retries", "0")
    assert run.returncode != 0
    assert "SLURM has no partition nowhere; it has main. Set slurm_partition in profiles/slurm" in run.stderr
    assert "submitted" not in run.stderr
