"""Ranks of the relevant items in a gallery, recall@k and median rank, without a full Q×G matrix.

Ties count half: rank = 1 + (number of strictly better items) + ½ (number of other items with the same score).
So a model that gives every item the same score has the mean rank (G + 1)/2 of guessing, never rank 1, and a
query counts towards recall@k only if its rank is at most k. With sign(x) ∈ {−1, 0, 1} and the sum over all
irrelevant items,

    better + ½ equal = ½ Σ_irrelevant (1 + sign(score − score of the relevant item)).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pmrl.data.threads import threads
from pmrl.errors import ArgumentError
from pmrl.losses.spectral import widen
from pmrl.progress import progress

# Blocks of scores of about this size stay in a processor's cache.
_CACHE_BYTES = 1 << 22


def ranks(scores: Tensor, positive: Tensor) -> Tensor:
    """Rank of the one relevant item of each query.

    Args:
        scores: ``(Q, G)``, finite, higher is better; a transposed view costs no copy.
        positive: ``(Q,)`` integers, the gallery index of every query's relevant item.

    Returns:
        ``(Q,)`` float32, from 1 (best) to G, in steps of ½.

    Raises:
        ArgumentError: a shape is wrong, an index is outside the gallery, or a score is not finite (the message
            names the first such query).
    """
    _check_scores(scores)
    size = scores.shape[1]
    _check_length("positive", positive, len(scores))
    outside = ((positive < 0) | (positive >= size)).nonzero()
    if len(outside):
        query = int(outside[0])
        raise ArgumentError(
            f"Query {query}: the relevant item is {int(positive[query])}, but the gallery has items 0 to {size - 1}."
        )
    return ranks_many(scores, positive, torch.arange(size, device=scores.device))


def ranks_many(scores: Tensor, query_ids: Tensor, gallery_ids: Tensor) -> Tensor:
    """Rank of the best relevant item of each query; an item is relevant if it has the query's id.

    The other relevant items of a query are left out of the count. For the opposite direction (one picture as the
    query, its captions in the gallery) call ``ranks_many(scores.T, gallery_ids, query_ids)``.

    Args:
        scores: ``(Q, G)``, finite, higher is better; a transposed view costs no copy.
        query_ids: ``(Q,)`` integers; every one must occur in the gallery.
        gallery_ids: ``(G,)`` integers, repeated where an item has several entries.

    Returns:
        ``(Q,)`` float32, from 1 (best) to the number of irrelevant items plus 1, in steps of ½.

    Raises:
        ArgumentError: a shape is wrong, a query has no relevant item, or a score is not finite (the message
            names the first such query).
    """
    _check_scores(scores)
    queries, items = scores.shape
    relevant = _relevant_items(query_ids, gallery_ids, queries, items)
    rows = max(1, _CACHE_BYTES // _row_bytes(relevant, scores))
    return _ranks(lambda chunk: scores[chunk], relevant, rows, items)


def ranks_among(scores: Tensor, relevant: Tensor) -> Tensor:
    """Rank of the best relevant item of each query among a few candidates of its own.

    Args:
        scores: ``(Q, C)``, finite, higher is better.
        relevant: ``(Q, C)`` booleans; other relevant items than the best are left out of the count.

    Returns:
        ``(Q,)`` float32, as from :func:`ranks_many`; of no meaning for a query without a relevant item.
    """
    best = scores.masked_fill(~relevant, -torch.inf).amax(dim=1, keepdim=True)
    irrelevant = ~relevant
    better = (irrelevant & (scores > best)).sum(dim=1)
    equal = (irrelevant & (scores == best)).sum(dim=1)
    return (1 + better + equal / 2).float()


def cosine_ranks(
    query: Tensor, gallery: Tensor, query_ids: Tensor, gallery_ids: Tensor, budget_bytes: int = 1 << 27
) -> Tensor:
    """``ranks_many`` by cosine similarity, computed in blocks of queries that fit in a memory budget.

    Args:
        query: ``(Q, d)`` vectors of any length.
        gallery: ``(G, d)`` vectors of any length.
        query_ids: ``(Q,)`` integers; every one must occur in the gallery.
        gallery_ids: ``(G,)`` integers, repeated where an item has several entries.
        budget_bytes: largest memory in bytes that scores and their working copies may take at a time.

    Returns:
        ``(Q,)`` float32, as from :func:`ranks_many`.

    Raises:
        ArgumentError: as in :func:`ranks_many`, or the budget is too small for the scores of a single query.
    """
    if query.dim() != 2 or gallery.dim() != 2 or query.shape[1] != gallery.shape[1]:
        raise ArgumentError(
            f"Queries {tuple(query.shape)} and gallery {tuple(gallery.shape)} must be two (items, dimension) "
            "tables of the same dimension."
        )
    size = len(gallery)
    relevant = _relevant_items(query_ids, gallery_ids, len(query), size)
    columns = normalize(widen(gallery), dim=1).T
    rows = budget_bytes // _row_bytes(relevant, columns)
    if rows == 0:
        raise ArgumentError(
            f"budget_bytes is {budget_bytes}, but the scores of one query against {size} items take "
            f"{_row_bytes(relevant, columns)} bytes. Raise the budget to at least that."
        )
    return _ranks(lambda chunk: normalize(widen(query[chunk]), dim=1) @ columns, relevant, rows, size)


def recall(ranks: Tensor, k: int) -> float:
    """Share of queries with a rank of at most ``k``, in percent.

    Args:
        ranks: ``(Q,)`` ranks that start at 1.
        k: cut-off.

    Raises:
        ArgumentError: there are no queries.
    """
    _check_queries(ranks)
    return 100.0 * (ranks <= k).double().mean().item()


def median_rank(ranks: Tensor) -> float:
    """Median of ``(Q,)`` ranks; the mean of the middle two for an even number of queries.

    Raises:
        ArgumentError: there are no queries.
    """
    _check_queries(ranks)
    ordered = ranks.double().sort().values
    middle = len(ordered) // 2
    return ordered[[middle, -middle - 1]].mean().item()


class _RelevantItems(NamedTuple):
    """Query q's relevant items are ``order[starts[q] : starts[q] + counts[q]]``."""

    order: Tensor
    starts: Tensor
    counts: Tensor


