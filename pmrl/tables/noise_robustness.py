"""How retrieval degrades as modalities get noisy, are missing, or are mismatched in training."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pmrl.records import FOUNDATION, MAIN
from pmrl.reporting.cells import MEAN_NOTE, complete, refusals, spread
from pmrl.reporting.directions import REPORTED_VARIANTS
from pmrl.reporting.measures import CORRUPTED_RUN, CORRUPTION_TITLES, CORRUPTIONS, corruption_curves
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import area_under, summarize

TITLE = "Robustness to noise"
CAPTION = (
    "Zero-shot recall@1 in percent under corruptions that are drawn alike for all methods. Noise and mismatched pairs: "
    "mean over all ordered pairs of modalities, by cosine. Missing modalities: from the anchor to the others and back, "
    "by each method's own score. Columns: mean over the levels (the area under the curve); the same in percent of the "
    "method's own clean recall, and as an excess over the pairwise baseline; recall at the severest level."
)
QUANTITIES = {
    "area": "mean over levels",
    "kept": "kept (%)",
    "excess": "excess over pairwise",
    "severest": "severest level",
}
READS = ("methods", "records", "stores")
REFERENCE = ("pairwise", MAIN)
KEYS = ["dataset", "corruption", "method", "variant", "quantity"]
NOTE = (
    "The paper's own noise protocol is unknown; this one is ours: Gaussian noise on the query's input, relative to "
    "each feature's standard deviation; modalities other than the anchor missing at test time; and training instances "
    "that get another instance's modalities in continued training (its foundation was trained on clean pairs)."
)


def areas(values: pd.DataFrame) -> pd.DataFrame:
    """Area, share kept and value at the severest level of each run; a run that lacks a level is left out."""
    levels = values.groupby(["dataset", "corruption"])["level"].agg(lambda x: tuple(sorted(set(x)))).to_dict()
    rows = []
    for run, part in values.groupby(CORRUPTED_RUN, sort=False):
        part = part.sort_values("level")
        if tuple(part["level"]) == levels[run[:2]]:
            area = area_under(part["level"], part["value"])
            clean = part["value"].iloc[0]
            share = 100 * area / clean if clean else np.nan
            rows += [(*run, "area", area), (*run, "kept", share), (*run, "severest", part["value"].iloc[-1])]
    return pd.DataFrame(rows, columns=[*CORRUPTED_RUN, "quantity", "value"])


def excess(values: pd.DataFrame, reference: tuple[str, str] = REFERENCE) -> pd.DataFrame:
    """Each run's area minus the reference method's area with the same seed."""
    keys = ["dataset", "corruption", "seed"]
    values = values[values["quantity"] == "area"]
    own = values["method"].eq(reference[0]) & values["variant"].eq(reference[1])
    both = values[~own].merge(values.loc[own, [*keys, "value"]], on=keys, suffixes=("", "_reference"))
    return both.assign(quantity="excess", value=both["value"] - both.pop("value_reference"))


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, corruption, method, quantity)."""
    values = corruption_curves(results)
    values = values[values["variant"].isin(REPORTED_VARIANTS)]
    by_run = areas(values)
    by_run = pd.concat([by_run, excess(by_run)])
    return complete(
        summarize(by_run, KEYS),
        _expected(results, [kind for kind in CORRUPTIONS if kind in set(values["corruption"])]),
    )


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, corruption and method."""
    frame = frame.assign(label=results.labels(frame), corruption=frame["corruption"].map(CORRUPTION_TITLES))
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
        if variant == MAIN and method != FOUNDATION
        for quantity in QUANTITIES
    ]
    return pd.DataFrame(rows, columns=KEYS)
