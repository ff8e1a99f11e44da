"""What is measured of a trained model: retrieval, robustness, classification, and material for figures."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from pmrl.corruption import add_noise, drop_modalities
from pmrl.errors import UserError
from pmrl.evaluation import (
    OTHERS,
    Result,
    anchor_results,
    checked,
    contributions,
    cosine,
    evaluate,
    evaluate_pairs,
    pair_directions,
)
from pmrl.method import Method
from pmrl.networks import Batch, Embeddings, Network
from pmrl.records import contribution_rows, probe_row, rank_rows, record_rows
from pmrl.training import derived_seed, embed

if TYPE_CHECKING:
    from pmrl.runs import Run

TARGET = ("train", "validation", "test")
RAW_FEATURES = "raw_features"
EXAMPLE_QUERIES = 6
EXAMPLE_ANSWERS = 5


@dataclass
class Measured:
    """What one run has measured, in the formats of ``pmrl.results``.

    Attributes:
        records: one row per number.
        ranks: one row per query.
        embeddings: one row per embedded test item, of the first seed's main variants only.
        examples: one row per retrieved item, of the same runs.
        contributions: one row per item and measure, see ``pmrl.records.contribution_rows``.
        parameters: how many each part of the network has.
        began: when the run began, by ``time.perf_counter``.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    ranks: list[pd.DataFrame] = field(default_factory=list)
    embeddings: list[pd.DataFrame] = field(default_factory=list)
    examples: list[pd.DataFrame] = field(default_factory=list)
    contributions: list[pd.DataFrame] = field(default_factory=list)
    parameters: dict[str, int] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)


def split_batch(run: Run, *splits: str) -> Batch:
    """The instances of the named splits, in the order of the names."""
    indices = np.concatenate([run.dataset.indices(split) for split in splits])
    return Batch.from_dataset(run.dataset, indices, run.device)


def column(run: Run, name: str, *splits: str) -> np.ndarray:
    """A column of the items table for the named splits."""
    return np.concatenate([run.dataset.items[name].to_numpy()[run.dataset.indices(split)] for split in splits])


def measure_retrieval(run: Run, network: Network, method: Method, regime: str, measured: Measured) -> None:
    """Retrieval on the test split.

    Raises:
        UserError: the test split has fewer than two instances.
    """
    batch = split_batch(run, "test")
    if len(batch) < 2:
        raise UserError(f"Data set {run.dataset.card.name!r}: the test split has {len(batch)} instances; need 2.")
    parts = {"encoders": network.encoders, "fused": network.heads.fused, "matching": network.heads.matching}
    measured.parameters = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    results = evaluate(embed(network, batch), method)
    context = {**run.context, "regime": regime}
    measured.records += record_rows(context, results)
    measured.ranks.append(rank_rows(context, results, column(run, "id", "test")))
    if regime == "zero_shot":
        pairs = [r for r in results if r.score == "cosine" and OTHERS not in (r.query, r.gallery) and not r.reranked]
        own = [r for r in results if r.score == "own" and OTHERS in (r.query, r.gallery) and not r.reranked]
        keep_contributions(run, "pairs", pairs, measured)
        keep_contributions(run, "anchor", own, measured)


def keep_contributions(
    run: Run, measure: str, results: list[Result], measured: Measured, corruption: str = "none", level: float = 0.0
) -> None:
    """What each test item adds to the mean recall@1 over ``results``; nothing if there are none."""
    items = column(run, "id", "test")
    if results:
        values = contributions(results, len(items))
        measured.contributions.append(contribution_rows(run.context, measure, values, items, corruption, level))


def measure_mismatched(run: Run, network: Network, percent: float, measured: Measured) -> None:
    """Retrieval between all pairs after training on partly mismatched data."""
    embeddings = embed(network, split_batch(run, "test"))
    results = evaluate_pairs(embeddings, embeddings)
    measured.records += record_rows({**run.context, "regime": "zero_shot"}, results, "mismatched", percent / 100)
    keep_contributions(run, "pairs", results, measured, "mismatched", percent / 100)


def measure_robustness(run: Run, network: Network, method: Method, measured: Measured) -> None:
    """Retrieval from noisy queries, and with modalities missing at test time, at the config's levels."""
    clean = split_batch(run, "test")
    gallery = embed(network, clean)
    context = {**run.context, "regime": "zero_shot"}
    for level in run.settings["corruption"]["gaussian"]:
        noisy = add_noise(clean, network, level, corruption_seed(run, "gaussian", level))
        results = evaluate_pairs(embed(network, noisy), gallery)
        measured.records += record_rows(context, results, "gaussian", level)
        keep_contributions(run, "pairs", results, measured, "gaussian", level)
    for percent in run.settings["corruption"]["missing"]:
        measure_missing(run, network, method, percent, "missing", measured)


