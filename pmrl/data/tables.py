"""Readers of the user's tables, .csv and .parquet: of texts, such as the items, or of numbers, such as features.

What a spreadsheet or a library adds or shifts is refused and named: an index without a name, a comma too many, a
quotation mark that is never closed.
"""

import csv
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from pmrl.errors import UserError

LEAST_BLOCK = 1 << 24  # bytes of a .csv file that are parsed at a time
PANDAS_INDEX = re.compile(r"Unnamed: \d+|__index_level_\d+__")


def tidy(text: str) -> str:
    """``text`` in Unicode's composed form (NFC), without white space around it and with single spaces within."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def read_texts(path: Path) -> pd.DataFrame:
    """A table of texts; whole numbers in .parquet become texts, and missing values become empty ones.

    Raises:
        UserError: the table cannot be read; the message names the file and the line or column.
    """
    _require(path)
    if path.suffix == ".csv":
        with _csv_rows(path) as (header, rows):
            return pd.DataFrame([row for _, row in rows], columns=header, dtype=object)
    table = _read_parquet(path)
    columns = {name: [_text(value) for value in table[name].to_pylist()] for name in table.column_names}
    return pd.DataFrame(columns, dtype=object)


def read_numbers(path: Path) -> tuple[list[str], np.ndarray]:
    """The column ``id`` as texts, and all other columns as float32 (rows, columns).

    Raises:
        UserError: the table cannot be read, lacks a column, or has a cell that is not a number.
    """
    _require(path)
    return _csv_numbers(path) if path.suffix == ".csv" else _parquet_numbers(path)


def as_float32(where: str, values: np.ndarray) -> np.ndarray:
    """``values`` as float32, the same array if it is one.

    Raises:
        UserError: a number is beyond the range of float32.
    """
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32, copy=False)
    if values.dtype.itemsize > numbers.dtype.itemsize and values.dtype.kind == "f":
        beyond = np.isinf(numbers) & np.isfinite(values)
        if beyond.any():
            raise UserError(
                f"{where}: found {values[beyond][0]}, expected a number that float32 holds, up to 3.4e38 in magnitude; "
                "give the modality in another unit."
            )
    return numbers


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type."""
    return (str(error) or type(error).__name__).splitlines()[0]


def _require(path: Path) -> None:
    """Refuse what is neither .csv nor .parquet."""
    if path.suffix not in (".csv", ".parquet"):
        raise UserError(f"{path}: found the kind {path.suffix!r}, expected a table, .csv or .parquet.")


def _text(value: object) -> object:
    """A cell of a .parquet table of texts; a value that is no text stays as it is, to be refused by its row."""
    if value is None or value != value:
        return ""
    return str(value) if isinstance(value, int) else value


def _check_names(path: Path, names: list[str]) -> None:
    """Refuse a column without a name, or two of one name."""
    for place, name in enumerate(names):
        if not name or PANDAS_INDEX.fullmatch(name):
            raise UserError(
                f"{path}: column {place} (counted from 0) has {f'the name {name!r}' if name else 'no name'}: it is the "
                "index of a pandas table, or follows a comma too many; write the table by to_csv(index=False), or "
                "remove the column."
            )
        if names.count(name) > 1:
            raise UserError(f"{path}: column {name!r} appears {names.count(name)} times in the header; expected once.")


def _features(path: Path, names: list[str]) -> list[str]:
    """All names but ``id``."""
    if "id" not in names:
        raise UserError(
            f"{path}: there is no column 'id'; found {', '.join(names[:5])}. A .csv file has commas between its "
            "columns."
        )
    if len(names) == 1:
        raise UserError(f"{path}: there is no column beside 'id'; expected one column per feature.")
    return [name for name in names if name != "id"]


@contextmanager
def _csv_rows(path: Path) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
    """The header of a .csv file, and its other rows with their lines, counted from 1.

    Raises:
        UserError: naming the line, if the quotation or the number of fields is wrong.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = _fields(path, file)
            _, header = next(rows, (0, []))
            if not header:
                raise UserError(f"{path}: the file is empty, expected a header with the names of the columns.")
            names = [tidy(name) for name in header]
            _check_names(path, names)
            yield names, _equal_rows(path, names, rows)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8 ({error}); save it as UTF-8.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read as a table ({first_line(error)}).") from error


def _fields(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows of a .csv file that are not blank, each with the line where it begins, counted from 1."""
    reader, line = csv.reader(lines, strict=True), 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"{path}: line {line}: cannot be read as a table ({error}): probably a quotation mark is opened here and "
            "never closed; remove it, or write it twice within a quotation."
        ) from error


