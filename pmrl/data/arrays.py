"""Arrays of features in the form of the store: cut into tokens, without constant columns, in a type that holds them."""

from collections.abc import Iterable, Iterator

import numpy as np

from pmrl.data import large

# A feature whose deviation is at most this part of its largest magnitude is constant: float32 resolves hardly more.
RESOLUTION = 1e-6
# Tokens are kept as float16 if no column changes by more than this part of its deviation.
HALF_ERROR = 0.01
BLOCK = 64  # columns that are converted at a time


def cut(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Cut feature vectors (instances, columns) into tokens (instances, *shape), padded with zeros."""
    padding = shape[0] * shape[1] - values.shape[1]
    padded = np.pad(values, ((0, 0), (0, padding))) if padding else values
    return padded.reshape(len(values), *shape)


def zero_where_absent(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """``values`` (items, …) with zeros in the rows that are not ``present`` (items,); the same array if all are."""
    if present.all():
        return values
    mask = present.reshape(-1, *(1,) * (values.ndim - 1))
    if not large.lies_in_file(values):
        return np.where(mask, values, 0)
    return large.changed(values, np.arange(len(values)), lambda part, rows: np.where(mask[rows], part, 0))


def varying(pooled: np.ndarray, present: np.ndarray | None = None) -> np.ndarray:
    """The columns of ``pooled`` that are not constant over the present rows."""
    return pooled[:, varying_columns(pooled, present)]


def varying_columns(pooled: np.ndarray, present: np.ndarray | None = None) -> np.ndarray:
    """Which columns of ``pooled`` are not constant over the present rows, (columns,) bool."""
    least, largest = column_range(pooled, np.ones(len(pooled), dtype=bool) if present is None else present)
    varies: np.ndarray = least != largest
    return varies


def column_range(values: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest value of each column of ``values`` (rows, columns) over the ``present`` rows."""
    parts = [values[rows][present[rows]] for rows in large.blocks(values) if present[rows].any()]
    return np.min([part.min(axis=0) for part in parts], axis=0), np.max([part.max(axis=0) for part in parts], axis=0)


def deviations(values: np.ndarray, noise: float = 0.0) -> np.ndarray:
    """Standard deviation of each column of ``values`` (rows, columns), float64; 0 where the column is constant.

    What is constant is judged relative to the column's own magnitude, so that units do not matter.

    Args:
        values: float64, at least one row.
        noise: a smaller deviation is rounding noise of the encoder, so the column is constant; see
            `pmrl.data.dataset.Modality`.
    """
    return moments([values], noise)[1]


def moments(parts: Iterable[np.ndarray], noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (see :func:`deviations`) of each column of rows that come part by part.

    The parts' own means and squared deviations are joined as by Chan, Golub and LeVeque (1979), which is as exact as
    one pass over all rows.
    """
    count, mean, variance, least, largest = 0, np.zeros(()), np.zeros(()), np.inf, -np.inf
    for part in parts:
        if not len(part):
            continue
        values = part.astype(np.float64, copy=False)
        count += len(values)
        share, shift = len(values) / count, values.mean(axis=0) - mean
        mean = mean + share * shift
        variance = (1 - share) * variance + share * values.var(axis=0) + share * (1 - share) * shift**2
        least, largest = np.minimum(least, values.min(axis=0)), np.maximum(largest, values.max(axis=0))
    deviation = np.sqrt(variance)
    magnitude = np.maximum(largest, -least)
    smallest = max(noise, float(np.finfo(np.float32).tiny))
    return mean, np.where((deviation <= RESOLUTION * magnitude) | (deviation < smallest), 0, deviation)


def column_blocks(count: int) -> Iterator[slice]:
    """Slices of at most ``BLOCK`` columns that cover ``count`` columns, so that conversions need little memory."""
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def real_tokens(tokens: np.ndarray) -> np.ndarray:
    """(items,) int32: the number of tokens up to the last one that is not all zeros."""
    numbers = np.arange(1, tokens.shape[1] + 1, dtype=np.int32)

    def last(part: np.ndarray, _: np.ndarray) -> np.ndarray:
        filled = np.stack([part[:, token].any(axis=1) for token in range(part.shape[1])], axis=1)
        return np.where(filled, numbers, 0).max(axis=1).astype(np.int32)

    return large.changed(tokens, np.arange(len(tokens)), last)


def half_suffices(tokens: np.ndarray, present: np.ndarray) -> bool:
    """Whether float16 holds ``tokens`` without loss: see ``HALF_ERROR``.

    Args:
        tokens: (items, tokens, width), finite where present; tokens of zeros are padding and do not count. Those in a
            file keep their type, since they are not read over and over.
        present: (items,) bool.
    """
    if tokens.dtype == np.float16 or large.lies_in_file(tokens):
        return tokens.dtype == np.float16
    for token in range(tokens.shape[1]):
        rows = np.flatnonzero(present & tokens[:, token].any(axis=1))
        for block in column_blocks(tokens.shape[2]) if len(rows) else ():
            values = tokens[rows, token, block].astype(np.float64)
            with np.errstate(over="ignore", invalid="ignore"):
                error = np.abs(values - values.astype(np.float16)).max(axis=0)
                deviation = deviations(values)
            if (~np.isfinite(error) | ((error > HALF_ERROR * deviation) & (deviation > 0))).any():
                return False
    return True
