"""The committed copies of tables, and the small language in which documents ask for rows of them.

A selection is ``study/table[column=value, column=one|another, column=max] by column``: the rows in which every column
has one of its values, then, for ``max`` and ``min``, those with the extreme of a column of numbers; ``by`` sorts them,
``by -column`` in descending order. Brackets and ``by`` may be left out. A template is a text with fields: ``{column}``
shows a text, ``{column:1}`` a number with one digit after the point, ``{column:+1}`` with its sign, ``{column:p}`` a p.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from io import BytesIO
from pathlib import Path

import pandas as pd

from pmrl.errors import UserError
from pmrl.records import MAIN, REGIMES
from pmrl.reporting.cells import p_value
from pmrl.reporting.render import MISSING

SELECTION = re.compile(r"(?P<study>\w+)/(?P<table>[\w/]+)(?:\[(?P<filters>.*)\])?(?: by (?P<order>-?\w+))?", re.DOTALL)
FIELD = re.compile(r"\{([^{}:]+)(?::(\+?)(\d|p))?\}")
EXTREMES = {"max": pd.Series.max, "min": pd.Series.min}
METHODS, RUN = "methods", "run"  # beside the tables of a study: names of its methods, description of its runs
Copies = Mapping[Path, bytes]
"""Contents of files by their paths below ``docs``."""


class NotRun(Exception):
    """The results that a document asks for do not exist yet; the message says which."""


class Evidence:
    """Tables and figures of some studies, as documents show them.

    Args:
        copies: contents of the files ``results/<study>/<table>.csv`` and ``figures/<study>/<figure>.png``.
        studies: names of the studies that may be asked for.

    Attributes:
        asked: what was asked for so far: ("table" or "figure", study, name).
    """

    def __init__(self, copies: Copies, studies: Collection[str]) -> None:
        self.copies = copies
        self.studies = studies
        self.asked: set[tuple[str, str, str]] = set()
        self._tables: dict[Path, pd.DataFrame] = {}

    def table(self, study: str, name: str) -> pd.DataFrame:
        """A table, all cells as text, with ``label`` of the method and variant, and ``half`` of the interval.

        Raises:
            NotRun: there is no copy of it.
            UserError: the document may not use this study.
        """
        path = self._required("table", study, name)
        if path not in self._tables:
            self._tables[path] = self._derived(study, _read(self.copies[path]))
        return self._tables[path]

    def figure(self, study: str, name: str) -> Path:
        """The file of a figure, below the folder of the copies.

        Raises:
            NotRun: there is no copy of it.
            UserError: the document may not use this study.
        """
        return self._required("figure", study, name)

    def rows(self, selection: str) -> pd.DataFrame:
        """The selected rows; none if no row fits.

        Raises:
            NotRun: there is no copy of the table.
            UserError: not a selection, or the table lacks a column.
        """
        match = SELECTION.fullmatch(selection.strip())
        if not match:
            raise UserError(f"{selection!r} is no selection; expected study/table[column=value, …] by column.")
        frame = self.table(match["study"], match["table"])
        extremes = []
        for column, value in _filters(match["filters"] or "", selection):
            _require(column, frame, selection)
            if value in EXTREMES:
                extremes.append((column, EXTREMES[value]))
            else:
                frame = frame[frame[column].isin(value.split("|"))]
        for column, extreme in extremes:
            numbers = pd.to_numeric(frame[column], errors="coerce")
            frame = frame[numbers == extreme(numbers)]
        return _sorted(frame, match["order"] or "", selection)

    def _required(self, kind: str, study: str, name: str) -> Path:
        if study not in self.studies:
            raise UserError(f"the study {study!r} is not declared for this document, only {', '.join(self.studies)}.")
        self.asked.add((kind, study, name))
        path = place(kind, study, name)
        if path not in self.copies:
            raise NotRun(f"the {kind} `{name}` of the study `{study}`")
        return path

    def _derived(self, study: str, frame: pd.DataFrame) -> pd.DataFrame:
        if {"low", "high"} <= set(frame):
            low, high = (pd.to_numeric(frame[name], errors="coerce") for name in ("low", "high"))
            frame = frame.assign(half=((high - low) / 2).map(lambda half: "" if pd.isna(half) else str(half)))
        methods = self.copies.get(place("table", study, METHODS))
        if "method" in frame and "label" not in frame and methods:
            labels = {(row["method"], row["variant"]): row["label"] for row in _read(methods).to_dict("records")}
            variants = frame["variant"] if "variant" in frame else [MAIN] * len(frame)
            known = [labels.get(one, one[0]) for one in zip(frame["method"], variants, strict=True)]
            frame = frame.assign(label=known)
        return frame


def place(kind: str, study: str, name: str) -> Path:
    """Where the copy of a "table" or "figure" lies."""
    return Path("results", study, f"{name}.csv") if kind == "table" else Path("figures", study, f"{name}.png")


def fill(template: str, row: Mapping[str, str], words: Mapping[str, str] | None = None) -> str:
    """The template with the row's values; a dash for an empty one.

    Args:
        template: a text with fields.
        row: texts by column.
        words: what to write for a value or for the whole text, such as "zero-shot" for "zero_shot"; by default spaces
            replace underscores.

    Raises:
        UserError: an unknown column, or a text where digits are asked for.
    """
    known = {**REGIMES, **(words or {})}

    def value(match: re.Match[str]) -> str:
        column, sign, digits = match.groups()
        if column not in row:
            raise UserError(f"{template!r}: there is no column {column!r}; found {', '.join(row)}.")
        text = row[column]
        if not text:
            return MISSING
        return known.get(text, text.replace("_", " ")) if digits is None else _number(text, sign, digits, template)

    text = FIELD.sub(value, template)
    return known.get(text, text)


def _number(text: str, sign: str, digits: str, template: str) -> str:
    try:
        value = float(text)
    except ValueError as error:
        raise UserError(f"{template!r}: found {text!r}, expected a number.") from error
    if digits == "p":
        return p_value(value)
    rounded = round(value, int(digits)) + 0.0  # no minus before a zero
    return f"{rounded:{sign}.{digits}f}".replace("-", "−")


def _read(content: bytes) -> pd.DataFrame:
    return pd.read_csv(BytesIO(content), dtype=str, keep_default_na=False)


def _filters(text: str, selection: str) -> list[tuple[str, str]]:
    """Pairs of column and value; a comma separates them where a column and an equals sign follow."""
    pairs = []
    for part in re.split(r",\s+(?=[^,=]+=)", text) if text else []:
        column, equals, value = part.partition("=")
        if not equals:
            raise UserError(f"{selection!r}: found {part!r}, expected column=value.")
        pairs.append((column.strip(), " ".join(value.split())))
    return pairs


def _sorted(frame: pd.DataFrame, order: str, selection: str) -> pd.DataFrame:
    column = order.removeprefix("-")
    if not column:
        return frame
    _require(column, frame, selection)
    numbers = pd.to_numeric(frame[column], errors="coerce")
    return frame.loc[numbers.sort_values(ascending=column == order, kind="stable").index]


def _require(column: str, frame: pd.DataFrame, selection: str) -> None:
    if column not in frame:
        raise UserError(f"{selection!r}: the table has no column {column!r}; found {', '.join(frame)}.")
