"""The search for hyper-parameters as a command: what it trains, records, resumes and adopts."""

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from trials import around, rows

from pmrl.errors import UserError
from pmrl.experiments import trials, tune
from pmrl.method.base import Method, load_method
from pmrl.study.config import check_config
from pmrl.study.tuning import choose, read_records
from pmrl.training.loop import Diverged

CPU = torch.device("cpu")
DEFAULT_RATE = Method.Hyperparameters().learning_rate
CONFIG = check_config(
    {
        "network": {"dimension": 8, "hidden": 8, "width": 8, "attention_heads": 2},
        "training": {"batch_size": 16, "foundation_steps": 2, "continued_steps": 4, "scratch_steps": 8},
        "tuning": {"budget": 2, "finalists": 1, "seeds": 2},
        "methods": ["pmrl", "gram"],
        "datasets": ["digits"],
    },
    "config",
)
FROM_SCRATCH = {**CONFIG, "tuning": {**CONFIG["tuning"], "regime": "scratch"}}


@pytest.fixture
def trained(monkeypatch):
    """The trainings that are made, as (seed, steps, hyper-parameters)."""
    made, original = [], trials.train_stage

    def train_stage(network, method, dataset, stage, seed, device):
        made.append((seed, stage.steps, vars(method.hyperparameters)))
        return original(network, method, dataset, stage, seed, device)

    monkeypatch.setattr(trials, "train_stage", train_stage)
    return made


def test_a_search_records_every_training_once_and_never_uses_the_studys_seeds(make_store, tmp_path, trained):
    table = read_records(tune.tune(CONFIG, make_store(), "gram", "main", tmp_path, CPU))
    validated = table[table["split"].eq("validation")]
    assert len(validated) == len(trained), "what is tested at the end is not trained again"
    assert set(table.loc[table["phase"].eq("search"), "seed"]) == {1000}
    assert set(table.loc[table["phase"].eq("final"), "seed"]) == {1001, 1002}
    assert {folder.name for folder in (tmp_path / "runs" / "synthetic" / "foundation").iterdir()} == {
        f"seed_{seed}" for seed in (1000, 1001, 1002)
    }
    assert (table["steps"] == 4 * table["share"]).all() and set(table["share"]) == {0.25, 0.5, 1.0}
    assert table[["pairs", "anchor"]].apply(lambda column: column.between(0, 100)).all(axis=None)
    assert validated[["pairs_before", "anchor_before"]].groupby(validated["seed"]).nunique().eq(1).all(axis=None)
    assert table.loc[table["split"].eq("test"), ["pairs_before", "anchor_before"]].isna().all(axis=None)


def test_each_criterion_has_a_search_of_the_whole_budget(make_store, tmp_path):
    table = read_records(tune.tune(CONFIG, make_store(), "gram", "main", tmp_path, CPU))
    for criterion in ("logit", "gain", "pairs", "anchor", "mean"):
        asked = table["criteria"].map(lambda names, criterion=criterion: criterion in names.split())
        assert table.loc[asked, "share"].sum() == 2


def test_a_search_from_scratch_trains_no_foundation_and_knows_no_gain(make_store, tmp_path):
    table = read_records(tune.tune(FROM_SCRATCH, make_store(), "gram", "main", tmp_path, CPU))
    assert not (tmp_path / "runs").exists() and table["pairs_before"].isna().all()
    assert set(" ".join(table["criteria"]).split()) == {"logit", "pairs", "anchor", "mean"}
    with pytest.raises(UserError, match=r"tuning\.criterion: 'gain' is relative to a foundation"):
        check_config({"tuning": {"criterion": "gain", "regime": "scratch"}}, "config")


def test_a_closed_form_is_fitted_as_often_as_others_train_in_full(make_store, tmp_path):
    table = read_records(tune.tune(CONFIG, make_store(), "gcca", "main", tmp_path, CPU))
    search = table[table["phase"].eq("search")]
    assert len(search) == 2 and set(table["steps"]) == {0} and set(search["share"]) == {1.0}
    assert search["pairs_before"].notna().all()


def test_a_method_without_a_grid_has_its_defaults_alone(make_store, tmp_path):
    table = read_records(tune.tune(CONFIG, make_store(), "random", "main", tmp_path, CPU))
    assert set(table["phase"]) == {"final"} and set(table["candidate"]) == {0} and set(table["grid"]) == {1}


