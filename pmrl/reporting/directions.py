"""Retrieval in both directions between two sides: what the retrieval tables and the text–audio table share."""

from collections.abc import Mapping, Sequence

import pandas as pd

from pmrl.records import CLEAN, COSINE, MAIN, OWN, REGIMES
from pmrl.reporting import final_scores
from pmrl.reporting.cells import CHANCE_NOTE, MARK_NOTE, MEAN_NOTE, complete, refusals, spread
from pmrl.reporting.contrasts import Hits, mark_leaders
from pmrl.reporting.measures import HEADLINE
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import summarize

REPORTED_VARIANTS = (MAIN, "paper_values")
METRICS = {"recall@1": "R@1", "recall@5": "R@5", "recall@10": "R@10", "median_rank": "median rank"}
CHOSEN = (HEADLINE, False)
SCORINGS = {
    CHOSEN: "chosen on validation",
    (OWN, False): "own score",
    (OWN, True): "own score, re-ranked",
    (COSINE, False): "cosine",
}
SCORING_NOTE = (
    "Own score: the score that the method defines; cosine: of the anchor with the centroid of the others; re-ranked: "
    "the top 50 reordered by the matching head, where the method trains one; chosen on validation: the method's "
    "headline, the final score that its validation split prefers, named behind the method (table `reranking`)."
)
KEYS = ["dataset", "regime", "score", "reranked", "method", "variant", "direction", "metric"]
BLOCK = ["dataset", "regime", "score", "reranked", "direction", "metric"]


Sides = Mapping[str, tuple[str, str]]


def build(
    results: Results,
    regimes: Sequence[str],
    sides: Sides,
    scorings: Sequence[tuple[str, bool]] = tuple(SCORINGS),
) -> pd.DataFrame:
    """``estimates`` with ``mark``: the best and second-best method in recall, where significant."""
    frame = estimates(results, regimes, sides, scorings)
    pairs = _pairs(sides)
    hits = {regime: Hits(results, regime) for regime in regimes}

    def table(row: Mapping) -> pd.DataFrame | None:
        pair = pairs[row["dataset"], row["direction"]]
        task = (row["score"], row["reranked"])
        if task == CHOSEN:
            task = results.final_scores.get(_run(row), task)
        k = int(row["metric"].removeprefix("recall@"))
        return hits[row["regime"]].table(row["dataset"], (row["method"], row["variant"]), task, [pair], k)

    marked = mark_leaders(frame[frame["metric"].ne("median_rank")], BLOCK, table)
    return frame.assign(mark=marked["mark"].reindex(frame.index, fill_value=""))


def estimates(
    results: Results,
    regimes: Sequence[str],
    sides: Sides,
    scorings: Sequence[tuple[str, bool]] = tuple(SCORINGS),
) -> pd.DataFrame:
    """Estimates per (data set, regime, scoring, method, direction, metric), with a row even where nothing is measured.

    Args:
        results: the results folder.
        regimes: the regimes to show.
        sides: {data set: (query, gallery)} of the direction "forth"; "back" is its reverse.
        scorings: the (score, reranked) to show.
    """
    directions = pd.DataFrame(
        [(*key, *pair) for key, pair in _pairs(sides).items()], columns=["dataset", "direction", "query", "gallery"]
    )
    records = results.records
    records = records[records["regime"].isin(regimes) & records["corruption"].eq(CLEAN)].merge(directions)
    if CHOSEN in scorings:
        records = pd.concat([records, _headlines(results, records)])
    expected = pd.DataFrame(
        [
            (dataset, regime, *scoring, *contestant, direction, metric)
            for dataset in sides
            for regime in regimes
            for scoring in scorings
            for contestant in results.contestants(regime)
            if contestant[1] in REPORTED_VARIANTS
            for direction in ("forth", "back")
            for metric in METRICS
        ],
        columns=KEYS,
    )
    frame = complete(summarize(records, KEYS).merge(_chance(records), on=KEYS), expected)
    higher = frame["metric"].ne("median_rank")
    clear = (frame["low"] > frame["chance"]).where(higher, frame["high"] < frame["chance"])
    frame["clear_of_chance"] = clear | frame["low"].isna()  # one seed has no interval
    return frame


