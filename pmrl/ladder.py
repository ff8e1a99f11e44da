"""Placing many methods on one ladder: all paired differences in one bootstrap, ranks in every resample, tie groups."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from pmrl.statistics import DRAWS, draws


def resampled_differences(tables: Sequence[pd.DataFrame], population: str) -> np.ndarray:
    """Mean paired difference of every two methods, as measured and in every resample of seeds and items.

    Both margins are resampled together, as ``pmrl.statistics.paired_bootstrap`` does for one pair; here one set of
    draws serves all methods, so that they can be ranked within a resample. Two calls for the same population (the
    regimes of a data set) draw alike. A pair is compared over the seeds and items that both methods have.

    Args:
        tables: one (seed × item) table for each method, in the unit of the differences.
        population: what the items are drawn from; it names the draws.

    Returns:
        (1 + DRAWS, methods, methods), row minus column; the first entry is the measured difference. NaN where the
        two have nothing in common (in that resample).
    """
    seeds = sorted(set().union(*(table.index for table in tables)))
    items = sorted(set().union(*(table.columns for table in tables)))
    values = np.stack([table.reindex(index=seeds, columns=items).to_numpy(dtype=float) for table in tables])
    first, second = np.triu_indices(len(tables), 1)
    differences = values[first] - values[second]
    present = ~np.isnan(differences)
    drawn = _draws(f"seeds of {population}", len(seeds)), _draws(f"items of {population}", len(items))
    sums, counts = _weighted(np.where(present, differences, 0.0), *drawn), _weighted(present.astype(float), *drawn)
    # Rounding makes equal means equal, whatever the order of their sums.
    means = np.round(sums / np.where(counts > 0, counts, np.nan), 9)
    matrix = np.zeros((1 + DRAWS, len(tables), len(tables)))
    matrix[:, first, second], matrix[:, second, first] = means, -means
    return matrix


def _draws(name: str, size: int) -> np.ndarray:
    """How often each unit is drawn, (1 + DRAWS, size): first every unit once, then the resamples."""
    return np.vstack([np.ones(size), draws(name, size)])


def _weighted(values: np.ndarray, seed_draws: np.ndarray, item_draws: np.ndarray) -> np.ndarray:
    """Σ over seeds and items of values (pairs, seeds, items) times how often both are drawn, (1 + DRAWS, pairs)."""
    pairs, seeds, items = values.shape
    by_seed = (item_draws @ values.reshape(-1, items).T).reshape(-1, pairs, seeds)
    return np.einsum("dps,ds->dp", by_seed, seed_draws)


def ranks(differences: np.ndarray) -> np.ndarray:
    """Rank of each method, 1 the best and ties averaged: 1 + Σ (better) + ½ Σ (equal).

    Args:
        differences: (…, methods, methods), row minus column, higher is better.

    Returns:
        (…, methods).
    """
    equal = (differences == 0).sum(axis=-1) - 1  # all but the method itself
    return 1 + (differences < 0).sum(axis=-1) + equal / 2


def tie_groups(order: Sequence[str], below: Collection[tuple[str, str]]) -> dict[str, int]:
    """Group 1: the first of the ladder and all that are not significantly below it; then the same for the rest.

    So every method is tied with the highest of its own group and significantly below the highest of every group
    before it. (Ties are not transitive: two others of one group may differ.)

    Args:
        order: the methods from the top down.
        below: (higher, lower) of every significant difference.
    """
    groups: dict[str, int] = {}
    rest, number = list(order), 0
    while rest:
        number += 1
        top = rest[0]
        groups |= {method: number for method in rest if (top, method) not in below}
        rest = [method for method in rest if method not in groups]
    return groups
