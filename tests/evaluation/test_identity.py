"""Items that are one instance: five captions of a clip, against a slow count written from the rule."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from pmrl.evaluation.identity import Identity
from pmrl.evaluation.ranks import ranks_among
from pmrl.evaluation.retrieval import direction, evaluate_pairs
from pmrl.method import Batch, Embeddings


def clips_and_captions(clips, captions, dimension=6, seed=0):
    """Each clip stands beside each of its captions: (batch, embeddings, names of the instances)."""
    random = torch.Generator().manual_seed(seed)
    clip = normalize(torch.randn(clips, dimension, generator=random), dim=1).repeat_interleave(captions, dim=0)
    text = normalize(clip + 0.9 * torch.randn(len(clip), dimension, generator=random), dim=1)
    vectors, names = {"clip": clip, "text": text}, np.repeat([f"clip{i}" for i in range(clips)], captions)
    tokens = {name: torch.zeros(len(clip), 1, 1) for name in vectors}
    present = {name: torch.ones(len(clip), dtype=torch.bool) for name in vectors}
    lengths = {name: torch.zeros(len(clip), dtype=torch.int32) for name in vectors}
    parts = vectors, tokens, present, lengths
    return Batch(*parts), Embeddings(*parts, "text", None), names


def slow_recall(queries, candidates, of_query, of_candidate):
    """Percent of the queries whose best relevant candidate is strictly better than every irrelevant one."""
    hits = 0
    for query, own in zip(queries, of_query, strict=True):
        pairs = [(float(query @ one), other == own) for one, other in zip(candidates, of_candidate, strict=True)]
        best = max(score for score, relevant in pairs if relevant)
        hits += all(score < best for score, relevant in pairs if not relevant)
    return 100 * hits / len(queries)


@pytest.mark.parametrize(("clips", "captions"), [(20, 5), (7, 2), (5, 1)])
def test_recall_both_ways_is_that_of_distinct_clips_and_all_their_captions(clips, captions):
    batch, embeddings, names = clips_and_captions(clips, captions)
    results = evaluate_pairs(embeddings, embeddings, Identity.of(batch, names))
    recalls = {(r.query, r.gallery): r.metrics()["recall@1"] for r in results}
    distinct, clip, text = names[::captions], embeddings.vectors["clip"][::captions], embeddings.vectors["text"]
    assert recalls["text", "clip"] == pytest.approx(slow_recall(text, clip, names, distinct))
    assert recalls["clip", "text"] == pytest.approx(slow_recall(clip, text, distinct, names))
    sizes = {(r.query, r.gallery): (len(r.queries), r.gallery_size) for r in results}
    assert sizes == {("text", "clip"): (clips * captions, clips), ("clip", "text"): (clips, clips * captions)}


def test_a_perfect_model_reaches_100_percent_both_ways():
    batch, embeddings, names = clips_and_captions(10, 5)
    embeddings.vectors["text"].copy_(embeddings.vectors["clip"])
    for result in evaluate_pairs(embeddings, embeddings, Identity.of(batch, names)):
        assert result.metrics()["recall@1"] == 100


def test_items_that_are_all_instances_of_their_own_are_as_before():
    batch, embeddings, names = clips_and_captions(12, 1)
    for first, second in zip(
        evaluate_pairs(embeddings, embeddings),
        evaluate_pairs(embeddings, embeddings, Identity.of(batch, names)),
        strict=True,
    ):
        assert torch.equal(first.ranks, second.ranks) and torch.equal(first.queries, second.queries)


def test_equal_features_of_different_instances_stay_two_candidates():
    batch, embeddings, names = clips_and_captions(4, 1)
    for part in (batch.pooled["clip"], embeddings.vectors["clip"]):
        part[1] = part[0]
    task = direction(embeddings, ("text",), ("clip",), Identity.of(batch, names))
    assert len(task.candidates) == 4


def test_the_order_of_items_does_not_matter():
    batch, embeddings, names = clips_and_captions(8, 3)
    order = torch.from_numpy(np.random.default_rng(3).permutation(len(names)))
    moved, identity = embeddings.rows(order), Identity.of(batch.rows(order), names[order])
    shuffled = evaluate_pairs(moved, moved, identity)
    for first, second in zip(evaluate_pairs(embeddings, embeddings, Identity.of(batch, names)), shuffled, strict=True):
        assert first.metrics() == second.metrics() and first.gallery_size == second.gallery_size


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(2, 8), st.integers(0, 10_000))
def test_ranks_among_candidates_count_strictly_better_and_half_of_the_equal_irrelevant_ones(queries, candidates, seed):
    random = np.random.default_rng(seed)
    scores = random.integers(0, 4, (queries, candidates)).astype(np.float32)
    relevant = random.random((queries, candidates)) < 0.4
    relevant[:, 0] = True
    expected = []
    for row, mask in zip(scores, relevant, strict=True):
        best = max(row[mask])
        others = row[~mask]
        expected.append(1 + (others > best).sum() + (others == best).sum() / 2)
    found = ranks_among(torch.from_numpy(scores), torch.from_numpy(relevant))
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))
