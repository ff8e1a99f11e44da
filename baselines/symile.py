"""Symile: contrast by the multilinear inner product of all modalities at once.

Saporta, Puli, Goldstein, Ranganath: Contrasting with Symile, NeurIPS 2024, arXiv 2411.01053. The multilinear inner
product of vectors z^1 … z^k is Σ_d Π_m z^m_d. Each modality in turn is the query, for which the instance's own
combination of the other modalities is contrasted with n − 1 different ones. The loss is the mean of the k
cross-entropies.

- Negatives: ``shuffled`` is the paper's variant with n − 1 negatives (its code calls it O(n)): each of the other
  modalities is permuted independently. We do not permute the first of them, which only renumbers the combinations, so
  that no negative is the instance's own combination; with two modalities the loss is then the usual contrast in both
  directions. ``together`` takes all other modalities from one other instance, as in retrieval; these negatives are a
  subset of those of the paper's larger variant, n² − 1 for three modalities and n^(k−1) − 1 for k.
- Scale: unit vectors have entries near 1/√d, so the products shrink as d^(1 − k/2). The paper leaves that to its
  learned logit scale. Here every factor is multiplied by √d and the sum is a mean, which for complete data is a logit
  scale that starts at d^(k/2 − 1)/temperature. Products of unrelated vectors then have the standard deviation 1/√d,
  like a cosine, whatever k is.
- Missing modalities (ours; the paper learns a vector that stands for a missing modality): the product runs over the
  present modalities, so an absent one is a factor of 1.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pmrl.method import Embeddings, Method, Temperature, searched


class Symile(Method):
    """Contrasts all modalities at once; scores by the multilinear inner product of both sides' vectors."""

    title = "Symile"
    reference = "Saporta et al. 2024, arXiv 2411.01053"
    color = "#4B0092"

    class Hyperparameters(Method.Hyperparameters):
        """``temperature`` is the initial value of the learnable temperature; ``negatives`` is as described above."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
        negatives: str = searched("shuffled", "together", choices=("shuffled", "together"))

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Mean over the modalities of the cross-entropy against the combinations of the others."""
        vectors, mask = embeddings.stack(), embeddings.mask()
        places = torch.arange(len(embeddings.modalities))
        losses = [self.matching_loss(vectors, mask, place, places[places != place]) for place in places]
        return {"contrastive": torch.stack(losses).mean()}

    def matching_loss(self, vectors: Tensor, mask: Tensor, place: Tensor, others: Tensor) -> Tensor:
        """Cross-entropy of one modality against combinations of the others, a scalar in nats.

        The instance's own combination is on the diagonal of the logits. An instance takes part if it has the modality
        and at least one other; with fewer than two such instances the loss is 0.
        """
        usable = mask[:, place] & mask[:, others].any(dim=1)
        if usable.sum() < 2:
            return 0 * vectors.sum()
        vectors, mask = vectors[usable], mask[usable]
        query, positive = vectors[:, place], product(vectors[:, others], mask[:, others])
        negatives, negative_mask = positive, mask[:, others]
        if self.hyperparameters.negatives == "shuffled":
            shuffled, negative_mask = shuffle(vectors[:, others], negative_mask)
            negatives = product(shuffled, negative_mask)
        diagonal = torch.eye(len(query), dtype=torch.bool, device=query.device)
        products = torch.where(diagonal, (query * positive).sum(dim=1), query @ negatives.T)
        logits = products / (math.sqrt(query.shape[1]) * self.temperature())
        logits = logits.masked_fill(~(diagonal | negative_mask.any(dim=1)), -torch.inf)
        return cross_entropy(logits, torch.arange(len(query), device=query.device))

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Multilinear inner product of all vectors of both sides, (queries, gallery items)."""
        sides = [product(side.stack(), side.mask()) for side in (query, gallery)]
        return sides[0] @ sides[1].T / sides[0].shape[1]


def product(vectors: Tensor, mask: Tensor) -> Tensor:
    """Elementwise product Π_m √d z^m of the present vectors, (batch, dimension), from (batch, modalities, …)."""
    scaled = math.sqrt(vectors.shape[-1]) * vectors
    return scaled.masked_fill(~mask.unsqueeze(-1), 1).prod(dim=1)


def shuffle(vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Permute the instances' vectors of each modality but the first independently, and the mask with them."""
    count = vectors.shape[1]
    own = torch.arange(len(vectors))
    order = torch.stack([own, *(torch.randperm(len(vectors)) for _ in range(count - 1))], dim=1).to(vectors.device)
    modality = torch.arange(count, device=vectors.device)
    return vectors[order, modality], mask[order, modality]
