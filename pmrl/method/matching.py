"""Instance matching with hard negatives (the IM term of PMRL, VAST and GRAM): 2-class cross-entropy over 3n pairs.

The pairs are n matched ones, n of an anchor with the other modalities of another instance, and n of the anchor of
another instance with the other modalities. The negative of a row is drawn from softmax(similarity) + 1e-4, never the
row's own instance.
"""

import torch
from torch import Tensor
from torch.nn import functional

from pmrl.method.embeddings import Embeddings


def instance_matching(embeddings: Embeddings, similarity: Tensor) -> Tensor:
    """Mean cross-entropy in nats; 0 when fewer than two instances can be matched.

    Args:
        embeddings: the batch; an instance takes part if its anchor and at least one other are present.
        similarity: (batch, batch) logits, anchor of the row against the others of the column; no gradient
            flows through the choice of negatives.
    """
    rows = matchable(embeddings).nonzero().squeeze(1)
    if len(rows) < 2:
        return similarity.sum() * 0.0
    similarity = similarity.detach()[rows][:, rows]
    hard_others = rows[draw_negatives(similarity)]
    hard_anchors = rows[draw_negatives(similarity.T)]
    matching = embeddings.heads.matching
    inputs = matching.read(embeddings)
    own = matching(inputs, torch.stack([rows, hard_anchors], dim=1), rows)
    hard = matching(inputs, rows.unsqueeze(1), hard_others)
    logits = torch.cat([own[:, 0], own[:, 1], hard[:, 0]])
    target = torch.zeros(3 * len(rows), dtype=torch.long, device=logits.device)
    target[: len(rows)] = 1
    return functional.cross_entropy(logits, target)


def matchable(embeddings: Embeddings) -> Tensor:
    """Which instances (batch,) have their anchor and at least one other modality."""
    return embeddings.present[embeddings.anchor] & embeddings.select(embeddings.others).mask().any(dim=1)


def draw_negatives(similarity: Tensor) -> Tensor:
    """For each row of ``similarity`` (n, n), the index of another instance, drawn by softmax + 1e-4."""
    weights = similarity.float().softmax(dim=1) + 1e-4
    weights.fill_diagonal_(0.0)
    return torch.multinomial(weights, 1).squeeze(1)
