"""The spectrum of an instance's embeddings in training, and how steady training is (the paper's convergence figure)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pmrl.records import CONTINUED, MAIN, PROPOSED
from pmrl.reporting import style
from pmrl.reporting.results import Results

READS = ("methods", "curves")


def draw(results: Results, rival: str | None = None) -> Figure:
    """Per data set: σ1 … σk of PMRL and the rival, every method's uniformity, and both gradient norms.

    Args:
        results: the results folder.
        rival: the method whose spectrum stands beside PMRL's; GRAM by default.
    """
    candidates = (PROPOSED, rival or results.rival())
    methods = [method for method in candidates if method is not None and method in results.methods]
    curves = results.curves
    curves = curves[curves["stage"].eq(CONTINUED) & curves["variant"].eq(MAIN)]
    if curves.empty:
        return style.empty("No curves of continued training have been recorded yet.")
    datasets = [dataset for dataset in results.datasets if dataset in set(curves["dataset"])]
    figure, panels = plt.subplots(
        len(datasets),
        len(methods) + 2,
        figsize=(style.FULL_WIDTH, 1.5 * len(datasets) + 0.45),
        sharex="row",
        squeeze=False,
    )
    for row, dataset in zip(panels, datasets, strict=True):
        part = curves[curves["dataset"] == dataset]
        for axes, method in zip(row, methods, strict=False):
            _spectrum(axes, part[part["method"] == method])
            style.panel_title(axes, f"{results.title(dataset)}: {results.label(method)}")
        row[0].set_ylabel("singular value σ")
        _by_method(row[-2], results, part, "uniformity")
        style.panel_title(row[-2], "uniformity")
        row[-2].set_ylabel("log mean potential")
        _gradients(row[-1], results, part[part["method"].isin(methods)])
        style.panel_title(row[-1], "gradient norm")
    for axes in panels[-1, :-1]:
        axes.set_xlabel("step")
    handles = [
        plt.Line2D([], [], label=results.label(method), **_line(results, method))
        for method in results.methods
        if method in set(curves["method"])
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)))
    return figure


def _spectrum(axes: Axes, curves: pd.DataFrame) -> None:
    """Draw σ1 (dark) to σk (light) with bands; dashed: √k, all vectors equal up to sign; dotted: 1, all orthogonal."""
    names = sorted((q for q in curves["quantity"].unique() if q.startswith("sigma_")), key=lambda q: int(q[6:]))
    k = len(names)
    if not k:
        style.nothing(axes)
        return
    for j, name in enumerate(names):
        shade = plt.get_cmap("viridis")(0.85 * j / max(1, k - 1))
        value = curves[curves["quantity"] == name]
        style.band(axes, value, {"color": shade, "lw": 1.2})
        if j in (0, k - 1):
            last = value.groupby("step")["value"].mean().reset_index().iloc[-1]
            axes.annotate(
                f"$\\sigma_{{{j + 1}}}$",
                (last["step"], last["value"]),
                (2, 0),
                textcoords="offset points",
                va="center",
                color=shade,
            )
    axes.axhline(np.sqrt(k), color="0.3", ls="--", lw=0.8)
    axes.axhline(1, color="0.3", ls=":", lw=0.8)
    axes.annotate(f"$\\sqrt{{{k}}}$", (0, np.sqrt(k)), (2, -2), textcoords="offset points", va="top", fontsize=6)
    axes.set_ylim(0, np.sqrt(k) * 1.08)


def _by_method(axes: Axes, results: Results, curves: pd.DataFrame, quantity: str) -> None:
    curves = curves[curves["quantity"] == quantity]
    for method in results.methods:
        style.band(axes, curves[curves["method"] == method], _line(results, method))


def _gradients(axes: Axes, results: Results, curves: pd.DataFrame) -> None:
    """Draw every seed's gradient norm; below, its standard deviation / mean over training, averaged over seeds."""
    curves = curves[curves["quantity"] == "gradient_norm"]
    variations = []
    for method, part in curves.groupby("method", sort=False):
        by_seed = part.pivot_table(index="step", columns="seed", values="value")
        axes.plot(by_seed.index, by_seed, lw=0.7, **_line(results, method))
        variation = (by_seed.std() / by_seed.mean()).mean()
        variations.append(f"{results.label(method)} {variation:.2f}")
    style.log_axis(axes)
    axes.set_xlabel(f"step\ns / mean: {', '.join(variations) or '–'}", loc="right")


def _line(results: Results, method: str) -> dict:
    look = style.look(results, method)
    return {"color": look["color"], "linestyle": look["linestyle"]}
