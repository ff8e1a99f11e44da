"""How retrieval fades under three corruptions, per data set and method (the noise-robustness figure)."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pmrl.figures import style
from pmrl.results import Results
from pmrl.statistics import summarize
from pmrl.tables import noise_robustness

TITLES = {
    "gaussian": "Gaussian noise",
    "missing": "missing modality",
    "missing_training": "missing in training",
    "mismatched": "mismatched pairs",
}


def draw(results: Results) -> Figure:
    """One row of panels per data set, one column per corruption; bands are 95 % t-intervals over seeds."""
    values = noise_robustness.curves(results)
    values = values[values["variant"] == "main"]
    corruptions = [kind for kind in noise_robustness.CORRUPTIONS if kind in set(values["corruption"])]
    datasets = [dataset for dataset in results.datasets if dataset in set(values["dataset"])]
    if not corruptions or not datasets:
        return style.empty("No corrupted evaluation has been recorded yet.")
    band = summarize(values, ["dataset", "corruption", "method", "level"])
    figure, panels = plt.subplots(
        len(datasets),
        len(corruptions),
        figsize=(style.FULL_WIDTH, 1.45 * len(datasets) + 0.4),
        squeeze=False,
    )
    for row, dataset in zip(panels, datasets, strict=True):
        for axes, corruption in zip(row, corruptions, strict=True):
            chosen = band["dataset"].eq(dataset) & band["corruption"].eq(corruption)
            _panel(axes, results, band[chosen].sort_values("level"), corruption)
            style.panel_title(axes, f"{results.title(dataset)}: {TITLES[corruption]}")
        row[0].set_ylabel("mean recall@1 (%)")
    for axes, corruption in zip(panels[-1], corruptions, strict=True):
        axes.set_xlabel(noise_robustness.UNITS[corruption])
    methods = [method for method in results.methods if method in set(values["method"])]
    handles = [plt.Line2D([], [], label=results.label(method), **style.look(results, method)) for method in methods]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)))
    return figure


def _panel(axes: Axes, results: Results, band: pd.DataFrame, corruption: str) -> None:
    for method, part in band.groupby("method", sort=False):
        look = style.look(results, method)
        levels = noise_robustness.level_in_unit(corruption, part["level"])
        axes.plot(levels, part["mean"], **look)
        axes.fill_between(levels, part["low"], part["high"], color=look["color"], alpha=style.BAND, lw=0)
    axes.set_ylim(bottom=0)
