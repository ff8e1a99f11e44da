"""Measurements of a trained model: retrieval, robustness, and data for figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from pmrl.errors import UserError
from pmrl.evaluation.alignment import after_noise
from pmrl.evaluation.retrieval import (
    Direction,
    anchor_results,
    checked,
    cosine,
    evaluate,
    evaluate_pairs,
    of_anchor,
    of_pairs,
    pair_directions,
)
from pmrl.experiments.resume import Trained
from pmrl.experiments.run import Run
from pmrl.experiments.signal_noise import measure_signal_noise
from pmrl.experiments.writing import Measured
from pmrl.method import Batch, Embeddings, Method, Network
from pmrl.method.networks import embed
from pmrl.records import (
    ANCHOR,
    COSINE,
    GAUSSIAN,
    LEADING_DIRECTION,
    MAIN,
    MISSING,
    OWN,
    PAIRS,
    PRETRAIN,
    TEST,
    VALIDATION,
    ZERO_SHOT,
)
from pmrl.seeds import derived_seed
from pmrl.training.corruption import add_noise, drop_modalities

EXAMPLE_QUERIES = 6
EXAMPLE_ANSWERS = 5
TRAINED_ON = 300  # items of the pre-training split, to show what re-ranking has learned by heart


def count_parameters(network: Network) -> dict[str, int]:
    """Number of parameters of each part of a network."""
    parts = {"encoders": network.encoders, "fused": network.heads.fused, "matching": network.heads.matching}
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}


def measure_retrieval(embeddings: Embeddings, method: Method, regime: str, measured: Measured) -> None:
    """Retrieval on the clean test split.

    Raises:
        UserError: the test split has fewer than two instances.
    """
    if len(embeddings) < 2:
        name = measured.context["dataset"]
        raise UserError(f"Data set {name!r}: the test split has {len(embeddings)} instances; need 2.")
    results = evaluate(embeddings, method, identity=measured.identity)
    measured.add_results(regime, results)
    measured.add_ranks(regime, results)
    if regime == ZERO_SHOT:
        measured.add_contributions(PAIRS, of_pairs(results))
        measured.add_contributions(ANCHOR, of_anchor(results))


def measure_final_scores(run: Run, trained: Trained, regime: str, measured: Measured) -> None:
    """What the final score is chosen by: the anchor's directions on validation items; and on items trained on."""
    samples = {VALIDATION: len(run.items(VALIDATION))}
    if regime == ZERO_SHOT and run.variant == MAIN:
        samples[PRETRAIN] = TRAINED_ON
    for split, count in samples.items():
        batch, identity = run.sample(split, count)
        scores = {OWN: checked(trained.method)}
        results = anchor_results(embed(trained.network, batch), scores, trained.method.trains_matching, identity)
        measured.add_results(regime, results, split=split)


def measure_pairs(
    queries: Embeddings, galleries: Embeddings, corruption: str, level: float, measured: Measured
) -> None:
    """Zero-shot retrieval between all pairs of modalities, under a corruption."""
    results = evaluate_pairs(queries, galleries, measured.identity)
    measured.add_results(ZERO_SHOT, results, corruption, level)
    measured.add_contributions(PAIRS, results, corruption, level)


def measure_robustness(run: Run, trained: Trained, clean: Batch, gallery: Embeddings, measured: Measured) -> None:
    """Retrieval from noisy queries, and with missing modalities at test time, at the config's levels.

    The same noisy vectors also show which items look better aligned after noise.
    """
    measure_signal_noise(run, trained, clean, gallery, measured)
    for level in run.settings["corruption"][GAUSSIAN]:
        noisy = add_noise(clean, trained.network, level, corruption_seed(run, GAUSSIAN, level))
        queries = embed(trained.network, noisy)
        measure_pairs(queries, gallery, GAUSSIAN, level, measured)
        measured.add_better([*after_noise(gallery, queries)], level)
    for percent in run.settings["corruption"][MISSING]:
        measure_missing(run, trained, MISSING, percent, measured)


