"""Retrieval between the anchor and everything else on groups that training never saw (Table 1)."""

import pandas as pd

from pmrl.results import Results
from pmrl.tables import directions

TITLE = "Zero-shot retrieval"
CAPTION = (
    "Retrieval of everything but the anchor from the anchor (anchor → others) and back, on test items whose "
    "groups no method has seen; recall@k in percent (higher is better), median rank (lower is better)."
)
SCORING_NOTE = (
    "Own score: what the method ranks by; cosine: of the anchor with the centroid of the others; re-ranked: the "
    "top 50 ordered anew by the matching head, where the method trains it."
)


def build(results: Results, regime: str = "zero_shot") -> pd.DataFrame:
    """Estimates per (data set, scoring, method, direction, metric), a row also where nothing is measured."""
    return directions.build(results, [regime], {dataset: results.sides(dataset) for dataset in results.datasets})


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, scoring and method; one column per direction and metric."""
    rows = {"dataset": "data set", "scoring": "scoring", "label": "method"}
    shown = directions.show(frame, results, rows, {"forth": "anchor → others", "back": "others → anchor"})
    shown.attrs["notes"].insert(0, SCORING_NOTE)
    return shown
