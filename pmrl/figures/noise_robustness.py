"""How retrieval degrades under corruption, per data set and method (the form of the paper's noise figure)."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pmrl.records import (
    BLUR,
    CORRUPTIONS,
    GAUSSIAN,
    MAIN,
    MISMATCHED_ANCHOR,
    MISMATCHED_MODALITY,
    MISSING,
    MISSING_TRAINING,
    SOUND_NOISE,
)
from pmrl.reporting import style
from pmrl.reporting.measures import UNITS, corruption_curves, level_in_unit
from pmrl.reporting.results import Results

READS = ("methods", "records", "stores")
TITLES = {
    GAUSSIAN: "noise on\nfeatures",
    BLUR: "blurred\npicture",
    SOUND_NOISE: "noise on\nsound",
    MISSING: "missing\nmodality",
    MISSING_TRAINING: "missing in\ntraining",
    MISMATCHED_ANCHOR: "mismatched\nanchor",
    MISMATCHED_MODALITY: "mismatched\nmodality",
}


def draw(results: Results) -> Figure:
    """One row of panels per data set, one column per corruption; bands are 95 % t-intervals over seeds."""
    values = corruption_curves(results)
    values = values[values["variant"].eq(MAIN) & values["dataset"].isin(results.datasets)]
    corruptions = [kind for kind in CORRUPTIONS if kind in set(values["corruption"])]
    datasets = [dataset for dataset in results.datasets if dataset in set(values["dataset"])]
    if not corruptions or not datasets:
        return style.empty("No corrupted evaluation has been recorded yet.")
    figure, panels = plt.subplots(
        len(datasets),
        len(corruptions),
        figsize=(style.FULL_WIDTH, 1.15 * len(datasets) + 0.8),
        squeeze=False,
    )
    for column, corruption in zip(panels.T, corruptions, strict=True):
        style.panel_title(column[0], TITLES[corruption])
        _column(column, results, values[values["corruption"].eq(corruption)], corruption, datasets)
    for axes, dataset in zip(panels[:, 0], datasets, strict=True):
        axes.set_ylabel(f"{results.title(dataset)}\nmean recall@1 (%)")
    methods = [method for method in results.methods if method in set(values["method"])]
    handles = [plt.Line2D([], [], label=results.label(method), **style.look(results, method)) for method in methods]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)))
    return figure


def _column(
    column: np.ndarray, results: Results, values: pd.DataFrame, corruption: str, datasets: Sequence[str]
) -> None:
    """The panels of a corruption; of a data set that it cannot be applied to, there is none."""
    drawn = []
    for axes, dataset in zip(column, datasets, strict=True):
        chosen = values[values["dataset"].eq(dataset)]
        if chosen.empty:
            axes.set_axis_off()
        else:
            _panel(axes, results, chosen, corruption)
            drawn.append(axes)
    drawn[-1].set_xlabel(UNITS[corruption])


def _panel(axes: Axes, results: Results, values: pd.DataFrame, corruption: str) -> None:
    values = values.assign(level=level_in_unit(corruption, values["level"]))
    for method, part in values.groupby("method", sort=False):
        style.band(axes, part, style.look(results, method), along="level")
    axes.set_ylim(bottom=0)