def measure_missing(
    run: Run, network: Network, method: Method, percent: float, corruption: str, measured: Measured
) -> None:
    """Retrieval from the anchor to what is left of the others and back, where there are several others."""
    if len(run.dataset.modalities) < 3:
        return
    seed = corruption_seed(run, "missing", percent)
    partial = drop_modalities(split_batch(run, "test"), run.dataset.anchor, percent, seed)
    results = anchor_results(embed(network, partial), {"own": checked(method), "cosine": cosine}, rerank=False)
    measured.records += record_rows({**run.context, "regime": "zero_shot"}, results, corruption, percent / 100)
    own = [result for result in results if result.score == "own"]
    keep_contributions(run, "anchor", own, measured, corruption, percent / 100)


def corruption_seed(run: Run, corruption: str, level: float) -> int:
    """The same draws for every method."""
    return derived_seed("corruption", corruption, level, run.dataset.card.name, run.seed)


def measure_classification(run: Run, features: np.ndarray, method: str, measured: Measured) -> None:
    """Linear probes on ``features`` (target instances, dimension)."""
    from pmrl.probing import probes

    seed = derived_seed("folds", run.dataset.card.name, run.seed)
    context = {**run.context, "method": method}
    found = probes(features, column(run, "label", *TARGET), column(run, "group", *TARGET), seed)
    ids = column(run, "id", *TARGET)
    for done in found:
        measured.records += [probe_row(context, done.folds, done.n, name, x) for name, x in done.metrics().items()]
        kept = contribution_rows(context, "accuracy", 100.0 * done.correct, ids[done.rows], done.folds)
        measured.contributions.append(kept)


def embedded_target(run: Run, network: Network) -> np.ndarray:
    """Embeddings of all modalities side by side, zero where absent, of the target part."""
    return embed(network, split_batch(run, *TARGET)).stack().flatten(1).cpu().numpy()


def raw_target(run: Run) -> np.ndarray:
    """Stored pooled features of all modalities side by side, zero where absent, of the target part."""
    return torch.cat(tuple(split_batch(run, *TARGET).pooled.values()), dim=1).cpu().numpy()


@torch.no_grad()
def keep_for_figures(run: Run, network: Network, measured: Measured) -> None:
    """Embeddings of the test items, and the best answers to a few queries."""
    embeddings = embed(network, split_batch(run, "test"))
    items, labels = column(run, "id", "test"), column(run, "label", "test")
    context = {"dataset": run.dataset.card.name, "method": run.method}
    vectors = {**embeddings.vectors, "leading_direction": embeddings.leading_direction()}
    for modality, values in vectors.items():
        present = embeddings.present.get(modality, embeddings.mask().any(dim=1)).cpu().numpy()
        table = pd.DataFrame(values.cpu().numpy()[present]).add_prefix("e")
        table.insert(0, "modality", modality)
        table.insert(0, "label", labels[present])
        table.insert(0, "item", items[present])
        measured.embeddings.append(table.assign(**context, seed=run.seed))
    queries = np.random.default_rng(derived_seed("examples", run.dataset.card.name)).permutation(len(items))
    for task in pair_directions(embeddings):
        measured.examples.append(answers(embeddings, task.query, task.gallery, queries, items).assign(**context))


def answers(embeddings: Embeddings, query: str, gallery: str, order: np.ndarray, items: np.ndarray) -> pd.DataFrame:
    """The best answers by cosine to the first queries of ``order`` that have both modalities."""
    both = (embeddings.present[query] & embeddings.present[gallery]).cpu().numpy()
    chosen = [i for i in order if both[i]][:EXAMPLE_QUERIES]
    scores = embeddings.vectors[query][chosen] @ embeddings.vectors[gallery].T
    best = scores.masked_fill(~embeddings.present[gallery], -torch.inf).topk(EXAMPLE_ANSWERS, dim=1).indices.cpu()
    return pd.DataFrame(
        [
            {"query": query, "gallery": gallery, "item": items[i], "rank": place + 1, "retrieved": items[j]}
            for i, row in zip(chosen, best.tolist(), strict=True)
            for place, j in enumerate(row)
        ]
    ).assign(correct=lambda table: table["item"] == table["retrieved"])
