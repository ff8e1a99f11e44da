"""Retrieval between a text anchor and speech or sound, for the data sets that have both."""

import pandas as pd

from pmrl.results import REGIMES, Results
from pmrl.tables import directions

TITLE = "Text–audio retrieval"
CAPTION = (
    "Retrieval of speech or sound from text and back, single modalities only, where the data set has both; "
    "recall@k in percent (higher is better), median rank (lower is better)."
)
AUDIO = ("audio", "speech", "sound")
TEXT = ("text", "caption", "subtitle", "transcript", "name", "description")


def sides(results: Results) -> dict[str, tuple[str, str]]:
    """{data set: (its text, its audio)}, for the data sets whose anchor is a text beside an audio modality."""
    audio = {dataset: [m for m in card["modalities"] if m in AUDIO] for dataset, card in results.cards.items()}
    texts = {dataset: results.anchor(dataset) for dataset in audio if results.anchor(dataset) in TEXT}
    return {dataset: (text, audio[dataset][0]) for dataset, text in texts.items() if audio[dataset]}


def build(results: Results) -> pd.DataFrame:
    """Estimates per (data set, regime, scoring, method, direction, metric)."""
    measured = set(results.records["regime"])
    regimes = [regime for regime in REGIMES if regime in measured]
    return directions.build(results, regimes, sides(results), [("own", False), ("cosine", False)])


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, regime, scoring and method."""
    rows = {"dataset": "data set", "regime": "regime", "scoring": "scoring", "label": "method"}
    return directions.show(frame, results, rows, {"forth": "text → audio", "back": "audio → text"})
