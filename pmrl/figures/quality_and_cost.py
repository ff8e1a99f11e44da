"""Quality against cost: recall of every method against the time of a training step relative to pairwise contrast."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pmrl.records import REGIMES, ZERO_SHOT
from pmrl.reporting import style
from pmrl.reporting.results import Results
from pmrl.tables import quality_and_cost as table

# Height and width of a letter of the labels, as shares of a panel.
LINE, LETTER = 0.035, 0.014
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
    return figure


def _panel(axes: Axes, results: Results, frame: pd.DataFrame, task: str) -> None:
    axes.set_xscale("log")
    axes.set_xlim(0.9 * frame["step"].min(), 1.25 * frame["step"].max())
    axes.set_ylim(0, 1.08 * frame[f"{task}_mean"].max())
    points = []
    for row in frame.to_dict("records"):
        mean, low, high = (row[f"{task}_{part}"] for part in ("mean", "low", "high"))
        if pd.isna(mean):
            continue
        look, label = style.look(results, row["method"]), results.label(row["method"])
        if pd.isna(row["step"]):
            axes.axhline(mean, color=look["color"], ls=look["linestyle"], lw=0.9)
            points.append((0.91 * frame["step"].min(), mean, f"{label} (no steps)"))
            continue
        half = None if pd.isna(low) else [[mean - low], [high - mean]]
        axes.errorbar(row["step"], mean, half, ls="none", color=look["color"], marker=look["marker"], lw=0.8)
        points.append((row["step"], mean, label))
    for (x, y, label), place in zip(points, label_heights(axes, points), strict=True):
        axes.annotate(label, (x, y), xytext=(1.02 * x, place), fontsize=5.5, va="center")
    axes.xaxis.set_major_locator(FixedLocator([0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 15, 20]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def label_heights(axes: Axes, points: Sequence[tuple[float, float, str]]) -> list[float]:
    """Where each label stands, above its point and above the labels below it that it would cover."""
    low, high = np.log(axes.get_xlim())
    left = [(np.log(x) - low) / (high - low) for x, _, _ in points]
    right = [start + LETTER * len(label) for start, (_, _, label) in zip(left, points, strict=True)]
    heights: dict[int, float] = {}
    for index in sorted(range(len(points)), key=lambda index: points[index][1]):
        height = points[index][1] / axes.get_ylim()[1] + LINE / 2
        for other in sorted(heights, key=heights.__getitem__):
            beside = left[index] > right[other] or left[other] > right[index]
            if not beside and abs(height - heights[other]) < LINE:
                height = heights[other] + LINE
        heights[index] = height
    return [heights[index] * axes.get_ylim()[1] for index in range(len(points))]
