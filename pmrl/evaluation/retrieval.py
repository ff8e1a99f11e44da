"""Retrieval on the test split: every ordered modality pair, and the anchor against everything else, both ways.

Each direction is scored by the method's own score and by plain cosine (of centroids, where a side has several
modalities); the anchor directions are also re-ranked: the 50 best candidates are ordered by the matching head.
An instance that lacks the query's or the gallery's modality is not a query; one that lacks the gallery's is
not a candidate; the counts are part of every record. A direction without a query is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch
from torch import Tensor

from pmrl.errors import UserError
from pmrl.evaluation.ranks import median_rank, ranks, recall
from pmrl.method.base import Method, blaming
from pmrl.method.embeddings import Embeddings
from pmrl.records import COSINE, OTHERS, OWN

RECALL_LEVELS = (1, 5, 10)
RERANKED_CANDIDATES = 50
PAIRS_AT_ONCE = 512


@dataclass(frozen=True)
class Direction:
    """One retrieval task: ``queries`` and ``candidates`` are indices of instances with what the side needs."""

    query: str
    gallery: str
    query_side: Embeddings
    gallery_side: Embeddings
    queries: Tensor
    candidates: Tensor

    @property
    def positive(self) -> Tensor:
        """For each query, the position of its own instance among the candidates."""
        return torch.searchsorted(self.candidates, self.queries)


@dataclass(frozen=True)
class Result:
    """Ranks of the right candidates for one direction, score and re-ranking; ``queries`` are instance indices."""

    query: str
    gallery: str
    score: str
    reranked: bool
    queries: Tensor
    ranks: Tensor
    gallery_size: int

    def metrics(self) -> dict[str, float]:
        """Recall at 1, 5, 10 in percent, and the median rank."""
        values = {f"recall@{k}": recall(self.ranks, k) for k in RECALL_LEVELS}
        return {**values, "median_rank": median_rank(self.ranks)}


def contributions(results: Sequence[Result], count: int) -> np.ndarray:
    """What each of ``count`` instances adds to the mean recall@1 over ``results``.

    Every result has the same weight, and within it every query, so that the mean over the instances is the mean of
    the recalls, in percent.
    """
    values = np.zeros(count)
    for result in results:
        hits = (result.ranks <= 1).cpu().numpy()
        values[result.queries.cpu().numpy()] += 100 * hits * count / (len(hits) * len(results))
    return values


def of_pairs(results: Iterable[Result]) -> list[Result]:
    """The results between single modalities by cosine, which the measure "pairs" averages."""
    return [r for r in results if r.score == COSINE and OTHERS not in (r.query, r.gallery) and not r.reranked]


def of_anchor(results: Iterable[Result]) -> list[Result]:
    """The results from the anchor to the others and back by the own score, which the measure "anchor" averages."""
    return [r for r in results if r.score == OWN and OTHERS in (r.query, r.gallery) and not r.reranked]


def mean_recall(results: Sequence[Result]) -> float:
    """Mean recall@1 in percent over results, at least one."""
    return float(np.mean([result.metrics()["recall@1"] for result in results]))


def direction(embeddings: Embeddings, query: tuple[str, ...], gallery: tuple[str, ...]) -> Direction:
    """The task of finding an instance's ``gallery`` modalities from its ``query`` modalities."""
    query_side, gallery_side = embeddings.select(query), embeddings.select(gallery)
    candidate = gallery_side.mask().any(dim=1)
    queries = (query_side.mask().any(dim=1) & candidate).nonzero().squeeze(1)
    candidates = candidate.nonzero().squeeze(1)

    def name(side: tuple[str, ...]) -> str:
        return side[0] if len(side) == 1 and side[0] != OTHERS else OTHERS

    return Direction(
        name(query),
        name(gallery),
        taken(query_side, queries),
        taken(gallery_side, candidates),
        queries,
        candidates,
    )


def pair_directions(embeddings: Embeddings) -> Iterator[Direction]:
    """The task of every ordered modality pair that an instance has both of."""
    tasks = (direction(embeddings, pair[:1], pair[1:]) for pair in permutations(embeddings.modalities, 2))
    return (task for task in tasks if len(task.queries))


def taken(side: Embeddings, rows: Tensor) -> Embeddings:
    """Some instances, by their ascending numbers; the same object, uncopied, where these are all."""
    return side if len(rows) == len(side) else side.rows(rows)


