"""Retrieval between the anchor and everything else on groups that training never saw (Table 1)."""

import pandas as pd

from pmrl.results import Results
from pmrl.statistics import summarize
from pmrl.tables.cells import CHANCE_NOTE, MARK_NOTE, MEAN_NOTE, complete, refusals, spread
from pmrl.tables.contrasts import Hits, mark_leaders

TITLE = "Zero-shot retrieval"
CAPTION = (
    "Retrieval of everything but the anchor from the anchor (anchor → others) and back, on test items whose "
    "groups no method has seen; recall@k in percent (higher is better), median rank (lower is better)."
)
REPORTED_VARIANTS = ("main", "paper_values")
METRICS = ("recall@1", "recall@5", "recall@10", "median_rank")
SHORT = {"recall@1": "R@1", "recall@5": "R@5", "recall@10": "R@10", "median_rank": "median rank"}
SCORINGS = {
    ("own", False): "own score",
    ("own", True): "own score, re-ranked",
    ("cosine", False): "cosine",
    ("cosine", True): "cosine, re-ranked",
}
DIRECTIONS = {"forth": "anchor → others", "back": "others → anchor"}


def build(results: Results, regime: str = "zero_shot") -> pd.DataFrame:
    """Estimates per (data set, scoring, method, direction, metric), a row also where nothing is measured."""
    records = results.records
    records = records[records["regime"].eq(regime) & records["corruption"].eq("none")].merge(_directions(results))
    keys = ["dataset", "score", "reranked", "method", "variant", "direction", "metric"]
    frame = complete(summarize(records, keys).merge(_chance(records, keys), on=keys), _expected(results, regime))
    higher = frame["metric"].ne("median_rank")
    frame["clear_of_chance"] = (frame["low"] > frame["chance"]).where(higher, frame["high"] < frame["chance"])
    hits = Hits(results, regime)

    def table(row: dict) -> pd.DataFrame | None:
        pair = results.sides(row["dataset"])[:: 1 if row["direction"] == "forth" else -1]
        task = (row["score"], row["reranked"])
        k = int(row["metric"].removeprefix("recall@"))
        return hits.table(row["dataset"], (row["method"], row["variant"]), task, [pair], k)

    marked = mark_leaders(frame[higher], ["dataset", "score", "reranked", "direction", "metric"], table)
    return frame.assign(mark=marked["mark"].reindex(frame.index, fill_value=""))


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, scoring and method; one column per direction and metric."""
    scorings = [SCORINGS[task] for task in frame[["score", "reranked"]].itertuples(index=False, name=None)]
    frame = frame.assign(
        scoring=scorings, label=results.labels(frame), column=frame["direction"] + " " + frame["metric"]
    )
    headers = {
        f"{direction} {metric}": f"{shown}: {SHORT[metric]}"
        for direction, shown in DIRECTIONS.items()
        for metric in METRICS
    }
    rows = {"dataset": "data set", "scoring": "scoring", "label": "method"}
    shown = spread(frame, rows, "column", headers)
    chances = frame.dropna(subset="chance").drop_duplicates("dataset")
    sizes = ", ".join(f"{row.dataset} {row.gallery_size:.0f}" for row in chances.itertuples())
    shown.attrs["notes"] = [
        MEAN_NOTE,
        f"{MARK_NOTE} Median ranks are not tested.",
        f"{CHANCE_NOTE} Size of the gallery: {sizes or 'unknown'}; chance of R@k is 100·k / size.",
        "Own score: what the method ranks by; cosine: of the anchor with the centroid of the others; "
        "re-ranked: the top 50 ordered anew by the matching head, where the method trains it.",
        *refusals(results),
    ]
    return shown


def _directions(results: Results) -> pd.DataFrame:
    """Which (query, gallery) of each data set is which direction."""
    rows = [
        (dataset, *pair, direction)
        for dataset in results.datasets
        for direction, pair in zip(DIRECTIONS, (results.sides(dataset), results.sides(dataset)[::-1]), strict=True)
    ]
    return pd.DataFrame(rows, columns=["dataset", "query", "gallery", "direction"])


def _expected(results: Results, regime: str) -> pd.DataFrame:
    """Every cell that the table has room for."""
    return pd.DataFrame(
        [
            (dataset, score, reranked, method, variant, direction, metric)
            for dataset in results.datasets
            for score, reranked in SCORINGS
            for method, variant in results.contestants(regime)
            if variant in REPORTED_VARIANTS
            for direction in DIRECTIONS
            for metric in METRICS
        ],
        columns=["dataset", "score", "reranked", "method", "variant", "direction", "metric"],
    )


def _chance(records: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """What guessing scores: recall@k 100·k / gallery in percent, median rank (gallery + 1) / 2."""
    sizes = records.groupby(keys, sort=False, observed=True)["gallery_size"].min().reset_index()
    k = sizes["metric"].str.extract(r"recall@(\d+)", expand=False).astype(float)
    middle = (sizes["gallery_size"] + 1) / 2
    return sizes.assign(chance=(100 * k / sizes["gallery_size"]).fillna(middle))