def _relevant_items(query_ids: Tensor, gallery_ids: Tensor, queries: int, items: int) -> _RelevantItems:
    _check_length("query_ids", query_ids, queries)
    _check_length("gallery_ids", gallery_ids, items)
    ordered, order = gallery_ids.sort(stable=True)
    query_ids = query_ids.contiguous()
    starts = torch.searchsorted(ordered, query_ids)
    counts = torch.searchsorted(ordered, query_ids, right=True) - starts
    missing = (counts == 0).nonzero()
    if len(missing):
        query = int(missing[0])
        raise ArgumentError(
            f"Query {query} (id {query_ids[query].item()}) has no item in the gallery. "
            "Remove the query, or add its item to the gallery."
        )
    return _RelevantItems(order, starts, counts)


def _row_bytes(relevant: _RelevantItems, columns: Tensor) -> int:
    """Bytes for one query: its scores with the gallery in ``columns``, their differences, the relevant items."""
    most = int(relevant.counts.max()) if len(relevant.counts) else 0
    return 2 * widen(columns[:0]).element_size() * columns.shape[1] + 48 * most


def _ranks(block: Callable[[slice], Tensor], relevant: _RelevantItems, rows: int, size: int) -> Tensor:
    """Ranks of all queries, ``rows`` of them at a time; ``block`` gives their scores ``(rows, size)``."""
    total = len(relevant.counts)
    result = torch.empty(total, device=relevant.counts.device)
    starts = range(0, total, rows)
    for start in progress(starts, "ranking"):
        chunk = slice(start, min(start + rows, total))
        scores = widen(block(chunk))
        with threads(1):
            _check_finite(scores, start)
            result[chunk] = _block_ranks(scores, relevant.order, relevant.starts[chunk], relevant.counts[chunk])
    return result


def _block_ranks(scores: Tensor, order: Tensor, starts: Tensor, counts: Tensor) -> Tensor:
    query = torch.arange(len(scores), device=scores.device).repeat_interleave(counts)
    position = torch.arange(len(query), device=scores.device) - (counts.cumsum(0) - counts)[query]
    relevant_scores = scores[query, order[starts[query] + position]]
    best = scores.new_full((len(scores),), -torch.inf).scatter_reduce(0, query, relevant_scores, "amax")
    # sums of signs are whole numbers, exact in float32 for galleries of up to 2²⁴ items
    over_all = (scores - best[:, None]).sign_().sum(1)
    over_relevant = torch.zeros_like(best).index_add(0, query, (relevant_scores - best[query]).sign())
    irrelevant = scores.shape[1] - counts
    return (1 + (irrelevant + over_all - over_relevant) / 2).float()


def _check_scores(scores: Tensor) -> None:
    if scores.dim() != 2 or not scores.is_floating_point():
        raise ArgumentError(
            f"Scores have shape {tuple(scores.shape)} and type {scores.dtype}, "
            "expected floating (queries, gallery items)."
        )


def _check_length(name: str, ids: Tensor, expected: int) -> None:
    if ids.dim() != 1 or len(ids) != expected or ids.is_floating_point():
        raise ArgumentError(f"{name} has shape {tuple(ids.shape)} and type {ids.dtype}, expected {expected} integers.")


def _check_finite(scores: Tensor, start: int) -> None:
    # a sum is ten times cheaper than a test of every element, and it is finite only if all terms are
    if scores.sum(1).isfinite().all():
        return
    bad = (~scores.isfinite()).nonzero()
    if len(bad):
        row, item = bad[0].tolist()
        raise ArgumentError(
            f"Query {start + row}: its score with gallery item {item} is {scores[row, item].item()}. "
            "Scores must be finite; look for a value that is not finite in the vectors of the two."
        )


def _check_queries(ranks: Tensor) -> None:
    if not len(ranks):
        raise ArgumentError("There are no ranks to summarise: the set of queries is empty.")
