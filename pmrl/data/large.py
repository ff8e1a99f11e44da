"""Arrays that memory should not hold: they lie in files that are mapped, and a few of their rows are read at a time.

Whether an array is large is decided by its size alone, so that small data sets stay in memory. A large array is an
ordinary `numpy.memmap`; what reads all of it goes through `blocks`, and what reads some of it through `taken`, which
give back the memory of the mapped pages.
"""

import mmap
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pmrl.files import replacing

LARGE = 1 << 28  # bytes of an array that lies in a file
BLOCK = 1 << 25  # bytes that are read at a time


def is_large(shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> bool:
    """Whether an array of a shape and type is better kept in a file."""
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize >= LARGE


def lies_in_file(array: np.ndarray) -> bool:
    """Whether reading all of an array at once is to be avoided."""
    return _mapping(array) is not None


def opened(path: Path) -> np.ndarray:
    """The array of a .npy file, mapped for reading.

    Raises:
        ValueError: the file is cut off, is not of this format, or holds objects.
    """
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def empty(shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> np.ndarray:
    """An array to be filled; a large one lies in a temporary file without a name, in the folder that TMPDIR says."""
    if not is_large(shape, dtype):
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def write(array: np.ndarray, path: Path) -> None:
    """Write an array as a .npy file."""
    with replacing(path) as temporary:
        target = np.lib.format.open_memmap(temporary, "w+", array.dtype, array.shape)
        for rows in blocks(array):
            target[rows] = array[rows]
            forget(target)
        target.flush()


def blocks(array: np.ndarray) -> Iterator[slice]:
    """Slices of rows, one after the other; all rows at once of an array in memory."""
    if not lies_in_file(array):
        yield slice(0, len(array))
        return
    step = max(1, BLOCK // max(1, array.nbytes // max(1, len(array))))
    for start in range(0, len(array), step):
        yield slice(start, min(start + step, len(array)))
        forget(array)


def taken(array: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
    """Some rows of an array; a copy in memory if it lies in a file."""
    if not lies_in_file(array):
        return array[rows]
    values = np.array(array[rows])
    forget(array)
    return values


def parts(array: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """The values of some rows, in their order; of an array in memory all at once."""
    step = max(1, BLOCK // max(1, array[:1].nbytes)) if lies_in_file(array) else max(1, len(rows))
    for start in range(0, len(rows), step):
        yield taken(array, rows[start : start + step])


def changed(
    array: np.ndarray, rows: np.ndarray, change: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda part, _: part
) -> np.ndarray:
    """``change(array[part], part)`` for all ``rows``, block by block where the result is large.

    Args:
        array: in memory or in a file.
        rows: (n,) indices.
        change: gets the values of some of the rows, and which of the n these are; it keeps their number.
    """
    places = np.arange(len(rows))
    first = change(array[rows[:1]], places[:1])
    if not lies_in_file(array) and not is_large((len(rows), *first.shape[1:]), first.dtype):
        return change(array[rows], places)
    result = empty((len(rows), *first.shape[1:]), first.dtype)
    step = max(1, BLOCK // max(array[:1].nbytes, first.nbytes))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        result[part] = change(array[rows[part]], places[part])
        forget(array)
        forget(result)
    return result


def forget(array: np.ndarray) -> None:
    """Give back the memory of the mapped pages of an array; what was written to them stays in the file."""
    mapping = _mapping(array)
    if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def _mapping(array: np.ndarray) -> mmap.mmap | None:
    """The mapped file that an array shows a part of; None if it lies in memory."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