def test_a_method_that_cannot_work_on_a_data_set_has_no_trials(make_store, tmp_path, monkeypatch):
    monkeypatch.setattr(load_method("gram"), "supports", classmethod(lambda cls, card: (False, "no")))
    assert read_records(tune.tune(CONFIG, make_store(), "gram", "main", tmp_path, CPU)).empty


def test_two_modalities_have_an_own_score_too(make_store, tmp_path):
    dataset = make_store(modalities=2)
    table = read_records(tune.tune(CONFIG, dataset, "vast", "main", tmp_path, CPU))
    assert table["anchor"].notna().all()


def test_a_variant_is_searched_at_the_points_of_the_main_form_with_what_it_sets(make_store, tmp_path):
    config = check_config({**CONFIG, "variants": {"pmrl": {"other": {"matching_weight": 0.7}}}}, "config")
    main, other = (
        read_records(tune.tune(config, make_store(), "pmrl", name, tmp_path, CPU)) for name in ("main", "other")
    )
    assert set(other["matching_weight"]) == {0.7} and other["grid"].iloc[0] * 3 == main["grid"].iloc[0]
    default = load_method("pmrl").Hyperparameters()
    first = other[other["candidate"].eq(0)]
    assert (first["alignment_temperature"] == default.alignment_temperature).all()


def test_an_interrupted_search_goes_on_where_it_stopped(make_store, tmp_path, trained, monkeypatch):
    dataset = make_store()
    whole = read_records(tune.tune(CONFIG, dataset, "gram", "main", tmp_path / "whole", CPU))
    needed = len(trained)
    trained.clear()
    original = trials.train_stage

    def stopping(*arguments):
        if len(trained) == 3:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(trials, "train_stage", stopping)
        with pytest.raises(KeyboardInterrupt):
            tune.tune(CONFIG, dataset, "gram", "main", tmp_path / "parts", CPU)
    journal = tune.tuning_file(tmp_path / "parts", "synthetic", "gram").with_suffix(".jsonl")
    with journal.open("a") as file:
        file.write('\n{"half a li')
    parts = read_records(tune.tune(CONFIG, dataset, "gram", "main", tmp_path / "parts", CPU))
    pd.testing.assert_frame_equal(parts, whole)
    assert len(trained) == needed
    trained.clear()
    tune.tune(CONFIG, dataset, "gram", "main", tmp_path / "parts", CPU)
    assert not trained, "a finished search trains nothing"


@pytest.mark.parametrize("change", ["data", "steps", "code"])
def test_trials_of_other_data_settings_or_code_are_made_again(make_store, tmp_path, trained, change, edit_code):
    tune.tune(FROM_SCRATCH, make_store(), "gram", "main", tmp_path, CPU)
    before, config, options = len(trained), FROM_SCRATCH, {}
    if change == "steps":
        config = {**config, "training": {**config["training"], "scratch_steps": 12}}
    if change == "data":
        options = {"noise": 0.5}
    if change == "code":
        edit_code("pmrl/evaluation/ranks.py")
    tune.tune(config, make_store(folder=tmp_path / "other", **options), "gram", "main", tmp_path, CPU)
    assert len(trained) >= 2 * before - 3  # the candidates that go on may differ


def broken(monkeypatch, sound):
    """Let the loss diverge but for the ``sound`` learning rates."""
    original = trials.train_stage

    def train_stage(network, method, *others):
        if method.hyperparameters.learning_rate not in sound:
            raise Diverged("loss term 'contrastive' is nan")
        return original(network, method, *others)

    monkeypatch.setattr(trials, "train_stage", train_stage)


def test_a_training_that_diverges_counts_as_nothing_and_says_so(make_store, tmp_path, monkeypatch):
    broken(monkeypatch, [DEFAULT_RATE])
    config = {**CONFIG, "tuning": {**CONFIG["tuning"], "budget": 6}}
    table = read_records(tune.tune(config, make_store(), "gram", "main", tmp_path, CPU))
    failed = table["problem"].ne("")
    assert failed.any() and (table.loc[failed, ["pairs", "anchor"]] == 0).all(axis=None)
    assert (failed == table["learning_rate"].ne(DEFAULT_RATE)).all()
    assert not failed[table["phase"].eq("final")].any(), "a candidate that diverged is no finalist"


def test_a_search_in_which_every_training_diverges_fails_and_writes_nothing(make_store, tmp_path, monkeypatch):
    broken(monkeypatch, [])
    with pytest.raises(UserError, match=r"diverged in all \d+ trainings.*is nan"):
        tune.tune(CONFIG, make_store(), "gram", "main", tmp_path, CPU)
    assert not tune.tuning_file(tmp_path, "synthetic", "gram").exists()


