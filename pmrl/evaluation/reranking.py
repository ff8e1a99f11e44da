"""The second stage of retrieval: the best candidates by a method's own score, ordered again with the matching head.

The paper orders the best 50 by matching alone. A head that is trained on few instances can rank worse than the
vectors, so other final scores stand beside it: fewer candidates, or a mixture of both scores. Validation data choose
among them; see ``pmrl.reporting.final_scores``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pmrl.method.embeddings import Embeddings
from pmrl.records import MIXTURE_25, MIXTURE_50, OWN, TOP_10

CANDIDATES = 50
PAIRS_AT_ONCE = 512


@dataclass(frozen=True)
class FinalScore:
    """One way to order a query's best candidates.

    Attributes:
        name: the ``score`` of its records; "own" is the paper's form.
        candidates: how many of the best by the own score are ordered again; all others keep their ranks.
        weight: w in (1 − w)·own + w·matching, both standardised over the query's candidates; 1 is matching alone.
    """

    name: str
    candidates: int
    weight: float

    def combine(self, own: Tensor, matching: Tensor) -> Tensor:
        """Final scores (queries, candidates) from the own scores, in descending order, and the matching scores."""
        own, matching = own[:, : self.candidates], matching[:, : self.candidates]
        if self.weight == 1:
            return matching
        return (1 - self.weight) * standardized(own) + self.weight * standardized(matching)


FINAL_SCORES = (
    FinalScore(OWN, CANDIDATES, 1.0),
    FinalScore(TOP_10, 10, 1.0),
    FinalScore(MIXTURE_25, CANDIDATES, 0.25),
    FinalScore(MIXTURE_50, CANDIDATES, 0.5),
)


def standardized(scores: Tensor) -> Tensor:
    """(queries, candidates) scores with mean 0 and deviation 1 over each query's candidates; 0 where all are equal."""
    centred = scores.double() - scores.double().mean(dim=1, keepdim=True)
    return centred / centred.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-12)


def matching_scores(embeddings: Embeddings, queries: Tensor, candidates: Tensor, from_anchor: bool) -> Tensor:
    """Log-probability that a query and each of its candidates match, (queries, candidates).

    Args:
        embeddings: of all items.
        queries: (queries,) indices of the items that are queries.
        candidates: (queries, candidates) indices of the items that are judged.
        from_anchor: whether the query's side is the anchor; else the candidates' side is.
    """
    head = embeddings.heads.matching
    inputs = head.read(embeddings)
    if from_anchor:
        anchors, others = queries.repeat_interleave(candidates.shape[1])[:, None], candidates.flatten()
    else:
        anchors, others = candidates, queries
    chunk = max(1, PAIRS_AT_ONCE // anchors.shape[1])
    parts = [
        head(inputs, some_anchors, some_others).log_softmax(dim=-1)[..., 1]
        for some_anchors, some_others in zip(anchors.split(chunk), others.split(chunk), strict=True)
    ]
    return torch.cat(parts).view_as(candidates)
