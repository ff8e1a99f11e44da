"""One look for all figures: sizes, fonts, the colour, marker and line of every method, and how figures are saved."""

import logging
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from pmrl.files import replacing
from pmrl.records import FOUNDATION
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import summarize

COLUMN_WIDTH = 3.5  # inches, one column of a two-column page
FULL_WIDTH = 7.0  # inches, both columns
INK, PALE = "0.15", "0.45"  # colours of everything that is not a method
FOUNDATION_COLOR = "#777777"  # the foundation uses another method's objective and must not share its colour
MARKERS = "osD^vPX*<>"
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (7, 2)), (0, (1, 2)))
BAND = 0.18  # opacity of confidence bands
_MARKS = ("Mn", "Cf")  # Unicode's categories of marks and of what joins letters, which have no place of their own

FONT = "DejaVu Sans"
SETTINGS: dict[Any, Any] = {
    "font.family": FONT,
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "figure.titlesize": 8,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.hashsalt": "pmrl",
}


@contextmanager
def applied() -> Iterator[None]:
    """Draw in this style, without a display, and close all figures at the end."""
    with matplotlib.rc_context({**SETTINGS, "font.family": text_family()}), plt.ioff():
        plt.switch_backend("agg")
        try:
            yield
        finally:
            plt.close("all")


@cache
def text_family() -> list[str]:
    """Fonts for text of any script: that of all figures, then one for Chinese, Japanese and Korean, if installed."""
    families = [FONT]
    try:
        from noto_cjk_sans_jp_regular import FONT_PATH
    except ModuleNotFoundError:
        return families
    font_manager.fontManager.addfont(FONT_PATH)
    # This font has one weight, which matplotlib would report for each bold title.
    logging.getLogger(font_manager.__name__).setLevel(logging.ERROR)
    return [*families, font_manager.FontProperties(fname=FONT_PATH).get_name()]


@cache
def _letters() -> frozenset[int]:
    """Code points of the letters that the fonts have."""
    files = (font_manager.findfont(font_manager.FontProperties(family=name)) for name in text_family())
    return frozenset(code for file in files for code in font_manager.get_font(file).get_charmap())


def legible(text: str) -> str:
    """``text`` without boxes: letters that no font has become the name of their script, as [Bengali]."""
    parts: list[str] = []
    for letter in text:
        if letter.isspace() or ord(letter) in _letters():
            parts.append(letter)
        elif unicodedata.category(letter) not in _MARKS:
            script = f"[{unicodedata.name(letter, 'symbol').split()[0].capitalize()}]"
            parts += [script] if parts[-1:] != [script] else []
    return "".join(parts)


def color(results: Results, method: str) -> str:
    """The colour that the method declares; ink for an unknown method."""
    return FOUNDATION_COLOR if method == FOUNDATION else results.methods.get(method, {}).get("color", INK)


def darker(shade: str) -> str:
    """The same colour with 55 % of its light, for a variant beside its method."""
    red, green, blue = to_rgb(shade)
    return to_hex((0.55 * red, 0.55 * green, 0.55 * blue))


def look(results: Results, method: str) -> dict:
    """Colour, marker and line style of a method, so that a figure can be read in grey."""
    order = [*results.methods].index(method) if method in results.methods else len(results.methods)
    return {
        "color": color(results, method),
        "marker": MARKERS[order % len(MARKERS)],
        "linestyle": LINES[order % len(LINES)],
    }


def empty(message: str) -> Figure:
    """A figure with only a message that says why there is nothing to draw."""
    figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 1.0))
    axes.axis("off")
    axes.text(0.5, 0.5, message, ha="center", va="center", wrap=True, transform=axes.transAxes)
    return figure


def nothing(axes: Axes) -> None:
    """A dash in a panel without data."""
    axes.text(0.5, 0.5, "–", ha="center", transform=axes.transAxes)


def band(axes: Axes, values: pd.DataFrame, look: dict, along: str = "step") -> None:
    """Draw the mean over seeds ``along`` a column, with its 95 % interval; nothing where there are no values."""
    if values.empty:
        return
    summary = summarize(values, [along]).sort_values(along)
    axes.plot(summary[along], summary["mean"], **look)
    axes.fill_between(summary[along], summary["low"], summary["high"], color=look["color"], alpha=BAND, lw=0)


def log_axis(axes: Axes) -> None:
    """A logarithmic y axis with plain numbers at 1, 2 and 5."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def plain(text: str) -> str:
    """A legible text of the data as it is: a dollar sign in it starts no formula."""
    return legible(text).replace("$", r"\$")


def panel_title(axes: Axes, text: str) -> None:
    """A bold title over the left edge of a panel."""
    axes.set_title(text, loc="left", fontweight="bold")


def fit(figure: Figure, width: str) -> None:
    """Give a figure the width of a "column" or of the "page" of a paper, in its own proportions."""
    across, up = figure.get_size_inches()
    wanted = {"column": COLUMN_WIDTH, "page": FULL_WIDTH}[width]
    figure.set_size_inches(wanted, up * wanted / across)


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``<stem>.pdf`` and ``<stem>.png`` atomically and without dates, so that they can be reproduced."""
    paths = []
    for suffix, metadata in {
        ".pdf": {"CreationDate": None, "ModDate": None},
        ".png": {"Software": None},
    }.items():
        path = stem.with_name(stem.name + suffix)
        with replacing(path) as temporary:
            figure.savefig(temporary, format=suffix[1:], metadata=metadata)
        paths.append(path)
    return paths
