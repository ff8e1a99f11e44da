"""Linear probes: what they must find, what they must not, and the measures by hand."""

import numpy as np
import pytest

from pmrl.evaluation.probing import groups_are_sites, performance, probes


def test_a_probe_finds_what_is_linear_and_nothing_in_noise():
    random = np.random.default_rng(0)
    labels = np.repeat(["autism", "control"], 100)
    signal = random.normal(size=(200, 5)) + 4 * (labels == "autism")[:, None]
    groups = np.arange(200).astype(str)
    (found,) = probes(signal, labels, groups, seed=0)
    assert found.accuracy > 97 and found.auc > 99
    (noise,) = probes(random.normal(size=(200, 5)), labels, groups, seed=0)
    assert 30 < noise.auc < 70


def test_performance_of_two_classes_by_hand():
    labels = np.array(["autism"] * 4 + ["control"] * 6)
    classes = np.array(["autism", "control"])
    positive = np.array([0.9, 0.8, 0.7, 0.2, 0.6, 0.1, 0.1, 0.1, 0.1, 0.1])
    accuracy, auc, sensitivity, specificity = performance(labels, classes, np.stack([positive, 1 - positive], axis=1))
    assert accuracy == pytest.approx(8 / 10)
    assert sensitivity == pytest.approx(3 / 4) and specificity == pytest.approx(5 / 6)
    # of 24 (autism, control) pairs only 0.2 against 0.6 is in the wrong order
    assert auc == pytest.approx(23 / 24)


def test_small_classes_are_left_out():
    labels = np.array(["a"] * 20 + ["b"] * 20 + ["rare"] * 9)
    features = np.random.default_rng(0).normal(size=(49, 3))
    (found,) = probes(features, labels, np.arange(49).astype(str), seed=0)
    assert found.n == 40 and (found.rows == np.arange(40)).all()
    assert found.accuracy == pytest.approx(100 * found.correct.mean())
    assert probes(features[:20], labels[:20], labels[:20], seed=0) == []


def test_sites_are_few_groups_of_which_most_hold_every_class():
    labels = np.tile(["autism", "control"], 60)
    sites = np.repeat(["one", "two", "three"], 40)
    assert groups_are_sites(labels, sites)
    assert groups_are_sites(np.append(labels, ["autism"] * 5), np.append(sites, ["patients only"] * 5))
    assert not groups_are_sites(labels, labels), "a group that is a class is no site"
    assert not groups_are_sites(labels, np.arange(120).astype(str))


def test_leave_site_out_does_not_reward_a_site_effect():
    """Features that tell the sites apart, and labels whose rate differs by site: random folds are fooled."""
    random = np.random.default_rng(1)
    sites = np.repeat(["one", "two", "three", "four"], 100)
    rate = {"one": 0.9, "two": 0.1, "three": 0.9, "four": 0.1}
    labels = np.array(["autism" if random.random() < rate[site] else "control" for site in sites])
    features = np.stack([sites == site for site in ("one", "two", "three", "four")], axis=1).astype(float)
    by_name = {p.folds: p for p in probes(features + 0.01 * random.normal(size=features.shape), labels, sites, seed=0)}
    assert by_name["random"].auc > 80
    assert by_name["leave_site_out"].auc < 60
