"""Which verdicts hold under other conditions of training: the committed record of `make stability`."""

import pandas as pd

from pmrl.discovery import ROOT
from pmrl.reporting.cells import with_interval
from pmrl.reporting.results import Results

TITLE = "Stability"
CAPTION = (
    "The claims of the table `claims`, tested again under other conditions of training: effect in points of the "
    "measure with its 95 % interval, and verdict, overall. The conditions stand in config/stability/. Fewer things "
    "are measured there, so a dash is what a condition does not test. All numbers are ours."
)
RECORDS = "config/stability.csv"
READS = ("config/stability.csv",)
OVERALL = "overall"


def build(results: Results) -> pd.DataFrame:
    """The record's rows over all data sets: one per condition and claim."""
    frame = pd.read_csv(ROOT / RECORDS, keep_default_na=False, na_values={"effect": "", "low": "", "high": ""})
    return frame[frame["dataset"].eq(OVERALL)].reset_index(drop=True)


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per claim; one column per condition."""
    rows = []
    for claim, part in frame.groupby("claim", sort=False):
        cells = {
            row.condition.replace("_", " "): f"{row.verdict} {with_interval(row.effect, row.low, row.high, 1)}"
            for row in part.itertuples()
            if row.verdict
        }
        rows.append({"claim": claim, **cells})
    shown = pd.DataFrame(rows, columns=None if rows else ["claim"]).fillna("–")
    shown.attrs["notes"] = [] if rows else ["No other condition has been run; `make stability` runs them."]
    return shown
