"""Why so many steps: what doubling all of them changes for each method."""

import pandas as pd

from pmrl.records import FOUNDATION, PAIRS
from pmrl.reporting.calibration import BASE, DOUBLE, HALF, records
from pmrl.reporting.results import Results

TITLE = "Convergence"
CAPTION = (
    "Any-modality recall@1 on validation, in percent, after half the study's steps, after its steps, and after twice "
    "as many, in all stages (separate trainings, each with its own schedule). A method is at its plateau where "
    "doubling changes it by at most one point, or 5 % of it. Means over seeds that the study does not use. All "
    "numbers are ours."
)
READS = ("methods", "config/calibration_records.csv")
POINTS, SHARE = 1.0, 0.05  # the largest change by doubling that counts as a plateau


def build(results: Results) -> pd.DataFrame:
    """Per (data set, method): recall at each budget, the change by doubling, and whether it is a plateau."""
    table = records(results)
    table = table[table["setting"].isin([HALF, BASE, DOUBLE])]
    means = table.pivot_table(PAIRS, ["dataset", "method"], "setting", sort=False)
    seeds = table.groupby(["dataset", "method"], sort=False)["seed"].nunique()
    frame = means.reindex(columns=[HALF, BASE, DOUBLE])
    change = frame[DOUBLE] - frame[BASE]
    allowed = (SHARE * frame[BASE]).clip(lower=POINTS)
    return frame.assign(change=change, plateau=change.abs() <= allowed, n=seeds).reset_index()


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set and method."""
    rows = [
        {
            "data set": row.dataset,
            "method": results.label(row.method),
            "half the steps": f"{row.half_steps:.1f}",
            "the study's steps": f"{row.base:.1f}",
            "twice the steps": f"{row.double_steps:.1f}",
            "change by doubling": f"{row.change:+.1f}".replace("-", "−"),
            "plateau": "yes" if row.plateau else "no",
            "seeds": str(row.n),
        }
        for row in frame.itertuples()
    ]
    shown = pd.DataFrame(rows, columns=None if rows else ["data set", "method"])
    methods = frame[frame["method"].ne(FOUNDATION)]
    shown.attrs["notes"] = [f"At the plateau: {methods['plateau'].sum()} of {len(methods)} methods and data sets."]
    return shown
