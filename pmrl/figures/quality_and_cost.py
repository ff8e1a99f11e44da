"""Quality against cost: recall of every method against the time of a training step relative to pairwise contrast."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pmrl.records import REGIMES, ZERO_SHOT
from pmrl.reporting import style
from pmrl.reporting.results import Results
from pmrl.tables import quality_and_cost as table

READS = ("methods", "records", "costs", "stores")


def draw(results: Results, regime: str = ZERO_SHOT) -> Figure:
    """A panel for retrieval between any two modalities, and one for the anchor and the others.

    Args:
        results: the results folder.
        regime: "zero_shot", "fine_tuned" or "scratch".
    """
    frame = table.build(results)
    frame = frame[frame["regime"].eq(regime)]
    if not frame["step"].notna().any():
        return style.empty("Not measured: `cost` in the config measures the time of training steps.")
    count = max(count for count in table.COUNTS if frame[f"step_{count}"].notna().any())
    figure, panels = plt.subplots(1, 2, figsize=(style.FULL_WIDTH, 3.2))
    for axes, (task, title) in zip(panels, table.QUALITIES.items(), strict=True):
        _panel(axes, results, frame, task)
        style.panel_title(axes, f"{title}, {REGIMES[regime]}")
        axes.set_xlabel(f"step time / that of pairwise contrast (k = {count})")
    panels[0].set_ylabel("recall@1, mean over data sets (%)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6)
    return figure


def _panel(axes: Axes, results: Results, frame: pd.DataFrame, task: str) -> None:
    for row in frame.to_dict("records"):
        mean, low, high = (row[f"{task}_{part}"] for part in ("mean", "low", "high"))
        if pd.isna(mean):
            continue
        look, label = style.look(results, row["method"]), results.label(row["method"])
        if pd.isna(row["step"]):
            axes.axhline(mean, color=look["color"], ls=look["linestyle"], lw=0.9, label=f"{label} (no steps)")
            continue
        half = None if pd.isna(low) else [[mean - low], [high - mean]]
        axes.errorbar(
            row["step"], mean, half, ls="none", color=look["color"], marker=look["marker"], lw=0.8, label=label
        )
        axes.annotate(label, (row["step"], mean), xytext=(3, 2), textcoords="offset points", fontsize=5.5)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 15, 20]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(bottom=0)
