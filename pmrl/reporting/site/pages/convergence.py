"""How training went: recall on validation against steps, and every logged quantity of each stage."""

import pandas as pd

from pmrl.records import CONTINUED, FOUNDATION, MAIN, PAIRS, STAGES
from pmrl.reporting.calibration import BASE, DOUBLE, HALF, records
from pmrl.reporting.site import charts, html
from pmrl.reporting.site.shown import Shown, each, thinned
from pmrl.reporting.statistics import summarize

TITLE = "Convergence"
STAGE_TITLES = {CONTINUED: "continued training", FOUNDATION: "foundation"}


def build(shown: Shown) -> str:
    """Budgets of steps, then the curves of training."""
    return "\n\n".join(each(shown, [budgets, plateau, training]))


def budgets(shown: Shown) -> str:
    """Validation recall at half the steps, the study's, and twice as many."""
    table = records(shown.results)
    table = table[table["setting"].isin([HALF, BASE, DOUBLE]) & table["method"].isin(shown.results.methods)]
    datasets = [name for name in shown.results.datasets if name in set(table["dataset"])]
    if not datasets:
        return "## Enough steps?\n\n– No training with other numbers of steps has been recorded for these data sets."
    continued = table[CONTINUED].where(table["method"].ne(FOUNDATION), 0)  # the foundation has no continued training
    table = table.assign(steps=table[FOUNDATION] + continued, method=[shown.label(name) for name in table["method"]])
    frame = summarize(table, ["dataset", "method", "steps"], PAIRS)
    frame = pd.concat([frame[frame["dataset"].eq(name)].sort_values("steps") for name in datasets])
    chart = charts.lines(
        shown, frame.drop(columns="n"), ("steps", "steps in all"), "recall@1 on validation (%)", ["dataset"]
    )
    filters = {"dataset": ("data set", {name: shown.results.title(name) for name in datasets})}
    label = "Any-modality recall@1 on validation against the number of steps. The numbers stand in the table below."
    return (
        f"## Enough steps?\n\n{shown.module('convergence').CAPTION}\n\n{html.choosers(filters, {}, 'data-charts')}"
        f"{charts.place(shown, 'budgets', chart, label)}"
    )


def plateau(shown: Shown) -> str:
    """What doubling the steps changes."""
    frame = shown.table("convergence")
    rows = [
        [
            html.text(shown.label(row["method"])),
            html.text(shown.results.title(row["dataset"])),
            *(html.number(row[setting]) for setting in (HALF, BASE, DOUBLE)),
            html.number(row["change"], signed=True),
            html.text("yes" if row["plateau"] else "no"),
            html.number(row["n"], 0),
        ]
        for row in frame.to_dict("records")
        if row["dataset"] in shown.results.datasets
    ]
    headers = ["method", "data set", "half the steps", "the study's", "twice", "change by doubling", "plateau", "seeds"]
    return html.table("Recall@1 on validation in percent by number of steps", headers, rows) if rows else ""


def training(shown: Shown) -> str:
    """Every quantity that training logs, mean over seeds, by data set and stage."""
    curves = shown.results.curves
    curves = curves[curves["variant"].eq(MAIN) & curves["method"].isin(shown.results.methods)]
    curves = pd.concat(
        [thinned(part) for _, part in curves.groupby(["dataset", "stage", "quantity"], sort=False)] or [curves]
    )
    if curves.empty:
        return "## Curves of training\n\n– No run has finished."
    frame = summarize(curves, ["dataset", "stage", "quantity", "method", "step"])
    frame = frame.assign(method=[shown.label(name) for name in frame["method"]])
    quantities = [
        name for name in dict.fromkeys(frame["quantity"]) if not name.startswith(("cosine of", "gradient_of"))
    ]
    frame = frame[frame["quantity"].isin(quantities)]
    first = {"stage": CONTINUED, "quantity": "sigma_1"}
    frame = frame.sort_values(list(first), key=lambda column: column.ne(first[str(column.name)]), kind="stable")
    for name in ("mean", "low", "high"):
        frame[name] = frame[name].astype(float).round(4)
    signals = ["dataset", "stage", "quantity"]
    chart = charts.lines(shown, frame.drop(columns="n"), ("step", "step"), "value", signals)
    stages = [stage for stage in STAGES if stage in set(frame["stage"])]
    filters = {
        "dataset": ("data set", {name: shown.results.title(name) for name in dict.fromkeys(frame["dataset"])}),
        "stage": ("stage", {stage: STAGE_TITLES.get(stage, stage.replace("_", " ")) for stage in stages}),
        "quantity": ("quantity", {name: name.replace("_", " ") for name in quantities}),
    }
    chosen = {name: str(frame[name].iloc[0]) for name in signals}
    label = "A quantity of training against steps, mean over seeds with its 95 % interval"
    return (
        "## Curves of training\n\nMean over seeds with its 95 % interval, as logged in training. Losses are those of "
        "each method, so only their course can be compared; σ1 is the leading singular value of an instance's unit "
        "embeddings.\n\n"
        f"{html.choosers(filters, chosen, 'data-charts')}{charts.place(shown, 'training', chart, label)}"
    )