def test_a_mistake_in_a_methods_code_fails_its_search(make_store, tmp_path, monkeypatch):
    """It must not count as a recall of 0, or the defaults would seem to have been chosen."""

    def misspelt(self, embeddings):
        return {"contrastive": embeddings.vectros}

    monkeypatch.setattr(load_method("gram"), "loss", misspelt)
    with pytest.raises(UserError, match=r"'GRAM': loss failed in .*vectros"):
        tune.tune(FROM_SCRATCH, make_store(), "gram", "main", tmp_path, CPU)
    assert not tune.tuning_file(tmp_path, "synthetic", "gram").exists()


def test_finalists_are_the_best_of_the_deciding_search_and_the_winner_of_each_other():
    made = rows({0: [(20, 50)], 1: [(30, 40)], 2: [(25, 45)], 3: [(10, 70)]}, phase="search", criteria="pairs anchor")
    found = {n: tune.finalists(made.to_dict("records"), "pairs", n, ["pairs", "anchor"]) for n in (1, 2)}
    assert found == {1: [0, 1, 3], 2: [0, 1, 2, 3]}
    short = made.assign(share=made["share"].where(made["candidate"].ne(1), 0.5))
    assert tune.finalists(short.to_dict("records"), "pairs", 1, ["pairs"]) == [0, 2]
    assert tune.finalists(made.to_dict("records"), "mean", 3, ["mean"]) == [0], "of another criterion's search"


def written(results, measured, dataset="digits", method="gram", variant="main"):
    path = tune.tuning_file(results, dataset, method, variant)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = rows(measured, dataset=dataset, method=method, variant=variant)
    table.to_csv(path, index=False)
    return table


BETTER, SAME = {0: around(20, 50), 2: around(30, 60)}, {0: around(20, 50), 2: around(20, 50)}


def test_adopting_takes_what_beats_the_defaults_and_keeps_what_others_chose(tmp_path):
    config = check_config({**CONFIG, "variants": {"pmrl": {"other": {}}}}, "config")
    config["tuning"]["variants"] = ["pmrl/other"]
    tables = [
        written(tmp_path, BETTER),
        written(tmp_path, SAME, method="pmrl"),
        written(tmp_path, BETTER, method="pmrl", variant="other"),
    ]
    tuned = tmp_path / "tuned_x.yaml"
    tuned.write_text("emoji: {gram: {temperature: 0.5}}\n")
    for _ in range(2):  # adopting twice changes nothing
        tune.adopt(config, tmp_path, tuned)
        chosen = yaml.safe_load(tuned.read_text())
        assert chosen["emoji"] == {"gram": {"temperature": 0.5}}
        assert chosen["digits"] == {"gram": {"temperature": 0.2}, "pmrl": {}, "pmrl/other": {"temperature": 0.2}}
        records = read_records(tmp_path / "tuning_records_x.csv")
        assert len(records) == sum(map(len, tables))
        part = records[records["method"].eq("gram")]
        assert choose(part, "logit") == choose(tables[0], "logit")


def test_the_config_names_the_criterion_that_decides(tmp_path):
    config = {**CONFIG, "methods": ["gram"]}
    written(tmp_path, {0: around(20, 50), 1: around(30, 45), 2: around(15, 70)})
    chosen = {}
    for criterion in ("pairs", "anchor"):
        tuned = tmp_path / f"tuned_{criterion}.yaml"
        tune.adopt({**config, "tuning": {**config["tuning"], "criterion": criterion}}, tmp_path, tuned)
        chosen[criterion] = yaml.safe_load(tuned.read_text())["digits"]["gram"]["temperature"]
    assert chosen == {"pairs": 0.1, "anchor": 0.2}


def test_adopting_a_search_that_was_not_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"main\.csv: no such search"):
        tune.adopt(CONFIG, tmp_path, tmp_path / "tuned.yaml")


def test_what_a_search_adopts_can_run(make_store, tmp_path):
    """The types of the values survive the table: an integer is no 64.0, a text no number."""
    trials_of = read_records(tune.tune(CONFIG, make_store(), "gcca", "main", tmp_path, CPU))
    finals = trials_of["phase"].eq("final")
    best = trials_of[finals]["candidate"].max()
    trials_of.loc[finals & trials_of["candidate"].eq(best), ["pairs", "anchor"]] = 100.0
    values = tune.chosen_values(trials_of, "mean")
    declared = load_method("gcca").search_grids()
    assert values and all(value in declared[name] for name, value in values.items())
    assert not any(isinstance(value, np.generic) for value in values.values())
