"""Items of a data set as figures show them: a picture, a text, or the features as bars."""

import io
import textwrap
from functools import cached_property
from unicodedata import east_asian_width

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pmrl.data import store
from pmrl.data.pictures import middle_frame
from pmrl.records import MEASUREMENT, TEST, VIDEO
from pmrl.reporting import style
from pmrl.reporting.results import Results

FEATURES = 24  # features drawn of a modality without views
DEVIATIONS = 3.0  # standard deviations beyond which features are clipped
LETTERS, LINES = 10, 5  # letters per line and lines of a text in a square panel
# A zero-width space; it follows each double-width letter, so that textwrap counts that letter twice.
_FILLER = "\u200b"


class Shelf:
    """The items of one data set, for figures; features and views are read on first use.

    Args:
        results: the results folder; the figure declares "stores".
        dataset: the data set's name.

    Attributes:
        items: the table of items.
    """

    def __init__(self, results: Results, dataset: str) -> None:
        self._folder = results.store(dataset)
        self._kinds = {
            name: about.get("kind", MEASUREMENT) for name, about in results.cards[dataset]["modalities"].items()
        }
        self._views: dict[str, dict[str, bytes | str]] = {}
        self.items = pd.read_parquet(self._folder / store.ITEMS)

    @property
    def modalities(self) -> list[str]:
        """All modalities in the card's order."""
        return list(self._kinds)

    def shown(self, *kinds: str) -> list[str]:
        """The modalities of these kinds that have views."""
        return [name for name, kind in self._kinds.items() if kind in kinds and self.views(name)]

    def views(self, modality: str) -> dict[str, bytes | str]:
        """{item id: the picture (PNG) or text that shows the item}."""
        if modality not in self._views:
            self._views[modality] = store.read_views(self._folder, modality)
        return self._views[modality]

    def features(self, modality: str) -> np.ndarray:
        """The first features, (items, at most FEATURES), in standard deviations of the test part; NaN where absent."""
        values, present = self._dataset.pooled[modality][:, :FEATURES], self._dataset.present[modality]
        in_test = present & (self.items["split"] == TEST).to_numpy()
        test = values[in_test if in_test.any() else present]
        scaled = (values - test.mean(axis=0)) / np.maximum(test.std(axis=0), 1e-6)
        return np.where(present[:, None], scaled, np.nan)

    @cached_property
    def _dataset(self) -> store.Dataset:
        return store.load(self._folder, verify=False)

    def show(self, axes: Axes, item: str, modality: str, width: float = 1.0, still: bool = False) -> None:
        """Draw an item's view in a modality, or its features as bars if the modality has no views.

        Args:
            axes: the panel.
            item: the item's id.
            modality: the modality's name.
            width: width of the panel as a multiple of its height.
            still: whether one frame stands for a video, instead of a row of them.
        """
        frame(axes, width)
        view = self.views(modality).get(item)
        if isinstance(view, bytes):
            show_picture(axes, view, middle=still and self._kinds[modality] == VIDEO)
        elif view is not None:
            show_text(axes, wrap(view, round(LETTERS * width), LINES))
        elif self.views(modality):
            show_text(axes, "–")  # the item lacks the modality
        else:
            row = int((self.items["id"] == item).to_numpy().argmax())
            show_features(axes, self.features(modality)[row])
            axes.text(width / 2, 0.04, modality, ha="center", va="bottom", fontsize=5, color=style.PALE)


def frame(axes: Axes, width: float = 1.0) -> None:
    """Make an empty panel of the given width and height 1 in its own coordinates."""
    axes.set(xticks=[], yticks=[], xlim=(0, width), ylim=(0, 1))
    axes.set_box_aspect(1 / width)


def show_picture(axes: Axes, png: bytes, middle: bool = False) -> None:
    """Draw a picture, or the ``middle`` frame of a row, in its own proportions, as large as the panel allows."""
    pixels = plt.imread(io.BytesIO(png))
    if middle:
        pixels = middle_frame(pixels)
    panel = axes.get_xlim()[1]
    rows, columns = pixels.shape[:2]
    scale = 0.45 * min(panel / columns, 1 / rows)
    x, y = scale * columns, scale * rows
    place = (panel / 2 - x, panel / 2 + x, 0.5 - y, 0.5 + y)
    axes.imshow(pixels, extent=place, cmap="gray", vmin=0, vmax=1, aspect="auto")
    axes.set(xlim=(0, panel), ylim=(0, 1))


def show_text(axes: Axes, text: str, size: float = 5.5) -> None:
    """Write a text of any script in the middle of a panel."""
    middle = axes.get_xlim()[1] / 2
    axes.text(middle, 0.5, text, ha="center", va="center", fontsize=size, parse_math=False)


def show_features(axes: Axes, deviations: np.ndarray) -> None:
    """Draw one bar per feature, up or down from the middle by its standard deviations."""
    panel, middle, reach = axes.get_xlim()[1], 0.58, 0.36
    step = 0.9 * panel / len(deviations)
    places = 0.05 * panel + step * (np.arange(len(deviations)) + 0.5)
    lengths = reach * np.clip(deviations, -DEVIATIONS, DEVIATIONS) / DEVIATIONS
    axes.bar(places, lengths, 0.8 * step, bottom=middle, color=style.PALE)
    axes.hlines(middle, 0.05 * panel, 0.95 * panel, color=style.PALE, linewidth=0.4)
    axes.set(xlim=(0, panel), ylim=(0, 1))


def wrap(text: str, letters: int, lines: int) -> str:
    """Break a legible text into ``lines`` lines of ``letters`` letters, wide ones counted twice; cut the rest (…)."""
    counted = "".join(letter + _FILLER * (east_asian_width(letter) in "WF") for letter in style.legible(text))
    return "\n".join(textwrap.wrap(counted, letters, max_lines=lines, placeholder="…")).replace(_FILLER, "")
