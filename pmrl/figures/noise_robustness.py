"""How retrieval degrades under corruption, per data set and method (the form of the paper's noise figure)."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pmrl.records import CORRUPTIONS, GAUSSIAN, MAIN, MISMATCHED, MISSING, MISSING_TRAINING
from pmrl.reporting import style
from pmrl.reporting.measures import UNITS, corruption_curves, level_in_unit
from pmrl.reporting.results import Results

READS = ("methods", "records", "stores")
TITLES = {
    GAUSSIAN: "Gaussian noise",
    MISSING: "missing modality",
    MISSING_TRAINING: "missing in training",
    MISMATCHED: "mismatched pairs",
}


def draw(results: Results) -> Figure:
    """One row of panels per data set, one column per corruption; bands are 95 % t-intervals over seeds."""
    values = corruption_curves(results)
    values = values[values["variant"] == MAIN]
    corruptions = [kind for kind in CORRUPTIONS if kind in set(values["corruption"])]
    datasets = [dataset for dataset in results.datasets if dataset in set(values["dataset"])]
    if not corruptions or not datasets:
        return style.empty("No corrupted evaluation has been recorded yet.")
    figure, panels = plt.subplots(
        len(datasets),
        len(corruptions),
        figsize=(style.FULL_WIDTH, 1.45 * len(datasets) + 0.4),
        squeeze=False,
    )
    for row, dataset in zip(panels, datasets, strict=True):
        for axes, corruption in zip(row, corruptions, strict=True):
            chosen = values["dataset"].eq(dataset) & values["corruption"].eq(corruption)
            _panel(axes, results, values[chosen], corruption)
            style.panel_title(axes, f"{results.title(dataset)}: {TITLES[corruption]}")
        row[0].set_ylabel("mean recall@1 (%)")
    for axes, corruption in zip(panels[-1], corruptions, strict=True):
        axes.set_xlabel(UNITS[corruption])
    methods = [method for method in results.methods if method in set(values["method"])]
    handles = [plt.Line2D([], [], label=results.label(method), **style.look(results, method)) for method in methods]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)))
    return figure


def _panel(axes: Axes, results: Results, values: pd.DataFrame, corruption: str) -> None:
    values = values.assign(level=level_in_unit(corruption, values["level"]))
    for method, part in values.groupby("method", sort=False):
        style.band(axes, part, style.look(results, method), along="level")
    axes.set_ylim(bottom=0)
