"""Training from random weights: retrieval and the geometry of the embeddings, step by step."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pmrl.records import MAIN, PAIR_COSINE, PROPOSED, SCRATCH
from pmrl.reporting import style
from pmrl.reporting.results import Results

GRADIENT = "gradient_of_"
READS = ("methods", "curves")
VARIANT_DASHES = {"from_scratch": (0, (3, 1)), "sign_aware": (0, (1, 1))}
SHOWN_VARIANTS = (MAIN, *VARIANT_DASHES)
PANELS = ("recall@1 (%)", "σ₁/√k", "cosine per pair", "opposed vectors (%)", "gradients")


def draw(results: Results) -> Figure:
    """Per data set: retrieval, leading singular value, cosine of each pair, signs, and gradients of PMRL's terms."""
    curves = results.curves
    curves = curves[curves["stage"].eq(SCRATCH) & curves["variant"].isin(SHOWN_VARIANTS)]
    curves = curves[curves["dataset"].isin(curves.loc[curves["quantity"].eq("recall"), "dataset"])]
    datasets = [dataset for dataset in results.datasets if dataset in set(curves["dataset"])]
    if not datasets:
        return style.empty("No training from random weights has been recorded yet.")
    figure, panels = plt.subplots(
        len(datasets), len(PANELS), figsize=(style.FULL_WIDTH, 1.75 * len(datasets) + 0.5), sharex=True, squeeze=False
    )
    contestants = list(dict.fromkeys(curves[["method", "variant"]].itertuples(index=False, name=None)))
    for row, dataset in zip(panels, datasets, strict=True):
        part = curves[curves["dataset"] == dataset]
        k = part["quantity"].drop_duplicates().str.startswith("sigma_").sum()
        for contestant in contestants:
            own = part[part["method"].eq(contestant[0]) & part["variant"].eq(contestant[1])]
            look = _look(results, contestant)
            style.band(row[0], own[own["quantity"] == "recall"], look)
            leading = own[own["quantity"] == "sigma_1"]
            style.band(row[1], leading.assign(value=leading["value"] / np.sqrt(k)), look)
            _pairs(row[2], own[own["quantity"].str.startswith(PAIR_COSINE)], look)
            style.band(row[3], own[own["quantity"] == "opposed"], look)
            if contestant == (PROPOSED, MAIN):
                _gradients(row[4], own)
        row[1].set_ylim(0, 1.05)
        row[2].axhline(0, color="0.3", ls=":", lw=0.8)
        row[0].set_ylabel(results.title(dataset))
    for axes, title in zip(panels[0], PANELS, strict=True):
        style.panel_title(axes, title)
    for axes in panels[-1]:
        axes.set_xlabel("step")
    handles = [plt.Line2D([], [], label=results.label(*one), **_look(results, one)) for one in contestants]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _look(results: Results, contestant: tuple[str, str]) -> dict:
    method, variant = contestant
    look = style.look(results, method)
    return {
        "color": look["color"] if variant == MAIN else style.darker(look["color"]),
        "linestyle": VARIANT_DASHES.get(variant, look["linestyle"]),
    }


def _pairs(axes: Axes, curves: pd.DataFrame, look: dict) -> None:
    """Means over seeds of the mean over pairs of modalities (line), and of the lowest and highest pair (band)."""
    if curves.empty:
        return
    by_seed = curves.groupby(["step", "seed"])["value"].agg(["min", "mean", "max"])
    band = by_seed.groupby("step").mean()
    axes.plot(band.index, band["mean"], **look)
    axes.fill_between(band.index, band["min"], band["max"], color=look["color"], alpha=style.BAND, lw=0)


def _gradients(axes: Axes, curves: pd.DataFrame) -> None:
    """Norm of the gradient of each term of PMRL as published with respect to a batch's unit vectors.

    Matching is not among them: it reads tokens, so that this gradient is zero.
    """
    curves = curves[curves["quantity"].str.startswith(GRADIENT) & curves["value"].gt(0)]
    for i, (name, part) in enumerate(curves.groupby("quantity", sort=False)):
        mean = part.groupby("step")["value"].mean()
        axes.plot(
            mean.index, mean, color="0.2", linestyle=style.LINES[i % len(style.LINES)], label=name[len(GRADIENT) :]
        )
    style.log_axis(axes)
    if not curves.empty:
        axes.legend(fontsize=5.5, handlelength=1.6, title="PMRL as published", title_fontsize=5.5)
