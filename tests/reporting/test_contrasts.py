"""Rows found by block and means by cell, against pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmrl.reporting.contrasts import blocks, item_shares

rows = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.integers(0, 3), st.integers(0, 1)), max_size=30)


def framed(found):
    frame = pd.DataFrame(found, columns=["name", "seed", "item", "hit"])
    return frame.assign(name=frame["name"].astype("category"), item=frame["item"].map("item {}".format))


@given(rows)
def test_blocks_are_the_groups_of_pandas(found):
    frame = framed(found)
    expected = frame.groupby(["name", "seed"], observed=True).indices
    ours = blocks(frame, ["name", "seed"])
    assert set(ours) == set(expected)
    for key, places in ours.items():
        np.testing.assert_array_equal(np.sort(places), np.sort(expected[key]))


@given(rows.filter(len))
def test_the_mean_over_items_is_the_mean_of_the_tasks_recalls(found):
    """Against pandas, with the names as tasks; a seed's items are those that any of its tasks has."""
    frame = framed(found)
    tasks = frame["name"].cat.codes.to_numpy()
    ours = item_shares(frame["hit"].to_numpy(), tasks, frame["seed"].to_numpy(), frame["item"].astype("category").cat)
    recalls = frame.groupby(["seed", "name"], observed=True)["hit"].mean()
    np.testing.assert_allclose(ours.mean(axis=1), recalls.groupby("seed").mean())
    assert {*ours.columns} == {*frame["item"]}


def test_a_task_of_few_items_weighs_as_much_as_one_of_many():
    items = pd.Series(["x", "y", "z", "w", "x"], dtype="category").cat
    shares = item_shares(np.array([0.0, 0, 0, 0, 100]), np.array([0, 0, 0, 0, 1]), np.zeros(5), items)
    assert shares.mean(axis=1).item() == pytest.approx(50)


def test_a_seed_without_an_item_has_nothing_of_it():
    items = pd.Series(["x", "y", "x"], dtype="category").cat
    shares = item_shares(np.array([100.0, 0.0, 50.0]), np.zeros(3, dtype=int), np.array([0, 0, 1]), items)
    assert shares.loc[0].tolist() == [100, 0] and shares.loc[1, "x"] == pytest.approx(50)
    assert np.isnan(shares.loc[1, "y"])
