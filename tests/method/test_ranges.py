"""Which values hyper-parameters may have, as methods declare it and as configs are checked by it."""

import dataclasses
import math

import pytest

from pmrl.discovery import method_files
from pmrl.errors import UserError
from pmrl.method import Method, searched, value
from pmrl.method.base import build_method, load_method, type_name
from pmrl.objective import SCORES
from pmrl.ranges import Range, fitted
from pmrl.study.config import check_config
from pmrl.study.hyperparameters import declarations


@pytest.mark.parametrize(
    ("limits", "kind", "good", "bad", "words"),
    [
        ({"above": 0}, "float", [1e-30, 5, 1e300], [0, -0.5], "a float above 0"),
        ({"at_least": 0}, "float", [0, 0.0, 3], [-1e-30], "a float of at least 0"),
        ({"at_least": 0, "below": 1}, "float", [0, 0.999], [1, 1.0, -0.1], "a float of at least 0 and below 1"),
        ({"above": -1, "at_most": 2}, "float", [2, -0.9], [-1, 2.1], "a float above -1 and of at most 2"),
        ({}, "float", [-1e300, 0, 7], [], "a float that is finite"),
        ({"at_least": 1}, "int", [1, 3.0], [0, 0.0, 3.5], "an int of at least 1"),
        ({"choices": ("a", "b")}, "str", ["a", "b"], ["c", "", 1], "one of a, b"),
        ({}, "bool", [True, False], [1, 0, "yes"], "true or false"),
    ],
)
def test_a_range_takes_what_is_inside_and_says_what_it_expects(limits, kind, good, bad, words):
    allowed = Range(**limits)
    for inside in good:
        assert fitted(inside, kind, allowed) == inside
    numbers = [math.nan, math.inf, -math.inf, True] if kind in ("int", "float") else []
    for outside in [*bad, *numbers, None, [1]]:
        with pytest.raises(ValueError, match="expected") as refusal:
            fitted(outside, kind, allowed)
        assert str(refusal.value) == f"{outside!r}; expected {words}"


def test_numbers_get_the_declared_type():
    assert type(fitted(3.0, "int", Range())) is int and type(fitted(3, "float", Range())) is float
    assert fitted(10**400, "int", Range()) == 10**400, "a whole number is never infinite"


@pytest.mark.parametrize(
    "declare",
    [
        lambda: value(-1.0, above=0),
        lambda: searched(0.1, 2.0, below=1),
        lambda: searched("a", "c", choices=("a", "b")),
        lambda: value(math.inf),
    ],
)
def test_a_default_or_a_value_of_the_search_outside_its_own_range_is_refused_where_it_is_declared(declare):
    with pytest.raises(ValueError, match="is declared, but expected is"):
        declare()


def test_a_misspelt_limit_is_refused_where_it_is_declared():
    with pytest.raises(TypeError, match="atleast"):
        value(1.0, atleast=0)


def test_only_searched_values_are_tuned():
    class Some(Method):
        class Hyperparameters(Method.Hyperparameters):
            first: float = searched(1.0, 2.0, above=0)
            second: float = value(1.0, above=0)
            third: float = 1.0

    inherited = {"learning_rate": Method.search_grids()["learning_rate"]}
    assert Some.search_grids() == {**inherited, "first": (1.0, 2.0)}


@pytest.mark.parametrize("name", method_files())
def test_a_plan_knows_the_ranges_that_training_checks(name):
    """The reader of files, which imports nothing, finds what the classes say."""
    found = declarations(name)
    for field in dataclasses.fields(load_method(name).Hyperparameters):
        assert found[field.name] == (type_name(field), field.metadata["range"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alignment_temperature": -0.5}, "'alignment_temperature' is -0.5; expected a float above 0"),
        ({"alignment_temperature": math.inf}, "'alignment_temperature' is inf; expected a float above 0"),
        ({"instance_temperature": 0}, "'instance_temperature' is 0; expected a float above 0"),
        ({"matching_weight": -1}, "'matching_weight' is -1; expected a float of at least 0"),
        ({"learning_rate": 0.0}, "'learning_rate' is 0.0; expected a float above 0"),
        ({"score": "b"}, "'score' is 'b'; expected one of leading_direction, centroid, singular_value, fused, scalar"),
    ],
)
def test_a_value_outside_its_range_is_refused_in_a_config_and_before_training(values, message):
    with pytest.raises(UserError) as planned:
        check_config({"variants": {"pmrl": {"cold": values}}}, "config")
    assert str(planned.value) == f"config: variants.pmrl.cold: hyper-parameter {message}."
    with pytest.raises(UserError) as built:
        build_method("pmrl", values)
    assert str(built.value) == f"Method 'pmrl': hyper-parameter {message}."


def test_every_score_that_pmrl_offers_exists():
    assert declarations("pmrl")["score"][1].choices == tuple(SCORES)


def test_a_whole_number_may_be_written_with_a_point():
    assert type(build_method("vast", {"maximum_subsets": 3.0}).hyperparameters.maximum_subsets) is int
    with pytest.raises(UserError, match=r"'maximum_subsets' is 3\.5; expected an int of at least 1"):
        build_method("vast", {"maximum_subsets": 3.5})
