"""What README promises about fairness: each check passes on the code as it is, and finds a planted breach."""

from dataclasses import replace
from itertools import count

import contract
import numpy as np
import pandas as pd
import pytest
import torch
from example_data import synthetic_dataset

from pmrl.data.dataset import Dataset
from pmrl.discovery import ROOT, method_files
from pmrl.experiments import measuring, resume, trials, tune
from pmrl.experiments import run as run_module
from pmrl.experiments import train as train_module
from pmrl.experiments.foundation import foundation_of, run_foundation, train_foundation
from pmrl.experiments.run import Run, new_method, new_network
from pmrl.experiments.train import run_method
from pmrl.experiments.writing import Measured
from pmrl.method import Batch, Network, networks
from pmrl.method.base import load_method
from pmrl.method.networks import embed
from pmrl.records import (
    ANCHOR,
    CONTINUED,
    DEFAULTS,
    FINAL,
    FINE_TUNED,
    FOUNDATION,
    GAUSSIAN,
    LOGIT,
    MAIN,
    MISSING,
    ONE_SEARCH,
    PAIRS,
    PRETRAIN,
    SCRATCH,
    SEARCH,
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
)
from pmrl.study.config import check_config
from pmrl.study.plan import tuned_file
from pmrl.study.tuning import Choice, choose, read_records, records_file
from pmrl.training import batches, loop, optimizer
from pmrl.training.loop import train_stage
from pmrl.training.stage import Stage

CPU = torch.device("cpu")
METHODS = list(method_files())
TRAINED = [name for name in METHODS if not load_method(name).closed_form]
ONE_OF_EACH_KIND = ["pmrl", "gram", "gcca"]
PER_SPLIT = 24


@pytest.fixture(autouse=True)
def _exact(one_thread):
    """Bit for bit, on one thread."""


@pytest.fixture
def dataset():
    return synthetic_dataset(per_split=PER_SPLIT)


def changed(dataset: Dataset, *splits: str) -> Dataset:
    """The same data set, but the items of some splits have other features, and half of them lack a modality."""
    random, rows = np.random.default_rng(7), np.concatenate([dataset.indices(split) for split in splits])
    absent = rows[::2]
    parts = {}
    for part in ("pooled", "tokens"):
        parts[part] = {name: array.copy() for name, array in getattr(dataset, part).items()}
        for name, array in parts[part].items():
            array[rows] += 3 * random.normal(size=array[rows].shape).astype(array.dtype)
            if name == "gamma":
                array[absent] = 0
    present = {name: array.copy() for name, array in dataset.present.items()}
    present["gamma"][absent] = False
    return replace(dataset, **parts, present=present)


# The draws of noise and of missing modalities, at test time ---------------------------------------------------------


def draws(dataset, folder, monkeypatch, corruption, method, levels, before) -> dict[float, Batch]:
    """The corrupted test items that a method is measured on, by level, after ``before`` other draws."""
    run = contract.run_of(method, folder, dataset)
    run.settings["corruption"] = {**run.settings["corruption"], corruption: levels}
    model = new_method(run, method, {})
    trained = resume.Trained(new_network(run, model), model, "", loop.Curves(), 0.0)
    seen = []
    name = {GAUSSIAN: "add_noise", MISSING: "drop_modalities"}[corruption]
    original = getattr(measuring, name)
    measured = Measured(run.context, run.items(TEST), run.identity(TEST))
    with monkeypatch.context() as patch:
        patch.setattr(measuring, name, lambda *arguments: seen.append(original(*arguments)) or seen[-1])
        torch.rand(before), np.random.rand(before)
        clean = run.batch(TEST)
        measuring.measure_robustness(run, trained, clean, embed(trained.network, clean), measured)
    return dict(zip(levels, seen, strict=True))


def check_draws_are_the_same(dataset, folder, monkeypatch, corruption):
    levels = [50.0, 25.0]
    found = {
        name: draws(dataset, folder, monkeypatch, corruption, name, levels[: 2 - i % 2], before=10 * i)
        for i, name in enumerate(ONE_OF_EACH_KIND)
    }
    first = found["pmrl"]
    for name, measured in found.items():
        for level, batch in measured.items():
            assert_same_batch(batch, first[level], f"{name} is measured on other items than pmrl")
    backwards = draws(dataset, folder, monkeypatch, corruption, "pmrl", levels[::-1], before=0)
    for level, batch in backwards.items():
        assert_same_batch(batch, first[level], "the draw depends on what was computed before")


