"""What a search judges by and what it chooses, against closed forms, SciPy and simulation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from trials import QUERIES, around, rows

from pmrl.errors import UserError
from pmrl.records import CRITERIA, TUNING
from pmrl.study.tuning import choose, criterion_values, noise, offered, read_records


def trial(pairs, anchor, **columns):
    return rows({0: [(pairs, anchor)]}).assign(**columns)


def value(criterion, pairs, anchor, **columns):
    return float(criterion_values(trial(pairs, anchor, **columns), criterion).iloc[0])


def test_each_criterion_in_closed_form():
    odds = np.log(0.25 / 0.75), np.log(0.8 / 0.2)
    assert value("logit", 25, 80) == pytest.approx(sum(odds) / 2)
    assert value("gain", 30, 60) == pytest.approx((50 + 100) / 2)  # over 20 and 30 percent
    assert [value(name, 30, 60) for name in ("pairs", "anchor", "mean")] == pytest.approx([30, 60, 45])


recalls = st.floats(1, 99)


@given(recalls, recalls)
def test_neither_measure_rules_the_logit(pairs, anchor):
    """Recall and failure have the same weight, and so have the two measures, wherever they are."""
    assert value("logit", pairs, anchor) == pytest.approx(value("logit", anchor, pairs), abs=1e-9)
    assert value("logit", pairs, anchor) == pytest.approx(-value("logit", 100 - pairs, 100 - anchor), abs=1e-9)


@given(recalls, recalls, st.floats(0.1, 0.9))
def test_a_gain_does_not_depend_on_the_scale_of_a_measure(pairs, anchor, scale):
    scaled = value("gain", scale * pairs, anchor, pairs_before=20 * scale)
    assert scaled == pytest.approx(value("gain", pairs, anchor))


@pytest.mark.parametrize("criterion", CRITERIA)
@given(recalls, recalls, st.floats(0.1, 0.5))
def test_more_recall_is_never_worse(criterion, pairs, anchor, more):
    base = value(criterion, pairs, anchor)
    assert value(criterion, pairs + more, anchor) >= base and value(criterion, pairs, anchor + more) >= base


def test_no_recall_and_full_recall_count_as_half_a_query_from_the_end():
    half = 50 / QUERIES
    assert value("logit", 0, 100) == pytest.approx(0.0)
    assert value("logit", 0, 50) == pytest.approx(value("logit", half, 50))
    assert value("gain", 1, 30, pairs_before=0.0) == pytest.approx(50 * (1 / half - 1))


def test_without_a_foundation_there_is_no_gain():
    assert offered(rows({0: around(20, 50)})) == list(CRITERIA)
    scratch = rows({0: around(20, 50)}).assign(pairs_before=np.nan, anchor_before=np.nan)
    assert offered(scratch) == [name for name in CRITERIA if name != "gain"]


tables = arrays(float, (4, 3), elements=st.floats(-5, 5))


@given(arrays(float, (2, 5), elements=st.floats(-5, 5)))
def test_two_candidates_are_judged_by_the_paired_t_test(values):
    difference = values[1] - values[0]
    error = difference.std(ddof=1) / np.sqrt(5)
    assert noise(values) == pytest.approx(stats.t.ppf(0.95, 4) * error, abs=1e-9)


@given(tables, arrays(float, 3, elements=st.floats(-50, 50)), arrays(float, 4, elements=st.floats(-50, 50)))
def test_noise_knows_neither_how_hard_a_seed_nor_how_good_a_candidate_is(values, seeds, candidates):
    assert noise(values + seeds + candidates[:, None]) == pytest.approx(noise(values), abs=1e-8)


@given(tables, st.floats(0.1, 10))
def test_noise_has_the_unit_of_the_values(values, scale):
    assert noise(scale * values) == pytest.approx(scale * noise(values), abs=1e-9)


@pytest.mark.parametrize("candidates", [2, 5])
def test_equally_good_candidates_replace_the_defaults_in_at_most_one_of_twenty_searches(candidates):
    random, searches = np.random.default_rng(0), 4000
    replaced = 0
    for _ in range(searches):
        values = random.normal(size=(candidates, 3)) + random.normal(size=3)
        means = values.mean(axis=1)
        replaced += means[1:].max() - means[0] > noise(values)
    assert replaced / searches < 0.05 + 3 * np.sqrt(0.05 * 0.95 / searches)


def test_a_clear_winner_replaces_the_defaults_and_a_doubtful_one_does_not():
    clear = choose(rows({0: around(20, 50), 1: around(30, 60), 2: around(25, 55)}), "mean")
    assert (clear.candidate, clear.lead) == (1, pytest.approx(10))
    random = np.random.default_rng(1)
    noisy = {c: [(20 + x, 50 + x) for x in random.normal(scale=5, size=3)] for c in range(3)}
    noisy[1] = [(pairs + 0.5, anchor + 0.5) for pairs, anchor in noisy[0]]
    assert choose(rows(noisy), "mean").candidate == 0


def test_each_criterion_has_its_own_winner():
    trials = rows({0: around(20, 50), 1: around(30, 45), 2: around(15, 70)})
    assert {name: choose(trials, name).candidate for name in ("pairs", "anchor", "mean", "logit")} == {
        "pairs": 1,
        "anchor": 2,
        "mean": 2,  # the larger number rules
        "logit": 2 if value("logit", 15, 70) > value("logit", 30, 45) else 1,
    }


def test_no_choice_reads_the_search_or_the_test_split():
    trials = rows({0: around(20, 50), 1: around(19, 49)})
    best = {1: around(99, 99)}
    more = [rows(best, phase="search", criteria="mean"), rows(best, split="test")]
    assert choose(pd.concat([trials, *more]), "mean") == choose(trials, "mean")


def test_a_candidate_that_diverged_once_is_never_chosen_and_makes_no_noise():
    sound = rows({0: around(20, 50), 1: around(30, 60), 2: around(25, 55)})
    broken = rows({3: [(90, 99), (90, 99), (0, 0)]}).assign(problem=["", "", "loss is nan"])
    assert choose(pd.concat([sound, broken]), "mean") == choose(sound, "mean")


def test_defaults_that_diverge_are_replaced_by_the_best_that_does_not():
    trials = rows({0: [(0, 0)] * 3, 1: around(30, 60), 2: around(31, 61)})
    trials.loc[trials["candidate"].eq(0), "problem"] = "loss is nan"
    assert choose(trials, "mean").candidate == 2


def test_the_defaults_stay_where_there_is_no_other_finalist():
    assert choose(rows({0: around(20, 50)}), "logit").candidate == 0


def test_records_of_another_version_are_refused_and_absent_ones_are_empty(tmp_path):
    assert read_records(tmp_path / "none.csv").empty
    old = tmp_path / "old.csv"
    old.write_text("dataset,method,variant,value\ndigits,gram,main,3\n")
    with pytest.raises(UserError, match=r"old\.csv: column phase, .* is missing; found dataset, .*make tune"):
        read_records(old)


def test_records_survive_being_written(tmp_path):
    trials = rows({0: around(20, 50), 1: around(30, 60)}, criteria="mean")
    trials.to_csv(tmp_path / "some.csv", index=False)
    read = read_records(tmp_path / "some.csv")
    assert list(read[TUNING]) == TUNING and choose(read, "logit") == choose(trials, "logit")
