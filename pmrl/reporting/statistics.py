"""The statistics behind every table and figure: intervals over seeds, paired tests, Holm correction.

Two kinds of variance appear and are never mixed. The interval of a *mean* is Student's t-interval over seeds: how much
another training run would vary. The interval of a *difference* comes from a paired bootstrap over seeds and test
items together: how much another training run, tested on another sample of items, would vary.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import special

CONFIDENCE = 0.95
POWER = 0.8
DRAWS = 10_000
BLOCK = 4_000_000  # numbers of the bootstrap that are held at a time
MANY = 1e6  # so many degrees of freedom make Student's t the normal distribution


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % confidence interval, in the unit of the values."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Comparison:
    """A paired difference, first minus second.

    ``effect`` is the mean difference in the unit of the values; ``size`` is Cohen's d_z, the mean
    difference over the standard deviation of the differences (NaN where all differences are equal).
    ``p`` is two-sided. ``error`` is the standard error of the effect, with ``df`` degrees of freedom.
    """

    effect: float
    low: float
    high: float
    size: float
    size_low: float
    size_high: float
    p: float
    seeds: int
    items: int
    error: float = np.nan
    df: float = np.nan


NOT_MEASURED = Comparison(np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, seeds=0, items=0)


def half_width(deviation: np.ndarray | float, n: np.ndarray | int) -> np.ndarray:
    """Half the 95 % t-interval of a mean: t(0.975, n−1) · s/√n; NaN where n < 2.

    Args:
        deviation: sample standard deviation (n−1 in the denominator).
        n: number of values.
    """
    n = np.asarray(n, dtype=float)
    enough = np.where(n > 1, n, np.nan)
    return special.stdtrit(enough - 1, 0.5 + CONFIDENCE / 2) * np.asarray(deviation, dtype=float) / np.sqrt(enough)


def t_interval(values: Sequence[float]) -> Estimate:
    """Mean of ``values`` (one per seed) with its t-interval; NaN values are left out and lower ``n``."""
    sample = np.asarray(values, dtype=float)
    sample = sample[~np.isnan(sample)]
    n = len(sample)
    mean = float(sample.mean()) if n else np.nan
    half = float(half_width(sample.std(ddof=1), n)) if n > 1 else np.nan
    return Estimate(mean, mean - half, mean + half, n)


def summarize(frame: pd.DataFrame, keys: Sequence[str], value: str = "value") -> pd.DataFrame:
    """Mean, 95 % t-interval (``low``, ``high``) and count ``n`` of ``value`` within each group of ``keys``.

    Args:
        frame: one row per seed within each group; NaN values are left out and lower ``n``.
        keys: columns that name a group.
        value: the column that is averaged.
    """
    groups = frame.groupby(list(keys), sort=False, observed=True)[value]
    table = groups.agg(mean="mean", deviation="std", n="count").reset_index()
    half = half_width(table.pop("deviation"), table["n"])
    n = table.pop("n").astype(int)
    return table.assign(low=table["mean"] - half, high=table["mean"] + half, n=n)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction: p̃_(i) = max_{j ≤ i} min(1, (m − j + 1) p_(j)).

    NaN stands for a test that was not made; it stays NaN and does not count towards m.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    raw = np.asarray(p_values, dtype=float)
    corrected = np.full(raw.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(raw))
    order = tested[np.argsort(raw[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * raw[order]))
    return corrected


@lru_cache(maxsize=32)
def draws(purpose: str, size: int) -> np.ndarray:
    """How often each unit is drawn in each resample, (DRAWS, size); seeded by the purpose and the size.

    Counts are at most some dozens, so one byte holds each; they are drawn in blocks that take little memory.
    """
    digest = hashlib.sha256(f"{purpose} {size}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    counts = np.empty((DRAWS, size), dtype=np.uint8)
    for rows in blocks(size):
        units = generator.integers(size, size=(rows.stop - rows.start, size))
        units += size * np.arange(len(units))[:, None]
        counts[rows] = np.bincount(units.ravel(), minlength=units.size).reshape(units.shape)
    return counts


def blocks(size: int) -> list[slice]:
    """All resamples in blocks whose numbers, ``size`` for each resample, take some megabytes."""
    rows = max(1, BLOCK // max(1, size))
    return [slice(start, min(start + rows, DRAWS)) for start in range(0, DRAWS, rows)]


def weighted_sums(purpose: str, values: np.ndarray) -> np.ndarray:
    """Sums of values (columns, units) over the units of each resample, (DRAWS, columns), in the type of the values."""
    counts = draws(purpose, values.shape[1])
    return np.concatenate([counts[rows].astype(values.dtype) @ values.T for rows in blocks(values.shape[1])])


def seed_draws(purpose: str, size: int) -> np.ndarray:
    """Weights of the seeds in each resample, (DRAWS, size), rescaled to show the full variance of few seeds.

    Drawing n units with replacement shows only (n − 1)/n of the variance of their mean (two thirds for three seeds),
    so the draws are stretched about 1 by √(n/(n − 1)). Weights can be negative.
    """
    stretch = np.sqrt(size / (size - 1)) if size > 1 else 1.0
    return 1 + stretch * (draws(purpose, size).astype(np.float64) - 1)


def paired_bootstrap(*strata: np.ndarray) -> Comparison:
    """Test a mean paired difference by resampling seeds and items together, with replacement.

    Resampling both margins (the pigeonhole bootstrap) keeps the dependence between the items of a seed and between the
    seeds of an item; it gives the standard errors. A few seeds estimate their variance poorly, so intervals and p come
    from Student's t with Satterthwaite's degrees of freedom, the items counting as many. Comparisons of the same shape
    share the draws. With one seed only the items vary.

    With three seeds the test keeps its level while the seeds contribute less variance than the items; where they
    contribute three times as much, 7 % of null differences have p < 0.05 and 1.9 % have p < 0.005 (simulated).

    Args:
        strata: (seeds, items) first minus second, NaN where either is missing. Several strata (data sets) are
            resampled independently and their means averaged.

    Source: A. Owen, The pigeonhole bootstrap, Annals of Applied Statistics 2007; F. Satterthwaite, An approximate
    distribution of estimates of variance components, Biometrics Bulletin 1946.
    """
    arrays = [np.asarray(differences, dtype=np.float64) for differences in strata]
    arrays = [differences for differences in arrays if not np.isnan(differences).all()]
    if not arrays:
        return NOT_MEASURED
    effect, size = map(float, np.mean([_moments(differences) for differences in arrays], axis=0))
    resamples = [_resampled(i, differences) for i, differences in enumerate(arrays)]
    means, sizes = (np.mean([resample[kind] for resample in resamples], axis=0) for kind in (0, 1))
    seed_variances = [float(np.nanvar(by_seed)) / len(arrays) ** 2 for *_, by_seed in resamples]
    error = _deviation(means)
    df = degrees_of_freedom(error**2, seed_variances, [len(differences) for differences in arrays])
    half, size_half = map(float, special.stdtrit(df, 0.5 + CONFIDENCE / 2) * np.array([error, _deviation(sizes)]))
    return Comparison(
        effect=effect,
        low=effect - half,
        high=effect + half,
        size=size,
        size_low=size - size_half,
        size_high=size + size_half,
        p=t_test(effect, error, df),
        seeds=min(len(differences) for differences in arrays),
        items=sum(differences.shape[1] for differences in arrays),
        error=error,
        df=df,
    )


def degrees_of_freedom(variance: float, seed_variances: Sequence[float], seeds: Sequence[int]) -> float:
    """Satterthwaite's degrees of freedom of a squared standard error.

    Args:
        variance: the squared standard error, over seeds and items.
        seed_variances: the parts of it that are due to seeds, each with ``seeds`` − 1 degrees of freedom; the rest is
            due to items, which are many.
        seeds: the number of seeds behind each part; parts with one seed are left out.
    """
    uncertainty = sum(part**2 / (n - 1) for part, n in zip(seed_variances, seeds, strict=True) if n > 1)
    return min(variance**2 / uncertainty, MANY) if uncertainty > 0 else MANY


def t_test(effect: float, error: float, df: float) -> float:
    """Two-sided p that an effect is zero, from its standard error; NaN for a NaN effect.

    Where nothing varied in ``DRAWS`` resamples, p is 1 for no effect, else the smallest that these resolve,
    2/(DRAWS + 1).
    """
    if np.isnan(effect):
        return np.nan
    if not error > 0:
        return 1.0 if effect == 0 else 2 / (DRAWS + 1)
    return float(2 * special.stdtr(df, -abs(effect) / error))


def detectable(error: np.ndarray, df: np.ndarray, alpha: float) -> np.ndarray:
    """The smallest true effect that a two-sided t-test finds with a probability of 80 %: (t(1 − α/2) + t(0.8))·SE.

    Args:
        error: standard errors, in the unit of the effect.
        df: their degrees of freedom, at least 1; NaN below.
        alpha: the level of the test.
    """
    df = np.where(np.asarray(df, dtype=float) >= 1, df, np.nan)
    return (special.stdtrit(df, 1 - alpha / 2) + special.stdtrit(df, POWER)) * np.asarray(error, dtype=float)


def _moments(differences: np.ndarray) -> tuple[float, float]:
    """Mean and Cohen's d_z of the differences that are not NaN."""
    mean = np.nanmean(differences)
    return float(mean), float(_standardized(mean, np.nanmean(differences**2)))


