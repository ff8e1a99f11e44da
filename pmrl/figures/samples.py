"""A few items of the test part of each data set: their pictures, or, where there are none, their features."""

import io
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pmrl.data import store
from pmrl.figures import style
from pmrl.results import Results

COLUMNS = 8
FEATURES = 24  # shown of each modality
LINE = 20  # characters of a caption


def draw(results: Results) -> Figure:
    """One row per data set: eight items of different groups, with their captions."""
    names = results.datasets
    figure, panels = plt.subplots(len(names), COLUMNS, figsize=(style.FULL_WIDTH, 1.1 * len(names)), squeeze=False)
    for row, name in zip(panels, names, strict=True):
        folder = results.data / name
        items = pd.read_parquet(folder / store.ITEMS)
        chosen = choose(items)
        if (folder / store.PICTURES).is_file():
            pictures = pd.read_parquet(folder / store.PICTURES).set_index("id")["png"]
            images = [plt.imread(io.BytesIO(pictures[items.loc[index, "id"]])) for index in chosen]
        else:
            images = _features(store.load(folder, verify=False), chosen)
        for axes, image, index in zip(row, images, chosen, strict=False):
            _show(axes, image, items.loc[index, "caption"])
        for axes in row[len(chosen) :]:
            axes.axis("off")
        row[0].set_ylabel(results.title(name), fontweight="bold")
    return figure


def choose(items: pd.DataFrame) -> list[int]:
    """Rows of the test part, evenly spread over its groups as far as there are enough of them."""
    test = items[items["split"] == "test"].reset_index().set_index("index")
    turn = test.groupby("group").cumcount()
    order = test.index[np.argsort(turn, kind="stable")]
    pool = order[: max(COLUMNS, test["group"].nunique())]
    return sorted(pool[np.unique(np.linspace(0, len(pool) - 1, COLUMNS).astype(int))])


def wrap(caption: str) -> str:
    """At most two lines; what does not fit is cut."""
    return "\n".join(textwrap.wrap(caption, LINE, max_lines=2, placeholder="…"))


def _features(dataset: store.Dataset, rows: list[int]) -> list[np.ndarray]:
    """Per item the first features of each modality in standard deviations, (modalities, features) from 0 to 1."""
    images = np.full((len(rows), len(dataset.modalities), FEATURES), np.nan)
    for line, name in enumerate(dataset.modalities):
        values, present = dataset.pooled[name], dataset.present[name]
        scaled = (values - values[present].mean(axis=0)) / values[present].std(axis=0)
        width = min(FEATURES, scaled.shape[1])
        images[:, line, :width] = np.where(present[rows][:, None], scaled[rows, :width], np.nan)
    return list(np.clip(0.5 + images / 6, 0, 1))


def _show(axes: Axes, image: np.ndarray, caption: str) -> None:
    axes.imshow(image, cmap="gray" if image.shape[0] > 10 else "cividis", vmin=0, vmax=1, aspect="auto")
    axes.set_box_aspect(1)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(wrap(caption), fontsize=5, pad=2)
