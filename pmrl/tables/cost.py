"""What each method costs as the number of modalities grows."""

import pandas as pd

from pmrl.records import CELL
from pmrl.reporting.results import Results

TITLE = "Cost"
CAPTION = (
    "Trainable parameters, time of one optimiser step, time of one epoch and peak memory in training, by the number k "
    "of modalities. Single measurements of ours on the machine that ran the study, so only ratios carry over."
)
READS = ("methods", "costs")
HEADERS = {
    "parameters": ("parameters", ",.0f"),
    "step_milliseconds": ("step (ms)", ".1f"),
    "epoch_seconds": ("epoch (s)", ".1f"),
    "peak_megabytes": ("peak memory (MB)", ",.0f"),
}


def build(results: Results) -> pd.DataFrame:
    """The measurements, with each step time relative to the fastest method at the same k."""
    order = {method: place for place, method in enumerate(results.methods)}
    measured = results.costs
    every = pd.MultiIndex.from_product([measured[key].unique() for key in CELL["costs"]], names=CELL["costs"])
    costs = every.to_frame(index=False).merge(measured, how="left")
    costs = costs.sort_values(["modalities", "method"], key=lambda c: c.map(order) if c.name == "method" else c)
    fastest = costs.groupby("modalities")["step_milliseconds"].transform("min")
    return costs.assign(step_ratio=costs["step_milliseconds"] / fastest).reset_index(drop=True)


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per number of modalities and method."""
    columns = {"modalities k": frame["modalities"].astype(str), "method": frame["method"].map(results.label)}
    for column, (header, form) in HEADERS.items():
        columns[header] = [format(value, form) if pd.notna(value) else "–" for value in frame[column]]
    columns["step / fastest"] = [f"{ratio:.2f}" if pd.notna(ratio) else "–" for ratio in frame["step_ratio"]]
    shown = pd.DataFrame(columns)
    absent = frame["step_ratio"].isna().any()
    notes = ["–: the method cannot work with so few modalities."] if absent else []
    shown.attrs["notes"] = notes if len(shown) else ["No costs have been measured."]
    return shown
