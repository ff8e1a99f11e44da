"""How far the vectors of one modality lie apart from those of another, and how all vectors cluster."""

import pandas as pd

from pmrl.records import (
    BETWEEN_MODALITIES,
    CENTROID_DISTANCE,
    CLASS_CLUSTERS,
    MAIN,
    MODALITY_CLUSTERS,
    SPACE_METRICS,
    ZERO_SHOT,
)
from pmrl.reporting.cells import MEAN_NOTE, complete, refusals, spread
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import summarize

TITLE = "Modality gap"
CAPTION = (
    "Where the unit vectors of the test items lie, zero-shot: the share of their variance that lies between "
    "modalities, in percent; the mean distance of two modalities' centroids, times 100 (0 to 200); and the V-measure "
    "(times 100) of k-means clusters, as many as there are modalities, against the modalities, and as many as there "
    "are classes, against the classes. A small gap has small values in the first three. All numbers are ours."
)
READS = ("methods", "records")
HEADERS = {
    BETWEEN_MODALITIES: "variance between modalities (%)",
    CENTROID_DISTANCE: "distance of centroids (×100)",
    MODALITY_CLUSTERS: "V-measure: modalities",
    CLASS_CLUSTERS: "V-measure: classes",
}
KEYS = ["dataset", "method", "variant", "metric"]
NOTES = (
    "The distance of centroids shrinks, too, when all vectors move together; the share of the variance does not.",
    "The V-measure is not corrected for chance; classes are those with at least 10 test items.",
)


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, method, metric); a distance is in hundredths."""
    records = results.records
    records = records[records["metric"].isin(SPACE_METRICS) & records["regime"].eq(ZERO_SHOT)]
    hundredths = records["value"].where(records["metric"].ne(CENTROID_DISTANCE), 100 * records["value"])
    expected = pd.DataFrame(
        [
            (dataset, *contestant, metric)
            for dataset in results.datasets
            for contestant in results.contestants()
            if contestant[1] == MAIN
            for metric in HEADERS
        ],
        columns=KEYS,
    )
    return complete(summarize(records.assign(value=hundredths), KEYS), expected)


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set and method."""
    frame = frame.assign(label=results.labels(frame))
    shown = spread(frame, {"dataset": "data set", "label": "method"}, "metric", HEADERS)
    shown.attrs["notes"] = [*NOTES, MEAN_NOTE, *refusals(results)]
    return shown
