"""Retrieval between the anchor and everything else on groups that training never saw (Table 1)."""

import pandas as pd

from pmrl.records import ZERO_SHOT
from pmrl.reporting import directions
from pmrl.reporting.results import Results

TITLE = "Zero-shot retrieval"
READS = ("methods", "records", "ranks", "stores")
CAPTION = (
    "Retrieval of everything but the anchor from the anchor (anchor → others) and back, on test items whose "
    "groups no method has seen; recall@k in percent (higher is better), median rank (lower is better)."
)
show = directions.show_anchor_table


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, scoring, method, direction, metric), a row also where nothing is measured."""
    return directions.anchor_table(results, ZERO_SHOT)