def assert_same_batch(first: Batch, second: Batch, what: str) -> None:
    for part in ("pooled", "tokens", "present"):
        for name, tensor in getattr(first, part).items():
            assert torch.equal(tensor, getattr(second, part)[name]), what


@pytest.mark.parametrize("corruption", [GAUSSIAN, MISSING])
def test_noise_and_missing_modalities_are_drawn_alike_for_all_methods(dataset, tmp_path, monkeypatch, corruption):
    check_draws_are_the_same(dataset, tmp_path, monkeypatch, corruption)


@pytest.mark.parametrize("corruption", [GAUSSIAN, MISSING])
def test_a_draw_that_depends_on_the_method_is_found(dataset, tmp_path, monkeypatch, corruption):
    original = measuring.corruption_seed
    monkeypatch.setattr(measuring, "corruption_seed", lambda run, kind, level: original(run, run.method + kind, level))
    with pytest.raises(AssertionError, match="is measured on other items than pmrl"):
        check_draws_are_the_same(dataset, tmp_path, monkeypatch, corruption)


@pytest.mark.parametrize("corruption", [GAUSSIAN, MISSING])
def test_a_draw_that_depends_on_what_was_computed_before_is_found(dataset, tmp_path, monkeypatch, corruption):
    monkeypatch.setattr(measuring, "corruption_seed", lambda run, kind, level: int(torch.randint(2**31, ())))
    with pytest.raises(AssertionError, match=r"other items than pmrl|computed before"):
        check_draws_are_the_same(dataset, tmp_path, monkeypatch, corruption)


# Tuning -------------------------------------------------------------------------------------------------------------


def tuned(dataset, folder, method) -> pd.DataFrame:
    """The trials of a small search from scratch."""
    tuning = {"budget": 2, "criterion": "logit", "finalists": 1, "seeds": 2, "regime": SCRATCH, "variants": []}
    config = {**contract.CONFIG, "tuning": tuning}
    config["training"] = {**config["training"], "scratch_steps": 8}
    return read_records(tune.tune(config, dataset, method, MAIN, folder, CPU))


def validated(trials) -> list[float]:
    """What choices read: every measure but those of the finalists' one test at the end."""
    return trials[~(trials["phase"].eq(FINAL) & trials["split"].eq(TEST))][[PAIRS, ANCHOR]].to_numpy().tolist()


def check_tuning_reads_validation_only(dataset, folder):
    for method in ONE_OF_EACH_KIND:
        places = {"as it is": dataset, "test": changed(dataset, TEST), "train": changed(dataset, TRAIN)}
        values = {place: validated(tuned(part, folder / place, method)) for place, part in places.items()}
        assert values["test"] == values["as it is"], f"tuning {method} depends on test items"
        assert values["train"] == values["as it is"], f"tuning {method} depends on the target's training items"
        other = validated(tuned(changed(dataset, VALIDATION), folder / "validation", method))
        assert other != values["as it is"], f"tuning {method} does not depend on validation items"


def test_tuning_is_judged_on_the_validation_split_only(dataset, tmp_path):
    check_tuning_reads_validation_only(dataset, tmp_path)


def test_tuning_on_the_test_split_is_found(dataset, tmp_path, monkeypatch):
    original = trials.measures
    monkeypatch.setattr(trials, "measures", lambda network, method, run, split: original(network, method, run, TEST))
    with pytest.raises(AssertionError, match="depends on test items"):
        check_tuning_reads_validation_only(dataset, tmp_path)


def check_the_test_split_is_read_once(dataset, folder):
    """Only of the defaults and the chosen values, once with each final seed."""
    for method in ONE_OF_EACH_KIND:
        found = tuned(dataset, folder, method)
        tested = found[found["split"].eq(TEST)]
        allowed = {DEFAULTS, choose(found, LOGIT).candidate}
        assert set(tested["candidate"]) == allowed, f"{method} tests other values than the default and the chosen"
        assert not tested.duplicated(["candidate", "seed"]).any() and len(tested) == 2 * len(allowed)


def test_only_the_default_and_the_chosen_values_are_tested(dataset, tmp_path):
    check_the_test_split_is_read_once(dataset, tmp_path)


