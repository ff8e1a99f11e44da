"""One look for all figures: sizes, fonts, the colour, marker and line of every method, and how they are saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pmrl.files import replacing
from pmrl.results import FOUNDATION, Results

COLUMN_WIDTH = 3.5  # inches, one column of a two-column page
FULL_WIDTH = 7.0  # inches, both columns
MAIN_COLOR = "#0072B2"
FOUNDATION_COLOR = "#777777"  # its objective is another method's, whose colour it must not share
# Okabe & Ito's palette for colour-blind readers, without black and yellow, and four of Paul Tol's.
PALETTE = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933", "#332288", "#44AA99")
MARKERS = "osD^vPX*<>"
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (7, 2)), (0, (1, 2)))
BAND = 0.18  # opacity of confidence bands

SETTINGS = {
    "font.family": "DejaVu Sans",
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
    """Draw in this style, without a display, and close what was drawn."""
    with matplotlib.rc_context(SETTINGS), plt.ioff():
        plt.switch_backend("agg")
        try:
            yield
        finally:
            plt.close("all")


def color(results: Results, method: str) -> str:
    """The method's own colour, or one that depends on nothing but its name."""
    if method == FOUNDATION:
        return FOUNDATION_COLOR
    fallback = PALETTE[int(sha256(method.encode()).hexdigest(), 16) % len(PALETTE)]
    return results.methods.get(method, {}).get("color") or fallback


def look(results: Results, method: str) -> dict:
    """Colour, marker and line style of a method, so that a figure can be read in grey."""
    order = [*results.methods].index(method) if method in results.methods else len(results.methods)
    return {
        "color": color(results, method),
        "marker": MARKERS[order % len(MARKERS)],
        "linestyle": LINES[order % len(LINES)],
    }


def empty(message: str) -> Figure:
    """A figure that says why there is nothing to see."""
    figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 1.0))
    axes.axis("off")
    axes.text(0.5, 0.5, message, ha="center", va="center", wrap=True, transform=axes.transAxes)
    return figure


def panel_title(axes: Axes, text: str) -> None:
    """A bold title over the left edge of a panel."""
    axes.set_title(text, loc="left", fontweight="bold")


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``<stem>.pdf`` and ``<stem>.png``, whole or not at all, with nothing in them that changes by the day."""
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
