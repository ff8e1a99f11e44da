"""Retrieval between every two modalities and every third: what a second modality adds to the better one of the two."""

from itertools import product

import pandas as pd

from pmrl.records import COSINE, FOUNDATION, JOINED, MAIN, OWN, REGIMES, TWO_TO_ONE
from pmrl.reporting.cells import MEAN_NOTE, complete, refusals, spread
from pmrl.reporting.measures import recalls
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import summarize

TITLE = "Two to one"
CAPTION = (
    "Recall@1 in percent from every two modalities to every third and back, mean over all directions, by the method's "
    "own score and by the cosine of centroids; by cosine of the better one of the two alone; and the gain by cosine, "
    "two minus the better one. Which one is better is decided in hindsight, for each seed and direction, which favours "
    "it: the gain is a lower bound. All numbers are ours."
)
READS = ("methods", "records", "stores")
HEADERS = {OWN: "two, own score", COSINE: "two, cosine", "single": "better one, cosine", "gain": "gain"}
KEYS = ["dataset", "regime", "method", "variant", "quantity"]
NONE_NOTE = "Not measured; `two_to_one: true` in the config measures it."


def directions(results: Results) -> pd.DataFrame:
    """One row per run and direction between two modalities and a third.

    Returns:
        dataset, regime, method, variant, seed, query, gallery, own, cosine, single and gain, all in percent. ``single``
        is the recall of the better one of the two alone, against the same third.
    """
    records = results.records[results.records["metric"].eq(f"{TWO_TO_ONE}_recall@1")]
    run = ["dataset", "regime", "method", "variant", "seed"]
    both = (
        records.pivot_table("value", [*run, "query", "gallery"], "score").reindex(columns=[OWN, COSINE]).reset_index()
    )
    alone = recalls(results).set_index([*run, "query", "gallery"])["value"].to_dict()
    both["single"] = [_better_one(alone, row, run) for row in both.to_dict("records")]
    return both.assign(gain=both[COSINE] - both["single"])


def _better_one(alone: dict[tuple[object, ...], float], row: dict[str, object], run: list[str]) -> float:
    about = tuple(row[name] for name in run)
    sides = [str(row[name]).split(JOINED) for name in ("query", "gallery")]
    return max(alone.get((*about, query, gallery), float("nan")) for query in sides[0] for gallery in sides[1])


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, regime, method, variant, quantity), mean over all directions."""
    found = directions(results)
    tidy = found.melt(["dataset", "regime", "method", "variant", "seed"], list(HEADERS), "quantity", "value")
    means = tidy.groupby([*KEYS, "seed"], sort=False)["value"].mean().reset_index()
    contestants = [
        contestant for contestant in results.contestants() if contestant[1] == MAIN and contestant[0] != FOUNDATION
    ]
    datasets = [name for name in results.datasets if name in set(found["dataset"])]
    regimes = [name for name in REGIMES if name in set(found["regime"])]
    index = [
        (dataset, regime, *contestant, quantity)
        for dataset, regime, contestant, quantity in product(datasets, regimes, contestants, HEADERS)
    ]
    expected = pd.DataFrame(index, columns=KEYS)
    return complete(summarize(means, KEYS), expected)


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, regime and method."""
    frame = frame.assign(label=results.labels(frame), regime=frame["regime"].map(REGIMES))
    rows = {"dataset": "data set", "regime": "regime", "label": "method"}
    shown = spread(frame, rows, "quantity", HEADERS)
    shown.attrs["notes"] = [MEAN_NOTE, *refusals(results)] if len(frame) else [NONE_NOTE]
    return shown
