"""Several results folders side by side: what differs between them, and what that changes."""

import json
from collections.abc import Sequence

import pandas as pd

from pmrl.errors import UserError
from pmrl.records import REGIMES
from pmrl.reporting.site import html
from pmrl.reporting.site.shown import Shown
from pmrl.study.belonging import differences

TITLE = "Comparison"
OVERALL = "overall"
EXPLAINED = (
    "Results folders side by side: the same study on two machines, by two versions, or with and without a method. A "
    "dash is what a folder does not have. Intervals are those of each study alone; where they do not overlap, the "
    "studies differ."
)


def compare(every: Sequence[Shown]) -> str:
    """What the folders are, in what their runs differ, and their verdicts and means beside each other."""
    names = "\n".join(f"- **{shown.name}**" for shown in every)
    return "\n\n".join([EXPLAINED, names, made(every), settings(every), verdicts(every), means(every)])


def made(every: Sequence[Shown]) -> str:
    """Runs, seeds, machines, commits and versions of each folder."""
    keys = ("processor", "device", "commit", "versions")
    rows = [[html.text("runs"), *(html.number(len(shown.runs), 0) for shown in every)]]
    rows.append([html.text("methods"), *(html.text(", ".join(map(shown.label, shown.methods))) for shown in every)])
    rows.append([html.text("data sets"), *(html.text(", ".join(shown.results.datasets)) for shown in every)])
    for key in keys:
        found = [dict.fromkeys(json.dumps(run.about.get(key)).strip('"{}') for run in shown.runs) for shown in every]
        rows.append([html.text(key), *(html.text(", ".join(values).replace('"', "")) for values in found)])
    return "## What they are\n\n" + html.table("What made each study", ["", *(shown.name for shown in every)], rows)


def settings(every: Sequence[Shown]) -> str:
    """The settings in which runs of the same name differ from those of the first folder, and changed code or data."""
    first, *others = every
    own = {run.folder: run.about["origin"] for run in first.runs}
    rows = []
    for other in others:
        changed: dict[tuple[str, str, str], int] = {}
        for run in other.runs:
            for key, before, after in (
                differences(own.get(run.folder), run.about["origin"]) if run.folder in own else ()
            ):
                changed[key, _short(before), _short(after)] = changed.get((key, _short(before), _short(after)), 0) + 1
        rows += [
            [html.text(other.name), html.text(key), html.text(before), html.text(after), html.number(count, 0)]
            for (key, before, after), count in changed.items()
        ]
    if not any(run.folder in own for other in others for run in other.runs):
        return "– No run of these folders has the same name, so there are no settings to compare."
    if not rows:
        return "Runs of the same name have the same settings, code and data."
    headers = ["study", "what", first.name, "there", "runs"]
    return html.table("In what runs of the same name differ", headers, rows)


def _short(value: object) -> str:
    """A value as JSON; of a digest the beginning."""
    text = json.dumps(value)
    return f"{text[1:13]}…" if isinstance(value, str) and len(value) == 64 else text


def verdicts(every: Sequence[Shown]) -> str:
    """Each claim's verdict and effect in each folder."""
    found = [_table(shown, "claims", ["claim", "dataset"]) for shown in every]
    keys = list(dict.fromkeys(key for frame in found for key in frame.index))
    if not keys:
        return "## Verdicts\n\n– No folder has tested claims."
    reach = min(30.0, max(float(frame[["low", "high"]].abs().max().max()) for frame in found if len(frame)))
    rows, filters = [], []
    for key in keys:
        cells = [html.text(key[0])]
        words = set()
        for frame in found:
            row = frame.loc[key] if key in frame.index else None
            word = "" if row is None or row["verdict"] != row["verdict"] else str(row["verdict"])
            words.add(word)
            cells += [
                html.Cell(html.verdict(word), word),
                html.number(None if row is None else row["effect"], signed=True),
                html.Cell(
                    "" if row is None else html.interval(row["low"], row["effect"], row["high"], (-reach, reach), 0.0)
                ),
            ]
        rows.append(cells)
        filters.append({"dataset": key[1], "differs": "yes" if len(words) > 1 else "no"})
    headers = [
        "claim",
        *(f"{shown.name[0]}: {part}" for shown in every for part in ("verdict", "effect", "95 % interval")),
    ]
    datasets = {OVERALL: "all together", **{key[1]: key[1] for key in keys if key[1] != OVERALL}}
    choices = {
        "dataset": ("data set", datasets),
        "differs": ("verdicts", {"": "all", "yes": "that differ", "no": "that agree"}),
    }
    return "## Verdicts\n\n" + html.table(
        "Verdicts of each study", headers, rows, choices, filters, {"dataset": OVERALL}
    )


def means(every: Sequence[Shown]) -> str:
    """Mean recall and rank of each method in each folder, and the difference of the last to the first."""
    index = ["dataset", "regime", "task", "method"]
    found = [_table(shown, "leaderboard", index) for shown in every]
    keys = [key for key in dict.fromkeys(key for frame in found for key in frame.index) if key[0] != "all"]
    if not keys:
        return "## Leaderboards\n\n– No folder has ranked methods."
    rows, filters = [], []
    top = max(float(frame["high"].fillna(frame["mean"]).max()) for frame in found if len(frame))
    for key in keys:
        dataset, regime, task, method = key
        values = [frame.loc[key] if key in frame.index else None for frame in found]
        label = next(shown.label(method) for shown in every if method in shown.results.methods)
        cells = [
            html.text(label),
            html.text(dataset),
            html.text(REGIMES.get(regime, regime)),
            html.text(every[0].module("leaderboard").TASKS[task]),
        ]
        for row in values:
            cells.append(html.number(None if row is None else row["mean"]))
            cells.append(
                html.Cell("" if row is None else html.interval(row["low"], row["mean"], row["high"], (0.0, top)))
            )
        change = None if values[0] is None or values[-1] is None else values[-1]["mean"] - values[0]["mean"]
        rows.append([*cells, html.number(change, signed=True)])
        filters.append({"dataset": dataset, "regime": regime, "task": task})
    choices = {
        title: (title.replace("dataset", "data set"), {"": "each", **{key[place]: key[place] for key in keys}})
        for place, title in enumerate(index[:3])
    }
    names = [f"{shown.name[0]}: {part}" for shown in every for part in ("recall@1 (%)", "95 % interval")]
    headers = ["method", "data set", "regime", "task", *names, f"{every[-1].name[0]} − {every[0].name[0]}"]
    return "## Leaderboards\n\n" + html.table("Recall@1 of each study", headers, rows, choices, filters)


def _table(shown: Shown, name: str, index: list[str]) -> pd.DataFrame:
    """A folder's table by its keys; empty where it has none."""
    try:
        return shown.table(name).drop_duplicates(index).set_index(index)
    except UserError:
        return pd.DataFrame(columns=["verdict", "effect", "mean", "low", "high"], dtype=float)
