"""Rows found by block and means by cell, against pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmrl.tables.contrasts import blocks, cell_means

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
def test_cell_means_are_those_of_pandas(found):
    frame = framed(found)
    expected = frame.pivot_table(index="seed", columns="item", values="hit", aggfunc="mean")
    ours = cell_means(frame["hit"].to_numpy(), frame["seed"].to_numpy(), frame["item"].astype("category").cat)
    assert list(ours.index) == list(expected.index) and list(ours.columns) == list(expected.columns)
    np.testing.assert_allclose(ours.to_numpy(), expected.to_numpy())


def test_a_seed_without_an_item_has_no_mean_of_it():
    items = pd.Series(["x", "y", "x"], dtype="category").cat
    means = cell_means(np.array([100.0, 0.0, 50.0]), np.array([0, 0, 1]), items)
    assert means.loc[0].tolist() == [100, 0] and means.loc[1, "x"] == pytest.approx(50) and np.isnan(means.loc[1, "y"])
