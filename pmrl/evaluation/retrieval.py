"""Retrieval on the test split: every ordered modality pair, and the anchor against everything else, both ways.

Each direction is scored by the method's own score and by plain cosine (of centroids, where a side has several
modalities). The anchor directions by the own score are also re-ranked, see ``pmrl.evaluation.reranking``. An instance
without the query's or the gallery's modality is not a query; one without the gallery's is not a candidate; every
record holds both counts. A direction without queries is left out. Items of one instance count by the rule of
``pmrl.evaluation.identity``. Scores are computed in blocks, see ``pmrl.evaluation.blocks``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pmrl.errors import UserError
from pmrl.evaluation.blocks import Score, score_blocks
from pmrl.evaluation.identity import Identity
from pmrl.evaluation.ranks import median_rank, ranks_among, ranks_many, recall
from pmrl.evaluation.reranking import CANDIDATES, FINAL_SCORES, matching_scores
from pmrl.method.base import Method, blaming
from pmrl.method.embeddings import Embeddings
from pmrl.records import COSINE, JOINED, OTHERS, OWN

RECALL_LEVELS = (1, 5, 10)


@dataclass(frozen=True)
class Direction:
    """One retrieval task.

    Attributes:
        query: name of the query side.
        gallery: name of the gallery side.
        query_side: embeddings of the queries.
        gallery_side: embeddings of the candidates.
        queries: indices of the items that are queries.
        candidates: indices of the items that are candidates.
        query_instances: the instance of each query.
        candidate_instances: the instance of each candidate; those of the query's instance are relevant.
    """

    query: str
    gallery: str
    query_side: Embeddings
    gallery_side: Embeddings
    queries: Tensor
    candidates: Tensor
    query_instances: Tensor
    candidate_instances: Tensor


@dataclass(frozen=True)
class Result:
    """Ranks of the relevant candidates for one direction, score and re-ranking; ``queries`` are instance indices."""

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


def item_shares(parts: Sequence[tuple[np.ndarray, np.ndarray]], count: int) -> np.ndarray:
    """What each of ``count`` items adds to the mean, over several parts, of the percentage of hits in a part.

    Args:
        parts: each its items (indices) and which of them are hits (booleans). All parts have the same weight, and so
            have all items of a part.
        count: the number of items. The mean of the result over them is the mean of the percentages.
    """
    values = np.zeros(count)
    for items, hits in parts:
        values[items] += 100 * hits * count / (len(hits) * len(parts))
    return values


def contributions(results: Sequence[Result], count: int) -> np.ndarray:
    """What each of ``count`` instances adds to the mean recall@1 over ``results``, see ``item_shares``."""
    return item_shares([(r.queries.cpu().numpy(), (r.ranks <= 1).cpu().numpy()) for r in results], count)


def of_pairs(results: Iterable[Result]) -> list[Result]:
    """The results between single modalities by cosine, over which the measure "pairs" is the mean."""
    return [r for r in results if r.score == COSINE and OTHERS not in (r.query, r.gallery) and not r.reranked]


def of_anchor(results: Iterable[Result]) -> list[Result]:
    """The results between anchor and others by the method's own score, over which the measure "anchor" is the mean."""
    return [r for r in results if r.score == OWN and OTHERS in (r.query, r.gallery) and not r.reranked]


def mean_recall(results: Sequence[Result]) -> float:
    """Mean recall@1 in percent over at least one result."""
    return float(np.mean([result.metrics()["recall@1"] for result in results]))


def direction(
    embeddings: Embeddings, query: tuple[str, ...], gallery: tuple[str, ...], identity: Identity | None = None
) -> Direction:
    """The task of finding an instance's ``gallery`` modalities from its ``query`` modalities.

    Args:
        embeddings: the items.
        query: modalities of the query side.
        gallery: modalities of the gallery side.
        identity: which items are one instance; every item is its own by default.
    """
    identity = identity or Identity.distinct(len(embeddings), next(iter(embeddings.present.values())).device)
    query_side, gallery_side = embeddings.select(query), embeddings.select(gallery)
    candidates = identity.entries(gallery, gallery_side.mask().any(dim=1).nonzero().squeeze(1))
    findable = torch.isin(identity.instance, identity.instance[candidates])
    queries = identity.entries(query, (query_side.mask().any(dim=1) & findable).nonzero().squeeze(1))

    def name(side: tuple[str, ...]) -> str:
        return side[0] if len(side) == 1 and side[0] != OTHERS else OTHERS

    return Direction(
        name(query),
        name(gallery),
        taken(query_side, queries),
        taken(gallery_side, candidates),
        queries,
        candidates,
        identity.instance[queries],
        identity.instance[candidates],
    )


def pair_directions(embeddings: Embeddings, identity: Identity | None = None) -> Iterator[Direction]:
    """The tasks of all ordered modality pairs that at least one instance has both of."""
    tasks = (direction(embeddings, pair[:1], pair[1:], identity) for pair in permutations(embeddings.modalities, 2))
    return (task for task in tasks if len(task.queries))