def show(frame: pd.DataFrame, results: Results, rows: Mapping[str, str], names: Mapping[str, str]) -> pd.DataFrame:
    """One row per group of ``rows``, one column per direction and metric.

    Args:
        frame: the result of ``build``.
        results: the results folder.
        rows: {column that names a row: header}, out of dataset, regime, scoring, label.
        names: titles of the directions "forth" and "back".
    """
    frame = frame.assign(
        scoring=[SCORINGS[task] for task in frame[["score", "reranked"]].itertuples(index=False, name=None)],
        label=_labels(frame, results),
        regime=frame["regime"].map(REGIMES),
        column=frame["direction"] + " " + frame["metric"],
    )
    headers = {
        f"{direction} {metric}": f"{name}: {short}"
        for direction, name in names.items()
        for metric, short in METRICS.items()
    }
    shown = spread(frame, rows, "column", headers)
    sizes = frame.dropna(subset="chance").drop_duplicates("dataset").itertuples()
    galleries = ", ".join(f"{row.dataset} {row.gallery_size:.0f}" for row in sizes)
    shown.attrs["notes"] = [
        MEAN_NOTE,
        f"{MARK_NOTE} Median ranks are not tested.",
        f"{CHANCE_NOTE} Chance of R@k is 100·k / gallery size; gallery sizes: {galleries or 'unknown'}.",
        *refusals(results),
    ]
    return shown


def anchor_table(results: Results, regime: str) -> pd.DataFrame:
    """`build` for the anchor against all other modalities, in one regime."""
    return build(results, [regime], {dataset: results.sides(dataset) for dataset in results.datasets})


def show_anchor_table(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, scoring and method; one column per direction and metric."""
    rows = {"dataset": "data set", "scoring": "scoring", "label": "method"}
    shown = show(frame, results, rows, {"forth": "anchor → others", "back": "others → anchor"})
    shown.attrs["notes"].insert(0, SCORING_NOTE)
    return shown


def _pairs(sides: Sides) -> dict[tuple[str, str], tuple[str, str]]:
    """{(data set, direction): (query, gallery)}."""
    return {
        (dataset, direction): pair
        for dataset, (query, gallery) in sides.items()
        for direction, pair in (("forth", (query, gallery)), ("back", (gallery, query)))
    }


def _run(row: Mapping) -> tuple[str, ...]:
    """The key of a row's run in ``Results.final_scores``."""
    return tuple(row[key] for key in final_scores.RUN)


def _headlines(results: Results, records: pd.DataFrame) -> pd.DataFrame:
    """The records of each run's headline score, under that name."""
    runs = records[final_scores.RUN].itertuples(index=False, name=None)
    scorings = records[["score", "reranked"]].itertuples(index=False, name=None)
    chosen = [results.final_scores.get(run) == scoring for run, scoring in zip(runs, scorings, strict=True)]
    return records[chosen].assign(score=HEADLINE, reranked=False)


def _labels(frame: pd.DataFrame, results: Results) -> list[str]:
    """The label of each row's method, with the name of the chosen score where that is what the row shows."""
    labels = []
    for label, row in zip(results.labels(frame), frame.to_dict("records"), strict=True):
        headline = results.final_scores.get(_run(row)) if row["score"] == HEADLINE else None
        labels.append(f"{label} ({final_scores.TITLES[headline]})" if headline else label)
    return labels


def _chance(records: pd.DataFrame) -> pd.DataFrame:
    """Chance level: recall@k is 100·k / gallery size, in percent; the median rank is (gallery size + 1) / 2."""
    sizes = records.groupby(KEYS, sort=False)["gallery_size"].min().reset_index()
    k = sizes["metric"].str.extract(r"recall@(\d+)", expand=False).astype(float)
    middle = (sizes["gallery_size"] + 1) / 2
    return sizes.assign(chance=(100 * k / sizes["gallery_size"]).fillna(middle))