def test_a_test_of_values_that_were_not_chosen_is_found(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "choose", lambda *arguments: Choice(best=1, lead=1.0, noise=0.0))
    with pytest.raises(AssertionError, match="tests other values than the default and the chosen"):
        check_the_test_split_is_read_once(dataset, tmp_path)


def outcomes(monkeypatch):
    """Replace training by made-up measures, so that whole searches take no time."""
    generator = np.random.default_rng(0)

    def outcome(self, values, seed, share, split):
        steps = 0 if self.closed_form else round(FULL_TRAINING * share)
        pairs, anchor = generator.uniform(10, 90, 2)
        nothing = {"pairs_before": None, "anchor_before": None}
        return {"steps": steps, PAIRS: pairs, ANCHOR: anchor, "queries": 200, "problem": "", **nothing}

    monkeypatch.setattr(trials.Trials, "outcome", outcome)


FULL_TRAINING = check_config({}, "config")["training"]["scratch_steps"]


def spent(found: pd.DataFrame, column: str = "share") -> float:
    """What the search under the deciding criterion spent, in full trainings or in another column's unit."""
    asked = found["criteria"].map(lambda names: LOGIT in names.split())
    return found.loc[asked & found["phase"].eq(SEARCH), column].sum()


def check_budgets(folder, dataset, monkeypatch):
    """Every method spends what the config says in training steps, or has tried its whole grid."""
    config = check_config({"tuning": {"regime": SCRATCH}}, "config")
    outcomes(monkeypatch)
    for method in METHODS:
        found = read_records(tune.tune(config, dataset, method, MAIN, folder, CPU))
        grids, budget = load_method(method).search_grids(), config["tuning"]["budget"]
        tried = found[found["phase"].eq(SEARCH)].drop_duplicates("candidate")
        exhausted = found["grid"].iloc[0] == max(1, len(tried))
        assert spent(found) == budget or exhausted, f"{method} spends {spent(found)} full trainings, expected {budget}"
        assert spent(found) <= budget, f"{method} spends more than {budget} full trainings"
        if method in TRAINED:
            assert spent(found, "steps") == config["training"]["scratch_steps"] * spent(found)
        assert not tried.duplicated(list(grids) or None).any(), f"{method} repeats a candidate"
        defaults = load_method(method).Hyperparameters()
        first = found[found["candidate"].eq(DEFAULTS)]
        hit = len(first) and all((first[name] == getattr(defaults, name)).all() for name in grids)
        assert hit, f"the defaults of {method} are not among its candidates"
        finals = found[found["phase"].eq(FINAL) & found["split"].eq(VALIDATION)]
        assert set(finals["seed"]).isdisjoint(found.loc[found["phase"].eq(SEARCH), "seed"])
        assert finals.groupby("candidate")["seed"].nunique().eq(config["tuning"]["seeds"]).all()


def test_every_method_has_the_same_budget_of_steps_and_the_defaults_are_among_its_candidates(
    dataset, tmp_path, monkeypatch
):
    check_budgets(tmp_path, dataset, monkeypatch)


def test_a_method_with_a_larger_budget_is_found(dataset, tmp_path, monkeypatch):
    original = tune.search

    def generous(grids, defaults, evaluate, budget, *others):
        original(grids, defaults, evaluate, budget + (len(grids) == 4), *others)

    monkeypatch.setattr(tune, "search", generous)
    with pytest.raises(AssertionError, match=r"pmrl spends 13.* full trainings, expected 12"):
        check_budgets(tmp_path, dataset, monkeypatch)


def test_a_search_without_the_defaults_is_found(dataset, tmp_path, monkeypatch):
    original = tune.search

    def shifted(grids, defaults, *others):
        original(grids, {name: grid[0] for name, grid in grids.items()}, *others)

    monkeypatch.setattr(tune, "search", shifted)
    with pytest.raises(AssertionError, match="the defaults of pmrl are not among its candidates"):
        check_budgets(tmp_path, dataset, monkeypatch)


