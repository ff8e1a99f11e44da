"""Readers of a modality's file, whatever its type, with checks of what it holds.

Nothing here ever loads a pickle, so no file can run code.
"""

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

import numpy as np
from safetensors import SafetensorError, safe_open

from pmrl.data import large
from pmrl.data.arrays import zero_where_absent
from pmrl.data.tables import as_float32, first_line, read_numbers, tidy
from pmrl.errors import UserError

KEYS = ("features", "tokens", "present", "lengths", "ids")
BFLOAT16 = "BF16"  # as a .safetensors file names it; NumPy has no such type


@dataclass(frozen=True)
class Features:
    """The content of a modality's file, in the order of the items.

    Attributes:
        features: float32 (items, columns), or (items, tokens, width); a large array of float16 stays as it is.
        present: (items,) bool; absent rows of ``features`` are zeros.
        tokens: float32 (items, tokens, width), if the file has them beside the features.
        lengths: (items,) integers, how many tokens of each item are not padding, if the file has them.
    """

    features: np.ndarray
    present: np.ndarray
    tokens: np.ndarray | None = None
    lengths: np.ndarray | None = None


def read_features(path: Path, ids: list[str], gaps: bool) -> Features:
    """The features of one modality for the items ``ids``.

    Args:
        path: .npy, .npz, .safetensors, .parquet or .csv.
        ids: the items in order, tidy.
        gaps: whether a table may leave items out.

    Raises:
        UserError: naming the file, the row or column, what was found and what was expected.
    """
    if path.suffix in (".csv", ".parquet"):
        return _from_table(path, ids, gaps)
    readers = {".npy": _read_npy, ".npz": _read_npz, ".safetensors": _read_safetensors}
    if path.suffix not in readers:
        raise UserError(f"{path}: found the kind {path.suffix!r}, expected .npy, .npz, .safetensors, .parquet or .csv.")
    return _from_arrays(path, readers[path.suffix](path), ids)


def tidy_ids(path: Path, ids: Iterable[object]) -> list[str]:
    """Ids as tidy texts.

    Raises:
        UserError: two ids are equal, or become equal; with both spellings.
    """
    spellings: dict[str, str] = {}
    for key in map(str, ids):
        plain = tidy(key)
        if plain in spellings and spellings[plain] == key:
            raise UserError(f"{path}: id {key!r} appears twice; expected once.")
        if plain in spellings:
            raise UserError(
                f"{path}: ids {spellings[plain]!a} and {key!a} differ only in white space or in the Unicode "
                "form of a letter, so they are one id; expected once. Rename one, or remove its row."
            )
        spellings[plain] = key
    return list(spellings)


def _from_table(path: Path, ids: list[str], gaps: bool) -> Features:
    spelled, numbers = read_numbers(path)
    order = _order(path, tidy_ids(path, spelled), ids, gaps)
    present = order >= 0
    features = np.zeros((len(ids), numbers.shape[1]), dtype=np.float32)
    features[present] = numbers[order[present]]
    return Features(features, present)


def _from_arrays(path: Path, arrays: dict[str, np.ndarray], ids: list[str]) -> Features:
    _check_arrays(path, arrays, len(ids))
    order = _order(path, tidy_ids(path, arrays["ids"]), ids, gaps=False) if "ids" in arrays else None
    rows = {key: array if order is None else large.changed(array, order) for key, array in arrays.items()}
    present = _mask(path, rows["present"]) if "present" in rows else np.ones(len(ids), dtype=bool)
    given = {}
    for key in ("features", "tokens"):
        if key in rows:
            given[key] = _numbers(f"{path}: {key}", zero_where_absent(rows.pop(key), present))
    return Features(given["features"], present, given.get("tokens"), rows.get("lengths"))


def _numbers(where: str, values: np.ndarray) -> np.ndarray:
    """The values as float32; large ones block by block, and as they are if they have float16."""
    if not large.lies_in_file(values):
        return as_float32(where, np.ascontiguousarray(values))
    if values.dtype in (np.float16, np.float32):
        return values
    return large.changed(values, np.arange(len(values)), lambda part, _: as_float32(where, part))


