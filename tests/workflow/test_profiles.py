"""The profiles of clusters."""

import yaml

from pmrl import discovery
from pmrl.discovery import ROOT


def test_all_that_shows_results_is_one_group_of_jobs_and_nothing_else():
    content = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
    shown = [f"table_{name}" for name in discovery.tables()] + [f"figure_{name}" for name in discovery.figures()]
    assert sorted(content["groups"]) == sorted(f"{name}=reporting" for name in ["collect", "site", *shown])