def measure_missing(run: Run, trained: Trained, corruption: str, percent: float, measured: Measured) -> None:
    """Retrieval from the anchor to the remaining other modalities and back, if the data set has several others."""
    if len(run.dataset.modalities) < 3:
        return
    seed = corruption_seed(run, MISSING, percent)
    partial = drop_modalities(run.batch(TEST), run.dataset.anchor, percent, seed)
    scores = {OWN: checked(trained.method), COSINE: cosine}
    results = anchor_results(embed(trained.network, partial), scores, rerank=False, identity=measured.identity)
    measured.add_results(ZERO_SHOT, results, corruption, percent / 100)
    measured.add_contributions(ANCHOR, of_anchor(results), corruption, percent / 100)


def corruption_seed(run: Run, corruption: str, level: float) -> int:
    """Seed of a corruption, the same for every method."""
    return derived_seed("corruption", corruption, level, run.dataset.card.name, run.seed)


def measure_space(embeddings: Embeddings, regime: str, measured: Measured) -> None:
    """The modality gap on the clean test split, and how vectors cluster."""
    from pmrl.evaluation.modality_gap import space_metrics

    seed = derived_seed("clusters", measured.context["dataset"], measured.context["seed"])
    measured.add_space(regime, space_metrics(embeddings, measured.items["label"].to_numpy(), seed))


@torch.no_grad()
def keep_for_figures(embeddings: Embeddings, measured: Measured) -> None:
    """Embeddings of the test items, and the best answers to a few queries."""
    ids, labels = measured.items["id"].to_numpy(), measured.items["label"].to_numpy()
    context = {name: measured.context[name] for name in ("dataset", "method")}
    vectors = {**embeddings.vectors, LEADING_DIRECTION: embeddings.leading_direction()}
    for modality, values in vectors.items():
        present = embeddings.present.get(modality, embeddings.mask().any(dim=1)).cpu().numpy()
        table = pd.DataFrame(values.cpu().numpy()[present]).add_prefix("e")
        table.insert(0, "modality", modality)
        table.insert(0, "label", labels[present])
        table.insert(0, "item", ids[present])
        measured.embeddings.append(table.assign(**context, seed=measured.context["seed"]))
    queries = np.random.default_rng(derived_seed("examples", context["dataset"])).permutation(len(ids))
    for task in pair_directions(embeddings, measured.identity):
        measured.examples.append(answers(embeddings, task, queries, ids).assign(**context))


def answers(embeddings: Embeddings, task: Direction, order: np.ndarray, items: np.ndarray) -> pd.DataFrame:
    """The best answers by cosine to the task's first queries in the given order of the items.

    Args:
        embeddings: of all items.
        task: the pair of modalities, with its queries and candidates.
        order: (items,) indices of the items.
        items: (items,) ids.
    """
    is_query = np.zeros(len(items), dtype=bool)
    is_query[task.queries.cpu().numpy()] = True
    queries = torch.from_numpy(order[is_query[order]][:EXAMPLE_QUERIES]).to(task.candidates.device)
    candidates = embeddings.vectors[task.gallery][task.candidates]
    scores = embeddings.vectors[task.query][queries] @ candidates.T
    best = scores.topk(min(EXAMPLE_ANSWERS, len(candidates)), dim=1).indices
    instance = dict(zip(task.queries.tolist(), task.query_instances.tolist(), strict=True))
    return pd.DataFrame(
        [
            {
                "query": task.query,
                "gallery": task.gallery,
                "item": items[query],
                "rank": place + 1,
                "retrieved": items[task.candidates[answer]],
                "correct": task.candidate_instances[answer].item() == instance[query],
            }
            for query, row in zip(queries.tolist(), best.tolist(), strict=True)
            for place, answer in enumerate(row)
        ]
    )
