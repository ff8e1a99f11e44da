"""Paired comparisons of methods from the rank of every query: which is best, and whether significantly so."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.core.arrays.categorical import CategoricalAccessor

from pmrl.reporting.results import Results
from pmrl.reporting.statistics import Comparison, compare, holm

ALPHA = 0.05


class Hits:
    """Each item's contribution to a recall, as a seed × item table per method and task.

    Args:
        results: the results folder.
        regime: "zero_shot", "fine_tuned" or "scratch".
    """

    KEYS: tuple[str, ...] = ("dataset", "method", "variant", "score", "reranked", "query", "gallery")

    def __init__(self, results: Results, regime: str) -> None:
        ranks = results.ranks
        self.regime = regime
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
        """Each item's contribution to recall@k, averaged over ``pairs``; None if a pair was not measured.

        Args:
            dataset: the data set.
            contestant: (method, variant).
            task: (score, reranked).
            pairs: (query, gallery) modalities whose recalls are averaged.
            k: the lowest rank that counts as a hit.
        """
        keys = [(dataset, *contestant, *task, *pair) for pair in pairs]
        rows = [self.blocks[key] for key in keys if key in self.blocks]
        if not keys or len(rows) < len(keys):
            return None
        ranks = self.ranks.iloc[np.concatenate(rows)]
        pair_numbers = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
        hits = 100.0 * (ranks["rank"].to_numpy() <= k)
        return item_shares(hits, pair_numbers, ranks["seed"].to_numpy(), ranks["item"].astype("category").cat)


def blocks(frame: pd.DataFrame, keys: Sequence[str]) -> dict[tuple, np.ndarray]:
    """Row positions of each combination of ``keys``, ascending; fast where equal rows are mostly contiguous."""
    changes = np.ones(len(frame), dtype=bool)
    changes[1:] = False
    for key in keys:
        values = frame[key]
        values = (values.cat.codes if values.dtype == "category" else values).to_numpy()
        changes[1:] |= values[1:] != values[:-1]
    starts = np.flatnonzero(changes)
    stops = np.append(starts, len(frame))[1:]
    positions: dict[tuple, list[np.ndarray]] = {}
    for key, start, stop in zip(
        frame.iloc[starts][list(keys)].itertuples(index=False, name=None), starts, stops, strict=True
    ):
        positions.setdefault(key, []).append(np.arange(start, stop))
    return {key: np.concatenate(parts) for key, parts in positions.items()}


def item_shares(values: np.ndarray, task: np.ndarray, seeds: np.ndarray, items: CategoricalAccessor) -> pd.DataFrame:
    """Each item's contribution to the mean over tasks of each task's mean, as a seed × item table.

    Every task has the same weight, however many items it has, so the mean over items equals the mean in the tables.
    An item contributes nothing to a task that it lacks; NaN where a seed has no value of the item at all.

    Args:
        values: (rows,), for instance hits in percent.
        task: (rows,) task numbers from 0.
        seeds: (rows,).
        items: (rows,) item ids.
    """
    seed_names, row = np.unique(seeds, return_inverse=True)
    codes, column = np.unique(items.codes, return_inverse=True)
    shape = len(seed_names), len(codes)
    cell, run = row * shape[1] + column, row * (task.max() + 1) + task
    present = np.bincount(cell, minlength=np.prod(shape)).reshape(shape) > 0
    queries = np.bincount(run, minlength=shape[0] * (task.max() + 1))
    tasks = (queries.reshape(shape[0], -1) > 0).sum(axis=1)
    weights = present.sum(axis=1)[row] / (queries[run] * tasks[row])
    shares = np.bincount(cell, weights * values, minlength=np.prod(shape)).reshape(shape)
    return pd.DataFrame(np.where(present, shares, np.nan), seed_names, items.categories[codes].astype(str))


def mark_leaders(
    frame: pd.DataFrame,
    block: Sequence[str],
    hits: Callable[[Mapping], pd.DataFrame | None],
) -> pd.DataFrame:
    """Add ``mark``: "best" and "second" within each block, each where it is significantly better than the next one.

    Within a block the rows are ordered by mean; the first is tested against the second and the second against the
    third, and all p-values of the table are corrected together (Holm).

    Args:
        frame: tidy estimates with ``mean``, higher is better.
        block: columns that name a block of comparable rows.
        hits: gives a row's seed × item table, or None where there is nothing to test.
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
        "error": comparison.error,
        "df": comparison.df,
    }
