"""The profiles of clusters."""

import importlib.util
import shutil

import pytest
import running
import yaml

from pmrl import discovery
from pmrl.discovery import ROOT


def test_all_that_shows_results_is_one_group_of_jobs_and_nothing_else():
    content = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
    shown = [f"table_{name}" for name in discovery.tables()] + [f"figure_{name}" for name in discovery.figures()]
    assert sorted(content["groups"]) == sorted(f"{name}=reporting" for name in ["collect", "site", *shown])


@pytest.mark.skipif(
    importlib.util.find_spec("snakemake_executor_plugin_slurm") is None, reason="the SLURM plug-in is not installed"
)
def test_without_slurm_it_says_so_before_anything_runs(project, tmp_path, monkeypatch):
    for name in ("bash", "sh", "env", "which", "git"):
        if (program := shutil.which(name)) is not None:
            (tmp_path / name).symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path))
    options = ["--profile", "profiles/slurm", "--configfile", "config/smoke.yaml", "--forcerun", "collect"]
    run = running.run_module(project, "snakemake", *options)
    assert run.returncode != 0
    assert "SLURM is not here: there is no command sbatch. Run this on a machine that submits jobs" in run.stderr
    assert "Traceback" not in run.stderr
