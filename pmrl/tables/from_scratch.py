"""Training from random weights: how well each method retrieves, and the geometry at the end of training."""

import numpy as np
import pandas as pd

from pmrl.records import FOUNDATION, MAIN, PAIR_COSINE, SCRATCH
from pmrl.reporting import measures
from pmrl.reporting.cells import MEAN_NOTE, complete, refusals, spread
from pmrl.reporting.measures import pair_means
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import summarize

TITLE = "From scratch"
CAPTION = (
    "Training from random weights; all numbers are ours. Recall@1 in percent on the test split by cosine, mean over "
    "all ordered pairs of modalities; the same as a percentage of that of contrast over all pairs, seed by seed. At "
    "the end of training, on the validation split: the leading singular value over its maximum √k; the mean cosine of "
    "an instance’s vectors for the lowest pair of modalities, all pairs and the highest pair; the share of vectors "
    "that point against their instance’s leading direction (opposed); and the share of leading directions that an "
    "ordinary SVD returns with the opposite sign (sign flips)."
)
READS = ("methods", "records", "curves", "stores")
YARDSTICK = ("all_pairs", MAIN)
QUANTITIES = {
    "recall": "recall@1 (%)",
    "share": "of all pairs (%)",
    "sigma": "σ₁/√k",
    "lowest": "cosine: lowest",
    "mean": "cosine: mean",
    "highest": "cosine: highest",
    "opposed": "opposed (%)",
    "sign_flips": "sign flips (%)",
}
RUN = ["dataset", "method", "variant", "seed"]
KEYS = ["dataset", "method", "variant", "quantity"]


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, method, variant, quantity)."""
    values = pd.concat([recalls(results), final_geometry(results)], ignore_index=True)
    expected = pd.DataFrame(
        [
            (dataset, *contestant, quantity)
            for dataset in results.datasets
            for contestant in results.contestants(SCRATCH)
            if contestant[0] != FOUNDATION
            for quantity in QUANTITIES
        ],
        columns=KEYS,
    )
    return complete(summarize(values, KEYS), expected)


def recalls(results: Results) -> pd.DataFrame:
    """Mean any-modality recall@1 of every run, and its share of the yardstick's of the same seed, in percent."""
    means = pair_means(results, measures.recalls(results))
    means = means.loc[means["regime"].eq(SCRATCH), [*RUN, "value"]].assign(quantity="recall")
    own = means["method"].eq(YARDSTICK[0]) & means["variant"].eq(YARDSTICK[1])
    both = means.merge(
        means.loc[own, ["dataset", "seed", "value"]], on=["dataset", "seed"], suffixes=("", "_yardstick")
    )
    return pd.concat([means, both.assign(quantity="share", value=100 * both["value"] / both.pop("value_yardstick"))])


def final_geometry(results: Results) -> pd.DataFrame:
    """The last logged values of every run."""
    curves = results.curves[results.curves["stage"].eq(SCRATCH)]
    last = curves[curves["step"] == curves.groupby(RUN)["step"].transform("max")]
    singular = last[last["quantity"].str.startswith("sigma_")]
    k = singular.groupby(RUN)["value"].count()
    sigma = last[last["quantity"].eq("sigma_1")].set_index(RUN)["value"] / np.sqrt(k)
    cosines = last[last["quantity"].str.startswith(PAIR_COSINE)].groupby(RUN)["value"]
    parts = [
        series.rename("value").reset_index().assign(quantity=name)
        for name, series in (
            ("sigma", sigma),
            ("lowest", cosines.min()),
            ("mean", cosines.mean()),
            ("highest", cosines.max()),
        )
    ]
    signs = last[last["quantity"].isin(["opposed", "sign_flips"])]
    return pd.concat([*parts, signs[[*RUN, "quantity", "value"]]])


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set and contestant."""
    frame = frame.assign(label=results.labels(frame))
    shown = spread(frame, {"dataset": "data set", "label": "method"}, "quantity", QUANTITIES, decimals=2)
    shown.attrs["notes"] = [MEAN_NOTE, _search(results), *refusals(results)]
    return shown


def _search(results: Results) -> str:
    """Where the hyper-parameters come from."""
    file, regime = results.study.get("tuned"), results.study.get("tuning_regime")
    if not file:
        return "Every method has its default hyper-parameters."
    where = "from scratch" if regime == SCRATCH else "zero-shot, for training continued from a foundation"
    return f"Hyper-parameters were searched {where}, with the same budget of training steps for each method ({file})."
