"""Instance matching with hard negatives (the IM term of PMRL, VAST and GRAM): 2-class cross-entropy over 3n pairs.

The pairs are n matched ones, n of an anchor with the other modalities of another instance, and n of the anchor of
another instance with the other modalities. The negative of a row is drawn from softmax(similarity) + 1e-4, never the
row's own instance. Where several processes share a batch, negatives come from all of it, and each process judges the
pairs of its share of the rows.
"""

import torch
from torch import Tensor
from torch.nn import functional

from pmrl.method.embeddings import Embeddings
from pmrl.method.heads import MatchingHead, MatchingInputs


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
    share = slice(None) if embeddings.joint is None else slice(embeddings.joint.place, None, embeddings.joint.count)
    inputs = read(embeddings)
    logits = judged(embeddings.heads.matching, inputs, rows[share], hard_anchors[share], hard_others[share])
    target = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    target[: len(logits) // 3] = 1
    if embeddings.joint is None:
        return functional.cross_entropy(logits, target)
    # the mean of this over the processes is the mean over all pairs
    return functional.cross_entropy(logits, target, reduction="sum") * embeddings.joint.count / (3 * len(rows))


def read(embeddings: Embeddings) -> MatchingInputs:
    """What the matching head needs from each instance; where several processes share the batch, each reads its part."""
    matching, joint = embeddings.heads.matching, embeddings.joint
    if joint is None:
        return matching.read(embeddings)
    return MatchingInputs(*(joint.gather(part) for part in matching.read(joint.own)))


def judged(
    matching: MatchingHead, inputs: MatchingInputs, rows: Tensor, hard_anchors: Tensor, hard_others: Tensor
) -> Tensor:
    """Logits (3n, 2) of n matched pairs, then of n with the anchor and n with the others of another instance."""
    own = matching(inputs, torch.stack([rows, hard_anchors], dim=1), rows)
    hard = matching(inputs, rows.unsqueeze(1), hard_others)
    return torch.cat([own[:, 0], own[:, 1], hard[:, 0]])


def matchable(embeddings: Embeddings) -> Tensor:
    """Which instances (batch,) have their anchor and at least one other modality."""
    return embeddings.present[embeddings.anchor] & embeddings.select(embeddings.others).mask().any(dim=1)


def draw_negatives(similarity: Tensor) -> Tensor:
    """For each row of ``similarity`` (n, n), the index of another instance, drawn by softmax + 1e-4."""
    weights = similarity.float().softmax(dim=1) + 1e-4
    weights.fill_diagonal_(0.0)
    return torch.multinomial(weights, 1).squeeze(1)
