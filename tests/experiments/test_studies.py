"""The side studies: the sensitivity sweep and the costs."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from pmrl.errors import UserError
from pmrl.experiments import cost
from pmrl.experiments.cost import measure_costs, with_modalities
from pmrl.experiments.foundation import run_foundation
from pmrl.experiments.run import Run
from pmrl.experiments.sweep import settings, sweep
from pmrl.method import Network
from pmrl.method.base import load_method
from pmrl.study.config import check_config
from pmrl.study.plan import foundation_settings

CPU = torch.device("cpu")
SENSITIVITY = {
    "datasets": [],
    "seeds": 2,
    "alignment_temperatures": [0.1, 1.0],
    "instance_temperatures": [0.05, 0.1, 0.2],
    "matching_weights": [0.0, 0.5],
}
CONFIG = check_config(
    {
        "network": {"dimension": 8, "hidden": 8, "width": 8, "attention_heads": 2},
        "training": {"batch_size": 16, "foundation_steps": 2, "continued_steps": 2, "scratch_steps": 2},
        "sensitivity": SENSITIVITY,
        "methods": ["pmrl", "gram"],
        "datasets": ["digits"],
    },
    "config",
)


def test_the_sweep_is_the_grid_and_the_weights_at_the_tuned_temperatures():
    tuned = {"alignment_temperature": 0.3, "matching_weight": 0.7}
    found = settings(SENSITIVITY, tuned)
    grid = [s for s in found if s.parameter == "temperatures"]
    assert len(grid) == 2 * 3 and {s.matching_weight for s in grid} == {0.7}
    weights = [s for s in found if s.parameter == "matching_weight"]
    assert [s.matching_weight for s in weights] == [0.0, 0.5]
    assert {(s.alignment_temperature, s.instance_temperature) for s in weights} == {(0.3, 0.1)}


def test_the_sweep_writes_one_row_for_each_seed_and_setting(make_store, tmp_path):
    table = pd.read_parquet(sweep(CONFIG, make_store(), tmp_path / "results", CPU))
    assert len(table) == 2 * (2 * 3 + 2)
    assert table["value"].between(0, 100).all()
    assert not table.duplicated(["seed", "parameter", *SENSITIVITY_KEYS]).any()


def test_a_sweep_from_a_stale_foundation_is_refused(make_store, tmp_path):
    dataset = make_store()
    longer = {**CONFIG, "training": {**CONFIG["training"], "foundation_steps": 3}}
    run_foundation(Run(dataset, "foundation", "main", foundation_settings(longer, dataset.card.name), 0, tmp_path, CPU))
    with pytest.raises(UserError, match="foundation is missing or was trained with other"):
        sweep(CONFIG, dataset, tmp_path, CPU)


SENSITIVITY_KEYS = ["alignment_temperature", "instance_temperature", "matching_weight"]


def test_costs_grow_with_the_modalities(make_store, tmp_path):
    table = pd.read_parquet(measure_costs(CONFIG, make_store(modalities=4), tmp_path, CPU))
    assert sorted(table["modalities"].unique()) == [2, 3, 4]
    assert set(table["method"]) == {"pmrl", "gram"}
    assert (table[["step_milliseconds", "epoch_seconds", "peak_megabytes"]] > 0).all().all()
    for _, part in table.groupby("method"):
        assert part.sort_values("modalities")["parameters"].is_monotonic_increasing


def test_a_method_that_fails_has_no_costs_and_is_named(make_store, tmp_path, monkeypatch, capsys):
    def fail(self, embeddings):
        raise ValueError("out of order")

    monkeypatch.setattr(load_method("gram"), "loss", fail)
    table = pd.read_parquet(measure_costs(CONFIG, make_store(), tmp_path, CPU))
    assert set(table["method"]) == {"pmrl"}
    assert "no costs of 'gram'" in (message := capsys.readouterr().err) and "out of order" in message


def test_costs_of_a_method_are_kept_when_another_joins(make_store, tmp_path):
    alone = pd.read_parquet(measure_costs({**CONFIG, "methods": ["pmrl"]}, make_store(), tmp_path, CPU))
    both = pd.read_parquet(measure_costs(CONFIG, make_store(), tmp_path, CPU))
    pd.testing.assert_frame_equal(both[both["method"] == "pmrl"].reset_index(drop=True), alone)
    assert "gram" in set(both["method"])


@pytest.mark.parametrize(
    ("edited", "due"),
    [
        ("pmrl/experiments/stopwatch.py", ["pmrl", "gram"]),
        ("pmrl/method/encoders.py", ["pmrl", "gram"]),
        ("baselines/gram.py", ["gram"]),
        ("pmrl/evaluation/ranks.py", []),
    ],
)
def test_costs_are_measured_again_after_an_edit_of_what_they_rest_on(
    make_store, tmp_path, monkeypatch, edit_code, edited, due
):
    dataset, asked = make_store(), []
    measure_costs(CONFIG, dataset, tmp_path, CPU)
    monkeypatch.setattr(cost, "measured", lambda config, dataset, names, device: asked.extend(names) or [])
    edit_code(edited)
    measure_costs(CONFIG, dataset, tmp_path, CPU)
    assert asked == due


def test_damaged_costs_are_measured_again(make_store, tmp_path):
    measure_costs(CONFIG, make_store(), tmp_path, CPU)
    (tmp_path / "costs" / "gram.json").write_text("{half")
    assert set(pd.read_parquet(measure_costs(CONFIG, make_store(), tmp_path, CPU))["method"]) == {"pmrl", "gram"}


def test_costs_are_those_of_the_methods_own_network(make_store, tmp_path, monkeypatch):
    """A method with encoders of its own has their parameters, not those of the shared network."""
    shared = pd.read_parquet(measure_costs(CONFIG, make_store(), tmp_path / "shared", CPU))

    def larger(self, dataset, settings):
        return Network(dataset, replace(settings, dimension=3 * settings.dimension, width=3 * settings.width))

    monkeypatch.setattr(load_method("gram"), "new_network", larger)
    own = pd.read_parquet(measure_costs(CONFIG, make_store(), tmp_path / "own", CPU))
    parameters = [table.set_index(["method", "modalities"])["parameters"] for table in (shared, own)]
    assert (parameters[1]["pmrl"] == parameters[0]["pmrl"]).all()
    assert (parameters[1]["gram"] > 2 * parameters[0]["gram"]).all()


def test_fewer_modalities_keep_the_instances(make_store):
    dataset = make_store()
    part = with_modalities(dataset, ["alpha", "gamma"])
    assert part.modalities == ("alpha", "gamma") and len(part.items) == len(dataset.items)
