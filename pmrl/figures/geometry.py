"""Two ways to align, drawn from real embeddings: to an anchor, or along the leading direction (the paper's Fig. 1)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import Axes3D

from pmrl.records import LEADING_DIRECTION, PROPOSED
from pmrl.reporting import style
from pmrl.reporting.results import Results, vectors_of

READS = ("methods", "embeddings", "stores")
VIEW = {"elev": 42, "azim": 40}


def draw(results: Results, method: str = PROPOSED) -> Figure:
    """One test item's modality vectors in the space of their first three singular directions.

    Args:
        results: the results folder.
        method: whose embeddings to draw.
    """
    frame = results.table("embeddings")
    chosen = frame[frame["method"].eq(method) & frame["modality"].ne(LEADING_DIRECTION)]
    datasets = [dataset for dataset in results.datasets if dataset in set(chosen["dataset"])]
    if not datasets:
        return style.empty(f"No embeddings of {method} have been recorded yet.")
    dataset = datasets[0]
    item = typical(chosen[(chosen["dataset"] == dataset) & (chosen["seed"] == chosen["seed"].min())])
    anchor = results.anchor(dataset)
    points, first = in_three_dimensions(vectors_of(item))
    names = list(item["modality"])
    figure = plt.figure(figsize=(style.FULL_WIDTH, 3.1))
    panels = [figure.add_subplot(1, 2, place, projection="3d") for place in (1, 2)]
    lowest = min(0.0, points[:, 2].min())
    _sphere(panels[0], lowest)
    for name, point in zip(names, points, strict=True):
        _arrow(panels[0], point, style.INK if name == anchor else style.PALE, name)
        if name != anchor and anchor in names:
            _arc(panels[0], points[names.index(anchor)], point, style.INK)
    panels[0].set_title(f"anchored: every modality is drawn to “{anchor}”", y=0.93)
    _sphere(panels[1], lowest)
    for name, point in zip(names, points, strict=True):
        _arrow(panels[1], point, style.PALE, name)
        _arc(panels[1], first, point, style.INK)
    _arrow(panels[1], first, style.INK, "$u_1$", gap=0.42)  # above the names of the modalities near it
    panels[1].set_title("leading direction: all are drawn to $u_1$, no modality is special", y=0.93)
    sigma = ", ".join(f"{value:.2f}" for value in np.linalg.svd(vectors_of(item), compute_uv=False))
    figure.suptitle(
        f"{results.title(dataset)}, item {style.plain(item['item'].iloc[0])}, {results.label(method)}: σ = {sigma}"
        f" (√k = {np.sqrt(len(names)):.2f})"
    )
    return figure


def typical(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the item whose σ1 is the median of all items that have every modality."""
    k = frame["modality"].nunique()
    complete = [part for _, part in frame.groupby("item") if len(part) == k]
    leading = [np.linalg.svd(vectors_of(part), compute_uv=False)[0] for part in complete]
    return complete[int(np.argsort(leading)[len(leading) // 2])]


def in_three_dimensions(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Project (k, d) unit vectors on their first three singular directions and back to the sphere.

    Returns:
        (k, 3) unit vectors, and the leading direction (3,), which points upwards.
    """
    _, _, directions = np.linalg.svd(vectors, full_matrices=False)
    basis = np.zeros((3, vectors.shape[1]))
    basis[: min(3, len(directions))] = directions[:3]
    basis[0] *= np.sign(vectors.sum(axis=0) @ basis[0])
    points = vectors @ basis[[1, 2, 0]].T
    return points / np.linalg.norm(points, axis=1, keepdims=True), np.array([0.0, 0.0, 1.0])


def _sphere(axes: Axes3D, lowest: float) -> None:
    """Draw the upper half of the sphere, in a box that reaches down to ``lowest`` and leaves room for names."""
    polar, around = np.mgrid[0 : np.pi / 2 : 7j, 0 : 2 * np.pi : 25j]
    grid = (np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar))
    axes.computed_zorder = False
    axes.plot_wireframe(*grid, color="0.88", lw=0.4, zorder=0)
    axes.set_axis_off()
    axes.set_box_aspect((2.2, 2.2, 1.2 - lowest), zoom=1.1)
    axes.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), zlim=(lowest, 1.2))
    axes.view_init(**VIEW)


def _arrow(axes: Axes3D, point: np.ndarray, color: str, name: str, gap: float = 0.2) -> None:
    axes.quiver(0, 0, 0, *point, color=color, arrow_length_ratio=0.1, lw=1.3)
    outwards = point * (1, 1, 0) + (0, 0, 0.15)
    place = point + gap * outwards / np.linalg.norm(outwards)
    axes.text(*place, name, color=color, ha="center", va="center", fontsize=6.5)


def _arc(axes: Axes3D, start: np.ndarray, end: np.ndarray, color: str) -> None:
    """Draw the shortest path between two points of the sphere."""
    path = np.linspace(start, end, 30)
    path /= np.linalg.norm(path, axis=1, keepdims=True)
    axes.plot(*path.T, color=color, ls=":", lw=1.1)
