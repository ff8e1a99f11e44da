"""Retrieval between the anchor and all other modalities after fine-tuning (the form of the paper's Table 2)."""

import pandas as pd

from pmrl.records import FINE_TUNED
from pmrl.reporting import directions
from pmrl.reporting.results import Results

TITLE = "Fine-tuned retrieval"
READS = ("methods", "records", "ranks", "stores")
CAPTION = (
    "Retrieval of all other modalities from the anchor (anchor → others) and back, after fine-tuning on the training "
    "split; the test groups stay unseen. Recall@k in percent (higher is better), median rank (lower is better). All "
    "numbers are ours."
)
show = directions.show_anchor_table


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, scoring, method, direction, metric), with a row even where nothing is measured."""
    return directions.anchor_table(results, FINE_TUNED)