def _check_arrays(path: Path, arrays: dict[str, np.ndarray], count: int) -> None:
    """Refuse unknown arrays, and those of a wrong shape or type."""
    unknown = set(arrays) - set(KEYS)
    if unknown or "features" not in arrays:
        raise UserError(
            f"{path}: found arrays {', '.join(sorted(arrays))}; expected features, and perhaps "
            f"{', '.join(KEYS[1:-1])} or {KEYS[-1]}."
        )
    for key, array in arrays.items():
        if len(array.shape) == 0 or len(array) != count:
            rows = len(array) if array.shape else "no"
            raise UserError(f"{path}: {key} has {rows} rows, expected {count}, one per item.")
        if key in ("features", "tokens") and array.dtype.kind not in "fiu":
            raise UserError(f"{path}: {key} has the type {array.dtype}, expected numbers.")
        if key in ("features", "tokens") and 0 in array.shape:
            raise UserError(f"{path}: {key} has the shape {array.shape}, expected at least one number per item.")
    shape = arrays["features"].shape
    if len(shape) not in (2, 3):
        raise UserError(f"{path}: features has the shape {shape}, expected (items, columns) or (items, tokens, width).")
    if len(shape) == 3 and shape[2] == 1:
        raise UserError(
            f"{path}: features has the shape {shape}, which is {shape[1]} tokens of one number for each item; for "
            f"{shape[1]} features, remove the last axis and give the shape {shape[:2]}."
        )


def _mask(path: Path, values: np.ndarray) -> np.ndarray:
    if values.ndim != 1 or not np.isin(values, (0, 1)).all():
        raise UserError(f"{path}: present has other values than 0 and 1, or more than one column.")
    return values.astype(bool)


def _order(path: Path, found: list[str], ids: list[str], gaps: bool) -> np.ndarray:
    """(items,) the row of each item in the file, -1 where it has none.

    Raises:
        UserError: the file has unknown ids, or lacks some unless it may have ``gaps``.
    """
    rows = {key: row for row, key in enumerate(found)}
    order = np.array([rows.get(key, -1) for key in ids], dtype=np.int64)
    known = set(ids)
    unknown = sorted(key for key in rows if key not in known)
    if unknown:
        raise UserError(
            f"{path}: id {unknown[0]!r} is not in the table of items ({len(unknown)} such); remove its row or "
            "add the item."
        )
    if (order < 0).any() and not gaps:
        missing = ids[int((order < 0).argmax())]
        raise UserError(
            f"{path}: item {missing!r} has no row ({(order < 0).sum()} such); add it, or write `gaps: true` in the "
            "card if this modality may be absent."
        )
    return order


def _read_npy(path: Path) -> dict[str, np.ndarray]:
    try:
        mapped = path.stat().st_size >= large.LARGE
        return {"features": large.opened(path) if mapped else np.load(path, allow_pickle=False)}
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise UserError(f"{path}: cannot be read as an array of numbers ({first_line(error)}).") from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with ZipFile(path) as archive:
            for name in archive.namelist():
                if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
                    raise UserError(f"{path}: the archive holds the path {name!r}, which leads out of its folder.")
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (ValueError, OSError, EOFError, MemoryError, BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: cannot be read as arrays of numbers ({first_line(error)}).") from error


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        with safe_open(path, framework="numpy") as file:
            types = {key: file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118 - not a mapping
            return {
                key: _read_bfloat16(path, key) if kind == BFLOAT16 else file.get_tensor(key)
                for key, kind in types.items()
            }
    except (SafetensorError, OSError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: cannot be read as safetensors ({first_line(error)}).") from error


def _read_bfloat16(path: Path, key: str) -> np.ndarray:
    """An array of a valid .safetensors file as float32, of which bfloat16 is the upper half."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(size))[key]
        start, end = entry["data_offsets"]
        file.seek(start, 1)
        upper = np.frombuffer(file.read(end - start), dtype="<u2")
    return (upper.astype(np.uint32) << 16).view(np.float32).reshape(entry["shape"])
