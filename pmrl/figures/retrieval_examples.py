"""Real queries and what PMRL and GRAM find for them: five answers, the right one framed (Fig. 4)."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from pmrl.records import PROPOSED
from pmrl.reporting import style
from pmrl.reporting.results import Results
from pmrl.reporting.shelf import Shelf

READS = ("methods", "examples", "stores")
RIGHT, WRONG = "#000000", "0.75"  # frames of answers; no method has these colours
SHOWN = 5
WIDTH = 2.0  # of a panel, as a multiple of its height: a line of text, or a spectrogram


def draw(results: Results, rival: str | None = None) -> Figure:
    """A query of each data set, or two of each where there are few; a line of answers for PMRL and one for the rival.

    Args:
        results: the results folder.
        rival: the method that is shown beside PMRL; GRAM by default.
    """
    examples = results.table("examples")
    shown = [method for method in (PROPOSED, rival or results.rival()) if method in set(examples["method"])]
    examples = examples[examples["method"].isin(shown)]
    blocks = [
        (dataset, *key)
        for dataset in results.datasets
        for key in _queries(examples[examples["dataset"] == dataset], len(shown))[
            : 2 if len(results.datasets) < 3 else 1
        ]
    ]
    if not blocks:
        return style.empty("No retrieved examples have been recorded yet.")
    figure = plt.figure(figsize=(style.FULL_WIDTH, 1.6 * len(blocks)))
    bands = figure.subfigures(len(blocks), 1, squeeze=False)[:, 0]
    shelves = {dataset: Shelf(results, dataset) for dataset, *_ in blocks}
    for band, (dataset, query, gallery, item) in zip(bands, blocks, strict=True):
        chosen = examples["dataset"].eq(dataset) & examples["item"].eq(item)
        chosen &= examples["query"].eq(query) & examples["gallery"].eq(gallery)
        _block(band, results, shelves[dataset], examples[chosen], shown)
        band.suptitle(f"{results.title(dataset)}: {query} → {gallery}", x=0.01, ha="left", fontweight="bold")
    return figure


def _queries(examples: pd.DataFrame, methods: int) -> list[tuple[str, str, str]]:
    """One query of each pair that all methods answered, of the pairs that are found most often: (query, gallery, item).

    It is the first that any method, whichever, finds among its five answers, or the first if none is found. Pairs
    are ordered by how many of their recorded queries are found so, and no gallery is shown twice: a person sees what
    retrieval looks like where it works.
    """
    groups = examples.groupby(["query", "gallery", "item"], sort=False)
    counts = groups.agg(methods=("method", "nunique"), seen=("correct", "any"))
    answered = counts[counts["methods"] >= methods].reset_index().sort_values("seen", ascending=False, kind="stable")
    found = examples.groupby(["query", "gallery"], sort=False)["correct"].sum().rename("found").reset_index()
    firsts = answered.drop_duplicates(["query", "gallery"]).merge(found, on=["query", "gallery"])
    best = firsts.sort_values("found", ascending=False, kind="stable").drop_duplicates("gallery")
    return [*best[["query", "gallery", "item"]].itertuples(index=False, name=None)]


def _block(band: Figure, results: Results, shelf: Shelf, answers: pd.DataFrame, methods: list[str]) -> None:
    """The query on the left; a line of answers for each method."""
    panels = band.subplots(len(methods), SHOWN + 2, width_ratios=[1, 0.55, *[1] * SHOWN], squeeze=False)
    query, gallery, item = answers.iloc[0][["query", "gallery", "item"]]
    for axes in panels[:, :2].ravel():
        axes.axis("off")
    panels[0, 0].axis("on")
    shelf.show(panels[0, 0], item, query, WIDTH)
    panels[0, 0].spines[:].set(visible=True, color=style.PALE, linestyle="--")
    panels[0, 0].set_title("query", fontsize=6)
    for line, method in zip(panels, methods, strict=True):
        found = answers[answers["method"] == method].sort_values("rank")
        outcome = results.label(method) if found["correct"].any() else f"{results.label(method)}\n(not found)"
        line[1].text(1.0, 0.5, outcome, ha="right", va="center", transform=line[1].transAxes)
        for axes in line[2:]:
            axes.axis("off")
        for axes, row in zip(line[2:], found.itertuples(), strict=False):
            axes.axis("on")
            shelf.show(axes, row.retrieved, gallery, WIDTH)
            frame = {"color": RIGHT, "linewidth": 2.0} if row.correct else {"color": WRONG, "linewidth": 0.6}
            axes.spines[:].set(visible=True, **frame)
            axes.set_title(f"✓ {row.rank}" if row.correct else f"{row.rank}", fontsize=6, pad=2)
