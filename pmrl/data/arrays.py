"""Arrays of features as the store wants them: cut into tokens, without columns that never vary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    pass


def cut(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Cut feature vectors (instances, columns) into tokens (instances, *shape), padded by zeros."""
    padding = shape[0] * shape[1] - values.shape[1]
    return np.pad(values, ((0, 0), (0, padding))).reshape(len(values), *shape)


def varying(pooled: np.ndarray, present: np.ndarray | None = None) -> np.ndarray:
    """The columns of ``pooled`` that are not constant over the present rows."""
    rows = pooled if present is None else pooled[present]
    return pooled[:, rows.min(axis=0) != rows.max(axis=0)]
