"""Retrieval between the anchor and everything else after training on the target's training part (Table 2)."""

import pandas as pd

from pmrl.records import FINE_TUNED
from pmrl.reporting import directions
from pmrl.reporting.results import Results

TITLE = "Fine-tuned retrieval"
READS = ("methods", "records", "ranks", "stores")
CAPTION = (
    "Retrieval of everything but the anchor from the anchor (anchor → others) and back, after training on "
    "the training part of the target; the test groups stay unseen. Recall@k in percent (higher is better), "
    "median rank (lower is better)."
)
show = directions.show_anchor_table


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, scoring, method, direction, metric), a row also where nothing is measured."""
    return directions.anchor_table(results, FINE_TUNED)