COMMITTED = sorted((ROOT / "config").glob("tuned*.yaml"))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_the_searches_in_the_repository_have_the_same_budget_unless_their_grid_is_exhausted(path):
    searches = [part for _, part in read_records(records_file(path)).groupby(ONE_SEARCH)]
    open_grid = [part for part in searches if part["grid"].iloc[0] > part["candidate"].nunique()]
    assert len({spent(part) for part in open_grid}) <= 1
    most = max(map(spent, open_grid), default=np.inf)
    assert all(spent(part) <= most for part in searches)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_the_tuned_values_in_the_repository_are_those_that_the_committed_trials_choose(path):
    chosen, criterion = tuned_file(path), check_config({}, "config")["tuning"]["criterion"]
    found = {}
    for (dataset, method, variant), part in read_records(records_file(path)).groupby(ONE_SEARCH):
        name = method if variant == MAIN else f"{method}/{variant}"
        found.setdefault(dataset, {})[name] = tune.chosen_values(part, criterion)
    assert found == chosen


# What enters training -----------------------------------------------------------------------------------------------


def weights(dataset, folder, method) -> dict[str, torch.Tensor]:
    """All tensors of the foundation and of a method at the end of each stage, standardisation included."""
    run = contract.run_of(method, folder, dataset)
    models = {
        FOUNDATION: train_foundation(foundation_of(run)),
        FINE_TUNED: contract.trained(run, CONTINUED, FINE_TUNED),
        SCRATCH: contract.trained(run, SCRATCH),
    }
    return {
        f"{stage}.{name}": tensor
        for stage, model in models.items()
        for part in (model.network, model.method)
        for name, tensor in part.state_dict().items()
    }


def is_statistic(name: str) -> bool:
    return name.endswith((".mean", ".deviation"))


def check_held_out_items_enter_nothing(dataset, folder, methods=ONE_OF_EACH_KIND):
    for method in methods:
        first = weights(dataset, folder / "as it is", method)
        assert any(map(is_statistic, first))
        second = weights(changed(dataset, TEST, VALIDATION), folder / "held out", method)
        for name, tensor in first.items():
            assert torch.equal(tensor, second[name]), f"{name} of {method} depends on held-out items"


def check_standardisation(dataset):
    networks_of = {split: Network(changed(dataset, split), contract_sizes()) for split in SPLITS}
    first = Network(dataset, contract_sizes()).state_dict()
    statistics = [name for name in first if is_statistic(name)]
    for split, network in networks_of.items():
        same = [torch.equal(network.state_dict()[name], first[name]) for name in statistics]
        assert all(same) if split != PRETRAIN else not any(same), f"standardisation and the split {split}"


def contract_sizes():
    return networks.NetworkSettings(**contract.CONFIG["network"])


def test_test_and_validation_items_change_no_weight(dataset, tmp_path):
    check_held_out_items_enter_nothing(dataset, tmp_path)


