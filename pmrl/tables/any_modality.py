"""Retrieval between all ordered pairs of modalities: what an anchor costs where it is not involved."""

from collections.abc import Mapping

import pandas as pd

from pmrl.records import ANCHOR, COSINE, MAIN, PROPOSED, REGIMES
from pmrl.reporting.cells import MARK_NOTE, MEAN_NOTE, complete, refusals, spread
from pmrl.reporting.contrasts import Hits, mark_leaders
from pmrl.reporting.directions import REPORTED_VARIANTS
from pmrl.reporting.measures import ALL, WITHOUT_ANCHOR, against, pair_means, pairs, recalls
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import summarize

TITLE = "Any-modality retrieval"
CAPTION = (
    "Recall@1 in percent by cosine, averaged over ordered pairs of modalities: all pairs, those with the anchor and "
    "those without it; and the share of pairs in which PMRL's mean over seeds is above the method's. All numbers are "
    "ours."
)
READS = ("methods", "records", "ranks", "stores")
SCOPES = {ALL: "all pairs", ANCHOR: "with the anchor", WITHOUT_ANCHOR: "without the anchor"}
SHARE = "pmrl_better"
EVERYWHERE = "all data sets"
TASK = (COSINE, False)


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, regime, method, scope); scope SHARE is the percentage of pairs where PMRL is better."""
    records = recalls(results)
    means = pd.concat([pair_means(results, records, scope) for scope in SCOPES])
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

    def table(row: Mapping) -> pd.DataFrame | None:
        chosen = pairs(results, row["dataset"], row["scope"])
        return hits[row["regime"]].table(row["dataset"], (row["method"], row["variant"]), TASK, chosen)

    return mark_leaders(frame, ["dataset", "regime", "scope"], table)


def _shares(records: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Percentage of the pairs measured for both in which PMRL's mean over seeds is strictly above the method's."""
    groups = ["dataset", "regime", "method", "variant"]
    pair = ["query", "gallery"]
    gains = against(records, (PROPOSED, MAIN)).groupby([*groups, *pair], sort=False)["gain"].mean().reset_index()
    gains["better"] = 100.0 * (gains["gain"] > 0)
    shares = gains.groupby(groups, sort=False)["better"].agg(mean="mean", n_pairs="count").reset_index()
    shares = shares.merge(frame[groups].drop_duplicates(), on=groups)
    overall = shares.assign(better=shares["mean"] * shares["n_pairs"]).groupby(groups[1:], sort=False)
    overall = overall.agg(better=("better", "sum"), n_pairs=("n_pairs", "sum")).reset_index()
    overall = overall.assign(dataset=EVERYWHERE, mean=overall.pop("better") / overall["n_pairs"])
    return pd.concat([shares, overall]).assign(scope=SHARE, mark="")
