"""Why these heads, this optimiser and these steps: the settings that were compared, for all methods together."""

import pandas as pd

from pmrl.records import CONTINUED, FOUNDATION
from pmrl.reporting.calibration import BASE, MEASURES, records
from pmrl.reporting.results import Results

TITLE = "Heads and optimiser"
CAPTION = (
    "What all methods share was chosen once, for all of them together, on validation data: recall@1 in percent, mean "
    "over the methods of the comparison, with default hyper-parameters and a seed that the study does not use. Any "
    "modality: mean over ordered pairs by cosine; anchor: against all others, both ways, by the own score. Each "
    "setting changes the base in what its name says. All numbers are ours."
)
READS = ("config/calibration_records.csv",)
EVERYTHING = "mean"


def build(results: Results) -> pd.DataFrame:
    """Mean recall per (setting, measure, data set) over the methods, and its difference to the base, in points.

    Settings are compared over the seeds that all of them have.
    """
    table = records(results)
    if table.empty:
        return pd.DataFrame(columns=["setting", "steps", "measure", "dataset", "mean", "difference"])
    common = table.groupby("seed")["setting"].nunique()
    table = table[table["seed"].isin(common[common == common.max()].index) & table["method"].ne(FOUNDATION)]
    steps = table[FOUNDATION].astype(str) + " + " + table[CONTINUED].astype(str)
    long = table.assign(steps=steps).melt(["setting", "steps", "dataset"], list(MEASURES), "measure", "mean")
    keys = ["setting", "steps", "measure"]
    by_dataset = long.groupby([*keys, "dataset"], sort=False)["mean"].mean().reset_index()
    overall = by_dataset.groupby(keys, sort=False)["mean"].mean().reset_index().assign(dataset=EVERYTHING)
    frame = pd.concat([by_dataset, overall], ignore_index=True)
    base = frame[frame["setting"].eq(BASE)].set_index(["measure", "dataset"])["mean"]
    places = pd.MultiIndex.from_frame(frame[["measure", "dataset"]])
    return frame.assign(difference=frame["mean"].to_numpy() - base.reindex(places).to_numpy())


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per setting; one column per measure and data set."""
    rows = []
    for (setting, steps), part in frame.groupby(["setting", "steps"], sort=False):
        cells = {(row.measure, row.dataset): row for row in part.itertuples()}
        line = {"setting": setting.replace("_", " "), "steps": steps}
        for measure, title in MEASURES.items():
            for dataset in [*results.datasets, EVERYTHING]:
                if (measure, dataset) in cells:
                    line[f"{title}: {dataset}"] = f"{cells[measure, dataset].mean:.1f}"
            if setting != BASE and (measure, EVERYTHING) in cells:
                line[f"{title}: to base"] = f"{cells[measure, EVERYTHING].difference:+.1f}".replace("-", "−")
        rows.append(line)
    shown = pd.DataFrame(rows, columns=None if rows else ["setting", "steps"]).fillna("–")
    shown.attrs["notes"] = [
        "Steps: of the foundation + of continued training. The base is what the study uses: the defaults of "
        "config/README.md. One seed, so differences below about one point say nothing.",
    ]
    return shown