Score = Callable[[Embeddings, Embeddings], Tensor]


def checked(method: Method) -> Score:
    """The method's score, refusing a result that is not one finite score for each pair.

    Raises:
        UserError: an error inside, a wrong shape or a value that is not finite; the message names the method.
    """

    def score(query: Embeddings, gallery: Embeddings) -> Tensor:
        expected = (len(query), len(gallery))
        with blaming(method, "score"):
            values = torch.as_tensor(method.score(query, gallery))
        if values.shape != expected:
            raise UserError(
                f"Method {method.title!r}: score gave the shape {tuple(values.shape)}; expected (queries, gallery "
                f"items) = {expected}."
            )
        if not torch.isfinite(values).all():
            raise UserError(f"Method {method.title!r}: score gave values that are not finite.")
        return values

    return score


def cosine(query: Embeddings, gallery: Embeddings) -> Tensor:
    """Cosine of the centroids, (queries, gallery items)."""
    return query.centroid() @ gallery.centroid().T


@torch.no_grad()
def evaluate(embeddings: Embeddings, method: Method, rerank: bool = True) -> list[Result]:
    """All directions of the module's description, for the instances of ``embeddings``.

    Re-ranked results are left out if ``rerank`` is false or the method does not train the matching head.
    """
    scores = {OWN: checked(method), COSINE: cosine}
    results = []
    for task in pair_directions(embeddings):
        results += [
            plain_result(task, name, score(task.query_side, task.gallery_side)) for name, score in scores.items()
        ]
    anchored = anchor_results(embeddings, scores, rerank and method.trains_matching)
    # with two modalities the plain ones are those of the pair
    return results + [result for result in anchored if result.reranked or len(embeddings.others) > 1]


@torch.no_grad()
def evaluate_pairs(queries: Embeddings, galleries: Embeddings) -> list[Result]:
    """Every ordered modality pair by cosine, queries and galleries from two embeddings of the same instances."""
    results = []
    for task in pair_directions(queries):
        values = cosine(task.query_side, galleries.select((task.gallery,)).rows(task.candidates))
        results.append(plain_result(task, COSINE, values))
    return results


def plain_result(task: Direction, score: str, values: Tensor) -> Result:
    """Ranks by score values (queries, candidates)."""
    return Result(
        task.query,
        task.gallery,
        score,
        False,
        task.queries,
        ranks(values, task.positive),
        len(task.candidates),
    )


@torch.no_grad()
def anchor_results(embeddings: Embeddings, scores: dict[str, Score], rerank: bool) -> list[Result]:
    """The anchor against everything else and back, each plain and, if asked for, re-ranked."""
    anchor, others = (embeddings.anchor,), embeddings.others
    results = []
    for query, gallery in ((anchor, others), (others, anchor)):
        task = direction(embeddings, query, gallery)
        if not len(task.queries):
            continue
        for name, score in scores.items():
            values = score(task.query_side, task.gallery_side)
            plain = plain_result(task, name, values)
            results.append(plain)
            if rerank:
                results.append(reranked_result(task, plain, values, embeddings, from_anchor=query == anchor))
    return results


def reranked_result(
    task: Direction, plain: Result, values: Tensor, embeddings: Embeddings, from_anchor: bool
) -> Result:
    """Order each query's best candidates by the matching head; the others keep their places behind them."""
    best = values.topk(min(RERANKED_CANDIDATES, values.shape[1]), dim=1).indices
    matching_head = embeddings.heads.matching
    inputs = matching_head.read(embeddings)
    if from_anchor:
        pairs = task.queries.repeat_interleave(best.shape[1])[:, None], task.candidates[best.flatten()]
    else:
        pairs = task.candidates[best], task.queries
    chunk = max(1, PAIRS_AT_ONCE // pairs[0].shape[1])
    matching = torch.cat(
        [
            matching_head(inputs, anchors, others).log_softmax(dim=-1)[..., 1]
            for anchors, others in zip(*(rows.split(chunk) for rows in pairs), strict=True)
        ]
    ).view_as(best)
    found, place = (best == task.positive.unsqueeze(1)).max(dim=1)
    new_ranks = torch.where(found, ranks(matching, place).to(plain.ranks), plain.ranks)
    return Result(task.query, task.gallery, plain.score, True, task.queries, new_ranks, len(task.candidates))
