"""What each part of PMRL contributes, per data set, beside the other methods (the form of the paper's Fig. 3)."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pmrl.records import MAIN, OWN, PAIRS, PROPOSED, REGIMES
from pmrl.reporting import style
from pmrl.reporting.measures import OWN_RERANKED
from pmrl.reporting.results import Results
from pmrl.tables import ablation

READS = ("methods", "records", "stores")


def draw(results: Results) -> Figure:
    """Bars with 95 % intervals: one row of panels per data set, one column per regime."""
    frame = ablation.estimates(results)
    regimes = list(frame["regime"].unique())
    if not regimes:
        return style.empty("No retrieval by the methods' own scores has been recorded yet.")
    contestants = list(dict.fromkeys(frame[["method", "variant"]].itertuples(index=False, name=None)))
    height = 0.125 * len(contestants) + 0.42
    figure, panels = plt.subplots(
        len(results.datasets),
        len(regimes),
        figsize=(style.FULL_WIDTH, height * len(results.datasets) + 0.5),
        sharey=True,
        squeeze=False,
    )
    for row, dataset in zip(panels, results.datasets, strict=True):
        values = frame.loc[frame["dataset"].eq(dataset) & frame["task"].ne(PAIRS), ["mean", "high"]]
        limit = np.nanmax([1.0, *values.to_numpy().ravel()]) * 1.04
        for axes, regime in zip(row, regimes, strict=True):
            chosen = frame["dataset"].eq(dataset) & frame["regime"].eq(regime)
            _bars(axes, results, frame[chosen], contestants)
            axes.set_xlim(0, limit)
            style.panel_title(axes, f"{results.title(dataset)}, {REGIMES[regime]}")
    for axes in panels[-1]:
        axes.set_xlabel("recall@1, anchor → others (%)")
    figure.legend(handles=_keys(), loc="outside lower center", ncols=4)
    return figure


def _bars(axes: Axes, results: Results, frame: pd.DataFrame, contestants: list[tuple[str, str]]) -> None:
    rows = {(row.task, row.method, row.variant): row for row in frame.itertuples()}
    for y, (method, variant) in enumerate(contestants):
        color = style.color(results, method)
        own, reranked = (rows.get((task, method, variant)) for task in (OWN, OWN_RERANKED))
        if own is None or np.isnan(own.mean):
            axes.text(0.01, y, "–", va="center", transform=axes.get_yaxis_transform())
            continue
        opacity = 0.45 if method == PROPOSED and variant != MAIN else 1
        axes.barh(y, own.mean, height=0.72, color=color, alpha=opacity, edgecolor="0.2", lw=0.4)
        _interval(axes, y - 0.18, own, color=style.INK)
        if reranked is not None and not np.isnan(reranked.mean):
            _interval(axes, y + 0.2, reranked, color=style.INK, marker="D", markersize=2.6, markerfacecolor="white")
    axes.set_yticks(range(len(contestants)), [results.label(*one) for one in contestants])
    axes.set_ylim(len(contestants) - 0.4, -0.6)
    if frame["chance"].notna().any():
        axes.axvline(frame["chance"].max(), color=style.INK, ls=":", lw=0.9)


def _interval(axes: Axes, y: float, row: Any, **look: Any) -> None:
    half = np.nan_to_num(row.mean - row.low)
    axes.errorbar(row.mean, y, xerr=half, lw=0.8, capsize=1.5, capthick=0.6, elinewidth=0.8, **look)


def _keys() -> list:
    return [
        Patch(facecolor="0.6", edgecolor="0.2", label="own score"),
        Line2D([], [], ls="none", marker="D", color=style.INK, markerfacecolor="white", label="top 50 re-ranked"),
        Line2D([], [], color=style.INK, marker="|", lw=0.8, label="95 % interval over seeds"),
        Line2D([], [], color=style.INK, ls=":", label="chance"),
    ]
