"""Validation recall against the number of steps, for every method and data set, with the study's budget marked."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pmrl.records import CONTINUED, FOUNDATION, PAIRS
from pmrl.reporting import style
from pmrl.reporting.calibration import BASE, DOUBLE, HALF, records
from pmrl.reporting.results import Results

READS = ("methods", "config/calibration_records.csv")


def draw(results: Results) -> Figure:
    """One panel per data set: mean over seeds, and every seed as a small mark."""
    table = records(results)
    table = table[table["setting"].isin([HALF, BASE, DOUBLE])]
    table = table.assign(steps=table[FOUNDATION] + table[CONTINUED])
    datasets = [name for name in results.datasets if name in set(table["dataset"])]
    if not datasets:
        return style.empty("No training with other numbers of steps has been recorded.")
    figure, panels = plt.subplots(1, len(datasets), figsize=(style.FULL_WIDTH, 2.2), squeeze=False)
    for axes, dataset in zip(panels[0], datasets, strict=True):
        style.panel_title(axes, results.title(dataset))
        _panel(axes, results, table[table["dataset"].eq(dataset)])
    panels[0, 0].set_ylabel("any-modality recall@1\non validation (%)")
    methods = [name for name in results.methods if name in set(table["method"])]
    handles = [plt.Line2D([], [], label=results.label(method), **style.look(results, method)) for method in methods]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)))
    return figure


def _panel(axes: Axes, results: Results, table: pd.DataFrame) -> None:
    for method, part in table[table["method"].isin(results.methods)].groupby("method", sort=False):
        look = style.look(results, str(method))
        # the foundation has no continued training
        steps = part[FOUNDATION] if method == FOUNDATION else part["steps"]
        means = part.assign(steps=steps).groupby("steps")[PAIRS].mean()
        axes.plot(means.index, means, **look)
        axes.plot(steps, part[PAIRS], linestyle="", marker=look["marker"], color=look["color"], alpha=0.35, ms=2)
    budgets = sorted(set(table["steps"]) | set(table[FOUNDATION]))
    axes.axvline(table.loc[table["setting"].eq(BASE), "steps"].iloc[0], color=style.PALE, lw=0.8, linestyle=":")
    axes.set_xscale("log", base=2)
    axes.set_xticks(budgets[::2], labels=[str(steps) for steps in budgets[::2]])
    axes.minorticks_off()
    axes.set_xlabel("steps in all")
    axes.set_ylim(bottom=0)
