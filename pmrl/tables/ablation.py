"""What each part of PMRL contributes: PMRL, its variants, and the other methods (the table behind Fig. 3)."""

from collections.abc import Mapping

import pandas as pd

from pmrl.records import CLEAN, COSINE, OWN, PAIRS, REGIMES
from pmrl.reporting.cells import MARK_NOTE, MEAN_NOTE, complete, refusals, spread
from pmrl.reporting.contrasts import Hits, mark_leaders
from pmrl.reporting.measures import ALL, OWN_RERANKED, pair_means, pairs, recalls
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import summarize

TITLE = "Ablation"
CAPTION = (
    "Recall@1 in percent of PMRL, of PMRL without one of its parts, and of the other methods: from the "
    "anchor to the others by each method's own score, the same with the top 50 re-ranked by the matching "
    "head, and the mean over all ordered pairs of modalities by cosine. All numbers are ours."
)
READS = ("methods", "records", "ranks", "stores")
TASKS = {OWN: "own score", OWN_RERANKED: "own score, re-ranked", PAIRS: "any-modality mean"}
SIDES = ["dataset", "query", "gallery"]
KEYS = ["dataset", "regime", "method", "variant", "task"]


def build(results: Results) -> pd.DataFrame:
    """``estimates`` with ``mark``: the best and the second-best contestant, where significant."""
    return _mark(estimates(results), results)


def estimates(results: Results) -> pd.DataFrame:
    """Tidy estimates per (data set, regime, method, variant, task), with the chance level."""
    records = results.records
    records = records[records["metric"].eq("recall@1") & records["corruption"].eq(CLEAN) & records["score"].eq(OWN)]
    sides = pd.DataFrame([(dataset, *results.sides(dataset)) for dataset in results.datasets], columns=SIDES)
    records = records.merge(sides)
    own = records.assign(task=records["reranked"].map({False: OWN, True: OWN_RERANKED}))
    means = pair_means(results, recalls(results), ALL).assign(task=PAIRS)
    values = pd.concat([own, means])
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

    def table(row: Mapping) -> pd.DataFrame | None:
        dataset, contestant = row["dataset"], (row["method"], row["variant"])
        if row["task"] == PAIRS:
            return hits[row["regime"]].table(dataset, contestant, (COSINE, False), pairs(results, dataset))
        task = (OWN, row["task"] == OWN_RERANKED)
        return hits[row["regime"]].table(dataset, contestant, task, [results.sides(dataset)])

    return mark_leaders(frame, ["dataset", "regime", "task"], table)
