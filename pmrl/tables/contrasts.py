"""Paired comparisons of methods from the rank of every query: who is best, and is the difference real."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from pmrl.results import Results
from pmrl.statistics import Comparison, compare, holm

ALPHA = 0.05


class Hits:
    """Whether each query found its answer within the first k, per (method, task): seed × item tables.

    Args:
        results: the results folder.
        regime: "zero_shot", "fine_tuned" or "scratch".
    """

    KEYS: tuple[str, ...] = ("dataset", "method", "variant", "score", "reranked", "query", "gallery")

    def __init__(self, results: Results, regime: str) -> None:
        ranks = results.ranks
        self.ranks = ranks[ranks["regime"] == regime]
        self.rows = self.ranks.groupby(list(self.KEYS), observed=True).indices

    def table(
        self,
        dataset: str,
        contestant: tuple[str, str],
        task: tuple[str, bool],
        pairs: Iterable[tuple[str, str]],
        k: int = 1,
    ) -> pd.DataFrame | None:
        """Percent of ``pairs`` whose query of an item is answered within the first ``k``; None if unmeasured.

        Args:
            dataset: the data set.
            contestant: (method, variant).
            task: (score, reranked).
            pairs: (query, gallery) modalities that are averaged, item by item.
            k: how many answers count.
        """
        found = [self.rows.get((dataset, *contestant, *task, *pair)) for pair in pairs]
        if not found or any(rows is None for rows in found):
            return None
        ranks = self.ranks.iloc[np.concatenate(found)]
        hits = pd.Series(100.0 * (ranks["rank"] <= k).to_numpy(), [ranks["seed"], ranks["item"].astype(str)])
        return hits.groupby(level=[0, 1], sort=False).mean().unstack()


def mark_leaders(
    frame: pd.DataFrame,
    block: Sequence[str],
    hits: Callable[[Mapping], pd.DataFrame | None],
) -> pd.DataFrame:
    """Add ``mark``: "best" and "second" within each block, where they are better than the next one.

    Within a block the methods are ordered by mean; the first is tested against the second and the second
    against the third, and all p-values of the table are corrected together (Holm).

    Args:
        frame: tidy estimates with ``mean``, higher is better.
        block: columns that name a block of comparable rows.
        hits: row of ``frame`` → its seed × item table, or None where there is nothing to test.
    """
    tests = []
    for _, part in frame.dropna(subset="mean").groupby(list(block), sort=False, observed=True):
        leaders = part.sort_values("mean", ascending=False, kind="stable").head(3)
        tables = [hits(row) for row in leaders.to_dict("records")]
        for mark, index, pair in zip(("best", "second"), leaders.index, itertools.pairwise(tables), strict=False):
            if pair[0] is not None and pair[1] is not None:
                tests.append((index, mark, compare(*pair).p))
    marks = pd.Series("", index=frame.index)
    for (index, mark, _), corrected in zip(tests, holm([p for *_, p in tests]), strict=True):
        if corrected < ALPHA:
            marks[index] = mark
    return frame.assign(mark=marks)


def columns(comparison: Comparison) -> dict[str, float]:
    """The comparison as columns of a table."""
    return {
        "effect": comparison.effect,
        "low": comparison.low,
        "high": comparison.high,
        "size": comparison.size,
        "size_low": comparison.size_low,
        "size_high": comparison.size_high,
        "p": comparison.p,
        "n": comparison.seeds,
        "items": comparison.items,
    }
