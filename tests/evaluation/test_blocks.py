"""Retrieval in blocks is retrieval with the full matrix, in bounded memory."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from example_data import synthetic_dataset

from pmrl.discovery import ROOT, method_files
from pmrl.evaluation import blocks
from pmrl.evaluation.identity import Identity
from pmrl.evaluation.ranks import ranks_many
from pmrl.evaluation.retrieval import direction, evaluate
from pmrl.method.base import build_method
from pmrl.method.batch import Batch
from pmrl.method.networks import Network, embed
from pmrl.method.sizes import NetworkSettings, Sizes
from pmrl.records import OTHERS, OWN

SMALL = NetworkSettings(dimension=16, hidden=16, width=8, attention_heads=2)
SCORES = [(name, {}) for name in method_files()]
SCORES += [("pmrl", {"score": name}) for name in ("centroid", "singular_value", "fused")]


def embedded(absent=0.0, per_split=61):
    dataset = synthetic_dataset(absent=absent, per_split=per_split)
    torch.manual_seed(0)
    batch = Batch.from_dataset(dataset, dataset.indices("test"), torch.device("cpu"))
    return embed(Network(dataset, SMALL), batch)


def set_up(name, values):
    """A method whose own parameters have the sizes of the data."""
    dataset = synthetic_dataset()
    torch.manual_seed(1)
    method = build_method(name, values)
    method.setup(Sizes.of(dataset, SMALL), Network(dataset, SMALL))
    return method


@pytest.fixture
def tiny_blocks(monkeypatch):
    """Blocks of at most 7 queries and tiles of 5 items, so that neither divides the number of items."""
    monkeypatch.setattr(blocks, "MOST_AT_ONCE", 10)
    monkeypatch.setattr(blocks, "BLOCK_QUERIES", 7)
    monkeypatch.setattr(blocks, "TILE_ITEMS", 5)


def rank_bounds(scores, relevant, rounding=1e-5):
    """Ranks of each query's best relevant item, counted in a loop, if near scores count as worse, and as better."""
    low, high = [], []
    for row, own in zip(scores, relevant, strict=True):
        best, others = row[own].max(), row[~own]
        low.append(1 + (others > best + rounding).sum())
        high.append(1 + (others > best - rounding).sum())
    return np.array(low), np.array(high)


@pytest.mark.parametrize(("name", "values"), SCORES)
@pytest.mark.parametrize("absent", [0.0, 0.4])
def test_blocks_give_the_ranks_of_the_full_matrix(name, values, absent, tiny_blocks):
    embeddings, method = embedded(absent), set_up(name, values)
    identity = Identity(torch.arange(len(embeddings)) // 2, {})  # every two items are views of one instance
    decided = total = 0
    for result in evaluate(embeddings, method, rerank=False, identity=identity):
        sides = [embeddings.others if side == OTHERS else (side,) for side in (result.query, result.gallery)]
        task = direction(embeddings, *sides, identity)
        score = method.score if result.score == OWN else lambda q, g: q.centroid() @ g.centroid().T
        with torch.no_grad():
            full = score(task.query_side, task.gallery_side).double().numpy()
        relevant = (task.query_instances[:, None] == task.candidate_instances).numpy()
        low, high = rank_bounds(full, relevant)
        ranks = result.ranks.numpy()
        assert (low <= ranks).all() and (ranks <= high).all(), (result.query, result.gallery, result.score)
        decided, total = decided + (low == high).sum(), total + len(low)
    assert decided > 0.8 * total, "almost no query is near a tie"


def test_reranked_results_do_not_depend_on_blocks(monkeypatch):
    embeddings, method = embedded(absent=0.3), build_method("vast", {})
    whole = evaluate(embeddings, method)
    for name, value in (("MOST_AT_ONCE", 10), ("BLOCK_QUERIES", 7), ("TILE_ITEMS", 5)):
        monkeypatch.setattr(blocks, name, value)
    parts = evaluate(embeddings, method)
    assert any(result.reranked for result in whole)
    for first, second in zip(whole, parts, strict=True):
        assert (first.query, first.gallery, first.score) == (second.query, second.gallery, second.score)
        assert (first.ranks != second.ranks).float().mean() < 0.05, "rounding may move a query near a tie"


def test_ties_across_tiles_count_half(tiny_blocks):
    """Small whole numbers have exact products, so equal items in different tiles are exactly equal."""
    embeddings = embedded()
    random = torch.Generator().manual_seed(0)
    numbers = torch.randint(0, 2, (len(embeddings), 16), generator=random).float()
    for name in embeddings.vectors:
        embeddings.vectors[name] = numbers[:, :3].repeat(1, 2)
    sides = [embeddings.select((name,)) for name in ("alpha", "beta")]

    def products(query, gallery):
        return query.vectors["alpha"] @ gallery.vectors["beta"].T

    own = torch.arange(len(embeddings))
    found = torch.cat([ranks_many(x, own[rows], own) for rows, x in blocks.score_blocks(products, *sides)])
    full = products(*sides)
    best = full.diagonal()[:, None]
    expected = 1 + (full > best).sum(1) + ((full == best).sum(1) - 1) / 2
    assert (expected % 1 > 0).any(), "the test needs ties"
    assert torch.equal(found, expected)


def test_rows_and_selections_of_a_side_are_computed_anew():
    embeddings = embedded(absent=0.4)
    side = blocks.Side.of(embeddings, slice(10, 40))
    for read in (lambda x: x.centroid(), lambda x: x.leading_direction(), lambda x: x.leading_direction(1.0)):
        read(side)
        torch.testing.assert_close(read(side), read(embeddings.rows(slice(10, 40))))
        torch.testing.assert_close(read(side.rows(slice(5, 9))), read(embeddings.rows(slice(15, 19))))
        part = side.select(("beta", "gamma"))
        torch.testing.assert_close(read(part), read(embeddings.select(("beta", "gamma")).rows(slice(10, 40))))


def test_a_small_task_is_one_call():
    embeddings, calls = embedded(), []

    def score(query, gallery):
        calls.append((len(query), len(gallery)))
        return query.centroid() @ gallery.centroid().T

    sides = [embeddings.select((name,)) for name in ("alpha", "beta")]
    ((rows, values),) = blocks.score_blocks(score, *sides)
    assert calls == [(61, 61)] and rows == slice(0, 61)
    assert torch.equal(values, score(*sides))


@pytest.mark.parametrize("name", ["pmrl", "gram", "triangle", "vast"])
def test_memory_stays_far_below_the_full_matrix(name):
    """The full matrix has 2.0 GB; a block, its working copies and the shortlist have a sixth of that."""
    code = (
        f"from benchmarks.evaluation import measure; r = measure({name!r}, 5_000, 100_000, 3, 16); "
        "print(r['peak bytes'] - r['bytes before'])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 5_000 * 100_000 * 4 / 5
