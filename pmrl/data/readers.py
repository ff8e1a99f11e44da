"""Readers of the user's files, tables and arrays, with checks of what they hold.

Nothing here ever loads a pickle, so no file can run code.
"""

import csv
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file

from pmrl.errors import UserError

KEYS = ("features", "tokens", "present", "ids")


@dataclass(frozen=True)
class Features:
    """The content of a modality's file, in the order of the items.

    Attributes:
        features: (items, columns), or (items, tokens, width).
        present: (items,) bool; absent rows of ``features`` are zeros.
        tokens: (items, tokens, width), if the file has them beside the features.
    """

    features: np.ndarray
    present: np.ndarray
    tokens: np.ndarray | None = None


def read_table(path: Path) -> pd.DataFrame:
    """A table, of texts (.csv) or of any types (.parquet).

    Raises:
        UserError: the file is missing, cannot be parsed, or has another suffix.
    """
    require(path)
    try:
        if path.suffix == ".csv":
            _check_header(path)
            return pd.read_csv(path, dtype=str, keep_default_na=False)
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: cannot be read as a table ({_first_line(error)}).") from error
    raise UserError(f"{path}: found the kind {path.suffix!r}, expected a table, .csv or .parquet.")


def _check_header(path: Path) -> None:
    """Refuse a header that names a column twice, which pandas would rename."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        header = next(csv.reader(file), [])
    for name in header:
        if header.count(name) > 1:
            raise UserError(f"{path}: column {name!r} stands {header.count(name)} times in the header; expected once.")


def read_features(path: Path, ids: list[str], gaps: bool) -> Features:
    """The features of one modality for the items ``ids``.

    Args:
        path: .npy, .npz, .safetensors, .parquet or .csv.
        ids: the items in order.
        gaps: whether a table may leave items out.

    Raises:
        UserError: naming the file, the row or column, what was found and what was expected.
    """
    if path.suffix in (".csv", ".parquet"):
        return _from_table(path, read_table(path), ids, gaps)
    require(path)
    readers = {".npy": _read_npy, ".npz": _read_npz, ".safetensors": _read_safetensors}
    if path.suffix not in readers:
        raise UserError(f"{path}: found the kind {path.suffix!r}, expected .npy, .npz, .safetensors, .parquet or .csv.")
    return _from_arrays(path, readers[path.suffix](path), ids)


def require(path: Path) -> None:
    """Raise a `UserError` unless ``path`` is a file."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; the card names it.")


def _from_table(path: Path, table: pd.DataFrame, ids: list[str], gaps: bool) -> Features:
    if "id" not in table.columns:
        raise UserError(f"{path}: there is no column 'id'; found {', '.join(map(str, table.columns[:5]))}.")
    file_ids = [str(key) for key in table["id"].astype(str)]
    _compare_ids(path, file_ids, ids, gaps)
    columns = [name for name in table.columns if name != "id"]
    if not columns:
        raise UserError(f"{path}: there is no column beside 'id'; expected one column per feature.")
    numbers = np.stack([_numbers(path, table[name]) for name in columns], axis=1)
    place = {key: row for row, key in enumerate(file_ids)}
    present = np.array([key in place for key in ids])
    features = np.zeros((len(ids), len(columns)))
    features[present] = numbers[[place[key] for key in ids if key in place]]
    return Features(features, present)


def _numbers(path: Path, column: pd.Series) -> np.ndarray:
    """A column of text or numbers as float64."""
    if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_string_dtype(column)):
        raise UserError(f"{path}: column {column.name!r} has the type {column.dtype}, expected numbers.")
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = numbers.isna() & ~column.astype(str).str.lower().isin(["nan", "<na>", "none"])
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise UserError(f"{path}: column {column.name!r}, row {row}: found {column.iloc[row]!r}, expected a number.")
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def _from_arrays(path: Path, arrays: dict[str, np.ndarray], ids: list[str]) -> Features:
    unknown = set(arrays) - set(KEYS)
    if unknown or "features" not in arrays:
        raise UserError(
            f"{path}: found arrays {', '.join(sorted(arrays))}; expected features, and perhaps tokens, present or ids."
        )
    for key, array in arrays.items():
        if len(array.shape) == 0 or len(array) != len(ids):
            rows = len(array) if array.shape else "no"
            raise UserError(f"{path}: {key} has {rows} rows, expected {len(ids)}, one per item.")
        if key in ("features", "tokens") and array.dtype.kind not in "fiu":
            raise UserError(f"{path}: {key} has the type {array.dtype}, expected numbers.")
    if arrays["features"].ndim not in (2, 3):
        raise UserError(
            f"{path}: features has the shape {arrays['features'].shape}, expected (items, columns) or "
            "(items, tokens, width)."
        )
    for key in ("features", "tokens"):
        if key in arrays and 0 in arrays[key].shape:
            raise UserError(f"{path}: {key} has the shape {arrays[key].shape}, expected at least one number per item.")
    order = np.arange(len(ids))
    if "ids" in arrays:
        file_ids = [str(key) for key in arrays["ids"]]
        _compare_ids(path, file_ids, ids, gaps=False)
        place = {key: row for row, key in enumerate(file_ids)}
        order = np.array([place[key] for key in ids])
    present = _mask(path, arrays["present"])[order] if "present" in arrays else np.ones(len(ids), dtype=bool)
    features = np.array(arrays["features"][order], dtype=np.float64)
    features[~present] = 0
    if "tokens" not in arrays:
        return Features(features, present)
    tokens = np.array(arrays["tokens"][order], dtype=np.float64)
    tokens[~present] = 0
    return Features(features, present, tokens)


def _mask(path: Path, values: np.ndarray) -> np.ndarray:
    if values.ndim != 1 or not np.isin(values, (0, 1)).all():
        raise UserError(f"{path}: present has other values than 0 and 1, or more than one column.")
    return values.astype(bool)


def _compare_ids(path: Path, file_ids: list[str], ids: list[str], gaps: bool) -> None:
    """Refuse duplicate and unknown ids in a file, and missing ones unless it may have ``gaps``."""
    column = pd.Series(file_ids, dtype=object)
    if column.duplicated().any():
        raise UserError(f"{path}: id {column[column.duplicated()].iloc[0]!r} stands twice; expected once.")
    unknown = set(file_ids) - set(ids)
    if unknown:
        raise UserError(
            f"{path}: id {min(unknown)!r} is not in the table of items ({len(unknown)} such); remove its row or "
            "add the item."
        )
    present = set(file_ids)
    missing = [key for key in ids if key not in present]
    if missing and not gaps:
        raise UserError(
            f"{path}: item {missing[0]!r} has no row ({len(missing)} such); add it, or write `gaps: true` in the "
            "card if this modality may be absent."
        )


def _read_npy(path: Path) -> dict[str, np.ndarray]:
    try:
        return {"features": np.load(path, allow_pickle=False)}
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise UserError(f"{path}: cannot be read as an array of numbers ({_first_line(error)}).") from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with ZipFile(path) as archive:
            for name in archive.namelist():
                if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
                    raise UserError(f"{path}: the archive holds the path {name!r}, which leads out of its folder.")
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (ValueError, OSError, EOFError, MemoryError, BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: cannot be read as arrays of numbers ({_first_line(error)}).") from error


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, TypeError, KeyError) as error:
        raise UserError(f"{path}: cannot be read as safetensors ({_first_line(error)}).") from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
