"""A few items of each data set's test part: their pictures, or else their texts, or else their features."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure

from pmrl.records import PICTURE, TEST, TEXT, VIDEO
from pmrl.reporting import style
from pmrl.reporting.results import Results
from pmrl.reporting.shelf import DEVIATIONS, FEATURES, Shelf, frame, show_text, wrap

READS = ("stores",)
COLUMNS = 8
CLIPS, CLIP_WIDTH = 4, 3.2  # items of a data set with videos, and the width of their panels in heights
HEIGHT, CLIP_HEIGHT = 1.25, 3.4  # inches of a data set
TEXTS = 7  # modalities whose texts are shown
LINE = 20  # letters per line


def draw(results: Results) -> Figure:
    """One row per data set: eight items of different groups, with their captions."""
    names = results.datasets
    shelves = {name: Shelf(results, name) for name in names}
    heights = [CLIP_HEIGHT if shelf.shown(VIDEO) else HEIGHT for shelf in shelves.values()]
    figure = plt.figure(figsize=(style.FULL_WIDTH, sum(heights)))
    bands = figure.subfigures(len(names), 1, squeeze=False, height_ratios=heights)[:, 0]
    for band, (name, shelf) in zip(bands, shelves.items(), strict=True):
        if shelf.shown(VIDEO):
            _show_clips(band, shelf, results.anchor(name))
        else:
            _show(band.subplots(1, COLUMNS), shelf)
        title = f"{results.title(name)}: {style.plain(results.cards[name]['title'])}"
        band.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def choose(items: pd.DataFrame) -> list[int]:
    """Row numbers of COLUMNS items of the test part, of different groups as far as there are enough groups."""
    test = items[items["split"] == TEST].reset_index().set_index("index")
    turn = test.groupby("group").cumcount()
    order = test.index[np.argsort(turn, kind="stable")]
    pool = order[: max(COLUMNS, test["group"].nunique())]
    return sorted(pool[np.unique(np.linspace(0, len(pool) - 1, COLUMNS).astype(int))])


def caption(text: str) -> str:
    """A caption in at most two lines; the rest is cut."""
    return wrap(text, LINE, 2)


def _show(row: np.ndarray, shelf: Shelf) -> None:
    """Draw a data set's items, one per panel: a picture if there is one, else texts, else features."""
    chosen = choose(shelf.items)
    pictures, texts = shelf.shown(PICTURE, VIDEO), _informative(shelf, chosen)
    for axes, index in zip(row, chosen, strict=False):
        item = shelf.items.loc[index]
        picture = next((name for name in pictures if item["id"] in shelf.views(name)), None)
        frame(axes)
        if picture is not None:
            shelf.show(axes, item["id"], picture)
        elif texts:
            show_text(axes, _stack(shelf, texts, item["id"]), 4.8)
        else:
            image = _features(shelf, index)
            axes.imshow(image, extent=(0, 1, 0, 1), cmap="cividis", vmin=0, vmax=1, aspect="auto")
        axes.spines[:].set_visible(False)
        axes.set_title(caption(item["caption"]), fontsize=5, pad=2, parse_math=False)
    for axes in row[len(chosen) :]:
        axes.axis("off")


def _show_clips(band: SubFigure, shelf: Shelf, anchor: str) -> None:
    """Draw a few clips, one per column, with a row for each modality that can be shown, but for the caption's."""
    views = [name for name in shelf.modalities if name != anchor and shelf.views(name)]
    chosen = choose(shelf.items)[:: COLUMNS // CLIPS]
    panels = band.subplots(len(views), len(chosen), squeeze=False)
    for column, index in zip(panels.T, chosen, strict=True):
        item = shelf.items.loc[index]
        for axes, modality in zip(column, views, strict=True):
            shelf.show(axes, item["id"], modality, CLIP_WIDTH)
            axes.spines[:].set_visible(False)
        column[0].set_title(wrap(item["caption"], 2 * LINE, 2), fontsize=5, pad=2, parse_math=False)
    for axes, modality in zip(panels[:, 0], views, strict=True):
        axes.set_ylabel(modality, fontsize=5.5, rotation=0, ha="right", va="center")


def _informative(shelf: Shelf, chosen: list[int]) -> list[str]:
    """The text modalities whose texts are not just the captions."""
    captions = shelf.items.loc[chosen].set_index("id")["caption"].to_dict()
    return [
        name for name in shelf.shown(TEXT) if any(shelf.views(name).get(key) != text for key, text in captions.items())
    ]


def _stack(shelf: Shelf, modalities: list[str], item: str) -> str:
    """An item's texts, one line each, in at most TEXTS modalities that are evenly spread over ``modalities``."""
    places = np.unique(np.linspace(0, len(modalities) - 1, TEXTS).astype(int))
    texts = [shelf.views(modalities[place]).get(item, "–") for place in places]
    return "\n".join(wrap(text, LINE, 1) for text in texts if isinstance(text, str))


def _features(shelf: Shelf, row: int) -> np.ndarray:
    """An item's first features of each modality, (modalities, features): ±3 standard deviations as 0 to 1."""
    image = np.full((len(shelf.modalities), FEATURES), np.nan)
    for line, name in enumerate(shelf.modalities):
        values = shelf.features(name)[row]
        image[line, : len(values)] = values
    return np.clip(0.5 + image / (2 * DEVIATIONS), 0, 1)
