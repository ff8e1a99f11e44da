"""Numbers as HTML: tables that sort and filter, intervals as small pictures, links; every text is escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import count
from typing import Any

import pandas as pd

from pmrl.reporting.render import MISSING

WIDTH, HEIGHT, MARGIN = 180, 16, 8  # of the picture of an interval, in pixels
_numbers = count(1)


class Cell:
    """A cell of a table.

    Args:
        html: what is shown, already HTML.
        value: what it is sorted by.
    """

    def __init__(self, html: str, value: float | str = "") -> None:
        self.html, self.value = html, "" if pd.isna(value) else value


def text(value: Any) -> Cell:
    """A text, sorted by the alphabet; a dash where there is none."""
    missing = value is None or value == "" or value is pd.NA or value != value
    return Cell(MISSING) if missing else Cell(escape(str(value)), str(value))


def number(value: float | None, decimals: int = 1, signed: bool = False, reason: str = "") -> Cell:
    """A number; a dash, with the reason where one is known, for a missing one."""
    if value is None or pd.isna(value):
        return Cell(dash(reason))
    shown = f"{value:{'+' if signed else ''},.{decimals}f}".replace("-", "−")
    return Cell(shown, float(value))


def dash(reason: str = "") -> str:
    """A dash; with a reason, one that says it."""
    return f'<span class="dash">{MISSING} <small>{escape(reason)}</small></span>' if reason else MISSING


def interval(low: float, mean: float, high: float, span: tuple[float, float], zero: float | None = None) -> str:
    """A point with its interval on an axis that goes over ``span``; a line marks ``zero``.

    The numbers stand in the picture's label, for those who cannot see it. Without an interval it is the point alone.
    """
    if pd.isna(mean):
        return ""
    scale = (WIDTH - 2 * MARGIN) / ((span[1] - span[0]) or 1.0)

    def place(value: float) -> float:
        return round(MARGIN + scale * (min(max(value, span[0]), span[1]) - span[0]), 1)

    label = f"{mean:+.1f}" if zero is not None else f"{mean:.1f}"
    parts = []
    if zero is not None:
        parts.append(f'<path class="zero" d="M{place(zero)} 0V{HEIGHT}"/>')
    if not pd.isna(low):
        label += f", 95 % interval {low:.1f} to {high:.1f}"
        left, right, middle = place(low), place(high), HEIGHT // 2
        parts.append(f'<path d="M{left} {middle}H{right}M{left} {middle - 4}v8M{right} {middle - 4}v8"/>')
    parts.append(f'<circle cx="{place(mean)}" cy="{HEIGHT // 2}" r="4"/>')
    picture = f'<svg class="interval" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"'
    return f'{picture} aria-label="{escape(label.replace("-", "−"))}">{"".join(parts)}</svg>'


def table(
    caption: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    filters: Mapping[str, tuple[str, Mapping[str, str]]] | None = None,
    keys: Sequence[Mapping[str, str]] | None = None,
    chosen: Mapping[str, str] | None = None,
) -> str:
    """A table whose columns sort at a click or key, with a choice above it for each filter.

    Args:
        caption: what the table shows, read out with it.
        headers: names of the columns.
        rows: the cells.
        filters: {key: (what is chosen, {value: its name})}; the value "" stands for all.
        keys: for each row, the values of the filters that it belongs to; a comma separates several.
        chosen: the values that are chosen when the page opens.
    """
    name = f"table-{next(_numbers)}"
    head = "".join(f'<th scope="col"><button type="button">{escape(header)}</button></th>' for header in headers)
    lines = []
    for place, row in enumerate(rows):
        data = "".join(f' data-{key}="{escape(value)}"' for key, value in (keys[place] if keys else {}).items())
        cells = "".join(f'<td data-value="{escape(str(cell.value))}">{cell.html}</td>' for cell in row)
        lines.append(f"<tr{data}>{cells}</tr>")
    choices = choosers(filters or {}, chosen or {}, f'data-filters="{name}"')
    return (
        f'{choices}<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">'
        f'<table class="numbers" id="{name}"><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>\n"
    )


def choosers(filters: Mapping[str, tuple[str, Mapping[str, str]]], chosen: Mapping[str, str], attributes: str) -> str:
    """A row of choices: {key: (what is chosen, {value: its name})}; nothing where there is nothing to choose."""
    if not filters:
        return ""
    parts = []
    for key, (title, values) in filters.items():
        options = "".join(
            f'<option value="{escape(value)}"{" selected" if chosen.get(key) == value else ""}>{escape(shown)}</option>'
            for value, shown in values.items()
        )
        parts.append(f'<label>{escape(title)} <select data-key="{key}">{options}</select></label>')
    return f'<form class="choices" {attributes}>{"".join(parts)}<output aria-live="polite"></output></form>\n'


def verdict(word: str) -> str:
    """A verdict with a sign of its own, so that it is read without colour."""
    sign = {"reproduced": "✓", "not reproduced": "✗", "inconclusive": "?", "unstable": "≈"}.get(word, MISSING)
    kind = word.replace(" ", "-") or "unmeasured"
    return f'<span class="verdict {escape(kind)}">{sign} {escape(word) or "not measured"}</span>'


def link(target: str, shown: str) -> str:
    """A link."""
    return f'<a href="{escape(target)}">{escape(shown)}</a>'


def note(kind: str, title: str, body: str) -> str:
    """A note of mkdocs-material, as Markdown; ``body`` is Markdown too."""
    return f'!!! {kind} "{title}"\n\n' + "\n".join(f"    {line}".rstrip() for line in body.splitlines()) + "\n"
