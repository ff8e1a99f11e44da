"""Training inside folds: what is held out reaches neither standardisation nor training, and all have the same folds."""

from dataclasses import replace

import contract
import numpy as np
import pandas as pd
import pytest
from example_data import synthetic_dataset

from pmrl.experiments.classifying import folds_seed
from pmrl.experiments.folds import embedded, fold_of, kinds_of_folds
from pmrl.experiments.foundation import foundation_of, run_foundation
from pmrl.experiments.train import run_method
from pmrl.records import INSIDE_FOLDS, INSIDE_RANDOM, INSIDE_SITES, PRETRAIN, RAW_FEATURES, TABLES, TEST, VALIDATION


@pytest.fixture
def dataset():
    """Views of one latent vector whose sign is the label, from four sites."""
    plain = synthetic_dataset()
    return replace(plain, items=plain.items.assign(group=[f"site {row % 4}" for row in range(len(plain.items))]))


def run_of(dataset, folder, method="pmrl"):
    run = contract.run_of(method, folder, dataset)
    training = {**run.settings["training"], "scratch_steps": 3}
    settings = {**run.settings, "regimes": [], "training": training, "classification": INSIDE_FOLDS}
    return replace(run, settings={**settings, "foundation": {**settings["foundation"], "classification": INSIDE_FOLDS}})


def folds(dataset, run):
    """{kind: [(training rows, test rows)]} and {kind: what is not divided}."""
    rows = np.arange(len(dataset.items))
    kinds = {name: (list(parts), keys) for name, parts, keys in kinds_of_folds(dataset, rows, folds_seed(run))}
    return {name: parts for name, (parts, _) in kinds.items()}, {name: keys for name, (_, keys) in kinds.items()}


def test_every_instance_is_tested_once_in_ten_folds_and_with_its_site(dataset, tmp_path):
    kinds, _ = folds(dataset, run_of(dataset, tmp_path))
    assert {name: len(parts) for name, parts in kinds.items()} == {INSIDE_RANDOM: 10, INSIDE_SITES: 4}
    sites = dataset.items["group"].to_numpy()
    for parts in kinds.values():
        assert sorted(np.concatenate([test for _, test in parts])) == list(range(160))
        assert all(not set(train) & set(test) for train, test in parts)
    assert all(
        len(set(sites[test])) == 1 and not set(sites[train]) & set(sites[test]) for train, test in kinds[INSIDE_SITES]
    )


def test_a_fold_divides_no_instance_and_watches_no_test_instance(dataset):
    views = replace(dataset, items=dataset.items.assign(instance=[f"thing {row // 2}" for row in range(160)]))
    held_out = np.arange(160) < 20
    fold = fold_of(views, held_out, seed=0)
    assert (fold.items["split"].eq(TEST).to_numpy() == held_out).all()
    assert (fold.items.groupby("instance")["split"].nunique() == 1).all()
    sizes = fold.items["split"].value_counts()
    assert sizes[VALIDATION] == 14 and sizes[PRETRAIN] == 126  # a tenth of the 70 other instances
    assert fold.pooled is views.pooled


@pytest.mark.parametrize("method", ["pmrl", "vast", "gcca"])
def test_what_is_held_out_reaches_no_network(dataset, tmp_path, method):
    """Other features in the held-out instances leave every other instance's embedding as it is, bit for bit."""
    held_out = np.arange(160) % 5 == 0
    other = {name: np.where(held_out[:, None], 1000 - 7 * x, x) for name, x in dataset.pooled.items()}
    tokens = {name: np.where(held_out[:, None, None], -x, x) for name, x in dataset.tokens.items()}
    changed = replace(dataset, pooled=other, tokens=tokens)
    first, second = (embedded(run_of(data, tmp_path, method), held_out) for data in (dataset, changed))
    assert (first[~held_out] == second[~held_out]).all()
    assert (first[held_out] != second[held_out]).any()
    assert (embedded(run_of(changed, tmp_path, method), ~held_out) != second).any(), "training sees the rest"


def test_methods_and_raw_features_are_tested_on_the_same_instances_in_the_same_folds(dataset, tmp_path):
    run = run_of(dataset, tmp_path)
    run_foundation(foundation_of(run))
    run_method(run)
    tables = {
        RAW_FEATURES: pd.read_parquet(foundation_of(run).folder / TABLES["records"]),
        "pmrl": pd.read_parquet(run.folder / TABLES["records"]),
    }
    for method, records in tables.items():
        own = records.query("regime == 'probe'")
        assert set(own["method"]) == {method} and set(own["folds"]) == {INSIDE_RANDOM, INSIDE_SITES}
        assert set(own["n"]) == {160} and set(own["gallery_size"]) == {2}
    raw = tables[RAW_FEATURES].query("folds == 'inside_random' and metric == 'auc'")
    assert raw["value"].item() > 95, "the label is linear in the features"


def test_the_folds_depend_on_data_set_and_seed_only(dataset, tmp_path):
    (first, _), (again, _) = (folds(dataset, run_of(dataset, tmp_path, method)) for method in ("pmrl", "gram"))
    assert all((a[1] == b[1]).all() for name in first for a, b in zip(first[name], again[name], strict=True))
    other, _ = folds(dataset, replace(run_of(dataset, tmp_path), seed=1))
    assert any((a[1] != b[1]).any() for a, b in zip(first[INSIDE_RANDOM], other[INSIDE_RANDOM], strict=True))
