"""Why training from random weights works or fails: what is measured on held-out instances beside the loss.

The terms of PMRL depend on singular values and leading directions only. Both ignore signs, and neither depends on
which instance a single vector belongs to; these numbers show the consequences.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from pmrl.evaluation.geometry import geometry
from pmrl.evaluation.retrieval import evaluate_pairs, mean_recall
from pmrl.method.embeddings import Embeddings
from pmrl.records import PAIR_COSINE


def watch(terms: dict[str, Tensor] | None, embeddings: Embeddings) -> dict[str, float]:
    """What training from random weights logs beside its loss; see ``pmrl.training.loop.Watch``."""
    return geometry(embeddings) | alignment(embeddings) if terms is None else term_gradients(terms, embeddings)


def term_gradients(terms: dict[str, Tensor], embeddings: Embeddings) -> dict[str, float]:
    """Norm of each loss term's gradient with respect to the batch's unit vectors; keeps the graph for the step."""
    vectors = list(embeddings.vectors.values())
    norms = {}
    for name, term in terms.items():
        parts = torch.autograd.grad(term, vectors, retain_graph=True, allow_unused=True)
        squares = [part.square().sum() for part in parts if part is not None]
        norms[f"gradient_of_{name}"] = torch.stack(squares).sum().sqrt().item() if squares else 0.0
    return norms


@torch.no_grad()
def alignment(embeddings: Embeddings) -> dict[str, float]:
    """Alignment per pair of modalities, signs, and retrieval.

    - ``cosine of a, b``: mean cosine of an instance's two vectors, for each pair of modalities.
    - ``opposed``: percent of the vectors that point against their instance's leading direction.
    - ``sign_flips``: percent of the instances for which an ordinary SVD, as in the authors' code, gives u1 the
      opposite sign.
    - ``recall``: mean recall@1 in percent over all ordered pairs of modalities, by cosine.

    A pair of modalities that no instance has both of is left out, and so are the signs if no instance has all
    modalities.
    """
    results = evaluate_pairs(embeddings, embeddings)
    recall = {"recall": mean_recall(results)} if results else {}
    return pair_cosines(embeddings) | signs(embeddings) | recall


def pair_cosines(embeddings: Embeddings) -> dict[str, float]:
    """Mean cosine of each pair of modalities over the instances that have both."""
    both = {(a, b): embeddings.present[a] & embeddings.present[b] for a, b in combinations(embeddings.modalities, 2)}
    return {
        f"{PAIR_COSINE}{a}, {b}": (embeddings.vectors[a] * embeddings.vectors[b]).sum(dim=1)[rows].mean().item()
        for (a, b), rows in both.items()
        if rows.any()
    }


def signs(embeddings: Embeddings) -> dict[str, float]:
    """Opposed vectors and sign flips in percent, over the instances with all modalities."""
    complete = embeddings.rows(embeddings.mask().all(dim=1))
    if not len(complete):
        return {}
    z, direction = complete.stack(), complete.leading_direction()
    raw = torch.linalg.svd(z.mT, full_matrices=False).U[..., 0]
    return {
        "opposed": 100 * ((z @ direction.unsqueeze(-1)) < 0).float().mean().item(),
        "sign_flips": 100 * ((raw * direction).sum(dim=1) < 0).float().mean().item(),
    }
