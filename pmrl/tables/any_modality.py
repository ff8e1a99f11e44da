"""Retrieval between all ordered pairs of modalities: what an anchor costs where it is not involved."""

from itertools import permutations

import pandas as pd

from pmrl.results import PROPOSED, REGIMES, Results
from pmrl.statistics import summarize
from pmrl.tables.cells import MARK_NOTE, MEAN_NOTE, complete, refusals, spread
from pmrl.tables.contrasts import Hits, mark_leaders
from pmrl.tables.directions import REPORTED_VARIANTS

TITLE = "Any-modality retrieval"
CAPTION = (
    "Recall@1 in percent by cosine, averaged over ordered pairs of modalities: all pairs, those that "
    "contain the anchor, those that do not; and the share of pairs in which PMRL is above the method."
)
SCOPES = {"all": "all pairs", "anchor": "with the anchor", "other": "without the anchor"}
SHARE = "pmrl_better"
EVERYWHERE = "all data sets"
TASK = ("cosine", False)


def pairs(results: Results, dataset: str, scope: str = "all") -> list[tuple[str, str]]:
    """Ordered pairs of the data set's modalities: "all", those with the "anchor", or the "other" ones."""
    anchor = results.anchor(dataset)
    everything = permutations(results.cards[dataset]["modalities"], 2)
    return [pair for pair in everything if scope == "all" or (anchor in pair) == (scope == "anchor")]


def recalls(results: Results, corrupted: bool = False) -> pd.DataFrame:
    """Recall@1 by cosine of single modalities, on clean or on corrupted data: a row per run and ordered pair."""
    records = results.records
    chosen = records["metric"].eq("recall@1") & records["corruption"].ne("none").eq(corrupted)
    records = records[chosen & records["score"].eq("cosine") & ~records["reranked"]]
    return _within(records, results, "all")


def seed_means(results: Results, records: pd.DataFrame, scope: str = "all") -> pd.DataFrame:
    """Mean over the scope's pairs, per run; a run that lacks a pair has no such mean and is left out."""
    keys = ["dataset", "method", "variant", "regime", "seed", "corruption", "level"]
    groups = _within(records, results, scope).groupby(keys, sort=False)["value"]
    runs = groups.agg(value="mean", count="count").reset_index()
    sizes = {dataset: len(pairs(results, dataset, scope)) for dataset in results.datasets}
    full = runs["count"] == runs["dataset"].map(sizes)
    return runs[full].assign(scope=scope)


def _within(records: pd.DataFrame, results: Results, scope: str) -> pd.DataFrame:
    """The rows whose (query, gallery) belongs to the scope."""
    wanted = [(dataset, *pair) for dataset in results.datasets for pair in pairs(results, dataset, scope)]
    return records.merge(pd.DataFrame(wanted, columns=["dataset", "query", "gallery"]))


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, regime, method, scope); scope SHARE is where PMRL is better, percent."""
    records = recalls(results)
    means = pd.concat([seed_means(results, records, scope) for scope in SCOPES])
    keys = ["dataset", "regime", "method", "variant", "scope"]
    frame = complete(summarize(means, keys), _expected(results, records))
    frame = _mark(frame, results)
    return pd.concat([frame, _shares(records, frame)], ignore_index=True)


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, regime and method."""
    frame = frame.assign(
        label=results.labels(frame),
        regime=frame["regime"].map(REGIMES),
    )
    rows = {"dataset": "data set", "regime": "regime", "label": "method"}
    shown = spread(frame[frame["scope"] != SHARE], rows, "scope", SCOPES)
    shares = frame[frame["scope"] == SHARE].set_index(list(rows))
    texts = []
    for key in shown[list(rows.values())].itertuples(index=False, name=None):
        share = shares.loc[key] if key in shares.index else None
        texts.append("–" if share is None else f"{share['mean']:.0f} % of {share['n_pairs']:.0f}")
    shown.insert(len(shown.columns) - 1, "pairs in which PMRL is better", texts)
    shown.attrs["notes"] = [*_share_notes(frame), MEAN_NOTE, MARK_NOTE, *refusals(results)]
    return shown


def _share_notes(frame: pd.DataFrame) -> list[str]:
    """One sentence per regime: how often PMRL is better, over the pairs of all data sets."""
    overall = frame[frame["dataset"].eq(EVERYWHERE)]
    return [
        f"Over the pairs of all data sets, {regime}, PMRL is better than "
        + ", ".join(f"{row.label} in {row.mean:.0f} % of {row.n_pairs:.0f}" for row in part.itertuples())
        + "."
        for regime, part in overall.groupby("regime", sort=False)
    ]


def _expected(results: Results, records: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (dataset, regime, method, variant, scope)
            for dataset in results.datasets
            for regime in REGIMES
            if regime in set(records["regime"])
            for method, variant in results.contestants(regime)
            if variant in REPORTED_VARIANTS
            for scope in SCOPES
            if pairs(results, dataset, scope)
        ],
        columns=["dataset", "regime", "method", "variant", "scope"],
    )


def _mark(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    hits = {regime: Hits(results, regime) for regime in frame["regime"].unique()}

    def table(row: dict) -> pd.DataFrame | None:
        chosen = pairs(results, row["dataset"], row["scope"])
        return hits[row["regime"]].table(row["dataset"], (row["method"], row["variant"]), TASK, chosen)

    return mark_leaders(frame, ["dataset", "regime", "scope"], table)


def against(records: pd.DataFrame, contestant: tuple[str, str]) -> pd.DataFrame:
    """``gain``: the contestant's value minus each other one's, for the same seed and pair."""
    keys = ["dataset", "regime", "seed", "query", "gallery"]
    own = records["method"].eq(contestant[0]) & records["variant"].eq(contestant[1])
    both = records[~own].merge(records.loc[own, [*keys, "value"]], on=keys, suffixes=("", "_own"))
    return both.assign(gain=both["value_own"] - both["value"])


def _shares(records: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Percent of pairs, measured for both, in which PMRL's mean over seeds is strictly above the method's."""
    groups = ["dataset", "regime", "method", "variant"]
    pair = ["query", "gallery"]
    gains = against(records, (PROPOSED, "main")).groupby([*groups, *pair], sort=False)["gain"].mean().reset_index()
    gains["better"] = 100.0 * (gains["gain"] > 0)
    shares = gains.groupby(groups, sort=False)["better"].agg(mean="mean", n_pairs="count").reset_index()
    kept = frame[groups].drop_duplicates()
    shares = shares.merge(kept, on=groups)
    overall = shares.assign(better=shares["mean"] * shares["n_pairs"]).groupby(groups[1:], sort=False)
    overall = overall.agg(better=("better", "sum"), n_pairs=("n_pairs", "sum")).reset_index()
    overall = overall.assign(dataset=EVERYWHERE, mean=overall.pop("better") / overall["n_pairs"])
    return pd.concat([shares, overall]).assign(scope=SHARE, mark="")
