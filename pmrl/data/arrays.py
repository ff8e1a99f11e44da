"""Arrays of features in the form of the store: cut into tokens, without constant columns."""

import numpy as np


def cut(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Cut feature vectors (instances, columns) into tokens (instances, *shape), padded with zeros."""
    padding = shape[0] * shape[1] - values.shape[1]
    return np.pad(values, ((0, 0), (0, padding))).reshape(len(values), *shape)


def varying(pooled: np.ndarray, present: np.ndarray | None = None) -> np.ndarray:
    """The columns of ``pooled`` that are not constant over the present rows."""
    rows = pooled if present is None else pooled[present]
    return pooled[:, rows.min(axis=0) != rows.max(axis=0)]
