"""Linear probes on frozen embeddings: how well the embeddings predict the labels."""

import pandas as pd

from pmrl.records import MAIN, PROBE, PROBE_METRICS, RAW_FEATURES
from pmrl.reporting.cells import MEAN_NOTE, complete, refusals, spread
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import summarize

TITLE = "Classification"
CAPTION = (
    "Linear probes (logistic regression) on frozen embeddings of all modalities, beside logistic regression on the "
    "raw features; accuracy, area under the ROC curve, sensitivity and specificity in percent (higher is better). The "
    "protocol and all numbers are ours."
)
READS = ("methods", "records")
FOLDS = {"random": "random folds", "leave_site_out": "leave-site-out folds"}
METRICS = dict(zip(PROBE_METRICS, ("accuracy", "AUC", "sensitivity", "specificity"), strict=True))
KEYS = ["dataset", "folds", "method", "variant", "metric"]


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, folds, method, metric)."""
    records = results.records
    records = records[records["regime"].eq(PROBE)]
    tasks = records[["dataset", "folds"]].drop_duplicates().itertuples(index=False, name=None)
    probed = [*records[["method", "variant"]].drop_duplicates().itertuples(index=False, name=None)]
    contestants = [one for one in results.contestants(PROBE) if one[1] == MAIN]
    rows = [
        (*task, *contestant, metric)
        for task in tasks
        for contestant in dict.fromkeys([*contestants, *probed])
        for metric in METRICS
    ]
    return complete(summarize(records, KEYS), pd.DataFrame(rows, columns=KEYS))


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, kind of folds and method."""
    labels = [
        "Logistic regression on raw features" if m == RAW_FEATURES else results.label(m, v)
        for m, v in frame[["method", "variant"]].itertuples(index=False, name=None)
    ]
    frame = frame.assign(label=labels, folds=frame["folds"].map(FOLDS))
    shown = spread(frame, {"dataset": "data set", "folds": "folds", "label": "method"}, "metric", METRICS)
    shown.attrs["notes"] = [
        MEAN_NOTE,
        "With more than two classes, AUC, sensitivity and specificity are means over classes, each against the rest.",
        "Hyper-parameters are those chosen for zero-shot retrieval, even where a data set is trained from scratch.",
        *refusals(results),
    ]
    return shown
