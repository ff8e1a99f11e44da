"""How well embeddings tell the classes apart: by probes from many and few labels, neighbours, and names of classes."""

import pandas as pd

from pmrl.records import (
    ACCURACY,
    CHANCE,
    CLASS_NAMES,
    FEW_LABELS,
    INSIDE_RANDOM,
    INSIDE_SITES,
    LEAVE_SITE_OUT,
    MAIN,
    NEIGHBOURS,
    NEIGHBOURS_ACROSS,
    PROBE,
    PROBE_METRICS,
    RANDOM_FOLDS,
    RAW_FEATURES,
)
from pmrl.reporting.cells import MEAN_NOTE, complete, refusals, spread
from pmrl.reporting.render import MISSING
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import summarize

TITLE = "Classification"
CAPTION = (
    "Frozen embeddings of all modalities, beside the raw features. Folds: logistic regression on the target part, in "
    "five random folds or leaving a site out; inside: the same on all instances, in ten random folds or leaving a site "
    "out, with a network trained from random weights inside each training fold. Labels per class: logistic regression "
    "from that many labelled instances, tested on the rest, mean over ten draws. Neighbours: the ten nearest other "
    "instances vote, by cosine within all modalities, or across from one modality to another (mean over ordered "
    "pairs). Class names: the embedded name of a class with the highest own score for an instance without its texts. "
    "Accuracy, area under the ROC curve and, for two classes, sensitivity and specificity in percent (higher is "
    "better). The protocols and all numbers are ours."
)
READS = ("methods", "records")
FOLDS = {
    RANDOM_FOLDS: "random folds",
    LEAVE_SITE_OUT: "leave-site-out folds",
    INSIDE_RANDOM: "inside random folds",
    INSIDE_SITES: "inside leave-site-out folds",
    **{name: f"{count} label{'s' * (count > 1)} per class" for name, count in FEW_LABELS.items()},
    NEIGHBOURS: "neighbours",
    NEIGHBOURS_ACROSS: "neighbours across",
    CLASS_NAMES: "class names",
}
METRICS = dict(zip(PROBE_METRICS, ("accuracy", "AUC", "sensitivity", "specificity"), strict=True))
FOR_TWO = ("sensitivity", "specificity")  # shown of data sets with two classes only
TASK = ["dataset", "folds"]
KEYS = [*TASK, "method", "variant", "metric"]


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, protocol, method, metric), with the instances, the classes and the level of chance."""
    records = results.records
    records = records[records["regime"].eq(PROBE)]
    probed = [*records[["method", "variant"]].drop_duplicates().itertuples(index=False, name=None)]
    contestants = [one for one in results.contestants(PROBE) if one[1] == MAIN]
    rows = [
        (*task, *contestant, metric)
        for task in records[TASK].drop_duplicates().itertuples(index=False, name=None)
        for contestant in dict.fromkeys([*contestants, *probed])
        for metric in METRICS
    ]
    frame = complete(summarize(records, KEYS), pd.DataFrame(rows, columns=KEYS))
    sizes = records.groupby(TASK, sort=False, observed=True)[["n", "gallery_size"]].max().astype(int).reset_index()
    sizes = sizes.rename(columns={"n": "instances", "gallery_size": "classes"})
    return frame.merge(sizes, on=TASK).merge(_chance(records), on=[*TASK, "metric"], how="left")


def _chance(records: pd.DataFrame) -> pd.DataFrame:
    """Per data set and protocol: the accuracy of always naming the most frequent class, and an AUC of 50 %."""
    accuracy = records[records["metric"].eq(CHANCE)].groupby(TASK, sort=False)["value"].mean().rename(CHANCE)
    auc = records[TASK].drop_duplicates().assign(metric="auc", chance=50.0)
    return pd.concat([accuracy.reset_index().assign(metric=ACCURACY), auc])


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Method × protocol for each data set and measure, with the level of chance below and the number of instances."""
    labels = [
        "raw features" if m == RAW_FEATURES else results.label(m, v)
        for m, v in frame[["method", "variant"]].itertuples(index=False, name=None)
    ]
    frame = frame.assign(label=labels, measure=frame["metric"].map(METRICS))
    frame = frame[frame["classes"].eq(2) | ~frame["metric"].isin(FOR_TWO)]
    frame = frame.sort_values(["dataset", "measure"], key=lambda column: pd.factorize(column)[0], kind="stable")
    headers = {name: header for name, header in FOLDS.items() if frame["folds"].eq(name).any()}
    shown = spread(frame, {"dataset": "data set", "measure": "measure", "label": "method"}, "folds", headers)
    lines = [shown]
    for place, part in frame.groupby(["dataset", "measure"], sort=False):
        about = part.drop_duplicates("folds").set_index("folds")
        lines.append(_below(place, "chance", about[CHANCE].map("{:.1f}".format, na_action="ignore"), headers))
        if place[1] == METRICS[ACCURACY]:
            lines.append(_below(place, "instances", about["instances"].astype(str), headers))
    attributes, shown = shown.attrs, pd.concat(lines)
    shown = shown.sort_values(["data set", "measure"], key=lambda column: pd.factorize(column)[0], kind="stable")
    shown.attrs = {
        **attributes,
        "notes": [
            MEAN_NOTE,
            "Chance: the accuracy of always naming the most frequent class, and an AUC of 50; with labels per class, a "
            "guess is right for one of as many as there are classes. Instances: how many are classified. Raw features "
            "have no space that modalities share.",
            "With more than two classes, AUC is the mean over classes, each against the rest.",
            "Hyper-parameters are those chosen for zero-shot retrieval, even where a data set is trained from scratch.",
            *refusals(results),
        ],
    }
    return shown.reset_index(drop=True)


def _below(place: tuple[str, str], name: str, values: pd.Series, headers: dict[str, str]) -> pd.DataFrame:
    """A line below the methods of a data set and measure, one value per protocol."""
    cells = {header: values.get(folds) for folds, header in headers.items()}
    line = {"data set": place[0], "measure": place[1], "method": name, **cells, "seeds": None}
    return pd.DataFrame([line]).astype(object).fillna(MISSING)
