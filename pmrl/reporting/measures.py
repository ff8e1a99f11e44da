"""Measures that tables and figures share: recall over pairs, from the anchor, under corruption, and hits per item."""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pandas as pd

from pmrl.records import (
    ANCHOR,
    AUDIO,
    BLUR,
    CLEAN,
    CORRUPTIONS,
    COSINE,
    GAUSSIAN,
    MISMATCHED_ANCHOR,
    MISMATCHED_MODALITY,
    MISSING,
    MISSING_TRAINING,
    OTHERS,
    OWN,
    SIGNAL_NOISES,
    SOUND_NOISE,
    TEXT,
    ZERO_SHOT,
)
from pmrl.reporting.contrasts import Hits
from pmrl.reporting.results import Results

ALL, WITHOUT_ANCHOR = "all", "other"  # scopes of pairs, beside those with the ANCHOR
OWN_RERANKED, HEADLINE = "own_reranked", "headline"
TASKS = {
    HEADLINE: "final score chosen on validation, anchor → others",
    OWN: "own score, anchor → others",
    OWN_RERANKED: "own score, re-ranked, anchor → others",
    ALL: "all pairs, cosine",
    ANCHOR: "pairs with the anchor, cosine",
    WITHOUT_ANCHOR: "pairs without the anchor, cosine",
}
CORRUPTION_TITLES = {
    GAUSSIAN: "Gaussian noise on the features",
    BLUR: "blurred picture",
    SOUND_NOISE: "white noise on sound",
    MISSING: "modality missing at test time",
    MISSING_TRAINING: "modality missing in training and at test time",
    MISMATCHED_ANCHOR: "mismatched anchor in training",
    MISMATCHED_MODALITY: "mismatched modalities in training",
}
UNITS = {
    GAUSSIAN: "noise / deviation",
    BLUR: "σ (pixels)",
    SOUND_NOISE: "60 − SNR (dB)",
    MISSING: "missing (%)",
    MISSING_TRAINING: "missing (%)",
    MISMATCHED_ANCHOR: "items (%)",
    MISMATCHED_MODALITY: "cells (%)",
}
MEAN_OF_PAIRS = ["dataset", "method", "variant", "regime", "corruption", "level"]
CORRUPTED_RUN = ["dataset", "corruption", "method", "variant", "seed"]

Contestant = tuple[str, str]


def pairs(results: Results, dataset: str, scope: str = ALL) -> list[tuple[str, str]]:
    """Ordered pairs of the data set's modalities: "all", those with the "anchor", or those without ("other")."""
    anchor = results.anchor(dataset)
    ordered = permutations(results.cards[dataset]["modalities"], 2)
    return [pair for pair in ordered if scope == ALL or (anchor in pair) == (scope == ANCHOR)]


def text_and_audio(results: Results) -> dict[str, tuple[str, str]]:
    """{data set: (text modality, audio modality)} of the data sets that have an audio modality and a text as anchor."""
    sides = {}
    for dataset, card in results.cards.items():
        kinds = {modality: about["kind"] for modality, about in card["modalities"].items()}
        audio = [modality for modality, kind in kinds.items() if kind == AUDIO]
        if audio and kinds[card["anchor"]] == TEXT:
            sides[dataset] = (card["anchor"], audio[0])
    return sides


def recalls(results: Results, corrupted: bool = False) -> pd.DataFrame:
    """Recall@1 by cosine between single modalities, on clean or corrupted data: one row per run and ordered pair."""
    records = results.records
    chosen = records["metric"].eq("recall@1") & records["corruption"].ne(CLEAN).eq(corrupted)
    records = records[chosen & records["score"].eq(COSINE) & ~records["reranked"]]
    return records.merge(_wanted(results, ALL))


def pair_means(results: Results, records: pd.DataFrame, scope: str = ALL) -> pd.DataFrame:
    """Mean of `recalls` over the scope's pairs, per run, corruption and level."""
    return seed_means(records, _wanted(results, scope), MEAN_OF_PAIRS).assign(scope=scope)


def _wanted(results: Results, scope: str) -> pd.DataFrame:
    rows = [(dataset, *pair) for dataset in results.datasets for pair in pairs(results, dataset, scope)]
    return pd.DataFrame(rows, columns=["dataset", "query", "gallery"])