def _equal_rows(path: Path, names: list[str], rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """The rows, each with as many fields as the header has names."""
    for line, row in rows:
        if len(row) != len(names):
            raise UserError(
                f"{path}: line {line}: found {len(row)} fields, expected {len(names)} as in the header; remove the "
                "comma too many or add what is missing (a text with commas needs quotation marks)."
            )
        yield line, row


def _csv_numbers(path: Path) -> tuple[list[str], np.ndarray]:
    with _csv_rows(path) as (header, _):
        names = _features(path, header)
    try:
        return _arrow_numbers(path, header, names)
    except pyarrow.ArrowInvalid:
        return _plain_numbers(path)  # slow, but it names the cell, and reads what Arrow does not


def _arrow_numbers(path: Path, header: list[str], names: list[str]) -> tuple[list[str], np.ndarray]:
    """Ids and numbers of a .csv file, read block by block.

    Raises:
        ArrowInvalid: a row or a cell is not as expected.
    """
    reader = arrow_csv.open_csv(
        path,
        arrow_csv.ReadOptions(column_names=header, skip_rows=1, block_size=max(LEAST_BLOCK, 256 * len(names))),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: pyarrow.string() if name == "id" else pyarrow.float64() for name in header},
            null_values=[],
        ),
    )
    ids: list[str] = []
    blocks = [np.zeros((0, len(names)), dtype=np.float32)]
    for batch in reader:
        ids += batch["id"].to_pylist()
        blocks.append(as_float32(str(path), np.stack([batch[name].to_numpy() for name in names], axis=1)))
    return ids, np.concatenate(blocks)


def _plain_numbers(path: Path) -> tuple[list[str], np.ndarray]:
    """Ids and numbers of a .csv file, read cell by cell.

    Raises:
        UserError: naming the first row or cell that is wrong.
    """
    ids, numbers = [], []
    with _csv_rows(path) as (header, rows):
        names, place = _features(path, header), header.index("id")
        for number, (_, row) in enumerate(rows):
            ids.append(row.pop(place))
            numbers.append(np.array(_numbers(path, names, number, row)))
    return ids, as_float32(str(path), np.array(numbers).reshape(len(ids), -1))


def _numbers(path: Path, names: list[str], row: int, cells: list[str]) -> list[float]:
    values = []
    for name, cell in zip(names, cells, strict=True):
        try:
            values.append(float(cell.replace("_", "no number")))
        except ValueError:
            _refuse(path, name, row, cell)
    return values


def _refuse(path: Path, name: str, row: int, cell: object) -> NoReturn:
    raise UserError(f"{path}: column {name!r}, row {row}: found {cell!r}, expected a number (rows are counted from 0).")


def _read_parquet(path: Path) -> pyarrow.Table:
    """A .parquet table without the index that pandas keeps in it, unless the index has a name."""
    try:
        table = parquet.ParquetFile(path).read()
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: cannot be read as a table ({first_line(error)}).") from error
    index = (table.schema.pandas_metadata or {}).get("index_columns", [])
    kept = [name for name in table.column_names if not (name in index and PANDAS_INDEX.fullmatch(name))]
    table = table.select([place for place, name in enumerate(table.column_names) if name in kept])
    table = table.rename_columns([tidy(name) for name in table.column_names])
    _check_names(path, table.column_names)
    return table


def _parquet_numbers(path: Path) -> tuple[list[str], np.ndarray]:
    table = _read_parquet(path)
    names = _features(path, table.column_names)
    ids = [str(_text(value)) for value in table["id"].to_pylist()]
    numbers = np.empty((len(ids), len(names)), dtype=np.float32)
    for place, name in enumerate(names):
        numbers[:, place] = as_float32(f"{path}: column {name!r}", _column(path, name, table[name]))
    return ids, numbers


def _column(path: Path, name: str, column: pyarrow.ChunkedArray) -> np.ndarray:
    """A column of numbers, or of texts that are numbers, as an array of floats; NaN where a number is missing."""
    kind = column.type.value_type if pyarrow.types.is_dictionary(column.type) else column.type
    if pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
        cells = ["" if cell is None else cell for cell in column.to_pylist()]
        return np.array([_numbers(path, [name], row, [cell])[0] for row, cell in enumerate(cells)], dtype=np.float64)
    types = pyarrow.types
    if not (types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind) or types.is_decimal(kind)):
        raise UserError(f"{path}: column {name!r} has the type {column.type}, expected numbers.")
    numbers = column if types.is_floating(column.type) else column.cast(pyarrow.float64())
    return numbers.to_numpy(zero_copy_only=False) if isinstance(numbers, pyarrow.Array) else numbers.to_numpy()
