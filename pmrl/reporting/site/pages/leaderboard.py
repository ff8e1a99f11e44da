"""All methods ranked: over all data sets, then by data set, regime and score, with intervals and groups of ties."""

import pandas as pd

from pmrl.records import ANCHOR, REGIMES
from pmrl.reporting.site import html
from pmrl.reporting.site.shown import Shown, each

TITLE = "Leaderboard"
ALL = "all"
SCORES = {"any": "cosine, between any two modalities", ANCHOR: "own score, from the anchor to the others and back"}


def build(shown: Shown) -> str:
    """The ranks over all cells, then the cells."""
    table = shown.module("leaderboard")
    notes = f"{table.GROUP_NOTE} The definition of each method's own score: [Methods](methods.md)."
    return "\n\n".join([table.CAPTION, *each(shown, [overall, cells]), notes])


def overall(shown: Shown) -> str:
    """Mean rank of each method over all data sets and regimes."""
    frame = shown.table("leaderboard")
    frame = frame[frame["dataset"].eq(ALL)].sort_values(["task", "rank"], kind="stable")
    rows = [
        [
            html.text(shown.label(row["method"])),
            html.text(shown.module("leaderboard").TASKS[row["task"]]),
            html.number(row["rank"], 2),
            *places(row),
        ]
        for row in frame.to_dict("records")
    ]
    keys = [{"task": task} for task in frame["task"]]
    headers = ["method", "task", "mean rank", "Borda points", "tie group", "cells"]
    caption = "Mean rank over all data sets and regimes; methods of one tie group are not told apart"
    return "## Over all data sets\n\n" + html.table(caption, headers, rows, {"task": ("score", SCORES)}, keys)


def cells(shown: Shown) -> str:
    """Recall@1 of each method in each cell."""
    frame = shown.table("leaderboard")
    frame = frame[frame["dataset"].ne(ALL)].sort_values(["dataset", "regime", "task", "rank"], kind="stable")
    top = float(frame["high"].fillna(frame["mean"]).max()) if frame["mean"].notna().any() else 1.0
    rows = [
        [
            html.text(shown.label(row["method"])),
            html.text(shown.results.title(row["dataset"])),
            html.text(REGIMES.get(row["regime"], row["regime"])),
            html.text(shown.module("leaderboard").TASKS[row["task"]]),
            html.number(row["mean"], reason=missing(shown, row)),
            html.Cell(html.interval(row["low"], row["mean"], row["high"], (0.0, top)), row["mean"]),
            html.number(row["rank"], 1),
            *places(row),
        ]
        for row in frame.to_dict("records")
    ]
    keys = [{key: row[key] for key in ("dataset", "regime", "task")} for row in frame.to_dict("records")]
    filters = {
        "dataset": ("data set", {"": "each", **{name: shown.results.title(name) for name in shown.results.datasets}}),
        "regime": (
            "regime",
            {"": "each", **{name: REGIMES[name] for name in REGIMES if (frame["regime"] == name).any()}},
        ),
        "task": ("score", {**SCORES, "": "each"}),
    }
    headers = [
        "method",
        "data set",
        "regime",
        "task",
        "recall@1 (%)",
        "95 % interval",
        "rank",
        "Borda",
        "tie group",
        "seeds",
    ]
    caption = "Mean recall@1 in percent with its 95 % interval over seeds"
    return "## By data set\n\n" + html.table(caption, headers, rows, filters, keys)


def places(row: dict) -> list[html.Cell]:
    """Borda points, tie group, and what they were counted over."""
    return [html.number(row["points"]), html.number(row["group"], 0), html.number(row["n"], 0)]


def missing(shown: Shown, row: dict) -> str:
    """Why a method has no number on a data set; empty where it has one."""
    if not pd.isna(row["mean"]):
        return ""
    return shown.results.reasons.get((row["dataset"], row["method"]), "no finished run")
