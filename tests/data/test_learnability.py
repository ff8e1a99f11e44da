"""The linear check: what is linked is found, what is not stays at chance."""

from dataclasses import replace

import numpy as np
import pandas as pd
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
    assert learnability._first_place(np.ones((4, 4)), np.eye(4, dtype=bool)) == 0


def in_fives():
    """60 instances of five items each: one sound, and five words that differ."""
    data = dataset(groups=75, noise=0.0)
    table = data.items.assign(instance=[f"clip-{row // 5}" for row in range(len(data.items))])
    first = np.arange(len(table)) // 5 * 5
    splits = ["pretrain", "train", "test", "test", "test"] * 12
    table = table.assign(group=table["instance"], split=np.repeat(splits, 5))
    data.pooled["sound"][:] = data.pooled["sound"][first]
    changes = np.random.default_rng(1).normal(scale=0.01, size=data.pooled["word"].shape)
    data.pooled["word"][:] = data.pooled["word"][first] + changes
    return replace(data, items=table)


def test_items_of_one_instance_are_one_query_and_one_candidate_if_they_are_equal():
    table = learnability.measure(in_fives()).set_index(["query", "gallery"])
    # 36 test instances: 36 sounds, 180 words; each sound has five right answers.
    assert list(table["queries"]) == [36, 180]
    np.testing.assert_allclose(table["chance"], [100 * 5 / 180, 100 / 36])
    assert (table["recall@1"] > 90).all()


def test_without_instances_equal_items_cannot_be_told_apart():
    data = in_fives()
    recall = by_pair(learnability.measure(replace(data, items=data.items.drop(columns="instance"))))
    assert recall["word", "sound"] == 0


def test_a_sample_of_a_large_data_set_is_tested_and_says_so(monkeypatch):
    data = in_fives()
    assert learnability.tested(data) == "the test part"
    monkeypatch.setattr(learnability, "MOST_TESTED", 52)
    assert learnability.tested(data) == "a sample of 50 of the 180 items of the test part"
    table = learnability.measure(data)
    assert list(table["queries"]) == [10, 50]  # whole instances
    pd.testing.assert_frame_equal(table, learnability.measure(data))


def test_a_tiny_unit_or_a_unit_for_each_column_changes_nothing():
    data, scaled = dataset(seed=3, noise=1.0), dataset(seed=3, noise=1.0)
    scaled.pooled["sound"] *= np.float32(10.0) ** np.array([-9, -7, -3, 0, 3, 9], dtype=np.float32)
    np.testing.assert_allclose(by_pair(learnability.measure(data)), by_pair(learnability.measure(scaled)))
