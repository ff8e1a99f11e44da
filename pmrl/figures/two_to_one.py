"""Retrieval from every two modalities to every third, PMRL against one rival, in the manner of `any_modality`."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pmrl.errors import UserError
from pmrl.records import COSINE, JOINED, MAIN, PROPOSED, REGIMES, ZERO_SHOT
from pmrl.reporting import style
from pmrl.reporting.results import Results
from pmrl.tables.two_to_one import directions

READS = ("methods", "records", "stores")
CELL = 0.3  # inches
MOST_PAIRS = 21  # of seven modalities; a larger grid could not be read


def draw(results: Results, rival: str | None = None, regime: str = ZERO_SHOT) -> Figure:
    """One grid per data set: rows are two modalities, columns the third that they find.

    Args:
        results: the results folder.
        rival: the method that PMRL is compared with; GRAM by default.
        regime: "zero_shot", "fine_tuned" or "scratch".

    Raises:
        UserError: an unknown rival.
    """
    rival = rival or results.rival()
    found = directions(results)
    of_two = found["query"].str.contains(JOINED, regex=False)
    found = found[of_two & found["regime"].eq(regime) & found["variant"].eq(MAIN)]
    if found.empty or rival is None:
        return style.empty("Not measured: `two_to_one: true` in the config measures it.")
    if rival not in results.methods:
        raise UserError(f"Unknown rival {rival!r}. Valid rivals: {', '.join(results.methods)}.")
    sizes = {name: len(results.cards[name]["modalities"]) for name in results.datasets if name in set(found["dataset"])}
    shown = [name for name, k in sizes.items() if k * (k - 1) // 2 <= MOST_PAIRS]
    if not shown:
        return style.empty("All data sets have too many pairs of modalities for a grid; see the table `two_to_one`.")
    heights = [sizes[name] * (sizes[name] - 1) // 2 * CELL + 0.9 for name in shown]
    figure, grid = plt.subplots(
        len(shown), 1, figsize=(style.FULL_WIDTH, sum(heights) + 0.5), height_ratios=heights, squeeze=False
    )
    for axes, name in zip(grid[:, 0], shown, strict=True):
        _grid(axes, results, name, found[found["dataset"].eq(name)], rival)
    own, other = results.label(PROPOSED), results.label(rival)
    figure.suptitle(
        f"Recall@1 in percent, {REGIMES[regime]}, cosine: {own}, and in brackets its difference to {other}\n"
        f"purple: {own} better; orange: {own} worse"
    )
    return figure


def _grid(axes: Axes, results: Results, dataset: str, found: pd.DataFrame, rival: str) -> None:
    modalities = list(results.cards[dataset]["modalities"])
    values = found.pivot_table(COSINE, ["query", "gallery"], "method")
    pairs = list(dict.fromkeys(found["query"]))
    differences = np.full((len(pairs), len(modalities)), np.nan)
    for (query, gallery), row in values.iterrows():
        y, x = pairs.index(query), modalities.index(gallery)
        differences[y, x] = row.get(PROPOSED, np.nan) - row.get(rival, np.nan)
        if not np.isnan(differences[y, x]):
            text = f"{row[PROPOSED]:.1f} ({differences[y, x]:+.1f})".replace("-", "−")
            axes.text(x, y, text, ha="center", va="center", fontsize=7)
    largest = np.nanmax(np.abs(differences), initial=1.0)
    axes.imshow(differences, cmap="PuOr", vmin=-largest * 1.6, vmax=largest * 1.6, aspect="auto")
    axes.set_xticks(range(len(modalities)), modalities)
    axes.set_yticks(range(len(pairs)), pairs)
    axes.set(xlabel="gallery", ylabel="query")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    better = int((differences > 0).sum())
    style.panel_title(axes, f"{results.title(dataset)}: better in {better} of {int((~np.isnan(differences)).sum())}")
