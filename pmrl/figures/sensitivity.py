"""PMRL's two temperatures and matching weight: measured retrieval, and the saturation that theory predicts."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from pmrl.records import PROPOSED
from pmrl.reporting import style
from pmrl.reporting.results import Results
from pmrl.tables import sensitivity

READS = ("methods", "sweep", "stores")
PAPER = sensitivity.PAPER


def draw(results: Results) -> Figure:
    """Per data set: heat map over τ1 × τ2, saturation of the alignment loss over τ1, matching weight."""
    frame = sensitivity.build(results)
    datasets = [dataset for dataset in results.datasets if dataset in set(frame["dataset"])]
    if not datasets:
        return style.empty("No sweep of the temperatures has been recorded yet.")
    figure, panels = plt.subplots(
        len(datasets),
        3,
        figsize=(style.FULL_WIDTH, 1.95 * len(datasets)),
        width_ratios=(1.5, 1, 1),
        squeeze=False,
    )
    for row, dataset in zip(panels, datasets, strict=True):
        part = frame[frame["dataset"] == dataset]
        _heat_map(row[0], part[part["parameter"] == "temperatures"])
        style.panel_title(row[0], f"{results.title(dataset)}: mean recall@1 (%)")
        _saturation(row[1], len(results.cards[dataset]["modalities"]), part["alignment_temperature"])
        style.panel_title(row[1], "alignment saturates at")
        _weights(row[2], results, part[part["parameter"] == "matching_weight"])
        style.panel_title(row[2], "matching weight")
    return figure


def _heat_map(axes: Axes, frame: pd.DataFrame) -> None:
    """Draw the mean over seeds; a frame marks the paper's temperatures."""
    grid = frame.pivot_table(index="instance_temperature", columns="alignment_temperature", values="mean")
    # seaborn writes in a colour that contrasts with each cell
    seaborn.heatmap(grid, ax=axes, annot=True, fmt=".1f", annot_kws={"fontsize": 6}, cmap="cividis", cbar=False)
    axes.invert_yaxis()
    axes.set_xticklabels([f"{value:g}" for value in grid.columns])
    axes.set_yticklabels([f"{value:g}" for value in grid.index], rotation=0)
    axes.set(xlabel="alignment temperature τ₁", ylabel="instance temperature τ₂")
    axes.tick_params(length=0)
    columns = np.flatnonzero(np.isclose(grid.columns.astype(float), PAPER["alignment_temperature"]))
    rows = np.flatnonzero(np.isclose(grid.index.astype(float), PAPER["instance_temperature"]))
    for x, y in zip(columns, rows, strict=False):
        outline = [withStroke(linewidth=3, foreground=style.INK)]  # seen on dark and on light cells
        frame = plt.Rectangle((x + 0.03, y + 0.06), 0.94, 0.88, fill=False, edgecolor="white", path_effects=outline)
        axes.add_patch(frame)


def _saturation(axes: Axes, k: int, temperatures: pd.Series) -> None:
    """Draw the equal pairwise cosine at which the alignment loss falls to 0.001 nats, derived; grey: it never does."""
    swept = np.unique(temperatures.dropna().astype(float))
    grid = np.geomspace(min(swept.min(), 0.01), max(swept.max(), 1.0), 200)
    cosines = np.array([sensitivity.saturation(k, temperature) for temperature in grid])
    axes.plot(grid, cosines, color="0.2")
    never = grid[np.isnan(cosines)]
    if len(never):
        axes.axvspan(never[0], grid[-1], color="0.9", lw=0)
        axes.text(np.sqrt(never[0] * grid[-1]), 0.5, "never", ha="center", va="center", fontsize=6)
    axes.axvline(PAPER["alignment_temperature"], color=style.INK, ls="--", lw=1)
    axes.set(xscale="log", ylim=(0, 1), xlabel="alignment temperature τ₁", ylabel=f"cosine (k = {k})")
    axes.set_xlim(grid[0], grid[-1])


def _weights(axes: Axes, results: Results, frame: pd.DataFrame) -> None:
    """Draw the mean with its 95 % t-interval over seeds against the weight of instance matching."""
    if frame.empty:
        style.nothing(axes)
        return
    frame = frame.sort_values("matching_weight")
    places = range(len(frame))
    half = np.nan_to_num(frame["mean"] - frame["low"])
    axes.errorbar(places, frame["mean"], yerr=half, color=style.color(results, PROPOSED), marker="o", capsize=2)
    weights = frame["matching_weight"].astype(float)
    axes.set_xticks(places, [f"{weight:g}" for weight in weights])
    for place in np.flatnonzero(np.isclose(weights, PAPER["matching_weight"])):
        axes.axvline(float(place), color=style.INK, ls="--", lw=1, zorder=0)
    axes.set(xlabel="weight of instance matching", ylabel="mean recall@1 (%)", xlim=(-0.4, len(frame) - 0.6))
    axes.set_ylim(0, 1.12 * (frame["mean"] + half).max())
