"""How many items look better aligned after noise: by the volume, by σ1 and by the mean cosine of the same vectors."""

import pandas as pd

from pmrl.records import ALIGNMENTS, BETTER_BY, FOUNDATION, GAUSSIAN, MAIN, MEAN_COSINE, SIGMA_1, VOLUME
from pmrl.reporting.cells import MEAN_NOTE, complete, refusals, spread
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import summarize

TITLE = "Better after noise"
CAPTION = (
    "Percent of the test items whose vectors look better aligned after Gaussian noise on the features of one modality, "
    "mean over the modalities: their volume gets smaller, their σ1 larger, or their mean pairwise cosine larger. "
    "Columns: score, and noise in standard deviations of each feature, the same draws for all methods. A score that "
    "notices noise has low values; 50 is a coin's toss. Protocol and numbers are ours."
)
READS = ("methods", "records")
TITLES = {VOLUME: "volume", SIGMA_1: "σ1", MEAN_COSINE: "mean cosine"}
KEYS = ["dataset", "method", "variant", "score", "level"]
NOTE = (
    "Every score judges the same vectors, those of the method in the row. With two modalities the volume and σ1 agree, "
    "since both are functions of the squared cosine."
)


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, method, score, level)."""
    records = results.records
    records = records[records["metric"].str.startswith(BETTER_BY) & records["corruption"].eq(GAUSSIAN)]
    records = records.assign(score=records["metric"].str.removeprefix(BETTER_BY))
    runs = records.groupby([*KEYS, "seed"], sort=False)["value"].mean().reset_index()
    expected = [
        (dataset, *contestant, score, level)
        for dataset in results.datasets
        for contestant in results.contestants()
        if contestant[1] == MAIN and contestant[0] != FOUNDATION
        for score in ALIGNMENTS
        for level in sorted(set(records["level"]))
    ]
    return complete(summarize(runs, KEYS), pd.DataFrame(expected, columns=KEYS).astype({"level": float}))


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set and method."""
    columns = [f"{TITLES[row.score]}: {row.level:g}" for row in frame.itertuples()]
    frame = frame.assign(label=results.labels(frame), column=columns)
    headers = {column: column for column in dict.fromkeys(columns)}
    shown = spread(frame, {"dataset": "data set", "label": "method"}, "column", headers)
    shown.attrs["notes"] = [NOTE, MEAN_NOTE, *refusals(results)]
    return shown
