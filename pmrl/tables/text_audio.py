"""Retrieval between a text anchor and an audio modality, for the data sets that have both."""

import pandas as pd

from pmrl.records import COSINE, OWN, REGIMES
from pmrl.reporting import directions
from pmrl.reporting.measures import text_and_audio
from pmrl.reporting.results import Results

TITLE = "Text–audio retrieval"
CAPTION = (
    "Retrieval of speech or sound from text and back, between these two modalities alone, on the data sets that have "
    "both. Recall@k in percent (higher is better), median rank (lower is better). All numbers are ours."
)
READS = ("methods", "records", "ranks", "stores")


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, regime, scoring, method, direction, metric)."""
    measured = set(results.records["regime"])
    regimes = [regime for regime in REGIMES if regime in measured]
    return directions.build(results, regimes, text_and_audio(results), [(OWN, False), (COSINE, False)])


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, regime, scoring and method."""
    rows = {"dataset": "data set", "regime": "regime", "scoring": "scoring", "label": "method"}
    return directions.show(frame, results, rows, {"forth": "text → audio", "back": "audio → text"})
