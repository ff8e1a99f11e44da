"""The choice of a method's final score, from hand-made validation records."""

import pandas as pd
import pytest

from pmrl.reporting.final_scores import choose

RUN = {"dataset": "d", "method": "m", "variant": "main", "regime": "zero_shot"}


def validation(values: dict[tuple[str, bool], list[float]]) -> pd.DataFrame:
    """Recall@1 of each candidate, one value per seed and direction; and a metric that nobody asks for."""
    rows = [
        {**RUN, "score": score, "reranked": reranked, "metric": "recall@1", "value": value}
        for (score, reranked), several in values.items()
        for value in several
    ]
    other = [{**RUN, "score": "top_10", "reranked": True, "metric": "recall@10", "value": 100.0}]
    return pd.DataFrame(rows + other)


def test_the_highest_mean_over_seeds_and_directions_wins():
    table = validation({("own", False): [10, 30], ("own", True): [50, 0], ("mixture_25", True): [20, 31]})
    assert choose(table) == {tuple(RUN.values()): ("mixture_25", True)}


@pytest.mark.parametrize("order", [1, -1])
def test_of_equal_candidates_the_simplest_wins_whatever_the_order_of_rows(order):
    table = validation({("own", True): [20, 20], ("mixture_50", True): [20, 20], ("own", False): [10, 30]})
    assert choose(table.iloc[::order]) == {tuple(RUN.values()): ("own", False)}


def test_a_method_without_matching_has_its_own_score():
    assert choose(validation({("own", False): [1.0]})) == {tuple(RUN.values()): ("own", False)}
