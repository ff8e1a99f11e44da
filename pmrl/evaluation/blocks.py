"""Scores of all pairs of a query and a candidate, a block of queries at a time, so that no Q×G matrix is formed.

A small task is one block, scored by a single call. Of a larger one, each block of queries is scored against tiles of
the gallery: what a score builds for each pair, such as the projections of a volume, is bounded by a block and a tile.
What it computes for each item of a side, such as its leading direction, is computed once and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import cast

from torch import Tensor

from pmrl.method.embeddings import Embeddings
from pmrl.progress import progress

Score = Callable[[Embeddings, Embeddings], Tensor]
"""Scores (queries, gallery items), higher is better; that of a pair depends on this pair only."""

# A task of so many pairs is scored by one call.
MOST_AT_ONCE = 1 << 24
# Of a larger one, pairs and queries of a block, and gallery items of a tile: a score may build vectors for every pair.
BLOCK, BLOCK_QUERIES, TILE_ITEMS = 1 << 25, 2048, 512


@dataclass(frozen=True)
class Side(Embeddings):
    """Embeddings of which each vector of a whole instance is computed once; for evaluation, without gradients.

    Rows and selections of a side know nothing yet.
    """

    known: dict[object, Tensor] = field(init=False, default_factory=dict, compare=False)

    @classmethod
    def of(cls, embeddings: Embeddings, index: slice) -> Side:
        """The instances at ``index``, as views."""
        rows = embeddings.rows(index)
        return cls(**{part.name: getattr(rows, part.name) for part in fields(Embeddings)})

    def centroid(self) -> Tensor:
        """As of any embeddings, computed once."""
        return self._once("centroid", super().centroid)

    def leading_direction(self, shift: float = 0.0) -> Tensor:
        """As of any embeddings, computed once for each shift."""
        compute = super().leading_direction
        return self._once(("leading direction", shift), lambda: compute(shift))

    def side_vector(self) -> Tensor:
        """As of any embeddings, computed once."""
        return self._once("side vector", super().side_vector)

    def _once(self, key: object, compute: Callable[[], Tensor]) -> Tensor:
        if key not in self.known:
            self.known[key] = compute()
        return self.known[key]


def score_blocks(score: Score, query: Embeddings, gallery: Embeddings) -> Iterator[tuple[slice, Tensor]]:
    """The scores of some queries at a time with the whole gallery.

    Args:
        score: see ``Score``.
        query: the queries, at least one.
        gallery: the candidates, at least one.

    Yields:
        Which queries, and their scores (queries of the block, gallery items), valid until the next block.
    """
    queries, items = len(query), len(gallery)
    if queries * items <= MOST_AT_ONCE:
        yield slice(0, queries), score(query, gallery)
        return
    rows = max(1, min(BLOCK // items, BLOCK_QUERIES))
    starts = range(0, items, TILE_ITEMS)
    tiles = [(start, Side.of(gallery, slice(start, min(start + TILE_ITEMS, items)))) for start in starts]
    for first in progress(range(0, queries, rows), "scoring"):
        chunk = slice(first, min(first + rows, queries))
        block = Side.of(query, chunk)
        values: Tensor | None = None
        for start, tile in tiles:
            part = score(block, tile)
            if values is None:
                values = part.new_empty((len(block), items))
            values[:, start : start + len(tile)] = part
        yield chunk, cast(Tensor, values)
