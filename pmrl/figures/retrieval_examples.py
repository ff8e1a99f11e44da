"""Queries and the five items that PMRL and GRAM rank first, the relevant one framed (form of the paper's Fig. 4)."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from pmrl.records import PROPOSED
from pmrl.reporting import style
from pmrl.reporting.results import Results
from pmrl.reporting.shelf import Shelf

READS = ("methods", "examples", "stores")
RIGHT, WRONG = "#000000", "0.75"  # frames of relevant and other items; no method has these colours
SHOWN = 5
WIDTH = 2.0  # width of a panel as a multiple of its height, to suit a line of text or a spectrogram


def draw(results: Results, rival: str | None = None) -> Figure:
    """One query per data set, two if there are fewer than three data sets; a row of items for PMRL and for the rival.

    Args:
        results: the results folder.
        rival: the method that is shown beside PMRL; GRAM by default.
    """
    examples = results.table("examples")
    candidates = (PROPOSED, rival or results.rival())
    methods = [method for method in candidates if method is not None and method in set(examples["method"])]
    examples = examples[examples["method"].isin(methods)]
    limit = 2 if len(results.datasets) < 3 else 1
    blocks = [
        (dataset, *key)
        for dataset in results.datasets
        for key in _queries(examples[examples["dataset"] == dataset], len(methods))[:limit]
    ]
    if not blocks:
        return style.empty("No retrieved examples have been recorded yet.")
    figure = plt.figure(figsize=(style.FULL_WIDTH, 1.6 * len(blocks)))
    bands = figure.subfigures(len(blocks), 1, squeeze=False)[:, 0]
    shelves = {dataset: Shelf(results, dataset) for dataset, *_ in blocks}
    for band, (dataset, query, gallery, item) in zip(bands, blocks, strict=True):
        chosen = examples["dataset"].eq(dataset) & examples["item"].eq(item)
        chosen &= examples["query"].eq(query) & examples["gallery"].eq(gallery)
        _block(band, results, shelves[dataset], examples[chosen], methods)
        band.suptitle(f"{results.title(dataset)}: {query} → {gallery}", x=0.01, ha="left", fontweight="bold")
    return figure


def _queries(examples: pd.DataFrame, methods: int) -> list[tuple[str, str, str]]:
    """(query, gallery, item) of one query per gallery, of the pairs of modalities that are retrieved best.

    Pairs are ordered by how often the relevant item is among the first five, over recorded queries and methods; a
    gallery is shown once. Of a pair it is the first query, among those that all methods answered, for which any method
    has the relevant item among its five, or simply the first. So the figure shows retrieval where it works.
    """
    groups = examples.groupby(["query", "gallery", "item"], sort=False)
    counts = groups.agg(methods=("method", "nunique"), success=("correct", "any"))
    answered = counts[counts["methods"] >= methods].reset_index()
    answered = answered.sort_values("success", ascending=False, kind="stable")
    successes = examples.groupby(["query", "gallery"], sort=False)["correct"].sum().rename("successes").reset_index()
    firsts = answered.drop_duplicates(["query", "gallery"]).merge(successes, on=["query", "gallery"])
    best = firsts.sort_values("successes", ascending=False, kind="stable").drop_duplicates("gallery")
    return [*best[["query", "gallery", "item"]].itertuples(index=False, name=None)]


def _block(band: Figure, results: Results, shelf: Shelf, answers: pd.DataFrame, methods: list[str]) -> None:
    """Draw a query on the left and a row of retrieved items for each method."""
    panels = band.subplots(len(methods), SHOWN + 2, width_ratios=[1, 0.55, *[1] * SHOWN], squeeze=False)
    query, gallery, item = answers.iloc[0][["query", "gallery", "item"]]
    for axes in panels[:, :2].ravel():
        axes.axis("off")
    panels[0, 0].axis("on")
    shelf.show(panels[0, 0], item, query, WIDTH, still=True)
    panels[0, 0].spines[:].set(visible=True, color=style.PALE, linestyle="--")
    panels[0, 0].set_title("query", fontsize=6)
    for line, method in zip(panels, methods, strict=True):
        retrieved = answers[answers["method"] == method].sort_values("rank")
        outcome = results.label(method) if retrieved["correct"].any() else f"{results.label(method)}\n(not found)"
        line[1].text(1.0, 0.5, outcome, ha="right", va="center", transform=line[1].transAxes)
        for axes in line[2:]:
            axes.axis("off")
        for axes, row in zip(line[2:], retrieved.itertuples(), strict=False):
            axes.axis("on")
            shelf.show(axes, row.retrieved, gallery, WIDTH, still=True)
            frame = {"color": RIGHT, "linewidth": 2.0} if row.correct else {"color": WRONG, "linewidth": 0.6}
            axes.spines[:].set(visible=True, **frame)
            axes.set_title(f"✓ {row.rank}" if row.correct else f"{row.rank}", fontsize=6, pad=2)
