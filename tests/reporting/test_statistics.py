"""Intervals, tests and corrections against closed forms, SciPy and worked examples."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from pmrl.reporting.statistics import (
    DRAWS,
    area_under,
    compare,
    degrees_of_freedom,
    detectable,
    draws,
    holm,
    paired_bootstrap,
    seed_draws,
    summarize,
    t_interval,
    t_test,
    weighted_sums,
)

values = st.lists(st.floats(-100, 100), min_size=2, max_size=12)


@given(values)
def test_interval_of_a_mean_is_that_of_scipy(sample):
    estimate = t_interval(sample)
    assert estimate.mean == pytest.approx(np.mean(sample), abs=1e-9)
    assume(np.ptp(sample) > 1e-6)
    expected = stats.t.interval(0.95, len(sample) - 1, loc=np.mean(sample), scale=stats.sem(sample))
    assert (estimate.low, estimate.high) == pytest.approx(expected, abs=1e-6)


def test_three_seeds_give_the_interval_of_a_textbook():
    # s = 1, t(0.975, 2) = 4.302653: half width 4.302653 / √3
    estimate = t_interval([29, 30, 31])
    assert estimate.high - estimate.mean == pytest.approx(4.302653 / np.sqrt(3), abs=1e-5)


def test_one_seed_has_a_mean_and_no_interval():
    estimate = t_interval([30.0])
    assert (estimate.mean, estimate.n) == (30.0, 1)
    assert np.isnan([estimate.low, estimate.high]).all()


def test_a_missing_value_lowers_n_and_does_not_count_as_zero():
    assert t_interval([30.0, np.nan, 32.0]) == t_interval([30.0, 32.0])


def test_no_value_has_no_mean():
    assert np.isnan(t_interval([]).mean)


def test_summary_of_a_table_equals_the_interval_of_each_group():
    frame = pd.DataFrame({"method": list("aabbbc"), "value": [1.0, 3.0, 2.0, 4.0, 9.0, 5.0]})
    table = summarize(frame, ["method"]).set_index("method")
    for method, part in frame.groupby("method"):
        expected = t_interval(part["value"])
        row = table.loc[method]
        assert row["n"] == expected.n
        assert [row["mean"], row["low"], row["high"]] == pytest.approx(
            [expected.mean, expected.low, expected.high], nan_ok=True
        )


def test_holm_by_hand():
    # sorted .005 .01 .03 .04 → ×4 .02, ×3 .03, ×2 .06, ×1 .04 raised to .06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_ignores_tests_that_were_not_made():
    assert holm([0.01, np.nan, 0.04]) == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_a_p_value_and_keeps_the_order(p_values):
    corrected = holm(p_values)
    assert (corrected >= np.array(p_values)).all() and (corrected <= 1).all()
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()
    assert (corrected <= np.minimum(1, len(p_values) * np.array(p_values)) + 1e-12).all()


def hits(rate, seeds=3, items=200, seed=0):
    return 100.0 * (np.random.default_rng(seed).random((seeds, items)) < rate)


def test_bootstrap_effect_is_the_difference_of_the_means():
    first, second = hits(0.5, seed=1), hits(0.3, seed=2)
    comparison = paired_bootstrap(first - second)
    assert comparison.effect == pytest.approx(first.mean() - second.mean())
    assert comparison.low < comparison.effect < comparison.high
    assert comparison.p < 0.01


def test_bootstrap_is_antisymmetric_and_repeatable():
    difference = hits(0.5, seed=1) - hits(0.4, seed=2)
    there, back, again = (paired_bootstrap(sign * difference) for sign in (1, -1, 1))
    assert there == again
    assert (there.effect, there.low, there.high) == pytest.approx((-back.effect, -back.high, -back.low), abs=1e-4)
    assert there.p == back.p


def test_bootstrap_interval_of_independent_items_is_near_the_normal_one():
    difference = hits(0.5, seeds=1, items=2000, seed=3) - hits(0.5, seeds=1, items=2000, seed=4)
    comparison = paired_bootstrap(difference)
    half = 1.96 * difference.std() / np.sqrt(2000)
    assert comparison.high - comparison.effect == pytest.approx(half, rel=0.06)


def test_seeds_that_disagree_widen_the_interval():
    base = hits(0.5, items=400, seed=5) - hits(0.5, items=400, seed=6)
    shifted = base + np.array([[-20.0], [0.0], [20.0]])
    narrow, wide = paired_bootstrap(base), paired_bootstrap(shifted)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_equal_methods_do_not_differ():
    comparison = paired_bootstrap(np.zeros((3, 50)))
    assert (comparison.effect, comparison.p) == (0, 1)


@pytest.mark.parametrize("seed_deviation", [0.0, 4.0])
@pytest.mark.parametrize("level", [0.05, 0.005])
def test_false_alarms_stay_below_the_level(level, seed_deviation):
    """Two methods of equal quality over many repetitions, with three seeds that differ by chance."""
    generator = np.random.default_rng(9)
    alarms = []
    for _ in range(600):
        shift = generator.normal(0, seed_deviation, (3, 1))
        alarms.append(
            paired_bootstrap(shift + generator.normal(0, 40, 100) + generator.normal(0, 20, (3, 100))).p < level
        )
    assert np.mean(alarms) <= level + 2.5 * np.sqrt(level * (1 - level) / 600)


def test_seeds_alone_are_tested_as_by_students_t():
    """Where every item says the same, three seeds are three values."""
    values = np.array([[1.0], [2.0], [6.0]])
    comparison = paired_bootstrap(np.repeat(values, 50, axis=1))
    expected = stats.ttest_1samp(values.ravel(), 0)
    assert comparison.p == pytest.approx(expected.pvalue, rel=0.03)
    interval = expected.confidence_interval()
    assert (comparison.low, comparison.high) == pytest.approx((interval.low, interval.high), rel=0.06)


def test_degrees_of_freedom_are_those_of_welchs_test():
    first, second = np.array([1.0, 4.0, 2.0, 7.0]), np.array([3.0, 3.5, 9.0])
    parts = [sample.var(ddof=1) / len(sample) for sample in (first, second)]
    expected = stats.ttest_ind(first, second, equal_var=False).df
    assert degrees_of_freedom(sum(parts), parts, [4, 3]) == pytest.approx(expected)


def test_without_variance_of_seeds_the_test_is_the_normal_one():
    df = degrees_of_freedom(4.0, [0.0, 3.0], [3, 1])
    assert t_test(6.0, 2.0, df) == pytest.approx(2 * stats.norm.sf(3), rel=1e-4)


def test_no_difference_has_p_one_and_no_comparison_has_none():
    assert t_test(0.0, 0.0, 2.0) == 1 and np.isnan(t_test(np.nan, np.nan, 2.0))
    assert t_test(5.0, 0.0, 2.0) == pytest.approx(2 / (DRAWS + 1))


@pytest.mark.parametrize("size", [2, 3, 10])
def test_weights_of_seeds_keep_their_sum_and_show_the_whole_variance(size):
    weights, values = seed_draws("a test", size), np.arange(size) ** 2.0
    assert weights.sum(axis=1) == pytest.approx(size)
    assert (weights @ values / size).std() == pytest.approx(stats.sem(values), rel=0.03)


def test_effect_size_is_the_mean_over_the_deviation():
    difference = hits(0.6, seed=7) - hits(0.4, seed=8)
    comparison = paired_bootstrap(difference)
    assert comparison.size == pytest.approx(difference.mean() / difference.std())
    assert comparison.size_low < comparison.size < comparison.size_high


def test_missing_answers_are_left_out_on_both_sides():
    difference = hits(0.6, seed=7) - hits(0.4, seed=8)
    difference[0, :50] = np.nan
    assert paired_bootstrap(difference).effect == pytest.approx(np.nanmean(difference))


def test_only_common_seeds_and_items_are_compared():
    first = pd.DataFrame([[100.0, 0.0, 100.0], [0.0, 0.0, 100.0]], index=[0, 1], columns=["a", "b", "c"])
    second = pd.DataFrame([[0.0, 0.0]], index=[1], columns=["a", "c"])
    comparison = compare(first, second)
    assert (comparison.effect, comparison.seeds, comparison.items) == (50.0, 1, 2)


def test_area_under_a_straight_line_is_its_middle():
    assert area_under([0, 0.1, 0.5], [40, 38, 30]) == pytest.approx(35)
    assert area_under([0.5, 0, 0.1], [30, 40, 38]) == pytest.approx(35)


@pytest.mark.parametrize("size", [1, 7, 400, 2777])
def test_draws_in_blocks_are_those_of_one_draw(size, monkeypatch):
    """The same stream of random numbers, whatever the size of a block."""
    purpose = "items of a test of blocks"
    digest = hashlib.sha256(f"{purpose} {size}".encode()).digest()
    units = np.random.default_rng(int.from_bytes(digest[:8], "big")).integers(size, size=(DRAWS, size))
    expected = np.stack([np.bincount(row, minlength=size) for row in units])
    for block in (4_000_000, 1000 * size):
        monkeypatch.setattr("pmrl.reporting.statistics.BLOCK", block)
        draws.cache_clear()
        np.testing.assert_array_equal(draws(purpose, size), expected)
    values = np.random.default_rng(0).normal(size=(3, size))
    np.testing.assert_allclose(weighted_sums(purpose, values), expected @ values.T, atol=1e-9)


def test_a_detectable_effect_is_detected_in_four_of_five_experiments():
    """Simulated: t-tests of n normal values whose mean is the effect that `detectable` names."""
    n, alpha, generator = 6, 0.02, np.random.default_rng(0)
    error = 1 / np.sqrt(n)
    effect = float(detectable(np.array([error]), np.array([n - 1]), alpha)[0])
    samples = generator.normal(effect, 1, size=(20_000, n))
    p = stats.ttest_1samp(samples, 0, axis=1).pvalue
    assert np.mean(p < alpha) == pytest.approx(0.8, abs=0.06), "the non-central t differs a little from the sum of two"


def test_nothing_is_detectable_without_degrees_of_freedom():
    assert np.isnan(detectable(np.array([1.0, np.nan]), np.array([0, 5]), 0.05)).all()
