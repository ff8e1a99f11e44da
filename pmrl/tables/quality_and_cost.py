"""What each method's quality costs: recall beside the time of a training step, relative to pairwise contrast."""

import numpy as np
import pandas as pd

from pmrl.records import ANCHOR, COSINE, FOUNDATION, MAIN, OWN, REGIMES
from pmrl.reporting.cells import MEAN_NOTE, refusals, text
from pmrl.reporting.measures import clean_recalls, pairs, seed_means
from pmrl.reporting.render import MISSING
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import summarize

TITLE = "Quality and cost"
CAPTION = (
    "Recall@1 in percent, mean over the data sets: by cosine over all ordered pairs of modalities (any modality), and "
    "by each method's own score from the anchor to the others and back (anchor). Step: time of one optimiser step, "
    "network and matching included, as a multiple of that of pairwise contrast with as many modalities k; parameters "
    "that are trained. Measured by us in one process, once, on the machine that ran the study."
)
READS = ("methods", "records", "costs", "stores")
REFERENCE = "pairwise"
COUNTS = (3, 6, 14)
QUALITIES = {"any": "any modality", ANCHOR: "anchor"}


def build(results: Results) -> pd.DataFrame:
    """Per regime and method the quality, ``step_K`` for each K of ``COUNTS``, ``step`` at the largest, ``parameters``.

    Quality is ``any_mean``, ``any_low``, ``any_high`` and the same of ``anchor``. A closed form has no steps.
    """
    quality = _quality(results)
    return quality.merge(_steps(results), how="left", on="method")


def _quality(results: Results) -> pd.DataFrame:
    records = clean_recalls(results)
    methods = [method for method, variant in results.contestants() if variant == MAIN and method != FOUNDATION]
    records = records[records["variant"].eq(MAIN) & records["method"].isin(methods)]
    tasks = []
    for dataset in results.datasets:
        sides = results.sides(dataset)
        tasks += [("any", dataset, COSINE, *pair) for pair in pairs(results, dataset)]
        tasks += [(ANCHOR, dataset, OWN, *pair) for pair in (sides, sides[::-1])]
    wanted = pd.DataFrame(tasks, columns=["task", "dataset", "score", "query", "gallery"])
    by_set = seed_means(records, wanted, ["task", "regime", "dataset", "method"])
    runs = by_set.groupby(["task", "regime", "method", "seed"], sort=False)["value"]
    runs = runs.agg(value="mean", sets="count").reset_index()
    runs = runs[runs["sets"] == len(results.datasets)]  # a mean over data sets needs all of them
    found = summarize(runs, ["task", "regime", "method"]).set_index(["task", "regime", "method"])
    rows = [
        {"regime": regime, "method": method}
        | {
            f"{task}_{part}": found[part].get((task, regime, method), np.nan)
            for task in QUALITIES
            for part in ("mean", "low", "high")
        }
        for regime in REGIMES
        if regime in set(records["regime"])
        for method in methods
    ]
    columns = ["regime", "method", *(f"{task}_{part}" for task in QUALITIES for part in ("mean", "low", "high"))]
    return pd.DataFrame(rows, columns=columns)


def _steps(results: Results) -> pd.DataFrame:
    costs = results.costs
    reference = costs[costs["method"].eq(REFERENCE)].set_index("modalities")["step_milliseconds"]
    ratio = costs["step_milliseconds"] / costs["modalities"].map(reference)
    by_count = costs.assign(ratio=ratio).pivot_table("ratio", "method", "modalities")
    steps = by_count.reindex(columns=COUNTS).add_prefix("step_")
    largest = [count for count in COUNTS if count in by_count]
    largest_costs = costs[costs["modalities"].eq(largest[-1] if largest else -1)].set_index("method")
    steps["step"] = by_count[largest[-1]] if largest else np.nan
    steps["parameters"] = largest_costs["parameters"]
    return steps.rename_axis("method").reset_index()


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per regime and method, the best between any two modalities first."""
    ordered = frame.sort_values("any_mean", ascending=False, kind="stable")
    ordered = ordered.sort_values("regime", key=lambda column: column.map([*REGIMES].index), kind="stable")
    lines = []
    for row in ordered.to_dict("records"):
        line = {"regime": REGIMES[row["regime"]], "method": results.label(row["method"])}
        for task, title in QUALITIES.items():
            line[title] = text(*(row[f"{task}_{part}"] for part in ("mean", "low", "high")))
        for count in COUNTS:
            line[f"step, k = {count}"] = _number(row[f"step_{count}"], ".2f")
        lines.append(line | {"parameters": _number(row["parameters"], ",.0f")})
    shown = pd.DataFrame(lines, columns=None if lines else ["regime", "method"])
    note = "–: a closed form has no steps, and a number of modalities that was not measured no time."
    shown.attrs["notes"] = [MEAN_NOTE, note, *refusals(results)]
    return shown


def _number(value: float, form: str) -> str:
    return MISSING if pd.isna(value) else format(value, form)
