"""Ranking many methods: all paired differences from one bootstrap, the ranks in every resample, and tie groups."""

from collections.abc import Collection, Hashable, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from pmrl.reporting.statistics import DRAWS, seed_draws, weighted_sums

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
    present = ~np.isnan(differences)
    moments = np.stack([np.where(present, differences, 0.0), present.astype(float)]).reshape(-1, len(items))
    measured = moments.sum(axis=1)[None]
    resampled = weighted_sums(f"items of {population}", moments)
    matrices = np.zeros((2, 1 + DRAWS, len(tables), len(tables)))
    for matrix, sums in zip(matrices, (np.concatenate([measured, resampled]), measured), strict=True):
        means = _weighted_means(sums.reshape(-1, 2, *differences.shape[:2]), by_seed)
        matrix[:, first, second], matrix[:, second, first] = means, -means
    return matrices[0], matrices[1]


def _weighted_means(moments: np.ndarray, seed_weights: np.ndarray) -> np.ndarray:
    """Weighted means over seeds and items, (resamples, pairs).

    Args:
        moments: (resamples, 2, pairs, seeds) sums of the differences over the items, and how many there are; a single
            resample holds for all.
        seed_weights: (resamples, seeds).
    """
    sums, counts = (moments * seed_weights[:, None, None]).sum(axis=3).transpose(1, 0, 2)
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
