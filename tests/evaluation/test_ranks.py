"""Ranks against sorting in plain Python, ties, several relevant items, and the memory budget."""

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_examples import unit_vectors

from pmrl.errors import UserError
from pmrl.evaluation import ranks as retrieval
from pmrl.evaluation.ranks import cosine_ranks, median_rank, ranks, ranks_many, recall

quick = settings(deadline=None, max_examples=40)


def plain_rank(scores, relevant):
    """Mean position of the best relevant item among the irrelevant ones, over all orders of the tied items."""
    best = max(scores[i] for i in relevant)
    irrelevant = [score for i, score in enumerate(scores) if i not in relevant]
    return 1 + sum(score > best for score in irrelevant) + sum(score == best for score in irrelevant) / 2


@quick
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**31))
def test_ranks_agree_with_plain_python(queries, items, levels, seed):
    random = np.random.default_rng(seed)
    scores = torch.tensor(random.integers(0, levels, (queries, items)) / 3, dtype=torch.float32)
    positive = torch.tensor(random.integers(0, items, queries))
    expected = [plain_rank(row, {int(p)}) for row, p in zip(scores.tolist(), positive, strict=True)]
    assert ranks(scores, positive).tolist() == expected


def test_ranks_are_the_average_ranks_of_statistics():
    scores = torch.tensor(np.random.default_rng(0).integers(0, 20, (30, 50)), dtype=torch.float64)
    positive = torch.arange(30)
    expected = scipy.stats.rankdata(-scores.numpy(), axis=1, method="average")[np.arange(30), np.arange(30)]
    assert ranks(scores, positive).numpy() == pytest.approx(expected)


def test_a_model_that_cannot_tell_items_apart_is_not_rewarded():
    found = ranks(torch.zeros(7, 101), torch.arange(7))
    assert found.tolist() == [51.0] * 7
    assert recall(found, 10) == 0


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1.0, 3e38])
def test_ranks_depend_on_the_order_of_scores_only(scale):
    scores = torch.rand(20, 30, generator=torch.Generator().manual_seed(0))
    order = scores.argsort(1).argsort(1)
    spread = (order.double() - 15) / 15 if scale > 1e-40 else order.double()
    positive = torch.arange(20)
    assert torch.equal(ranks((spread * scale).float(), positive), ranks(scores, positive))


@quick
@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**31))
def test_several_captions_per_item_in_both_directions(items, most_captions, seed):
    random = np.random.default_rng(seed)
    caption_ids = np.repeat(np.arange(items), random.integers(1, most_captions + 1, items))
    random.shuffle(caption_ids)
    scores = torch.tensor(random.integers(0, 5, (len(caption_ids), items)), dtype=torch.float32)
    item_ids, caption_ids = torch.arange(items), torch.tensor(caption_ids)
    forward = [plain_rank(row, {int(c)}) for row, c in zip(scores.tolist(), caption_ids, strict=True)]
    backward = [
        plain_rank(column, set((caption_ids == i).nonzero()[:, 0].tolist()))
        for i, column in enumerate(scores.T.tolist())
    ]
    assert ranks_many(scores, caption_ids, item_ids).tolist() == forward
    assert ranks_many(scores.T, item_ids, caption_ids).tolist() == backward


@pytest.mark.parametrize("budget", [48 + 8 * 40, 1000, 1 << 20])
def test_blocks_of_any_size_give_the_same_ranks(budget):
    query, gallery = unit_vectors(1, 33, 8)[0].float(), unit_vectors(1, 40, 8, seed=1)[0].float()
    ids = torch.arange(40)
    expected = ranks_many((query.double() @ gallery.T.double()).float(), ids[:33], ids)
    assert torch.equal(cosine_ranks(3 * query, 0.1 * gallery, ids[:33], ids, budget), expected)


def test_no_block_exceeds_the_budget(monkeypatch):
    largest = []
    inner = retrieval._block_ranks

    def spy(scores, *rest):
        largest.append(scores.numel() * scores.element_size())
        return inner(scores, *rest)

    monkeypatch.setattr(retrieval, "_block_ranks", spy)
    vectors, ids = unit_vectors(1, 500, 8)[0].float(), torch.arange(500)
    assert (cosine_ranks(vectors, vectors, ids, ids, budget_bytes=100_000) == 1).all()
    assert sum(largest) == 500 * 500 * 4
    assert 2 * max(largest) <= 100_000


def test_exact_duplicates_in_the_gallery_tie():
    gallery = unit_vectors(1, 1, 64)[0].float().expand(37, 64)
    found = cosine_ranks(unit_vectors(1, 9, 64, seed=1)[0].float(), gallery, torch.arange(9), torch.arange(37))
    assert found.tolist() == [19.0] * 9


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_scores_of_every_floating_type_are_ranked(dtype):
    scores = torch.tensor([[0.5, 1.0, 0.5], [2.0, -1.0, 0.0]], dtype=dtype)
    assert ranks(scores, torch.tensor([0, 2])).tolist() == [2.5, 2.0]


def test_recall_and_median_of_known_ranks():
    found = torch.tensor([1.0, 1.5, 3.0, 10.0])
    assert recall(found, 1) == 25
    assert recall(found, 3) == 75
    assert median_rank(found) == 2.25
    assert median_rank(found[:3]) == 1.5


def test_no_queries_give_no_ranks_and_no_recall():
    found = ranks(torch.zeros(0, 5), torch.zeros(0, dtype=torch.int64))
    assert found.shape == (0,)
    with pytest.raises(UserError, match="empty"):
        recall(found, 1)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_names_the_first_score_that_is_not_finite(value):
    scores = torch.rand(9, 6)
    scores[7, 1] = scores[4, 3] = value
    with pytest.raises(UserError, match="Query 4: its score with gallery item 3"):
        ranks(scores, torch.zeros(9, dtype=torch.int64))


def test_names_the_query_whose_vector_is_not_finite():
    query, ids = unit_vectors(1, 9, 4)[0], torch.arange(9)
    query[5, 2] = torch.nan
    with pytest.raises(UserError, match="Query 5"):
        cosine_ranks(query, unit_vectors(1, 9, 4)[0], ids, ids, budget_bytes=400)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ranks(torch.rand(2, 3), torch.tensor([0, 3])), "Query 1: the relevant item is 3"),
        (lambda: ranks(torch.rand(2, 3), torch.tensor([0])), "expected 2 integers"),
        (lambda: ranks(torch.rand(3), torch.tensor([0])), "expected floating"),
        (
            lambda: ranks_many(torch.rand(2, 2), torch.tensor([5, 6]), torch.tensor([5, 7])),
            r"Query 1 \(id 6\) has no item",
        ),
        (
            lambda: cosine_ranks(torch.rand(2, 4), torch.rand(9, 4), torch.arange(2), torch.arange(9), 100),
            "Raise the budget",
        ),
        (
            lambda: cosine_ranks(torch.rand(2, 4), torch.rand(2, 5), torch.arange(2), torch.arange(2)),
            "same dimension",
        ),
    ],
)
def test_wrong_input_is_explained(call, message):
    with pytest.raises(UserError, match=message):
        call()
