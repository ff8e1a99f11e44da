"""Successive halving: what is spent, who comes, who goes on."""

import itertools
import random

import pytest

from pmrl.experiments.halving import FULL, RUNGS, search

GRIDS = {"a": (1, 2, 3), "b": (0.1, 0.2, 0.3, 0.4, 0.5), "c": ("x", "y"), "d": (1, 2, 3)}
DEFAULTS = {"a": 2, "b": 0.3, "c": "x", "d": 1}


def searched(value, budget=12, grids=GRIDS, seed=5, rungs=RUNGS):
    """The trainings of a search, as (number, values, share)."""
    made = []

    def evaluate(number, values, share):
        made.append((number, dict(values), share))
        return value(number, share)

    search(grids, {name: DEFAULTS[name] for name in grids}, evaluate, budget, seed, rungs)
    return made


def drawn(salt):
    """A value for each candidate and length, without any order."""
    return lambda number, share: random.Random(f"{salt} {number} {share}").random()


@pytest.mark.parametrize("budget", [2, 5, 12])
@pytest.mark.parametrize("salt", range(5))
def test_the_budget_is_spent_exactly_whatever_the_values_are(budget, salt):
    assert sum(share for *_, share in searched(drawn(salt), budget)) == budget


def test_the_defaults_come_first_and_no_training_comes_twice():
    made = searched(drawn(0))
    assert made[0] == (0, DEFAULTS, 0.25)
    assert len({(tuple(values.items()), share) for _, values, share in made}) == len(made)
    numbers = {number: tuple(values.items()) for number, values, _ in made}
    assert len(set(numbers.values())) == len(numbers)
    assert all(values[name] in grid for _, values, _ in made for name, grid in GRIDS.items())


def test_criteria_that_differ_see_the_same_candidates_in_the_same_order():
    first, second = ({number: values for number, values, _ in searched(drawn(salt))} for salt in (0, 1))
    shared = first.keys() & second.keys()
    assert len(shared) > 10 and all(first[number] == second[number] for number in shared)
    other = {number: values for number, values, _ in searched(drawn(0), seed=6)}
    assert any(first[number] != other[number] for number in shared & other.keys())


@pytest.mark.parametrize("salt", range(5))
def test_a_candidate_goes_on_if_it_is_in_the_better_half_so_far(salt):
    """A slow loop: of n values at a length so far, the best max(1, n // 2) go on, in the order of their coming."""
    value = drawn(salt)
    made = [(number, share) for number, _, share in searched(value)]
    expected, seen, left = [], {0.25: [], 0.5: []}, 12.0
    for number in itertools.count():
        for share in (0.25, 0.5, 1.0):
            if share > left:
                break
            expected.append((number, share))
            left -= share
            if share == 1.0:
                break
            seen[share].append(value(number, share))
            better = sorted(seen[share], reverse=True)[: max(1, len(seen[share]) // 2)]
            if value(number, share) not in better:
                break
        if left == 0:
            break
    assert made == expected


def test_a_small_grid_is_exhausted_and_then_the_search_ends():
    grids = {"a": GRIDS["a"], "c": GRIDS["c"]}
    made = searched(lambda number, share: number, 12, grids)  # every candidate is the best so far and goes on
    assert len(made) == 6 * 3 and {number for number, *_ in made} == set(range(6))
    assert sum(share for *_, share in made) == 6 * 1.75


def test_a_closed_form_spends_a_full_training_on_each_candidate():
    made = searched(drawn(0), 5, rungs=FULL)
    assert [(number, share) for number, _, share in made] == [(number, 1.0) for number in range(5)]


def test_a_candidate_whose_value_is_not_a_number_goes_no_further():
    made = searched(lambda number, share: float("nan") if number == 1 else 1.0)
    assert [share for number, _, share in made if number == 1] == [0.25]
