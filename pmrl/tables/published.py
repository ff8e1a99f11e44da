"""Published numbers beside ours: other data, another scale, the same methods."""

from typing import Any

import pandas as pd

from pmrl.discovery import ROOT
from pmrl.records import FINE_TUNED, MAIN, REGIMES, ZERO_SHOT
from pmrl.reporting import directions
from pmrl.reporting.cells import text
from pmrl.reporting.results import Results

TITLE = "Published numbers beside ours"
CAPTION = (
    "Recall in percent as published, then ours in the last rows. Data sets and scale differ, so the numbers cannot be "
    "compared, only the order of the methods. An empty cell is unknown."
)
READS = ("methods", "records", "stores", "results/reference/published.csv")
PUBLISHED = ROOT / "results" / "reference" / "published.csv"
OURS = "this study (other data, other scale)"
SETTINGS = {regime: REGIMES[regime] for regime in (ZERO_SHOT, FINE_TUNED)}
SHOWN_METRICS = ("R@1", "R@10")
DIRECTIONS = {"forth": "anchor_to_others", "back": "others_to_anchor"}
COLUMNS = ["source", "method", "setting", "dataset", "modalities", "direction", "metric", "value", "witness"]


def build(results: Results) -> pd.DataFrame:
    """The published rows as committed, then ours by each method's own score, re-ranked where that exists."""
    published = pd.read_csv(PUBLISHED)
    measured = set(results.records["regime"])
    ours = [_ours(results, setting) for setting in SETTINGS if setting in measured]
    return pd.concat([published, *ours], ignore_index=True)


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per source, setting, data set and direction; one column per method."""
    frame = frame[frame["metric"].isin(SHOWN_METRICS)]
    methods = list(dict.fromkeys(frame["method"]))
    keys = ["source", "setting", "dataset", "direction", "metric"]
    rows, seeds = [], frame["n"].max()
    for names, part in frame.groupby(keys, sort=False):
        cells = {row.method: _cell(row, seeds) for row in part.itertuples()}
        source, setting, dataset, direction, metric = names
        line = {"source": source, "setting": SETTINGS[setting], "data set": dataset}
        line |= {"direction": direction.replace("_to_", " → ").replace("_", " "), "metric": metric}
        rows.append(line | {method: cells.get(method, "") for method in methods})
    shown = pd.DataFrame(rows)
    shown.attrs["groups"] = 2
    shown.attrs["notes"] = [
        "Published values are transcriptions by third parties or re-measurements of released checkpoints; the column "
        "“witness” of the CSV says which. Where several papers measured the same method, their numbers differ by 2–3 "
        "points. Ours: mean ± half of the 95 % t-interval over seeds, by the final score that validation prefers for "
        "each method; n is given where a seed is missing.",
    ]
    return shown


def _ours(results: Results, setting: str) -> pd.DataFrame:
    sides = {dataset: results.sides(dataset) for dataset in results.datasets}
    frame = directions.estimates(results, [setting], sides, [directions.CHOSEN])
    frame = frame[frame["variant"].eq(MAIN)].dropna(subset="mean")
    return pd.DataFrame(
        {
            "source": OURS,
            "method": frame["method"].map(results.label),
            "setting": setting,
            "dataset": frame["dataset"],
            "modalities": frame["dataset"].map(lambda dataset: " ".join(results.cards[dataset]["modalities"])),
            "direction": frame["direction"].map(DIRECTIONS),
            "metric": frame["metric"].map(directions.METRICS),
            "value": frame["mean"],
            "witness": "measured",
            "low": frame["low"],
            "high": frame["high"],
            "n": frame["n"],
        }
    )


def _cell(row: Any, seeds: float) -> str:
    if row.source != OURS:
        return f"{row.value:.1f}"
    return text(row.value, row.low, row.high) + (f" (n={row.n:.0f})" if row.n < seeds else "")