def test_training_on_test_items_is_found(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(run_module.STAGE_SPLITS, FINE_TUNED, TEST)
    with pytest.raises(AssertionError, match="depends on held-out items"):
        check_held_out_items_enter_nothing(dataset, tmp_path)


def test_the_pre_training_split_alone_gives_the_statistics_of_the_features(dataset):
    check_standardisation(dataset)


def test_standardisation_over_all_splits_is_found(dataset, tmp_path, monkeypatch):
    original = networks.Network.__init__

    def leaking(self, dataset, *arguments, **options):
        items = dataset.items.assign(split=PRETRAIN)
        original(self, replace(dataset, items=items), *arguments, **options)

    monkeypatch.setattr(networks.Network, "__init__", leaking)
    with pytest.raises(AssertionError, match="standardisation and the split train"):
        check_standardisation(dataset)
    with pytest.raises(AssertionError, match=r"(mean|deviation) of pmrl depends on held-out items"):
        check_held_out_items_enter_nothing(dataset, tmp_path, ["pmrl"])


# The optimiser ------------------------------------------------------------------------------------------------------


def rates_used(dataset, method, steps, monkeypatch) -> np.ndarray:
    """The learning rate of each update, as AdamW had it for the network when it changed the weights."""
    used, original = [], torch.optim.AdamW.step

    def step(self, *arguments, **options):
        used.append(self.param_groups[0]["lr"])  # a method's own groups follow, each at a fixed multiple
        return original(self, *arguments, **options)

    run = contract.run_of(method, None, dataset)
    model = new_method(run, method, {})
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        train_stage(new_network(run, model), model, dataset, Stage(SCRATCH, PRETRAIN, steps, 8), 0, CPU)
    return np.array(used)


def check_schedule(dataset, monkeypatch, steps=20):
    for method in TRAINED:
        rates = rates_used(dataset, method, steps, monkeypatch)
        peak = load_method(method).Hyperparameters().learning_rate
        assert len(rates) == steps, f"{method} makes {len(rates)} updates of {steps}"
        warm, decay = rates[: steps // 10], rates[steps // 10 :]
        np.testing.assert_allclose(warm, peak * np.arange(1, steps // 10 + 1) / (steps // 10), err_msg="warm-up")
        slope = np.diff([*decay, 0.0])
        np.testing.assert_allclose(slope, -peak / len(decay), err_msg="decay to zero")


def test_every_method_warms_up_over_a_tenth_and_decays_to_zero(dataset, monkeypatch):
    check_schedule(dataset, monkeypatch)


@pytest.mark.parametrize(
    ("breach", "message"),
    [
        (lambda step, steps: 1.0, "warm-up"),
        (lambda step, steps: min(1.0, (step + 1) / 2), "decay to zero"),
        (lambda step, steps: (step + 1) / 2 if step < 2 else (1 - (step - 2) / 18) ** 2, "decay to zero"),
    ],
    ids=["constant", "no decay", "another decay"],
)
def test_another_schedule_is_found(dataset, monkeypatch, breach, message):
    monkeypatch.setattr(optimizer, "learning_rate_factor", breach)
    with pytest.raises(AssertionError, match=message):
        check_schedule(dataset, monkeypatch)


def test_a_schedule_that_is_not_applied_is_found(dataset, monkeypatch):
    monkeypatch.setattr(torch.optim.lr_scheduler.LambdaLR, "step", lambda self: None)
    with pytest.raises(AssertionError, match="warm-up"):
        check_schedule(dataset, monkeypatch)


# The start, the batches and the splits ------------------------------------------------------------------------------


def starts_and_batches(dataset, method, seed, stage, monkeypatch) -> tuple[torch.Tensor, list[Batch]]:
    """The network's weights before training, and the batches that it trains on."""
    run = contract.run_of(method, None, dataset, seed)
    model = new_method(run, method, {})
    network = new_network(run, model)
    start = torch.cat([p.detach().flatten().clone() for p in network.parameters()])
    seen, original = [], Network.encode

    def encode(self, batch):
        if self.training:
            seen.append(batch)
        return original(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Network, "encode", encode)
        train_stage(network, model, dataset, stage, seed, CPU)
    return start, seen


def check_starts_and_batches(dataset, monkeypatch):
    for name in (CONTINUED, SCRATCH, FINE_TUNED):
        stage = Stage(name, PRETRAIN, 5, 8, mismatched_anchor=25, mismatched_modality=25, missing=25)
        first_start, first = starts_and_batches(dataset, TRAINED[0], 0, stage, monkeypatch)
        assert len(first) == stage.steps
        for method in TRAINED[1:]:
            start, batches = starts_and_batches(dataset, method, 0, stage, monkeypatch)
            assert torch.equal(start, first_start), f"{method} starts from other weights"
            assert len(batches) == len(first)
            for batch, expected in zip(batches, first, strict=True):
                assert_same_batch(batch, expected, f"{method} trains on other batches")
        start, batches = starts_and_batches(dataset, TRAINED[0], 1, stage, monkeypatch)
        assert not torch.equal(start, first_start), "another seed has the same weights"
        with pytest.raises(AssertionError, match="other"):
            assert_same_batch(batches[0], first[0], "other batches")


def test_one_seed_gives_all_methods_the_same_weights_and_batches_and_another_seed_others(dataset, monkeypatch):
    check_starts_and_batches(dataset, monkeypatch)


def test_weights_that_depend_on_what_ran_before_are_found(dataset, monkeypatch):
    monkeypatch.setattr(run_module, "seed_draws", lambda *purpose: None)
    with pytest.raises(AssertionError, match="starts from other weights"):
        check_starts_and_batches(dataset, monkeypatch)


@pytest.mark.parametrize("purpose", ["batches", "corruption"])
def test_batches_that_depend_on_the_method_are_found(dataset, monkeypatch, purpose):
    original, calls = loop.derived_seed, count()
    for module in (loop, batches):
        monkeypatch.setattr(
            module,
            "derived_seed",
            lambda first, *rest: original(first, *rest) + (next(calls) if first == purpose else 0),
        )
    with pytest.raises(AssertionError, match="trains on other batches"):
        check_starts_and_batches(dataset, monkeypatch)


def test_batches_that_do_not_depend_on_the_seed_are_found(dataset, monkeypatch):
    original = loop.derived_seed
    for module in (loop, batches):
        monkeypatch.setattr(module, "derived_seed", lambda *purpose: original(*purpose[:-1]))
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        check_starts_and_batches(dataset, monkeypatch)


def check_foundation(dataset, folder, monkeypatch):
    """Continued training of every method starts from the weights of the one foundation."""
    shared = train_foundation(foundation_of(contract.run_of("pmrl", folder, dataset))).network.state_dict()
    original = resume.train_stage
    for method in TRAINED:
        starts = []

        def remember(network, *rest, starts=starts):
            starts.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
            return original(network, *rest)

        run = contract.run_of(method, folder, dataset)
        with monkeypatch.context() as patch:
            patch.setattr(resume, "train_stage", remember)
            train_module.train(run, run.stage(CONTINUED))
        (start,) = starts
        assert start.keys() == shared.keys(), f"{method} has another network than the foundation"
        assert all(torch.equal(start[name], shared[name]) for name in shared), f"{method} starts elsewhere"


def test_all_methods_continue_from_the_same_foundation(dataset, tmp_path, monkeypatch):
    check_foundation(dataset, tmp_path, monkeypatch)


def test_a_method_that_does_not_start_from_the_foundation_is_found(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(train_module, "load_foundation", lambda base, network, method: "not loaded")
    with pytest.raises(AssertionError, match="pmrl starts elsewhere"):
        check_foundation(dataset, tmp_path, monkeypatch)


def rows_used(run: Run, monkeypatch) -> set[tuple[int, ...]]:
    """Every group of items that a whole run takes from the data set at once."""
    used, original = set(), Batch.from_dataset

    def taken(dataset, indices, device):
        used.add(tuple(indices.tolist()))
        return original(dataset, indices, device)

    with monkeypatch.context() as patch:
        patch.setattr(Batch, "from_dataset", staticmethod(taken))
        run_method(replace(run, settings={**run.settings, "classification": "zero_shot"}))
    return used


def check_splits(dataset, folder, monkeypatch):
    run_foundation(foundation_of(contract.run_of("pmrl", folder, dataset)))
    splits = {name: set(np.flatnonzero(dataset.items["split"] == name).tolist()) for name in SPLITS}
    used = {name: rows_used(contract.run_of(name, folder, dataset), monkeypatch) for name in METHODS}
    for method, groups in used.items():
        for rows in map(set, groups):
            parts = [split for split in splits.values() if split & rows]
            assert rows == set().union(*parts), f"{method} takes part of a split"
            assert splits[PRETRAIN] not in parts or len(parts) == 1, f"{method} mixes pre-training and target"
    for method in TRAINED:
        assert used[method] == used[TRAINED[0]], f"{method} takes other splits than {TRAINED[0]}"


def test_all_methods_have_the_same_splits(dataset, tmp_path, monkeypatch):
    check_splits(dataset, tmp_path, monkeypatch)


def test_a_split_that_changes_from_method_to_method_is_found(dataset, tmp_path, monkeypatch):
    original = Dataset.indices

    def shrinking(self, split):
        rows = original(self, split)
        return rows[:-1] if split == TRAIN and (tmp_path / "runs" / self.card.name / "pmrl").exists() else rows

    monkeypatch.setattr(Dataset, "indices", shrinking)
    with pytest.raises(AssertionError, match="takes part of a split"):
        check_splits(dataset, tmp_path, monkeypatch)


def test_another_split_for_one_method_is_found(dataset, tmp_path, monkeypatch):
    original = run_module.Run.stage

    def stage(self, name, **corruption):
        given = original(self, name, **corruption)
        return replace(given, split=VALIDATION) if (self.method, name) == ("gram", FINE_TUNED) else given

    monkeypatch.setattr(run_module.Run, "stage", stage)
    with pytest.raises(AssertionError, match="gram takes other splits than pmrl"):
        check_splits(dataset, tmp_path, monkeypatch)