def taken(side: Embeddings, rows: Tensor) -> Embeddings:
    """The instances at the ascending indices ``rows``; ``side`` itself, without a copy, if these are all."""
    return side if len(rows) == len(side) else side.rows(rows)


def checked(method: Method) -> Score:
    """The method's score, with a check that it gives one finite score for each pair.

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
def evaluate(
    embeddings: Embeddings, method: Method, rerank: bool = True, identity: Identity | None = None
) -> list[Result]:
    """Results of all directions that the module describes, for the instances of ``embeddings``.

    Re-ranked results are left out if ``rerank`` is false or the method does not train the matching head.
    """
    scores = {OWN: checked(method), COSINE: cosine}
    results = []
    for task in pair_directions(embeddings, identity):
        results += [ranked(task, name, score)[0] for name, score in scores.items()]
    anchored = anchor_results(embeddings, scores, rerank and method.trains_matching, identity)
    # with two modalities the results without re-ranking are those of the pair
    return results + [result for result in anchored if result.reranked or len(embeddings.others) > 1]


@torch.no_grad()
def evaluate_pairs(
    queries: Embeddings, galleries: Embeddings, identity: Identity | None = None, query: str | None = None
) -> list[Result]:
    """All ordered modality pairs by cosine, queries and galleries from two embeddings of the same instances.

    With ``query``, only the pairs in which this modality is the query.
    """
    results = []
    for task in pair_directions(queries, identity):
        if query not in (None, task.query):
            continue
        gallery_side = galleries.select((task.gallery,)).rows(task.candidates)
        results.append(ranked(replace(task, gallery_side=gallery_side), COSINE, cosine)[0])
    return results


@torch.no_grad()
def evaluate_two_to_one(embeddings: Embeddings, method: Method, identity: Identity | None = None) -> list[Result]:
    """Every two modalities against every third, and back, by the method's own score and by cosine of centroids.

    The side of two modalities is named ``a + b``. An instance is a query if it has any of its side's modalities.
    """
    scores, results = {OWN: checked(method), COSINE: cosine}, []
    for pair in combinations(embeddings.modalities, 2):
        for third in (name for name in embeddings.modalities if name not in pair):
            for query, gallery in ((pair, (third,)), ((third,), pair)):
                task = direction(embeddings, query, gallery, identity)
                task = replace(task, query=JOINED.join(query), gallery=JOINED.join(gallery))
                if len(task.queries):
                    results += [ranked(task, name, score)[0] for name, score in scores.items()]
    return results


class Shortlist(NamedTuple):
    """The best candidates of every query, best first: their scores and places, both (queries, at most 50)."""

    scores: Tensor
    places: Tensor


def ranked(task: Direction, name: str, score: Score, shortlist: bool = False) -> tuple[Result, Shortlist | None]:
    """The ranks by a score, and the best candidates if ``shortlist`` is true."""
    ranks, best = [], []
    for chunk, values in score_blocks(score, task.query_side, task.gallery_side):
        ranks.append(ranks_many(values, task.query_instances[chunk], task.candidate_instances))
        if shortlist:
            best.append(values.topk(min(CANDIDATES, values.shape[1]), dim=1))
    result = Result(task.query, task.gallery, name, False, task.queries, torch.cat(ranks), len(task.candidates))
    if not shortlist:
        return result, None
    return result, Shortlist(torch.cat([part.values for part in best]), torch.cat([part.indices for part in best]))


@torch.no_grad()
def anchor_results(
    embeddings: Embeddings, scores: dict[str, Score], rerank: bool, identity: Identity | None = None
) -> list[Result]:
    """The anchor against everything else and back, plain and, if ``rerank`` is true, the own score also re-ranked."""
    anchor, others = (embeddings.anchor,), embeddings.others
    results = []
    for query, gallery in ((anchor, others), (others, anchor)):
        task = direction(embeddings, query, gallery, identity)
        if not len(task.queries):
            continue
        for name, score in scores.items():
            plain, best = ranked(task, name, score, shortlist=rerank and name == OWN)
            results.append(plain)
            if best is not None:
                results += reranked_results(task, plain, best, embeddings, from_anchor=query == anchor)
    return results


def reranked_results(
    task: Direction, plain: Result, shortlist: Shortlist, embeddings: Embeddings, from_anchor: bool
) -> list[Result]:
    """One result for each final score: a query's best candidates are ordered again, all others keep their ranks."""
    own, best = shortlist
    matching = matching_scores(embeddings, task.queries, task.candidates[best], from_anchor)
    relevant = task.candidate_instances[best] == task.query_instances.unsqueeze(1)
    results = []
    for final in FINAL_SCORES:
        combined = final.combine(own, matching)
        among = relevant[:, : combined.shape[1]]
        ranks = torch.where(among.any(dim=1), ranks_among(combined, among).to(plain.ranks), plain.ranks)
        results.append(replace(plain, score=final.name, reranked=True, ranks=ranks))
    return results
