"""Retrieval between the anchor and all other modalities on unseen groups (the form of the paper's Table 1)."""

import pandas as pd

from pmrl.records import ZERO_SHOT
from pmrl.reporting import directions
from pmrl.reporting.results import Results

TITLE = "Zero-shot retrieval"
READS = ("methods", "records", "ranks", "stores")
CAPTION = (
    "Retrieval of all other modalities from the anchor (anchor → others) and back, on test items whose groups no "
    "method has seen. Recall@k in percent (higher is better), median rank (lower is better). All numbers are ours."
)
show = directions.show_anchor_table


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, scoring, method, direction, metric), with a row even where nothing is measured."""
    return directions.anchor_table(results, ZERO_SHOT)
