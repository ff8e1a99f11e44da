"""Retrieval between every ordered pair of modalities, PMRL against one rival (the form of the paper's Fig. 5)."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pmrl.errors import UserError
from pmrl.records import MAIN, PROPOSED, REGIMES, ZERO_SHOT
from pmrl.reporting import style
from pmrl.reporting.measures import recalls
from pmrl.reporting.results import Results

READS = ("methods", "records", "stores")
WORSE, EQUAL, UNKNOWN = "0.8", "0.93", "white"
CELL = 0.42  # inches
WIDE = 7  # modalities from which a grid takes the full width


def draw(results: Results, rival: str | None = None, regime: str = ZERO_SHOT) -> Figure:
    """One grid per data set: rows are queries, columns galleries.

    Args:
        results: the results folder.
        rival: the method that PMRL is compared with; GRAM by default.
        regime: "zero_shot", "fine_tuned" or "scratch".

    Raises:
        UserError: an unknown rival or regime.
    """
    rivals = [method for method in results.methods if method != PROPOSED]
    rival = rival or results.rival()
    if rival is None or PROPOSED not in results.methods:
        return style.empty("PMRL and a method to compare it with have not both been recorded.")
    if rival not in rivals:
        raise UserError(f"Unknown rival {rival!r}. Valid rivals: {', '.join(rivals)}.")
    if regime not in REGIMES:
        raise UserError(f"Unknown regime {regime!r}. Valid regimes: {', '.join(REGIMES)}.")
    cells = differences(results, rival, regime)
    rows = _rows(results)
    sizes = {dataset: len(results.cards[dataset]["modalities"]) for dataset in results.datasets}
    heights = [max(sizes[dataset] for dataset in row) * CELL + 0.85 for row in rows]
    figure = plt.figure(figsize=(style.FULL_WIDTH, sum(heights) + 0.55))
    bands = figure.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
    for band, row in zip(bands, rows, strict=True):
        panels = band.subplots(1, max(len(row), 1 if sizes[row[0]] > WIDE else 2), squeeze=False)[0]
        for axes, dataset in zip(panels, [*row, None], strict=False):
            axes.axis("off")
            if dataset is not None:
                _grid(axes, results, dataset, cells[cells["dataset"] == dataset])
    own, other = results.label(PROPOSED), results.label(rival)
    figure.suptitle(
        f"Recall@1 in percent, {REGIMES[regime]}, cosine: {own} (above) and its difference to {other} (below)"
    )
    keys = {f"{own} better": style.color(results, PROPOSED), f"{own} worse": WORSE, "equal": EQUAL}
    patches = [Patch(facecolor=color, edgecolor="0.4", label=name) for name, color in keys.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=3)
    return figure


def differences(results: Results, rival: str, regime: str) -> pd.DataFrame:
    """Per data set and ordered pair: mean recall@1, ``own`` and ``rival``, over the ``n`` seeds that both have."""
    records = recalls(results)
    records = records[records["regime"].eq(regime) & records["variant"].eq(MAIN)]
    keys = ["dataset", "query", "gallery", "seed"]
    own, other = (records.loc[records["method"].eq(name), [*keys, "value"]] for name in (PROPOSED, rival))
    paired = own.merge(other, on=keys, suffixes=("_own", "_rival"))
    groups = paired.groupby(keys[:3], sort=False)
    means = groups.agg(own=("value_own", "mean"), rival=("value_rival", "mean"), n=("seed", "count"))
    return means.assign(difference=means["own"] - means["rival"]).reset_index()


def _rows(results: Results) -> list[list[str]]:
    """Data sets in rows of two; a grid that is too wide for half a page has a row to itself."""
    rows: list[list[str]] = []
    for dataset in results.datasets:
        wide = len(results.cards[dataset]["modalities"]) > WIDE
        last = rows[-1] if rows else []
        if not wide and len(last) == 1 and len(results.cards[last[0]]["modalities"]) <= WIDE:
            last.append(dataset)
        else:
            rows.append([dataset])
    return rows


def _grid(axes: Axes, results: Results, dataset: str, cells: pd.DataFrame) -> None:
    modalities = list(results.cards[dataset]["modalities"])
    values = {(row.query, row.gallery): row for row in cells.itertuples()}
    k = len(modalities)
    axes.axis("on")
    axes.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5), aspect="equal", xlabel="gallery", ylabel="query")
    axes.set_xticks(range(k), modalities, rotation=35 if k > 4 else 0, ha="right" if k > 4 else "center")
    axes.set_yticks(range(k), modalities)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for i, j in np.ndindex(k, k):
        if i != j:
            _cell(axes, j, i, values.get((modalities[i], modalities[j])), style.color(results, PROPOSED))
    better = int((cells["difference"] > 0).sum())
    seeds = "–" if cells.empty else "–".join(str(n) for n in sorted({cells["n"].min(), cells["n"].max()}))
    style.panel_title(axes, f"{results.title(dataset)}: better in {better} of {len(cells)} pairs, n = {seeds} seeds")


def _cell(axes: Axes, x: int, y: int, row: Any, better: str) -> None:
    """Draw one pair (None if it was not measured): in the colour ``better`` where PMRL is better, else grey."""
    if row is None:
        color, text = UNKNOWN, "–"
    else:
        color = EQUAL if row.difference == 0 else better if row.difference > 0 else WORSE
        text = f"{row.own:.1f}\n{row.difference:+.1f}".replace("-", "−")
    hatch = "////" if row is None else None
    axes.add_patch(
        plt.Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, facecolor=color, edgecolor="0.8", hatch=hatch, lw=0.4)
    )
    axes.text(
        x,
        y,
        text,
        ha="center",
        va="center",
        fontsize=6,
        color="white" if color == better else "black",
        linespacing=1.15,
    )
