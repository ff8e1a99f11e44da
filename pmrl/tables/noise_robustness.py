"""How retrieval degrades as modalities get noisy, are missing, or are mismatched in training."""

import numpy as np
import pandas as pd

from pmrl.records import CORRUPTIONS, FOUNDATION, MAIN, SIGNAL_NOISES
from pmrl.reporting.cells import MEAN_NOTE, complete, refusals, spread
from pmrl.reporting.directions import REPORTED_VARIANTS
from pmrl.reporting.measures import CORRUPTED_RUN, CORRUPTION_TITLES, corruption_curves
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import area_under, summarize

TITLE = "Robustness to noise"
CAPTION = (
    "Zero-shot recall@1 in percent under corruptions that are drawn alike for all methods. Noise on features and "
    "mismatched modalities: mean over all ordered pairs of modalities, by cosine. Blurred pictures and noise on sound: "
    "mean over the pairs whose query can have this noise, one modality at a time, by cosine. Missing modalities: from "
    "the anchor to the others and back, by each method's own score. Columns: mean over the levels (the area under the "
    "curve); the same in percent of the method's own clean recall, and as an excess over the pairwise baseline; recall "
    "at the severest level."
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
    "The paper's own noise protocol is unknown; this one is ours. On the query, with clean galleries: Gaussian noise "
    "on the features, relative to each one's standard deviation; Gaussian blur of the picture, σ in pixels of the "
    "picture as it is encoded; white noise on the sound, whose level is 60 dB minus the ratio of signal to noise (at "
    "60 dB the noise changes nothing), so that means over the levels weigh every dB alike. At test time: "
    "modalities other than the anchor missing. In continued training (its foundation was trained on clean pairs): all "
    "modalities but the anchor from one other instance, which harms methods with an anchor most by its construction; "
    "or cells of every modality from other instances, each of an item's from a different one, which favours no "
    "modality. At the same level the second makes more pairs false: at 50 %, 75 % of all pairs, against half of those "
    "with the anchor."
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
        _expected(results, set(zip(values["dataset"], values["corruption"], strict=True))),
    )


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, corruption and method."""
    frame = frame.assign(label=results.labels(frame), corruption=frame["corruption"].map(CORRUPTION_TITLES))
    rows = {"dataset": "data set", "corruption": "corruption", "label": "method"}
    shown = spread(frame, rows, "quantity", QUANTITIES)
    shown.attrs["notes"] = [NOTE, MEAN_NOTE, *refusals(results)]
    return shown


def _expected(results: Results, measured: set[tuple[str, str]]) -> pd.DataFrame:
    """The cells of the table; noise on a signal only where it was ``measured``, since few data sets have the signal."""
    corruptions = {corruption for _, corruption in measured}
    rows = [
        (dataset, corruption, method, variant, quantity)
        for dataset in results.datasets
        for corruption in CORRUPTIONS
        if corruption in corruptions and (corruption not in SIGNAL_NOISES or (dataset, corruption) in measured)
        for method, variant in results.contestants()
        if variant == MAIN and method != FOUNDATION
        for quantity in QUANTITIES
    ]
    return pd.DataFrame(rows, columns=KEYS)
