"""Table cells from tidy estimates: mean ± half-interval, marks, and a dash for a missing value."""

from collections.abc import Mapping

import pandas as pd

from pmrl.reporting.render import MISSING
from pmrl.reporting.results import Results

MEAN_NOTE = (
    "Mean ± half of the 95 % t-interval over seeds (how much another training run would vary). “seeds” is the number "
    "of seeds; a cell with fewer gives its own n. A dash (–) is a missing value, "
    "or the interval of fewer than three seeds."
)
MARK_NOTE = (
    "The best method is bold and the second best underlined, each only where it is significantly better than the next "
    "one (paired bootstrap over seeds and test items with Student's t for few seeds, Holm correction within the "
    "table, α = 0.05)."
)
FEWEST_SEEDS = 3  # of an interval in a table: that of two seeds is twelve standard errors wide and says nothing
CHANCE_NOTE = "† marks a value whose 95 % interval is not entirely better than chance."


def text(mean: float, low: float, high: float, decimals: int = 1) -> str:
    """``35.2 ± 1.3``; a dash for a missing mean, and for the interval of a single seed."""
    if pd.isna(mean):
        return MISSING
    half = MISSING if pd.isna(low) else f"{(high - low) / 2:.{decimals}f}"
    return f"{mean:.{decimals}f} ± {half}".replace("-", "−")


def with_interval(value: float, low: float, high: float, decimals: int) -> str:
    """A difference with its interval, ``+1.20 [+0.30, +2.10]``; a dash for a missing difference or interval."""
    if pd.isna(value):
        return MISSING
    interval = MISSING if pd.isna(low) else f"{low:+.{decimals}f}, {high:+.{decimals}f}"
    return f"{value:+.{decimals}f} [{interval}]".replace("-", "−")


def p_value(p: float) -> str:
    """A corrected p with three decimals; a dash where nothing was tested."""
    return MISSING if pd.isna(p) else f"{p:.3f}" if p >= 0.001 else "< 0.001"


def complete(estimates: pd.DataFrame, index: pd.DataFrame) -> pd.DataFrame:
    """Every row of ``index`` with its estimate; mean NaN and n = 0 where nothing was measured."""
    table = index.merge(estimates, how="left", on=list(index.columns))
    return table.assign(n=table["n"].fillna(0).astype(int))


def spread(
    frame: pd.DataFrame, rows: Mapping[str, str], column: str, headers: Mapping[str, str], decimals: int = 1
) -> pd.DataFrame:
    """Lay a tidy table out: one text per cell, and the number of seeds per row.

    Args:
        frame: tidy estimates; optional columns ``mark`` ("best", "second") and ``clear_of_chance`` (bool).
        rows: {tidy column that names a row: its header}.
        column: the tidy column whose values become columns.
        headers: {value of ``column``: its header}, in order.
        decimals: digits after the point.
    """
    lines = []
    for names, part in frame.groupby(list(rows), sort=False, observed=True):
        cells = {row[column]: row for row in part.to_dict("records")}
        seeds = int(max(row["n"] for row in cells.values()))
        line = dict(zip(rows.values(), names, strict=True))
        line |= {header: _cell(cells.get(value), seeds, decimals) for value, header in headers.items()}
        lines.append(line | {"seeds": str(seeds) if seeds else MISSING})
    shown = pd.DataFrame(lines, columns=[*rows.values(), *headers.values(), "seeds"])
    shown.attrs["groups"] = len(rows) - 1
    return shown


def _cell(row: Mapping | None, seeds: int, decimals: int) -> str:
    if row is None or pd.isna(row["mean"]):
        return MISSING
    low = row["low"] if row["n"] >= FEWEST_SEEDS else float("nan")
    cell = text(row["mean"], low, row["high"], decimals)
    if not row.get("clear_of_chance", True):
        cell += " †"
    if row["n"] < seeds:
        cell += f" (n={row['n']:.0f})"
    return {"best": f"**{cell}**", "second": f"<u>{cell}</u>"}.get(row.get("mark", ""), cell)


def refusals(results: Results) -> list[str]:
    """Notes that say why a method has no values on a data set."""
    return [
        f"{results.label(method)} on {dataset}: {reason}"
        for (dataset, method), reason in results.reasons.items()
        if dataset in results.datasets
    ]
