"""All methods ranked, by data set, regime and score, with intervals and groups of ties."""

import pandas as pd

from pmrl.records import REGIMES
from pmrl.reporting.site import html
from pmrl.reporting.site.shown import Shown, each
from pmrl.tables.leaderboard import CAPTION, GROUP_NOTE, TASKS

TITLE = "Leaderboard"
ALL = "all"
SCORES = {"any": "cosine, between any two modalities", "anchor": "own score, from the anchor to the others and back"}


def build(shown: Shown) -> str:
    """One table with choices of data set, regime and score."""
    return "\n\n".join([CAPTION, *each(shown, [board]), f"{GROUP_NOTE} The definition of each score: [Methods](methods.md)."])


def board(shown: Shown) -> str:
    """The table; it opens on the mean ranks over all data sets."""
    frame = shown.table("leaderboard").sort_values(["task", "dataset", "regime", "rank"], kind="stable")
    top = float(frame["high"].fillna(frame["mean"]).max()) if frame["mean"].notna().any() else 1.0
    rows, keys, every = [], [], ",".join(dict.fromkeys(frame["regime"]))
    for row in frame.to_dict("records"):
        everywhere = row["dataset"] == ALL
        reason = "" if everywhere else missing(shown, row)
        rows.append(
            [
                html.text(shown.label(row["method"])),
                html.text("all" if everywhere else shown.results.title(row["dataset"])),
                html.text("all" if everywhere else REGIMES.get(row["regime"], row["regime"])),
                html.text(TASKS[row["task"]]),
                html.text("") if everywhere else html.number(row["mean"], reason=reason),
                html.Cell(html.interval(row["low"], row["mean"], row["high"], (0.0, top)), _sort(row["mean"])),
                html.number(row["rank"], 2 if everywhere else 1),
                html.number(row["points"], 1),
                html.number(row["group"], 0),
                html.number(row["n"], 0),
            ]
        )
        keys.append({"dataset": row["dataset"], "regime": every if everywhere else row["regime"], "task": row["task"]})
    datasets = {ALL: "mean rank over all", "": "each", **{name: name for name in dict.fromkeys(frame["dataset"]) if name != ALL}}
    regimes = {"": "each", **{name: REGIMES.get(name, name) for name in dict.fromkeys(frame["regime"]) if name != ALL}}
    return html.table(
        "Methods by recall@1 in percent; ± and the picture are the 95 % interval over seeds",
        ["method", "data set", "regime", "task", "recall@1 (%)", "95 % interval", "rank", "Borda", "tie group", "n"],
        rows,
        {"dataset": ("data set", datasets), "regime": ("regime", regimes), "task": ("score", SCORES)},
        keys,
        {"dataset": ALL, "task": "any"},
    )


def _sort(mean: float) -> float | str:
    return "" if pd.isna(mean) else mean


def missing(shown: Shown, row: dict) -> str:
    """Why a method has no number on a data set."""
    if not pd.isna(row["mean"]):
        return ""
    return shown.results.reasons.get((row["dataset"], row["method"]), "no finished run")
