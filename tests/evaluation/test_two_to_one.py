"""Two modalities against a third: every choice once, by the rule that a slow loop states, apart from other records."""

from itertools import combinations

import pytest
import torch
from example_data import synthetic_dataset

from pmrl.evaluation.retrieval import evaluate, evaluate_two_to_one
from pmrl.experiments.run import network_of
from pmrl.method import Batch
from pmrl.method.base import build_method
from pmrl.method.networks import embed

CPU = torch.device("cpu")
SIZES = {"dimension": 16, "hidden": 16, "width": 8, "attention_heads": 2}


def evaluated(name="pairwise", absent=0.0, modalities=4):
    dataset = synthetic_dataset(absent=absent, modalities=modalities)
    method = build_method(name, {})
    torch.manual_seed(0)
    network = network_of(method, dataset, SIZES, CPU)
    embeddings = embed(network, Batch.from_dataset(dataset, dataset.indices("test"), CPU))
    return embeddings, evaluate_two_to_one(embeddings, method), evaluate(embeddings, method)


def test_every_two_meet_every_third_both_ways():
    embeddings, results, _ = evaluated()
    expected = {
        side
        for pair in combinations(embeddings.modalities, 2)
        for third in set(embeddings.modalities) - set(pair)
        for side in ((" + ".join(pair), third), (third, " + ".join(pair)))
    }
    assert {(r.query, r.gallery) for r in results} == expected and len(results) == 2 * len(expected) == 48


@pytest.mark.parametrize("absent", [0.0, 0.4])
def test_ranks_by_cosine_are_those_of_the_slow_loop(absent):
    embeddings, results, _ = evaluated(absent=absent)
    found = {(r.query, r.gallery): r for r in results if r.score == "cosine"}["beta + gamma", "alpha"]
    z, present = embeddings.vectors, embeddings.present
    candidates = [j for j in range(len(embeddings)) if present["alpha"][j]]
    queries = [i for i in candidates if present["beta"][i] or present["gamma"][i]]
    assert found.queries.tolist() == queries and found.gallery_size == len(candidates)
    for i, rank in zip(queries, found.ranks.tolist(), strict=True):
        scores = [(z["beta"][i] + z["gamma"][i]) @ z["alpha"][j] for j in candidates]
        own = scores[candidates.index(i)]
        assert rank == 1 + sum(score > own for score in scores)


@pytest.mark.parametrize("name", ["pmrl", "gram", "ova_ib", "confu", "symile"])
def test_methods_score_two_against_one(name):
    _, results, _ = evaluated(name)
    assert all(torch.isfinite(r.ranks).all() for r in results)


def test_two_modalities_have_no_third():
    assert evaluated(modalities=2)[1] == []
