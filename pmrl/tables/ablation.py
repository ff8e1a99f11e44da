"""What each part of PMRL contributes: PMRL, its variants, and the other methods (the table behind Fig. 3)."""

import pandas as pd

from pmrl.results import REGIMES, Results
from pmrl.statistics import summarize
from pmrl.tables.any_modality import pairs, recalls, seed_means
from pmrl.tables.cells import MARK_NOTE, MEAN_NOTE, complete, refusals, spread
from pmrl.tables.contrasts import Hits, mark_leaders

TITLE = "Ablation"
CAPTION = (
    "Recall@1 in percent of PMRL, of PMRL without one of its parts, and of the other methods: from the "
    "anchor to the others by each method's own score, the same with the top 50 re-ranked by the matching "
    "head, and the mean over all ordered pairs of modalities by cosine."
)
TASKS = {"own": "own score", "own_reranked": "own score, re-ranked", "pairs": "any-modality mean"}
SIDES = ["dataset", "query", "gallery"]
KEYS = ["dataset", "regime", "method", "variant", "task"]


def build(results: Results) -> pd.DataFrame:
    """``estimates`` with ``mark``: who is best and second, where that is significant."""
    return _mark(estimates(results), results)


def estimates(results: Results) -> pd.DataFrame:
    """Tidy estimates per (data set, regime, method, variant, task), and what guessing scores."""
    records = results.records
    records = records[records["metric"].eq("recall@1") & records["corruption"].eq("none") & records["score"].eq("own")]
    sides = pd.DataFrame([(dataset, *results.sides(dataset)) for dataset in results.datasets], columns=SIDES)
    records = records.merge(sides)
    own = records.assign(task=records["reranked"].map({False: "own", True: "own_reranked"}))
    anywhere = seed_means(results, recalls(results), "all").assign(task="pairs")
    values = pd.concat([own, anywhere])
    chance = 100 / own.groupby("dataset")["gallery_size"].min()
    frame = complete(summarize(values, KEYS), _expected(results, values))
    return frame.assign(chance=frame["dataset"].map(chance))


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, regime and contestant."""
    frame = frame.assign(label=results.labels(frame), regime=frame["regime"].map(REGIMES))
    shown = spread(frame, {"dataset": "data set", "regime": "regime", "label": "method"}, "task", TASKS)
    shown.attrs["notes"] = [MEAN_NOTE, MARK_NOTE, *refusals(results)]
    return shown


def _expected(results: Results, values: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (dataset, regime, *contestant, task)
            for dataset in results.datasets
            for regime in REGIMES
            if regime in set(values["regime"])
            for contestant in results.contestants(regime)
            for task in TASKS
        ],
        columns=KEYS,
    )


def _mark(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    hits = {regime: Hits(results, regime) for regime in frame["regime"].unique()}

    def table(row: dict) -> pd.DataFrame | None:
        dataset, contestant = row["dataset"], (row["method"], row["variant"])
        if row["task"] == "pairs":
            return hits[row["regime"]].table(dataset, contestant, ("cosine", False), pairs(results, dataset))
        task = ("own", row["task"] == "own_reranked")
        return hits[row["regime"]].table(dataset, contestant, task, [results.sides(dataset)])

    return mark_leaders(frame, ["dataset", "regime", "task"], table)
