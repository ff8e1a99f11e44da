"""Which score a user of PMRL should choose: the same trained models, scored in several ways."""

from collections.abc import Mapping

import pandas as pd

from pmrl.records import COSINE, MAIN, OWN, PROPOSED, REGIMES
from pmrl.reporting.cells import MARK_NOTE, MEAN_NOTE, complete, refusals, spread
from pmrl.reporting.contrasts import Hits, mark_leaders
from pmrl.reporting.measures import clean_recalls, pairs, seed_means
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import summarize

TITLE = "Scores of PMRL"
CAPTION = (
    "Recall@1 of PMRL in percent by the cosine of the leading directions (the default), by the other scores of the "
    "study, and by plain cosine of the centroids: from the anchor to the others, from the others to the anchor, and "
    "the mean over all ordered pairs of single modalities. All numbers are ours."
)
READS = ("methods", "records", "ranks", "stores")
TASKS = {"forth": "anchor → others", "back": "others → anchor", "single": "mean over single pairs"}
PREFIX = "score_"
KEYS = ["dataset", "regime", "variant", "score", "task"]
NAMES = {(MAIN, OWN): "leading direction (default)", (MAIN, COSINE): "plain cosine"}
NO_VARIANTS = (
    f"This study has no variants of PMRL whose name starts with {PREFIX}, so only the default score and plain cosine "
    f"can be compared; add, for instance, `{PREFIX}centroid: {{score: centroid}}` to its variants."
)
EQUAL_NOTE = (
    "Between single modalities every score is the cosine of the two vectors, except the singular value, which is blind "
    "to sign; with several modalities plain cosine is that of the centroids. Training does not depend on the score."
)


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, regime, variant, score, task); score "cosine" is that of the main variant."""
    pairs = {(dataset, task): _pairs(results, dataset, task) for dataset in results.datasets for task in TASKS}
    wanted = pd.DataFrame(
        [(*key, *pair) for key, chosen in pairs.items() for pair in chosen],
        columns=["dataset", "task", "query", "gallery"],
    )
    records = clean_recalls(results)
    contestants = _contestants(results)
    records = records[records["method"].eq(PROPOSED)].merge(pd.DataFrame(contestants, columns=["variant", "score"]))
    regimes = [regime for regime in REGIMES if regime in set(records["regime"])]
    expected = pd.DataFrame(
        [
            (dataset, regime, *contestant, task)
            for dataset in results.datasets
            for regime in regimes
            for contestant in contestants
            for task in TASKS
        ],
        columns=KEYS,
    )
    frame = complete(summarize(seed_means(records, wanted, KEYS), KEYS), expected)
    hits = {regime: Hits(results, regime) for regime in regimes}

    def table(row: Mapping) -> pd.DataFrame | None:
        contestant, task = (PROPOSED, row["variant"]), (row["score"], False)
        return hits[row["regime"]].table(row["dataset"], contestant, task, pairs[row["dataset"], row["task"]])

    return mark_leaders(frame, ["dataset", "regime", "task"], table)


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, regime and score."""
    frame = frame.assign(
        label=[_label(*one) for one in frame[["variant", "score"]].itertuples(index=False, name=None)],
        regime=frame["regime"].map(REGIMES),
    )
    shown = spread(frame, {"dataset": "data set", "regime": "regime", "label": "score"}, "task", TASKS)
    missing = [] if frame["variant"].str.startswith(PREFIX).any() else [NO_VARIANTS]
    shown.attrs["notes"] = [*missing, MEAN_NOTE, MARK_NOTE.replace("method", "score"), EQUAL_NOTE, *refusals(results)]
    return shown


def _contestants(results: Results) -> list[tuple[str, str]]:
    """The (variant, score) that are compared."""
    variants = [variant for method, variant in results.contestants() if method == PROPOSED]
    own = [(variant, OWN) for variant in variants if variant == MAIN or variant.startswith(PREFIX)]
    return [*own, (MAIN, COSINE)]


def _pairs(results: Results, dataset: str, task: str) -> list[tuple[str, str]]:
    """The (query, gallery) that a task averages."""
    sides = results.sides(dataset)
    return {"forth": [sides], "back": [sides[::-1]], "single": pairs(results, dataset)}[task]


def _label(variant: str, score: str) -> str:
    return NAMES.get((variant, score)) or variant.removeprefix(PREFIX).replace("_", " ")