def seed_means(records: pd.DataFrame, wanted: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Mean value over the wanted tasks, per ``keys`` and seed; a run that lacks a task is left out.

    Args:
        records: tidy records of one metric.
        wanted: one row per task; its columns are columns of the records. Those that are also ``keys`` name groups of
            tasks that are averaged separately.
        keys: columns that, with the seed, name a mean.

    Returns:
        ``keys``, seed and value.
    """
    sizes = wanted.groupby([column for column in wanted if column in keys]).size().rename("expected").reset_index()
    groups = records.merge(wanted).groupby([*keys, "seed"], sort=False)["value"]
    runs = groups.agg(value="mean", measured="count").reset_index().merge(sizes)
    return runs[runs["measured"] == runs["expected"]].drop(columns=["measured", "expected"])


def clean_anchor_recalls(results: Results) -> pd.DataFrame:
    """Recall@1 on clean data between the anchor and all others, by the own and the final scores."""
    records = results.records
    chosen = records["metric"].eq("recall@1") & records["corruption"].eq(CLEAN) & records["score"].ne(COSINE)
    sides = [
        (dataset, *pair)
        for dataset in results.datasets
        for pair in (results.sides(dataset), results.sides(dataset)[::-1])
    ]
    return records[chosen].merge(pd.DataFrame(sides, columns=["dataset", "query", "gallery"]))


def clean_recalls(results: Results) -> pd.DataFrame:
    """Recall@1 on clean data, without re-ranking, of all tasks and scores."""
    records = results.records
    clean = records["metric"].eq("recall@1") & records["corruption"].eq(CLEAN)
    return records[clean & ~records["reranked"]]


def against(records: pd.DataFrame, contestant: Contestant) -> pd.DataFrame:
    """``gain``: the contestant's value minus that of every other method or variant, for the same seed and pair."""
    keys = ["dataset", "regime", "seed", "query", "gallery"]
    own = records["method"].eq(contestant[0]) & records["variant"].eq(contestant[1])
    both = records[~own].merge(records.loc[own, [*keys, "value"]], on=keys, suffixes=("", "_own"))
    return both.assign(gain=both["value_own"] - both["value"])


def hits(results: Results, tables: Hits, dataset: str, task: str, contestant: Contestant) -> pd.DataFrame | None:
    """A method's hits at rank 1 in one of the ``TASKS``, seed × item; None where nothing is recorded."""
    if task in (HEADLINE, OWN, OWN_RERANKED):
        headline = results.final_scores.get((dataset, *contestant, tables.regime))
        scoring = headline if task == HEADLINE else (OWN, task == OWN_RERANKED)
        return tables.table(dataset, contestant, scoring, [results.sides(dataset)]) if scoring else None
    return tables.table(dataset, contestant, (COSINE, False), pairs(results, dataset, task))


def corruption_curves(results: Results) -> pd.DataFrame:
    """Zero-shot recall@1 of every run, corruption and level; clean records are level 0 of each corruption."""
    parts = []
    for kind in CORRUPTIONS:
        corrupted, clean = (_run_means(results, kind, corruption) for corruption in (kind, CLEAN))
        if len(corrupted):
            parts += [corrupted, clean.assign(corruption=kind, level=0.0)]
    if not parts:
        return pd.DataFrame(columns=[*CORRUPTED_RUN, "level", "value"])
    curves = pd.concat(parts)
    return curves[curves["regime"].eq(ZERO_SHOT)].drop_duplicates([*CORRUPTED_RUN, "level"])


def _run_means(results: Results, kind: str, corruption: str) -> pd.DataFrame:
    """Recall@1 per run and level under ``corruption``, which is ``kind`` or none, over the tasks that ``kind`` tests.

    Noise on a signal is tested on the pairs whose query can have it, others than missing modalities on all pairs.
    """
    if kind.startswith(MISSING):
        return _anchor_means(results, corruption)
    records = recalls(results, corrupted=corruption != CLEAN)
    records = records[records["corruption"].eq(corruption)]
    if kind not in SIGNAL_NOISES:
        return pair_means(results, records)
    noisy = recalls(results, corrupted=True)
    tested = noisy.loc[noisy["corruption"].eq(kind), ["dataset", "query", "gallery"]]
    return seed_means(records, tested.drop_duplicates(), MEAN_OF_PAIRS)


def _anchor_means(results: Results, corruption: str) -> pd.DataFrame:
    """Mean recall@1 by the own score from the anchor to all others and back, per run and level.

    Retrieval between two single modalities does not change when others are missing; retrieval with sets does.
    """
    records = results.records
    chosen = records["metric"].eq("recall@1") & records["score"].eq(OWN) & ~records["reranked"]
    chosen &= records["corruption"].eq(corruption) & (records[["query", "gallery"]] == OTHERS).any(axis=1)
    groups = records[chosen].groupby([*CORRUPTED_RUN, "regime", "level"], sort=False)["value"]
    runs = groups.agg(value="mean", count="count").reset_index()
    return runs[runs["count"] == 2].drop(columns="count")


def level_in_unit(corruption: str, level: np.ndarray) -> np.ndarray:
    """Levels in the unit that ``UNITS`` names: shares become percent."""
    return level if corruption in (GAUSSIAN, *SIGNAL_NOISES) else 100 * level
