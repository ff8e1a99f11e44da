"""Classification from few labels: what is labelled, and that the small fit is the whole one."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pmrl.evaluation.few_labels import drawn, few_label_probes, predict_from_few, standardized
from pmrl.evaluation.probing import REGULARIZATION
from pmrl.records import FEW_LABELS


def two_classes(count=40, shift=0.0, dimension=6, seed=0):
    random = np.random.default_rng(seed)
    labels = np.repeat(["a", "b"], count)
    return random.normal(size=(2 * count, dimension)) + shift * (labels == "b")[:, None], labels


def names(count):
    return np.array([f"item{row}" for row in range(count)])


@pytest.mark.parametrize("dimension", [3, 50], ids=["fewer columns than rows", "more columns than rows"])
def test_the_fit_in_the_span_of_the_rows_is_the_fit_in_all_columns(dimension):
    features, labels = two_classes(count=10, shift=0.5, dimension=dimension)
    unseen = np.random.default_rng(1).normal(size=(30, dimension))
    whole = LogisticRegression(C=REGULARIZATION, max_iter=1000, tol=1e-8).fit(features, labels)
    assert predict_from_few(features, labels, unseen) == pytest.approx(whole.predict_proba(unseen), abs=1e-3)


def test_as_many_instances_of_each_class_are_labelled_with_all_their_views():
    labels, instances = np.repeat(["a", "b"], 30), np.repeat(names(20), 3)
    known = drawn(labels, instances, 5, np.random.default_rng(0))
    assert [len(set(instances[known & (labels == name)])) for name in ("a", "b")] == [5, 5]
    assert not set(instances[known]) & set(instances[~known]), "a view of a labelled instance is tested"


def test_what_is_separable_is_found_from_one_label_and_noise_from_ten_is_not():
    features, labels = two_classes(shift=20.0)
    clear = few_label_probes(features, labels, names(80), seed=0)
    assert [probe.folds for probe in clear] == list(FEW_LABELS)
    assert all(probe.accuracy > 99 and probe.auc > 99 for probe in clear)
    noise, _ = two_classes(count=200)
    for probe in few_label_probes(noise, np.repeat(["a", "b"], 200), names(400), seed=0):
        assert probe.accuracy == pytest.approx(50, abs=6) and probe.chance == 50


def test_the_contributions_of_the_items_have_the_accuracy_as_mean():
    features, labels = two_classes(shift=0.7)
    for probe in few_label_probes(features, labels, names(80), seed=3):
        assert 100 * probe.correct.mean() == pytest.approx(probe.accuracy)


def test_all_features_get_the_same_draws():
    """Features that reveal nothing give every method's untested instances away: they alone contribute nothing."""
    features, labels = two_classes(count=11, shift=20.0)
    first, second = (few_label_probes(x, labels, names(22), seed=5)[-1] for x in (features, -3 * features))
    assert (first.correct == second.correct).all() and len(set(first.correct)) > 1


def test_a_class_needs_twice_as_many_instances_as_are_labelled():
    features = np.random.default_rng(0).normal(size=(69, 3))
    labels = np.array(["a"] * 25 + ["b"] * 25 + ["rare"] * 19)
    counts = {probe.folds: probe.n for probe in few_label_probes(features, labels, names(69), seed=0)}
    assert counts == {"few_1": 69, "few_5": 69, "few_10": 50}
    twins = np.array([*names(50), *(f"twin{row // 2}" for row in range(19))])  # nineteen views of ten instances
    counts = {probe.folds: probe.n for probe in few_label_probes(features, labels, twins, seed=0)}
    assert counts == {"few_1": 69, "few_5": 69, "few_10": 50}


def test_units_offsets_constants_and_absence_do_not_matter():
    features, labels = two_classes(shift=1.0)
    scaled = np.column_stack([features * 1000 - 7, np.full(80, 3.7), np.full(80, np.nan)])
    for first, second in zip(
        *(few_label_probes(x, labels, names(80), seed=0) for x in (features, scaled)), strict=True
    ):
        assert second.auc == pytest.approx(first.auc, abs=0.1)
    absent = features.copy()
    absent[:5] = np.nan
    assert (standardized(absent)[:5] == 0).all(), "an absent feature is the mean"
