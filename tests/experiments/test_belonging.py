"""A run belongs to the study whose settings, code and data made it, and to no other."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import synthetic
import torch

from pmrl.errors import UserError
from pmrl.experiments.foundation import run_foundation
from pmrl.experiments.run import Run
from pmrl.experiments.train import run_method
from pmrl.reporting.report import finished_runs
from pmrl.reporting.results import Results
from pmrl.study import belonging
from pmrl.study.config import check_config
from pmrl.study.plan import foundation_settings, run_settings

CPU = torch.device("cpu")
STEPS = {"batch_size": 16, "foundation_steps": 2, "continued_steps": 2}


@pytest.fixture
def study(make_store, tmp_path, one_thread, monkeypatch):
    """A config with a finished run of PMRL, of GRAM and of the foundation."""
    monkeypatch.setattr("pmrl.discovery.data_sets", lambda: ["synthetic"])
    monkeypatch.setattr("pmrl.study.plan.absence", lambda name, folder: "")
    config = check_config(
        {
            "datasets": ["synthetic"],
            "methods": ["pmrl", "gram"],
            "seeds": 1,
            "regimes": ["zero_shot"],
            "network": {"dimension": 8, "hidden": 8, "width": 8, "attention_heads": 2},
            "training": STEPS,
            "results": str(tmp_path / "results"),
            "data": str(tmp_path / "data"),
        },
        "config",
    )
    dataset = make_store()
    (tmp_path / "data" / "synthetic.checksum").write_text(f"{dataset.card.checksum}\n")
    settings = foundation_settings(config, "synthetic")
    base = Run(dataset, "foundation", "main", settings, 0, tmp_path / "results", CPU)
    run_foundation(base)
    for method in config["methods"]:
        run_method(replace(base, method=method, settings=run_settings(config, "synthetic", method, "main")))
    return config


def folders(config):
    return [path.parent for path in sorted(Path(config["results"]).rglob("run.json"))]


def test_the_runs_of_a_study_belong_to_it(study):
    assert belonging.foreign_runs(folders(study), study) == {}
    assert set(finished_runs(study)) == set(folders(study))


def test_runs_of_other_settings_are_named_with_the_key(study, capsys):
    longer = {**study, "training": {**study["training"], "continued_steps": 60}}
    reasons = belonging.foreign_runs(folders(study), longer)
    assert len(reasons) == 3
    assert all("training.continued_steps was 2, and is 60 in this study" in reason for reason in reasons.values())
    with pytest.raises(UserError, match=r"does not belong to the study: .*continued_steps.*\(3 such runs\)\. Delete"):
        belonging.require(folders(study), longer)
    assert finished_runs(longer) == {}
    assert "left out" in capsys.readouterr().err


def test_runs_of_other_code_do_not_belong(study, edit_code):
    edit_code("baselines/gram.py")
    assert {folder.parts[-3]: reason for folder, reason in belonging.foreign_runs(folders(study), study).items()} == {
        "gram": "other code made it"
    }


def test_runs_of_other_data_do_not_belong(study, tmp_path):
    (tmp_path / "data" / "synthetic.checksum").write_text("another\n")
    reasons = belonging.foreign_runs(folders(study), study)
    assert len(reasons) == 3 and set(reasons.values()) == {"it was trained on other data"}


def test_runs_that_the_study_does_not_ask_for_are_refused(study):
    with pytest.raises(UserError, match="the study has no such run"):
        belonging.require(folders(study), {**study, "methods": ["pmrl"]})


def test_tables_drop_the_rows_of_runs_that_do_not_belong(own_results):
    """PMRL after 10 steps must not stand beside Pairwise after 60."""
    runs = {f"results/runs/{d}/{m}/main/seed_0": "old data" for d in ("digits", "emoji") for m in synthetic.METHODS}
    (own_results / "collected.json").write_text(json.dumps(runs))
    origins = {
        f"{d}/{m}/main": "new data" if m == "pmrl" else "old data"
        for d in ("digits", "emoji")
        for m in synthetic.METHODS
    }
    source = Results(own_results, {"datasets": ["digits", "emoji"], "origins": origins})
    for table in (source.records, source.ranks, source.contributions):
        main = table[table["variant"].astype(str) == "main"]
        assert "pmrl" not in set(main["method"].astype(str)) and "gram" in set(main["method"].astype(str))
    everything = Results(own_results, {"datasets": ["digits", "emoji"], "origins": dict.fromkeys(origins, "old ")})
    assert "pmrl" in set(everything.records["method"])
    every = pd.read_parquet(own_results / "records.parquet")
    assert len(everything.records) == every["split"].eq("test").sum()
