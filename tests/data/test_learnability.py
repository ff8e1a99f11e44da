"""The linear check: what is linked is found, what is not stays at chance."""

import numpy as np
from data_examples import dataset

from pmrl.data import learnability


def by_pair(table):
    return table.set_index(["query", "gallery"])["recall@1"]


def test_linear_views_of_one_latent_vector_are_found_again():
    recall = by_pair(learnability.measure(dataset(noise=0.0)))
    assert recall["sound", "word"] == 100 and recall["word", "sound"] == 100


def test_independent_views_stay_at_chance():
    data = dataset(("sound", "word", "noise"), groups=60)
    data.pooled["noise"][:] = np.random.default_rng(7).normal(size=data.pooled["noise"].shape)
    table = learnability.measure(data).set_index(["query", "gallery"])
    for pair in (("noise", "word"), ("word", "noise"), ("sound", "noise")):
        row = table.loc[pair]
        spread = np.sqrt(row["chance"] * (100 - row["chance"]) / row["queries"])
        assert abs(row["recall@1"] - row["chance"]) < 4 * spread
    assert table.loc[("sound", "word"), "recall@1"] > 20 * table.loc[("sound", "word"), "chance"]


def test_every_ordered_pair_has_its_chance():
    table = learnability.measure(dataset(("a", "b", "c")))
    assert len(table) == 6
    np.testing.assert_allclose(table["chance"], 100 / 12)


def test_recall_does_not_depend_on_units():
    data, scaled = dataset(seed=3, noise=1.0), dataset(seed=3, noise=1.0)
    scaled.pooled["sound"] *= 1000
    scaled.pooled["sound"] += 50
    np.testing.assert_allclose(by_pair(learnability.measure(data)), by_pair(learnability.measure(scaled)))


def test_items_without_a_modality_are_no_queries():
    data = dataset()
    data.present["sound"][data.indices("test")[:5]] = False
    assert (learnability.measure(data)["queries"] == 7).all()


def test_a_pair_that_never_meets_has_no_number():
    data = dataset(("sound", "word", "smell"))
    data.present["smell"][data.indices("test")] = False
    recall = by_pair(learnability.measure(data))
    assert np.isnan(recall["smell", "word"]) and not np.isnan(recall["sound", "word"])


def test_ties_count_as_lost():
    assert learnability._first_place(np.ones((4, 4))) == 0
