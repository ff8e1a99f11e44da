"""Paired comparisons of methods from the rank of every query: who is best, and is the difference real."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.core.arrays.categorical import CategoricalAccessor

from pmrl.reporting.results import Results
from pmrl.reporting.statistics import Comparison, compare, holm

ALPHA = 0.05


class Hits:
    """What each item adds to a recall, per (method, task): seed × item tables.

    Args:
        results: the results folder.
        regime: "zero_shot", "fine_tuned" or "scratch".
    """

    KEYS: tuple[str, ...] = ("dataset", "method", "variant", "score", "reranked", "query", "gallery")

    def __init__(self, results: Results, regime: str) -> None:
        ranks = results.ranks
        self.ranks = ranks[ranks["regime"] == regime]
        self.blocks = blocks(self.ranks, self.KEYS)

    def table(
        self,
        dataset: str,
        contestant: tuple[str, str],
        task: tuple[str, bool],
        pairs: Iterable[tuple[str, str]],
        k: int = 1,
    ) -> pd.DataFrame | None:
        """What each item adds to the recall within the first ``k``, mean over ``pairs``; None if unmeasured.

        Args:
            dataset: the data set.
            contestant: (method, variant).
            task: (score, reranked).
            pairs: (query, gallery) modalities whose recalls are averaged.
            k: how many answers count.
        """
        found = [self.blocks.get((dataset, *contestant, *task, *pair)) for pair in pairs]
        if not found or any(rows is None for rows in found):
            return None
        ranks = self.ranks.iloc[np.concatenate(found)]
        pair = np.repeat(np.arange(len(found)), [len(rows) for rows in found])
        hits = 100.0 * (ranks["rank"].to_numpy() <= k)
        return item_shares(hits, pair, ranks["seed"].to_numpy(), ranks["item"].astype("category").cat)


def blocks(frame: pd.DataFrame, keys: Sequence[str]) -> dict[tuple, np.ndarray]:
    """The places of all rows of each combination of the keys, quickly where equal ones mostly stand together."""
    changes = np.ones(len(frame), dtype=bool)
    changes[1:] = False
    for key in keys:
        values = frame[key]
        values = (values.cat.codes if values.dtype == "category" else values).to_numpy()
        changes[1:] |= values[1:] != values[:-1]
    starts = np.flatnonzero(changes)
    stops = np.append(starts, len(frame))[1:]
    found: dict[tuple, list[np.ndarray]] = {}
    for key, start, stop in zip(
        frame.iloc[starts][list(keys)].itertuples(index=False, name=None), starts, stops, strict=True
    ):
        found.setdefault(key, []).append(np.arange(start, stop))
    return {key: np.concatenate(parts) for key, parts in found.items()}


def item_shares(values: np.ndarray, task: np.ndarray, seeds: np.ndarray, items: CategoricalAccessor) -> pd.DataFrame:
    """What each item (column) adds, under each seed (row), to the mean over tasks of the tasks' mean values.

    Every task has the same weight, however many items it has, so that the mean over the items is that of the tables.
    An item that lacks a task adds nothing there; NaN where a seed has no value of an item at all.
    """
    seed_names, row = np.unique(seeds, return_inverse=True)
    codes, column = np.unique(items.codes, return_inverse=True)
    shape = len(seed_names), len(codes)
    cell, run = row * shape[1] + column, row * (task.max() + 1) + task
    there = np.bincount(cell, minlength=np.prod(shape)).reshape(shape) > 0
    queries = np.bincount(run, minlength=shape[0] * (task.max() + 1))
    tasks = (queries.reshape(shape[0], -1) > 0).sum(axis=1)
    weights = there.sum(axis=1)[row] / (queries[run] * tasks[row])
    shares = np.bincount(cell, weights * values, minlength=np.prod(shape)).reshape(shape)
    return pd.DataFrame(np.where(there, shares, np.nan), seed_names, items.categories[codes].astype(str))


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
                tests.append((index, mark, compare(*pair)))
    marks = pd.Series("", index=frame.index)
    for (index, mark, outcome), corrected in zip(tests, holm([test.p for *_, test in tests]), strict=True):
        if corrected < ALPHA and outcome.effect > 0:
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
