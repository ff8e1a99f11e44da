"""Symile: contrast by the multilinear inner product of all modalities at once.

Saporta, Puli, Goldstein, Ranganath: Contrasting with Symile, NeurIPS 2024, arXiv 2411.01053. The multilinear inner
product of vectors z^1 … z^k is Σ_d Π_m z^m_d. With each modality in turn as the one to be matched, an instance's own
other modalities are told from n − 1 other combinations of them; the loss is the mean of the k cross-entropies.

- Negatives: ``shuffled`` is the paper's variant with n − 1 of them (its code calls it O(n)): each other modality is
  permuted on its own. We leave the first of them in its place, which only renames the combinations, so that none is
  the instance's own; with two modalities the loss is then one contrast both ways, as it should be. ``together`` takes
  the other modalities of another instance as they are, which is what retrieval asks; these are among the n² − 1
  negatives of the paper's larger variant for three modalities, which would be n^(k−1) − 1 for k.
- Scale: unit vectors have entries near 1/√d, so the products shrink as d^(1 − k/2). The paper leaves that to its
  learned logit scale; here every factor is multiplied by √d and the sum is a mean, which for complete data is a logit
  scale that starts at d^(k/2 − 1)/temperature. Unrelated vectors then have products of deviation 1/√d, like a cosine,
  whatever k is.
- Missing modalities (ours; the paper learns a vector that stands for a missing modality): a product runs over the
  present ones, an absent one is a factor of 1.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pmrl.errors import UserError
from pmrl.method import Embeddings, Method, Temperature, searched

NEGATIVES = ("shuffled", "together")


class Symile(Method):
    """All modalities at once; scores by the multilinear inner product of both sides' vectors."""

    title = "Symile"
    reference = "Saporta et al. 2024, arXiv 2411.01053"
    color = "#4B0092"

    class Hyperparameters(Method.Hyperparameters):
        """``temperature`` is where the learnable temperature starts; ``negatives`` is one of ``NEGATIVES``."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2)
        negatives: str = searched("shuffled", "together")

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        if hyperparameters.negatives not in NEGATIVES:
            raise UserError(
                f"Symile has no negatives {hyperparameters.negatives!r}. Valid negatives: {', '.join(NEGATIVES)}."
            )
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Mean over the modalities of the cross-entropy of finding the instance's own combination of the others."""
        vectors, mask = embeddings.stack(), embeddings.mask()
        places = torch.arange(len(embeddings.modalities))
        losses = [self.matching_loss(vectors, mask, place, places[places != place]) for place in places]
        return {"contrastive": torch.stack(losses).mean()}

    def matching_loss(self, vectors: Tensor, mask: Tensor, place: Tensor, others: Tensor) -> Tensor:
        """Cross-entropy of one modality against the others' combinations, own one on the diagonal; a scalar in nats.

        An instance takes part if it has the modality and at least one other; with fewer than two the loss is 0.
        """
        usable = mask[:, place] & mask[:, others].any(dim=1)
        if usable.sum() < 2:
            return 0 * vectors.sum()
        vectors, mask = vectors[usable], mask[usable]
        target, own = vectors[:, place], product(vectors[:, others], mask[:, others])
        negative, known = own, mask[:, others]
        if self.hyperparameters.negatives == "shuffled":
            shuffled, known = shuffle(vectors[:, others], known)
            negative = product(shuffled, known)
        diagonal = torch.eye(len(target), dtype=torch.bool, device=target.device)
        products = torch.where(diagonal, (target * own).sum(dim=1), target @ negative.T)
        logits = products / (math.sqrt(target.shape[1]) * self.temperature())
        logits = logits.masked_fill(~(diagonal | known.any(dim=1)), -torch.inf)
        return cross_entropy(logits, torch.arange(len(target), device=target.device))

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Multilinear inner product of all vectors of both sides, (queries, gallery items)."""
        sides = [product(side.stack(), side.mask()) for side in (query, gallery)]
        return sides[0] @ sides[1].T / sides[0].shape[1]


def product(vectors: Tensor, mask: Tensor) -> Tensor:
    """Entry by entry product Π_m √d z^m of the present vectors, (batch, dimension), from (batch, modalities, …)."""
    scaled = math.sqrt(vectors.shape[-1]) * vectors
    return scaled.masked_fill(~mask.unsqueeze(-1), 1).prod(dim=1)


def shuffle(vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Give every row another instance's vector of each modality but the first, together with its mask."""
    count = vectors.shape[1]
    own = torch.arange(len(vectors))
    order = torch.stack([own, *(torch.randperm(len(vectors)) for _ in range(count - 1))], dim=1).to(vectors.device)
    modality = torch.arange(count, device=vectors.device)
    return vectors[order, modality], mask[order, modality]
