"""Placing many methods: against the test of one pair, against other ranking code, and by the rules of the groups."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pmrl.reporting import ladder
from pmrl.reporting.statistics import DRAWS, degrees_of_freedom, paired_bootstrap, t_test

SEEDS, ITEMS = 3, 60
NAMES = list("abcdefg")


@pytest.fixture(scope="module")
def tables():
    """Three methods whose hits are 55, 45 and 40 % likely, with effects of items and seeds in common."""
    generator = np.random.default_rng(3)
    common = generator.normal(size=(SEEDS, 1)) * 0.05 + generator.normal(size=ITEMS) * 0.2
    rates = (0.55, 0.45, 0.40)
    hits = [100.0 * (generator.random((SEEDS, ITEMS)) < rate + common) for rate in rates]
    return [pd.DataFrame(table, columns=[f"i{item}" for item in range(ITEMS)]) for table in hits]


def test_one_pair_is_tested_as_by_the_paired_bootstrap(tables):
    both, by_seed = (samples[:, 0, 2] for samples in ladder.resampled_differences(tables, "a test"))
    expected = paired_bootstrap((tables[0] - tables[2]).to_numpy())
    assert len(both) == len(by_seed) == 1 + DRAWS
    assert both[0] == by_seed[0] == pytest.approx(expected.effect)
    df = degrees_of_freedom(both[1:].var(), [by_seed[1:].var()], [SEEDS])
    assert t_test(both[0], both[1:].std(), df) == pytest.approx(expected.p, rel=0.25)  # two sets of draws
    half = stats.t.ppf(0.975, df) * both[1:].std()
    assert (both[0] - half, both[0] + half) == pytest.approx((expected.low, expected.high), abs=0.8)


def test_items_alone_vary_where_seeds_agree(tables):
    alike = [pd.DataFrame(np.repeat(table.to_numpy()[:1], SEEDS, axis=0), columns=table.columns) for table in tables]
    _, by_seed = ladder.resampled_differences(alike, "a test")
    assert by_seed == pytest.approx(np.broadcast_to(by_seed[0], by_seed.shape))


def test_differences_are_antisymmetric_and_additive_in_every_resample(tables):
    samples, _ = ladder.resampled_differences(tables, "a test")
    assert np.array_equal(samples, -samples.transpose(0, 2, 1))
    assert samples[:, 0, 1] + samples[:, 1, 2] == pytest.approx(samples[:, 0, 2], abs=1e-6)


def test_a_pair_is_compared_over_what_both_have(tables):
    lacking = tables[1].drop(index=2, columns=["i5", "i6"])
    (effect, *_) = ladder.resampled_differences([tables[0], lacking], "a test")[0][:, 0, 1]
    shared = tables[0].loc[lacking.index, lacking.columns]
    assert effect == pytest.approx((shared - lacking).to_numpy().mean())


def test_the_order_of_methods_changes_nothing(tables):
    samples, _ = ladder.resampled_differences(tables, "a test")
    turned, _ = ladder.resampled_differences(tables[::-1], "a test")
    assert np.array_equal(samples, turned[:, ::-1, ::-1])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=7))
def test_ranks_agree_with_scipy(means):
    means = np.array(means, dtype=float)
    assert np.array_equal(ladder.ranks(means[:, None] - means), stats.rankdata(-means))


def test_whoever_is_tied_with_the_top_is_in_its_group_even_below_one_who_is_not():
    below = {("a", "c"), ("a", "e"), ("c", "e")}  # d is too noisy to be told from a, though it stands below c
    assert ladder.tie_groups(list("abcde"), below) == {"a": 1, "b": 1, "c": 2, "d": 1, "e": 3}


@given(st.sets(st.sampled_from([(a, b) for i, a in enumerate(NAMES) for b in NAMES[i + 1 :]])))
def test_all_are_tied_with_the_top_of_their_group_and_below_the_tops_before(below):
    groups = ladder.tie_groups(NAMES, below)
    assert set(groups) == set(NAMES)
    tops = {number: min(one for one in NAMES if groups[one] == number) for number in groups.values()}
    for one, number in groups.items():
        assert (tops[number], one) not in below
        assert all((tops[earlier], one) in below for earlier in range(1, number))