def _resampled(stratum: int, differences: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and d_z of every resample, and the mean with only the seeds resampled, (DRAWS,) each; NaN without values."""
    present = ~np.isnan(differences)
    filled = np.where(present, differences, 0.0)
    seeds = len(differences)
    by_seed = seed_draws(f"seeds of {stratum}", seeds)
    moments = np.concatenate([present, filled, filled**2]).astype(np.float32)
    sums = weighted_sums(f"items of {stratum}", moments).reshape(DRAWS, 3, seeds)
    count, first, second = (by_seed[:, None] * sums).sum(axis=2).T
    count = np.where(count > 0, count, np.nan)
    seeds_alone = (by_seed @ filled.sum(axis=1)) / (by_seed @ present.sum(axis=1))
    return first / count, _standardized(first / count, second / count), seeds_alone


def _deviation(resampled: np.ndarray) -> float:
    """Standard deviation over resamples that are not NaN; NaN, without numpy's warning, if all are."""
    return np.nan if np.isnan(resampled).all() else float(np.nanstd(resampled))


def _standardized(mean: np.ndarray | np.floating, mean_square: np.ndarray | np.floating) -> np.ndarray:
    """Cohen's d_z from the first two moments; NaN where the variance vanishes."""
    variance = mean_square - np.square(mean)
    safe = np.where(variance > 1e-6 * mean_square, variance, np.nan)
    return mean / np.sqrt(safe)


def compare(first: pd.DataFrame, second: pd.DataFrame) -> Comparison:
    """Paired bootstrap of two (seed × item) tables over the seeds and items that both have."""
    return paired_bootstrap(difference(first, second).to_numpy())


def difference(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """First minus second (seed × item) over the seeds and items that both have."""
    first, second = first.align(second, join="inner")
    return first.astype(float) - second.astype(float)


def paired_t(differences: Sequence[float]) -> Comparison:
    """Paired t-test of values that exist once per seed (or per data set): ``differences`` first minus second.

    ``size`` is Cohen's d_z, without an interval; everything but the effect is NaN for a single difference.
    """
    estimate = t_interval(differences)
    deviation = float(np.nanstd(np.asarray(differences, dtype=float), ddof=1)) if estimate.n > 1 else np.nan
    if deviation > 0:
        size = estimate.mean / deviation
        p = float(2 * special.stdtr(estimate.n - 1, -abs(size) * np.sqrt(estimate.n)))
    else:
        size, p = np.nan, np.nan if np.isnan(deviation) else float(estimate.mean == 0)
    return Comparison(
        estimate.mean,
        estimate.low,
        estimate.high,
        size,
        size_low=np.nan,
        size_high=np.nan,
        p=p,
        seeds=estimate.n,
        items=0,
        error=deviation / np.sqrt(estimate.n) if estimate.n else np.nan,
        df=estimate.n - 1,
    )


def trapezoid_weights(levels: np.ndarray) -> np.ndarray:
    """Weights, one per ascending level, whose sum with a curve's values is its mean height over the range."""
    gaps = np.diff(levels) / (levels[-1] - levels[0])
    return (np.concatenate([[0.0], gaps]) + np.concatenate([gaps, [0.0]])) / 2


def area_under(levels: Sequence[float], values: Sequence[float]) -> float:
    """Mean height of a curve over the range of its levels (trapezoids), in the unit of ``values``; NaN for one."""
    x, y = np.asarray(levels, dtype=float), np.asarray(values, dtype=float)
    order = np.argsort(x)
    return float(trapezoid_weights(x[order]) @ y[order]) if len(set(x)) > 1 else np.nan
