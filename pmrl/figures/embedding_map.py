"""A map of the test items' leading directions by class, for each method."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pmrl.records import LEADING_DIRECTION, PROPOSED
from pmrl.reporting import style
from pmrl.reporting.results import Results, vectors_of

READS = ("methods", "embeddings")
CLASSES = 8  # the most frequent classes have a colour, the others are grey
METHODS = 4  # drawn side by side: PMRL, the rival and the next methods
SHAPES = "osD^vPX*"


def draw(results: Results) -> Figure:
    """One row per data set, one column for each of four methods: the first two principal components of one seed."""
    frame = results.table("embeddings")
    frame = frame[frame["modality"] == LEADING_DIRECTION]
    datasets = [dataset for dataset in results.datasets if dataset in set(frame["dataset"])]
    if not datasets:
        return style.empty("No embeddings have been recorded yet.")
    order = dict.fromkeys([PROPOSED, results.rival() or PROPOSED, *results.methods])
    methods = [method for method in order if method in set(frame["method"])][:METHODS]
    width = style.FULL_WIDTH
    figure, panels = plt.subplots(
        len(datasets),
        len(methods),
        figsize=(width, (0.7 * width / max(3, len(methods)) + 0.35) * len(datasets)),
        squeeze=False,
    )
    for row, dataset in zip(panels, datasets, strict=True):
        part = frame[(frame["dataset"] == dataset) & (frame["seed"] == frame["seed"].min())]
        labels = part["label"].astype(str).value_counts().index[:CLASSES].sort_values()
        for axes, method in zip(row, methods, strict=True):
            _map(axes, part[part["method"] == method], list(labels))
            style.panel_title(axes, f"{results.title(dataset)}: {results.label(method)}")
        handles, names = row[0].get_legend_handles_labels()
        row[-1].legend(handles, names, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.2)
    return figure


def components(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First two principal components of (items, d) vectors, (items, 2), and their shares of the variance, (2,).

    Signs are chosen so that the largest entry of each direction is positive.
    """
    centred = vectors - vectors.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[:2]
    largest = directions[np.arange(2), np.abs(directions).argmax(axis=1)]
    return centred @ (directions * np.sign(largest)[:, None]).T, singular[:2] ** 2 / (singular**2).sum()


def _map(axes: Axes, frame: pd.DataFrame, labels: list[str]) -> None:
    axes.set(xticks=[], yticks=[])
    if len(frame) < 3:
        style.nothing(axes)
        return
    points, shares = components(vectors_of(frame))
    classes = frame["label"].astype(str).to_numpy()
    x, y = points[~np.isin(classes, labels)].T
    axes.scatter(x, y, s=4, color="0.75", lw=0)
    colors = plt.get_cmap("viridis")(np.linspace(0, 0.95, max(len(labels), 2)))
    for label, color, shape in zip(labels, colors, SHAPES, strict=False):
        x, y = points[classes == label].T
        axes.scatter(x, y, s=6, color=color, marker=shape, lw=0, alpha=0.8, label=style.plain(label))
    axes.set_xlabel(f"component 1 ({100 * shares[0]:.0f} %)")
    axes.set_ylabel(f"component 2 ({100 * shares[1]:.0f} %)")
