"""Ranking many methods: all paired differences from one bootstrap, the ranks in every resample, and tie groups."""

from collections.abc import Collection, Hashable, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from pmrl.reporting.statistics import DRAWS, draws, seed_draws

Name = TypeVar("Name", bound=Hashable)


def resampled_differences(tables: Sequence[pd.DataFrame], population: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean paired difference of every two methods, measured and in every resample of seeds and items.

    Seeds and items are resampled together, as ``pmrl.reporting.statistics.paired_bootstrap`` does for one pair; here
    all methods share the draws, so that they can be ranked within a resample. Calls for the same population (the
    regimes of a data set) use the same draws. A pair is compared over the seeds and items that both methods have.

    Args:
        tables: one (seed × item) table per method, in the unit of the differences.
        population: what the items are drawn from; the draws are seeded by it.

    Returns:
        Two arrays (1 + DRAWS, methods, methods), row minus column: the first with seeds and items resampled, the
        second with seeds alone. Entry 0 is the measured difference. NaN where two methods have nothing in common (in
        that resample).
    """
    seeds = sorted(set().union(*(table.index for table in tables)))
    items = sorted(set().union(*(table.columns for table in tables)))
    values = np.stack([table.reindex(index=seeds, columns=items).to_numpy(dtype=float) for table in tables])
    first, second = np.triu_indices(len(tables), 1)
    differences = values[first] - values[second]
    by_seed = np.vstack([np.ones(len(seeds)), seed_draws(f"seeds of {population}", len(seeds))])
    by_item = np.vstack([np.ones(len(items)), draws(f"items of {population}", len(items))])
    matrices = np.zeros((2, 1 + DRAWS, len(tables), len(tables)))
    for matrix, item_weights in zip(matrices, (by_item, by_item[:1]), strict=True):
        means = _weighted_means(differences, by_seed, item_weights)
        matrix[:, first, second], matrix[:, second, first] = means, -means
    return matrices[0], matrices[1]


def _weighted_means(differences: np.ndarray, seed_weights: np.ndarray, item_weights: np.ndarray) -> np.ndarray:
    """Weighted means of (pairs, seeds, items) over seeds and items, (resamples, pairs).

    A single row of weights holds for all resamples.
    """
    pairs, seeds, items = differences.shape
    present = ~np.isnan(differences)
    sums, counts = (
        ((item_weights @ x.reshape(-1, items).T).reshape(-1, pairs, seeds) * seed_weights[:, None]).sum(axis=2)
        for x in (np.where(present, differences, 0.0), present.astype(float))
    )
    # Sums in another order differ in the last digits; rounding makes equal means equal.
    return np.round(sums / np.where(counts > 0, counts, np.nan), 9)


def ranks(differences: np.ndarray) -> np.ndarray:
    """Rank of each method, 1 the best and ties averaged: 1 + Σ (better) + ½ Σ (equal).

    Args:
        differences: (…, methods, methods), row minus column, higher is better.

    Returns:
        (…, methods).
    """
    equal = (differences == 0).sum(axis=-1) - 1  # all but the method itself
    return 1 + (differences < 0).sum(axis=-1) + equal / 2


def tie_groups(order: Sequence[Name], below: Collection[tuple[Name, Name]]) -> dict[Name, int]:
    """Group 1 is the best method and all that are not significantly below it; then the same for the rest.

    So every method is tied with the best of its own group and significantly below the best of every earlier group.
    (Ties are not transitive: two other methods of a group may differ significantly.)

    Args:
        order: the methods, best first.
        below: (higher, lower) of every significant difference.
    """
    groups: dict[Name, int] = {}
    rest, number = list(order), 0
    while rest:
        number += 1
        top = rest[0]
        groups |= {method: number for method in rest if (top, method) not in below}
        rest = [method for method in rest if method not in groups]
    return groups
