"""Every run: its settings, curves, versions and what made it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

import pandas as pd

from pmrl.records import FOUNDATION, STAGES
from pmrl.reporting.site import charts, html
from pmrl.reporting.site.commands import run_command
from pmrl.reporting.site.shown import Run, Shown, each, kept_steps
from pmrl.study.belonging import digest

TITLE = "Runs"
EXPLAINED = (
    "A run is one training of a method or of one of its variants on a data set with one seed, in all regimes. Open it "
    "for its settings, curves, versions and the digests of what made it: the code with all that it imports, the "
    "settings, and the data. Runs with the same digest are interchangeable."
)


def build(shown: Shown) -> str:
    """A table of all runs, finished or not; what a run opens are scripts, one for each data set."""
    return "\n\n".join([EXPLAINED, *each(shown, [table])])


def table(shown: Shown) -> str:
    """One row per run, the missing ones with a dash."""
    curves = shown.results.curves
    curves = curves[["dataset", "method", "variant", "seed", "stage", "quantity", "step", "value"]]
    by_run = dict(list(curves.groupby(["dataset", "method", "variant", "seed"], sort=False)))
    content: dict[str, dict] = {}
    rows, keys = [], []
    for run in shown.runs:
        about = run.about
        content.setdefault(about["dataset"], {})[run.folder] = described(shown, run, by_run.get(_key(about)))
        opener = f'<button type="button" class="open" data-run="{escape(run.folder)}">{escape(run.folder)}</button>'
        rows.append(
            [
                html.Cell(opener, run.folder),
                html.text(
                    about["title"] if about["method"] == FOUNDATION else shown.label(about["method"], about["variant"])
                ),
                html.number(about["seed"], 0),
                html.number(about["busy_seconds"]),
                html.text(day(run.finished)),
                html.text(str(about.get("commit") or "")[:12]),
                html.text(digest(about["origin"]).split()[0]),
            ]
        )
        keys.append({"dataset": about["dataset"], "method": about["method"]})
    for folder in shown.unfinished:
        dataset, method = folder.split("/")[:2]
        rows.append(
            [
                html.text(folder),
                html.text(shown.label(method)),
                *[html.Cell(html.dash("not finished"))] + [html.Cell("–")] * 4,
            ]
        )
        keys.append({"dataset": dataset, "method": method})
    for dataset, runs in content.items():
        shown.script(f"runs_{dataset}", runs)
    charts.place(shown, "run", curve(), "A quantity of training against steps")
    filters = {
        key: (title, {"": "each", **{value: value for value in dict.fromkeys(one[key] for one in keys)}})
        for key, title in (("dataset", "data set"), ("method", "method"))
    }
    headers = ["run", "method", "seed", "seconds", "finished", "commit", "digest of settings and code"]
    return html.table("Runs", headers, rows, filters, keys)


def _key(about: Mapping[str, Any]) -> tuple[str, str, str, int]:
    return about["dataset"], about["method"], about["variant"], about["seed"]


def described(shown: Shown, run: Run, curves: pd.DataFrame | None) -> dict:
    """What a run opens: facts, settings, and its curves as [quantity, stage, step, value]."""
    about = run.about
    origin = about["origin"]
    facts = [
        ("command", run_command(shown, run.folder)),
        ("seed", about["seed"]),
        ("commit", about.get("commit") or "–"),
        ("code", origin["code"]),
        ("data", origin["data"] or "–"),
        ("finished", datetime.fromtimestamp(run.finished, UTC).isoformat(timespec="seconds")),
        ("training and evaluation", f"{about['busy_seconds']:.1f} s"),
        ("device", f"{about.get('device', '–')}, {about.get('processor', '–')}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in about.get("versions", {}).items())),
        ("parameters", ", ".join(f"{name} {number:,}" for name, number in about.get("parameters", {}).items())),
    ]
    return {"facts": facts, "settings": origin["settings"], "curves": [] if curves is None else points(curves)}


def points(curves: pd.DataFrame) -> list[list[Any]]:
    """The curves of a run as [quantity, stage, step, value], each at a few of its steps."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for quantity, stage, step, value in curves[["quantity", "stage", "step", "value"]].to_numpy():
        found.setdefault((quantity, stage), []).append((step, value))
    rows: list[list[Any]] = []
    for (quantity, stage), curve in found.items():
        kept = kept_steps({step for step, _ in curve})
        rows += [[quantity, stage, step, float(f"{value:.5g}")] for step, value in curve if step in kept]
    return rows


def curve() -> charts.Chart:
    """A chart without values, which the page fills with those of a run."""
    stage = {"field": "stage", "type": "nominal", "title": "stage", "sort": list(STAGES)}
    encoding = {
        "x": {"field": "step", "type": "quantitative"},
        "y": {"field": "value", "type": "quantitative", "scale": {"zero": False}},
    }
    mark = {"type": "line", "color": charts.INK, "point": {"color": charts.INK}}
    encoding["strokeDash"] = stage
    return {"data": {"name": "run"}, "mark": mark, "encoding": encoding, "width": "container", "height": 220}


def day(time: float) -> str:
    """``2026-11-26 09:13``, in UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M")
