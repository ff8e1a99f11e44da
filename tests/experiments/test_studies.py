"""The side studies: the sensitivity sweep, the costs, and the search for hyper-parameters."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
import yaml

from pmrl.errors import UserError
from pmrl.experiments import cost
from pmrl.experiments import tune as tuning
from pmrl.experiments.cost import measure_costs, with_modalities
from pmrl.experiments.foundation import run_foundation
from pmrl.experiments.run import Run
from pmrl.experiments.sweep import settings, sweep
from pmrl.method import Network
from pmrl.method.base import load_method
from pmrl.study.config import check_config
from pmrl.study.plan import foundation_settings
from pmrl.training.loop import Diverged

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
        "tuning": {"trials": 3, "seeds": 1},
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
        return Network(dataset, replace(settings, hidden=3 * settings.hidden))

    monkeypatch.setattr(load_method("gram"), "new_network", larger)
    own = pd.read_parquet(measure_costs(CONFIG, make_store(), tmp_path / "own", CPU))
    parameters = [table.set_index(["method", "modalities"])["parameters"] for table in (shared, own)]
    assert (parameters[1]["pmrl"] == parameters[0]["pmrl"]).all()
    assert (parameters[1]["gram"] > 2 * parameters[0]["gram"]).all()


def test_fewer_modalities_keep_the_instances(make_store):
    dataset = make_store()
    part = with_modalities(dataset, ["alpha", "gamma"])
    assert part.modalities == ("alpha", "gamma") and len(part.items) == len(dataset.items)


def test_every_method_gets_the_same_number_of_trials_and_the_defaults_first():
    for method in ("pmrl", "pairwise", "vast", "gram"):
        tried = tuning.trials(method, "digits", 8)
        assert len(tried) == 8
        assert len({tuple(sorted(values.items())) for values in tried}) == 8, "no trial is spent twice"
        defaults = load_method(method).Hyperparameters()
        assert all(getattr(defaults, name) == value for name, value in tried[0].items())
        space = load_method(method).search_grids()
        assert all(values[name] in space[name] for values in tried for name in space)


def test_tuning_writes_its_trials_best_first_and_never_uses_the_studys_seeds(make_store, tmp_path):
    path = tuning.tune(CONFIG, make_store(), "gram", "main", tmp_path, CPU)
    table = pd.read_csv(path)
    assert len(table) == 3 and table["value"].is_monotonic_decreasing
    folders = {p.name for p in (tmp_path / "runs" / "synthetic" / "foundation").iterdir()}
    assert folders == {f"seed_{tuning.FIRST_TUNING_SEED}"}


def written_search(results, config, dataset, method, variant, learning_rate):
    """Two made-up trials of a search, the better one with the given learning rate."""
    row = {name: values[0] for name, values in load_method(method).search_grids().items()}
    rows = [{**row, "learning_rate": learning_rate}, {**row, "learning_rate": 0.001}]
    path = tuning.tuning_file(results, dataset, method, variant)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = {"dataset": dataset, "method": method, "variant": variant}
    pd.DataFrame(rows).assign(**names, value=[2.0, 1.0], problem="", seeds=1).to_csv(path, index=False)


def test_adopting_takes_the_best_and_keeps_what_others_chose(tmp_path):
    config = check_config({**CONFIG, "variants": {"pmrl": {"other": {}}}}, "config")
    config["tuning"]["variants"] = ["pmrl/other"]
    for method, variant, rate in (("pmrl", "main", 0.0003), ("pmrl", "other", 0.002), ("gram", "main", 0.003)):
        written_search(tmp_path, config, "digits", method, variant, rate)
    tuned = tmp_path / "tuned_x.yaml"
    tuned.write_text("emoji: {gram: {temperature: 0.5}}\n")
    for _ in range(2):  # adopting twice changes nothing
        tuning.adopt(config, tmp_path, tuned)
        chosen = yaml.safe_load(tuned.read_text())
        assert chosen["emoji"] == {"gram": {"temperature": 0.5}}
        rates = {name: values["learning_rate"] for name, values in chosen["digits"].items()}
        assert rates == {"pmrl": 0.0003, "pmrl/other": 0.002, "gram": 0.003}
        assert len(pd.read_csv(tmp_path / "tuning_records_x.csv")) == 6


def test_adopting_a_search_that_was_not_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"main\.csv: no such search"):
        tuning.adopt(CONFIG, tmp_path, tmp_path / "tuned.yaml")


def test_a_variant_is_searched_at_the_points_of_the_main_form_with_what_it_sets(make_store, tmp_path, monkeypatch):
    config = check_config({**CONFIG, "variants": {"pmrl": {"other": {"direction_contrast_weight": 1.0}}}}, "config")
    tried = {}
    for variant in ("main", "other"):
        tried[variant] = []
        monkeypatch.setattr(tuning, "run_trial", lambda _, __, values, ___, v=variant: tried[v].append(values) or 0.0)
        tuning.tune(config, make_store(), "pmrl", variant, tmp_path, CPU)
    assert [{**values, "direction_contrast_weight": 1.0} for values in tried["main"]] == tried["other"]


def test_a_search_from_scratch_trains_no_foundation(make_store, tmp_path):
    config = {**CONFIG, "tuning": {**CONFIG["tuning"], "regime": "scratch"}}
    table = pd.read_csv(tuning.tune(config, make_store(), "gram", "main", tmp_path, CPU))
    assert len(table) == 3 and not (tmp_path / "runs").exists()


def diverging(values):
    raise Diverged("loss term 'contrastive' is nan")


def test_a_trial_that_diverges_counts_as_nothing_and_says_so(make_store, tmp_path, monkeypatch):
    def trial(base, method, values, regime):
        return diverging(values) if values["learning_rate"] != 1e-3 else 12.0

    monkeypatch.setattr(tuning, "run_trial", trial)
    table = pd.read_csv(tuning.tune(CONFIG, make_store(), "gram", "main", tmp_path, CPU))
    failed = table["problem"].notna()
    assert failed.any() and (table.loc[failed, "value"] == 0).all() and (table.loc[~failed, "value"] == 12).all()
    assert table.loc[failed, "problem"].str.contains("is nan").all()


def test_a_search_in_which_every_trial_diverges_fails_and_writes_nothing(make_store, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "run_trial", lambda base, method, values, regime: diverging(values))
    with pytest.raises(UserError, match=r"diverged in all 3 trials.*is nan"):
        tuning.tune(CONFIG, make_store(), "gram", "main", tmp_path, CPU)
    assert not tuning.tuning_file(tmp_path, "synthetic", "gram").exists()


def test_a_mistake_in_a_methods_code_fails_its_search(make_store, tmp_path, monkeypatch):
    """It must not count as a trial worth 0, or the defaults would be adopted as chosen."""

    def misspelt(self, embeddings):
        return {"contrastive": embeddings.vectros}

    monkeypatch.setattr(load_method("gram"), "loss", misspelt)
    with pytest.raises(UserError, match=r"'GRAM': loss failed in .*vectros"):
        tuning.tune(CONFIG, make_store(), "gram", "main", tmp_path, CPU)
    assert not tuning.tuning_file(tmp_path, "synthetic", "gram").exists()
