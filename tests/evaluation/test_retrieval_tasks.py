"""Retrieval results against a slow loop over queries."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from example_data import synthetic_dataset

from pmrl.errors import UserError
from pmrl.evaluation.reranking import CANDIDATES
from pmrl.evaluation.retrieval import contributions, evaluate, evaluate_pairs
from pmrl.method.base import build_method
from pmrl.method.batch import Batch
from pmrl.method.heads import NetworkSettings
from pmrl.method.networks import Network, embed
from pmrl.records import FINAL_SCORES

SMALL = NetworkSettings(dimension=16, hidden=16, width=8, attention_heads=2)


def embedded(absent=0.0, per_split=20, layers=1, apart=False):
    dataset = synthetic_dataset(absent=absent, per_split=per_split, apart=apart)
    torch.manual_seed(0)
    network = Network(dataset, replace(SMALL, layers=layers))
    return embed(network, Batch.from_dataset(dataset, dataset.indices("test"), torch.device("cpu")))


def find(results, query, gallery, score="cosine", reranked=False):
    (result,) = [r for r in results if (r.query, r.gallery, r.score, r.reranked) == (query, gallery, score, reranked)]
    return result


@pytest.mark.parametrize("absent", [0.0, 0.4])
def test_pair_ranks_are_the_slow_loop(absent):
    embeddings = embedded(absent)
    result = find(evaluate(embeddings, build_method("pairwise", {})), "beta", "gamma")
    beta, gamma = (embeddings.vectors[m].numpy() for m in ("beta", "gamma"))
    has_beta, has_gamma = (embeddings.present[m].numpy() for m in ("beta", "gamma"))
    expected = {
        i: 1 + sum(beta[i] @ gamma[j] > beta[i] @ gamma[i] for j in range(len(beta)) if has_gamma[j] and j != i)
        for i in range(len(beta))
        if has_beta[i] and has_gamma[i]
    }
    assert dict(zip(result.queries.tolist(), result.ranks.tolist(), strict=True)) == expected
    assert result.gallery_size == has_gamma.sum()


def test_every_direction_is_evaluated_once():
    results = evaluate(embedded(), build_method("vast", {}))
    keys = [(r.query, r.gallery, r.score, r.reranked) for r in results]
    assert len(keys) == len(set(keys))
    pairs = {(q, g) for q, g, *_ in keys if "others" not in (q, g)}
    assert pairs == {(a, b) for a in ("alpha", "beta", "gamma") for b in ("alpha", "beta", "gamma") if a != b}
    for query, gallery in (("alpha", "others"), ("others", "alpha")):
        for score, reranked in (("own", False), ("cosine", False), ("own", True)):
            find(results, query, gallery, score, reranked)
        for score in FINAL_SCORES:
            find(results, query, gallery, score, True)


def test_a_method_without_matching_is_not_re_ranked():
    results = evaluate(embedded(), build_method("pmrl", {"matching_weight": 0.0}))
    assert not any(r.reranked for r in results)


def test_an_oracle_matching_head_puts_every_shortlisted_answer_first(monkeypatch):
    """Whatever is among the best 50 is found at rank 1; what is not keeps its rank."""
    embeddings = embedded(per_split=80)
    head = embeddings.heads.matching

    def oracle(self, inputs, anchors, others):
        return torch.stack([torch.zeros(anchors.shape), (anchors == others[:, None]).float()], dim=-1)

    monkeypatch.setattr(type(head), "forward", oracle)
    results = evaluate(embeddings, build_method("vast", {}))
    for query, gallery in (("alpha", "others"), ("others", "alpha")):
        plain, reranked = (find(results, query, gallery, "own", flag) for flag in (False, True))
        shortlisted = plain.ranks <= CANDIDATES
        assert shortlisted.any() and not shortlisted.all(), "the test needs both kinds"
        assert (reranked.ranks[shortlisted] == 1).all()
        assert torch.equal(reranked.ranks[~shortlisted], plain.ranks[~shortlisted])


def test_an_undecided_matching_head_ranks_the_shortlist_as_one_tie(monkeypatch):
    embeddings = embedded(per_split=20)
    undecided = lambda self, inputs, anchors, others: torch.zeros(*anchors.shape, 2)  # noqa: E731
    monkeypatch.setattr(type(embeddings.heads.matching), "forward", undecided)
    result = find(evaluate(embeddings, build_method("vast", {})), "alpha", "others", "own", True)
    assert (result.ranks == (20 + 1) / 2).all(), "all 20 candidates are shortlisted and tied"


@pytest.mark.parametrize("layers", [1, 2])
def test_matching_logits_of_a_pair_do_not_depend_on_the_other_pairs(layers):
    embeddings = embedded(absent=0.3, layers=layers)
    head = embeddings.heads.matching
    inputs = head.read(embeddings)
    anchors, others = torch.tensor([[0, 1, 2], [3, 2, 1]]), torch.tensor([2, 0])
    together = head(inputs, anchors, others)
    for i, other in enumerate(others):
        for j, anchor in enumerate(anchors[i]):
            rows = torch.stack([anchor, other])
            alone = head(head.read(embeddings.rows(rows)), torch.tensor([[0]]), torch.tensor([1]))
            torch.testing.assert_close(together[i, j], alone[0, 0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("absent", [0.0, 0.4])
def test_contributions_of_the_items_average_to_the_mean_recall(absent):
    embeddings = embedded(absent)
    results = evaluate_pairs(embeddings, embeddings)
    values = contributions(results, len(embeddings))
    assert values.mean() == pytest.approx(np.mean([result.metrics()["recall@1"] for result in results]))
    asked = torch.cat([result.queries for result in results]).unique()
    silent = np.setdiff1d(np.arange(len(embeddings)), asked.numpy())
    assert not values[silent].any(), "an item that asks nothing adds nothing"


def test_pairs_that_no_instance_has_are_left_out():
    embeddings = embedded(apart=True)
    together = {("alpha", "beta"), ("beta", "alpha"), ("alpha", "gamma"), ("gamma", "alpha")}
    results = evaluate(embeddings, build_method("vast", {}))
    assert {(r.query, r.gallery) for r in results} == together | {("alpha", "others"), ("others", "alpha")}
    pairs = evaluate_pairs(embeddings, embeddings)
    assert {(r.query, r.gallery) for r in pairs} == together
    assert all(0 <= r.metrics()["recall@1"] <= 100 for r in results + pairs)


def test_an_anchor_that_no_instance_has_beside_another_is_left_out():
    embeddings = embedded()
    without = {**embeddings.present, "alpha": torch.zeros(len(embeddings), dtype=torch.bool)}
    results = evaluate(replace(embeddings, present=without), build_method("vast", {}))
    assert {(r.query, r.gallery) for r in results} == {("beta", "gamma"), ("gamma", "beta")}


def test_two_modalities_are_re_ranked_too():
    embeddings = embedded().select(("alpha", "beta"))
    results = evaluate(embeddings, build_method("vast", {}))
    assert find(results, "alpha", "beta", "own", reranked=True) and find(results, "beta", "alpha", "own", reranked=True)


def test_metrics_are_percentages_of_the_queries():
    result = find(evaluate(embedded(), build_method("pairwise", {})), "alpha", "beta")
    ranks = result.ranks.numpy()
    metrics = result.metrics()
    for k in (1, 5, 10):
        assert metrics[f"recall@{k}"] == pytest.approx(100 * np.mean(ranks <= k))
    assert metrics["median_rank"] == np.median(ranks)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (
            lambda query, gallery: torch.zeros(len(query)),
            r"'Pairwise': score gave the shape \(20,\); expected .*\(20, 20\)",
        ),
        (lambda query, gallery: torch.full((len(query), len(gallery)), torch.nan), "'Pairwise': .* not finite"),
    ],
)
def test_a_score_that_is_not_one_finite_number_for_each_pair_is_refused(score, message):
    method = build_method("pairwise", {})
    method.score = score
    with pytest.raises(UserError, match=message):
        evaluate(embedded(), method)
