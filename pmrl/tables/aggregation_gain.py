"""What the joint score of all modalities gains over the best single modality."""

import pandas as pd

from pmrl.records import REGIMES
from pmrl.reporting.aggregation import BACK, FORTH, RUN_DIRECTION, gains
from pmrl.reporting.cells import MEAN_NOTE, complete, refusals, spread
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import summarize

TITLE = "Aggregation gain"
CAPTION = (
    "Recall@1 in percent by each method's own (joint) score of all modalities but the anchor, by the cosine of the "
    "best single one of them, and the gain, joint minus single. The best single modality is chosen in hindsight, by "
    "its mean over the seeds on the test split, which favours it: the gain is a lower bound. All numbers are ours."
)
READS = ("methods", "records", "stores")
QUANTITIES = {"joint": "joint", "single": "best single", "gain": "gain"}
DIRECTIONS = {FORTH: "anchor → others", BACK: "others → anchor"}
KEYS = [*RUN_DIRECTION, "quantity"]
TWO_NOTE = "Data sets with two modalities are left out: there is nothing to aggregate."
GALLERY_NOTE = (
    "Where instances lack modalities, a single modality has fewer queries and candidates than all together, which "
    "favours it, too."
)


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, regime, method, variant, direction, quantity), and ``modality``, the best single one."""
    values = gains(results)
    tidy = values.melt([*RUN_DIRECTION, "seed"], list(QUANTITIES), "quantity", "value")
    best = values[[*RUN_DIRECTION, "modality"]].drop_duplicates()
    return complete(summarize(tidy, KEYS), _expected(results, values)).merge(best, how="left", on=RUN_DIRECTION)


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, regime and contestant."""
    frame = frame.assign(
        label=results.labels(frame),
        regime=frame["regime"].map(REGIMES),
        column=frame["direction"] + " " + frame["quantity"],
    )
    headers = {f"{d} {q}": f"{name}: {title}" for d, name in DIRECTIONS.items() for q, title in QUANTITIES.items()}
    rows = {"dataset": "data set", "regime": "regime", "label": "method"}
    shown = spread(frame, rows, "column", headers)
    best = frame.dropna(subset="modality").set_index([*rows, "direction"])["modality"].to_dict()
    for direction, name in DIRECTIONS.items():
        column = f"{name}: {QUANTITIES['single']}"
        keys = shown[list(rows.values())].itertuples(index=False, name=None)
        named = [f" ({best[*key, direction]})" if (*key, direction) in best else "" for key in keys]
        shown[column] += named
    shown.attrs["notes"] = [MEAN_NOTE, TWO_NOTE, GALLERY_NOTE, *refusals(results)]
    return shown


def _expected(results: Results, values: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (dataset, regime, *contestant, direction, quantity)
            for dataset in results.datasets
            if len(results.cards[dataset]["modalities"]) > 2
            for regime in REGIMES
            if regime in set(values["regime"])
            for contestant in results.contestants(regime)
            for direction in DIRECTIONS
            for quantity in QUANTITIES
        ],
        columns=KEYS,
    )
