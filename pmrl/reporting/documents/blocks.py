"""What a mark asks for, as Markdown: a table, a figure, or a few words."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from pmrl.errors import UserError
from pmrl.reporting.documents.evidence import SELECTION, Evidence, fill
from pmrl.reporting.render import MISSING

NOT_MEASURED = "not measured"
PHRASE = re.compile(rf"(?P<what>.+?) of (?P<selection>{SELECTION.pattern})", re.DOTALL)
COLUMNS, CELL, BEST, SAY = "columns", "cell", "best", "say "


def phrase(text: str, evidence: Evidence) -> str:
    """The words that a definition stands for.

    Args:
        text: "count of SELECTION" for the number of rows, "each TEMPLATE of SELECTION" for the different texts of the
            rows with semicolons between them ("none" without rows), or "TEMPLATE of SELECTION" for the text of the
            only row.
        evidence: where the rows are.

    Raises:
        NotRun: the table does not exist yet.
        UserError: none of the three, or several rows where one is expected.
    """
    match = PHRASE.fullmatch(text.strip())
    if not match:
        raise UserError(f"{text!r}: expected count, each TEMPLATE or TEMPLATE, then of study/table[column=value, …].")
    what, rows = match["what"], evidence.rows(match["selection"])
    records = rows.to_dict("records")
    if what == "count":
        return str(len(records))
    if what.startswith("each "):
        return "; ".join(dict.fromkeys(fill(what.removeprefix("each "), row) for row in records)) or "none"
    if len(records) > 1:
        differing = [column for column in rows if rows[column].nunique() > 1]
        raise UserError(f"{text!r}: {len(records)} rows fit, expected one; they differ in {', '.join(differing)}.")
    return fill(what, records[0]) if records else NOT_MEASURED


def table(selection: str, layout: str, evidence: Evidence) -> str:
    """A table in Markdown.

    Args:
        selection: its rows.
        layout: one line "HEADER = TEMPLATE" per column; without any line, all columns as they are. With the lines
            "columns = TEMPLATE" and "cell = TEMPLATE" rows are spread over as many columns as the first template has
            values, and "best = COLUMN" prints the highest value of each of them in bold. A line "say VALUE = TEXT"
            names a value.
        evidence: where the rows are.

    Raises:
        NotRun: the table does not exist yet.
        UserError: a malformed line, or two rows for one cell.
    """
    options = assignments(layout) if layout.strip() else {}
    words = {key.removeprefix(SAY): options.pop(key) for key in [*options] if key.startswith(SAY)}
    across = {key: options.pop(key) for key in (COLUMNS, CELL, BEST) if key in options}
    rows = evidence.rows(selection)
    options = options or {column: f"{{{column}}}" for column in rows}
    if rows.empty:
        return f"*{NOT_MEASURED.capitalize()}.*"
    heads = {
        header: [fill(template, row, words) for row in rows.to_dict("records")] for header, template in options.items()
    }
    shown = pd.DataFrame(heads, index=rows.index)
    return _pipes(_spread(rows, shown, across, words) if across else shown)


def figure(study: str, name: str, description: str, docs: str, evidence: Evidence) -> str:
    """A figure in Markdown; ``docs`` is the way to the copies, ``description`` for those who cannot see it.

    Raises:
        NotRun: the figure does not exist yet.
    """
    return f"![{description}]({docs}{evidence.figure(study, name).as_posix()})"


def assignments(lines: str) -> dict[str, str]:
    """{left side: right side} of lines "left = right"; an indented line continues the one above.

    Raises:
        UserError: a line without an equals sign, or a left side that appears twice.
    """
    pairs: dict[str, str] = {}
    for line in re.sub(r"\n[ \t]+", " ", lines.strip()).splitlines():
        left, equals, right = line.partition(" = ")
        if not equals or left.strip() in pairs:
            raise UserError(f"{line!r}: expected NAME = TEXT, with a name that no other line has.")
        pairs[left.strip()] = right.strip()
    return pairs


def _spread(
    rows: pd.DataFrame, shown: pd.DataFrame, across: Mapping[str, str], words: Mapping[str, str]
) -> pd.DataFrame:
    """One column for each value of a template; sorted rows have the order of the first of these columns."""
    records = rows.to_dict("records")
    column = pd.Series([fill(across[COLUMNS], row, words) for row in records], index=rows.index)
    cells = pd.Series([fill(across[CELL], row, words) for row in records], index=rows.index)
    if BEST in across:
        values = pd.to_numeric(rows[across[BEST]], errors="coerce")
        best = values == values.groupby(column).transform("max")
        cells = cells.where(~best, "**" + cells + "**")
    keys = [*shown]
    headers = column.sort_index().unique()  # the order of the file, not of the sorted rows
    if shown.assign(column=column).duplicated().any():
        raise UserError(f"two rows for one cell of a table with the columns {', '.join([*keys, *headers])}.")
    first = shown if rows.index.is_monotonic_increasing else shown[column == headers[0]]
    ordered = pd.concat([first, shown]).drop_duplicates(ignore_index=True)
    for header in headers:
        part = shown[column == header].assign(**{header: cells[column == header]})
        ordered = ordered.merge(part, how="left", on=keys)
    return ordered.fillna(MISSING)


def _pipes(shown: pd.DataFrame) -> str:
    """A pipe table; a bar in a cell is escaped."""
    lines = [[*shown], ["---"] * shown.shape[1], *shown.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
