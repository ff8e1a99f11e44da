"""The comparison of heads, optimisers and steps."""

import pandas as pd
import pytest
import torch
from example_data import synthetic_dataset

from pmrl.data.store import save
from pmrl.errors import UserError
from pmrl.experiments import calibrate
from pmrl.study.config import check_config
from pmrl.study.plan import calibrated

SETTINGS = {
    "base": {"seeds": 2},
    "double_steps": {"steps": 2},
    "fast": {"learning_rate": 0.02, "weight_decay": 0.5, "encoder": "two_layers"},
}
CPU = torch.device("cpu")


@pytest.fixture
def config():
    return check_config(
        {
            "datasets": ["digits"],
            "methods": ["pmrl", "gcca"],
            "network": {"dimension": 8, "hidden": 8, "width": 8, "attention_heads": 2},
            "training": {"foundation_steps": 4, "continued_steps": 3, "batch_size": 8},
            "calibration": {"settings": SETTINGS},
        },
        "config",
    )


def test_a_setting_changes_what_it_names_and_nothing_else(config):
    study, values = calibrated(config, "double_steps")
    steps = {key: value for key, value in study["training"].items() if key.endswith("_steps")}
    assert steps == {key: 2 * config["training"][key] for key in steps} and values == {}
    assert study["training"]["batch_size"] == 8 and study["network"] == config["network"]
    study, values = calibrated(config, "fast")
    assert values == {"learning_rate": 0.02}
    assert study["training"] == config["training"] | {"weight_decay": 0.5}
    assert study["network"] == config["network"] | {"encoder": "two_layers"}
    assert calibrated(config, "base")[0]["seeds"] == 2 and study["seeds"] == 1


def test_foundation_and_methods_are_measured_on_validation(config, tmp_path):
    dataset = save(synthetic_dataset(), tmp_path / "data" / "synthetic")
    path = calibrate.calibrate(config, dataset, "base", tmp_path, CPU)
    table = pd.read_csv(path)
    assert table["method"].tolist() == ["foundation", "pmrl", "gcca"] * 2
    assert set(table["setting"]) == {"base"} and set(table["foundation"]) == {4} and set(table["continued"]) == {3}
    assert table["seed"].min() >= 1000, "the study's seeds count from 0"
    assert table[["pairs", "anchor"]].stack().between(0, 100).all()
    again = pd.read_csv(calibrate.calibrate(config, dataset, "base", tmp_path / "again", CPU))
    pd.testing.assert_frame_equal(again, table)


def test_adopting_needs_every_table(config, tmp_path):
    target = tmp_path / "records.csv"
    with pytest.raises(UserError, match=r"calibration/digits/base\.csv: not found \(3 such tables\)"):
        calibrate.adopt(config, tmp_path, target)
    assert not target.exists()
