"""How retrieval fades as modalities get noisy, go missing, or are paired wrongly while training."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pmrl.results import FOUNDATION, OTHERS, ZERO_SHOT, Results
from pmrl.statistics import area_under, summarize
from pmrl.tables.any_modality import recalls, seed_means
from pmrl.tables.cells import MEAN_NOTE, complete, refusals, spread
from pmrl.tables.directions import REPORTED_VARIANTS

TITLE = "Robustness to noise"
CAPTION = (
    "Zero-shot recall@1 in percent under three corruptions, drawn alike for all methods. Noise and mismatched pairs: "
    "mean over all ordered pairs of modalities, by cosine. Missing modalities: from the anchor to the others and back, "
    "by each method's own score. Columns: mean over the levels (the area under the curve); the same in percent of the "
    "method's own clean recall, and as an excess over the pairwise baseline; recall at the severest level."
)
CORRUPTIONS = {
    "gaussian": "Gaussian noise on the input",
    "missing": "modality missing at test time",
    "missing_training": "modality missing in training and at test time",
    "mismatched": "mismatched pairs in training",
}
UNITS = {
    "gaussian": "noise / standard deviation",
    "missing": "missing (%)",
    "missing_training": "missing (%)",
    "mismatched": "mismatched (%)",
}
QUANTITIES = {
    "area": "mean over levels",
    "kept": "kept (%)",
    "excess": "excess over pairwise",
    "severest": "severest level",
}
REFERENCE = ("pairwise", "main")
RUN = ["dataset", "corruption", "method", "variant", "seed"]
KEYS = ["dataset", "corruption", "method", "variant", "quantity"]
NOTE = (
    "The paper's own noise protocol could not be recovered; this one is ours: Gaussian noise relative to each "
    "feature's standard deviation on the query's input, modalities but the anchor dropped at test time, and instances "
    "that get another one's modalities in continued training; the foundation that it starts from saw clean pairs."
)


def curves(results: Results) -> pd.DataFrame:
    """Recall@1 of every run, corruption and level; clean records are level 0 of each corruption."""
    parts = []
    for kind in CORRUPTIONS:
        measured = anchor_means if kind.startswith("missing") else pair_means
        noisy = measured(results, kind)
        if len(noisy):
            parts += [noisy, measured(results, "none").assign(corruption=kind, level=0.0)]
    if not parts:
        return pd.DataFrame(columns=[*RUN, "level", "value"])
    every = pd.concat(parts)
    return every[every["regime"].eq(ZERO_SHOT)].drop_duplicates([*RUN, "level"])


def pair_means(results: Results, corruption: str) -> pd.DataFrame:
    """Mean recall@1 by cosine over all ordered pairs of modalities, per run and level."""
    records = recalls(results, corrupted=corruption != "none")
    return seed_means(results, records[records["corruption"].eq(corruption)])


def anchor_means(results: Results, corruption: str) -> pd.DataFrame:
    """Mean recall@1 by the own score from the anchor to all others and back, per run and level.

    Modalities that are missing leave single pairs as they are; it is sets of modalities that they hurt.
    """
    records = results.records
    chosen = records["metric"].eq("recall@1") & records["score"].eq("own") & ~records["reranked"]
    records = records[
        chosen & records["corruption"].eq(corruption) & (records[["query", "gallery"]] == OTHERS).any(axis=1)
    ]
    groups = records.groupby([*RUN, "regime", "level"], sort=False)["value"]
    runs = groups.agg(value="mean", count="count").reset_index()
    return runs[runs["count"] == 2]


def areas(values: pd.DataFrame) -> pd.DataFrame:
    """Area and value at the severest level of each run; a run that lacks a level that others have is left out."""
    levels = values.groupby(["dataset", "corruption"])["level"].agg(lambda x: tuple(sorted(set(x)))).to_dict()
    rows = []
    for run, part in values.groupby(RUN, sort=False):
        part = part.sort_values("level")
        if tuple(part["level"]) == levels[run[:2]]:
            area = area_under(part["level"], part["value"])
            clean = part["value"].iloc[0]
            kept = 100 * area / clean if clean else np.nan
            rows += [(*run, "area", area), (*run, "kept", kept), (*run, "severest", part["value"].iloc[-1])]
    return pd.DataFrame(rows, columns=[*RUN, "quantity", "value"])


def excess(values: pd.DataFrame, reference: tuple[str, str] = REFERENCE) -> pd.DataFrame:
    """Each run's area minus the reference method's area of the same seed."""
    keys = ["dataset", "corruption", "seed"]
    values = values[values["quantity"] == "area"]
    own = values["method"].eq(reference[0]) & values["variant"].eq(reference[1])
    both = values[~own].merge(values.loc[own, [*keys, "value"]], on=keys, suffixes=("", "_reference"))
    return both.assign(quantity="excess", value=both["value"] - both.pop("value_reference"))


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, corruption, method, quantity)."""
    values = curves(results)
    values = values[values["variant"].isin(REPORTED_VARIANTS)]
    measured = areas(values)
    everything = pd.concat([measured, excess(measured)])
    return complete(
        summarize(everything, KEYS),
        _expected(results, [kind for kind in CORRUPTIONS if kind in set(values["corruption"])]),
    )


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, corruption and method."""
    frame = frame.assign(label=results.labels(frame), corruption=frame["corruption"].map(CORRUPTIONS))
    rows = {"dataset": "data set", "corruption": "corruption", "label": "method"}
    shown = spread(frame, rows, "quantity", QUANTITIES)
    shown.attrs["notes"] = [NOTE, MEAN_NOTE, *refusals(results)]
    return shown


def _expected(results: Results, corruptions: Sequence[str]) -> pd.DataFrame:
    rows = [
        (dataset, corruption, method, variant, quantity)
        for dataset in results.datasets
        for corruption in corruptions
        for method, variant in results.contestants()
        if variant == "main" and method != FOUNDATION
        for quantity in QUANTITIES
    ]
    return pd.DataFrame(rows, columns=KEYS)


def level_in_unit(corruption: str, level: np.ndarray) -> np.ndarray:
    """Levels as ``UNITS`` names them: fractions become percent."""
    return level if corruption == "gaussian" else 100 * level
