"""TRIANGLE: alignment by the area of the triangle whose corners are three modality vectors.

Cicchetti, Grassucci, Comminiello: A TRIANGLE Enables Multimodal Alignment Beyond Cosine Similarity, NeurIPS 2025,
arXiv 2509.24734. With the anchor t of one instance and the others v, a of another, u = t − v and w = v − a, the area
is ½√(|u|²|w|² − (u·w)²). The loss contrasts −area/temperature both ways with label smoothing 0.1, plus 0.1 times
instance matching; the score is −area + α·cos. (The authors' code leaves out the root; the paper has it.)

Our extensions:

- With more than three modalities, the area is the mean over all pairs of others. With three it is the paper's.
- A missing modality counts as orthogonal to every vector, as a random vector nearly is in many dimensions. Areas depend
  on inner products only, and the zero vector of an absent modality is orthogonal to all others.
- With a single other modality, as in retrieval between two modalities, there is no triangle: the score is the cosine.
- α is 1 by default, as its value is not in the public code, and the cosine is the mean over the others.
"""

import functools

from torch import Tensor

from pmrl.losses import triangle_score
from pmrl.losses.triangle import mean_area
from pmrl.method import (
    Card,
    Embeddings,
    Method,
    Temperature,
    info_nce,
    instance_matching,
    matchable,
    one_against_several,
    searched,
    value,
)


class Triangle(Method):
    """Contrasts the anchor with the others by the area of their triangle; scores by −area + α·cos."""

    title = "TRIANGLE"
    reference = "Cicchetti et al. 2025, arXiv 2509.24734"
    color = "#CC79A7"

    class Hyperparameters(Method.Hyperparameters):
        """``cosine_weight`` is α of the score; the rest are the paper's."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
        label_smoothing: float = value(0.1, at_least=0, below=1)
        matching_weight: float = searched(0.1, 0.05, 0.3, at_least=0)
        cosine_weight: float = searched(1.0, 0.0, 0.3, 3.0, at_least=0)

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    @classmethod
    def supports(cls, card: Card) -> tuple[bool, str]:
        """A triangle has three corners."""
        count = len(card.modalities)
        return count >= 3, "" if count >= 3 else f"needs at least three modalities, the data set has {count}"

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Contrastive term over −area, and the matching term with negatives drawn by the same logits."""
        anchor, others = embeddings.vectors[embeddings.anchor], embeddings.select(embeddings.others)
        logits = -mean_area(anchor, others.stack()) / self.temperature()
        weight, smoothing = self.hyperparameters.matching_weight, self.hyperparameters.label_smoothing
        terms = {"contrastive": info_nce(logits, matchable(embeddings), smoothing)}
        if weight:
            terms["matching"] = weight * instance_matching(embeddings, logits)
        return terms

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """−area + α·cos, (queries, gallery items); one of the two sides has a single modality."""
        score = functools.partial(triangle_score, cosine_weight=self.hyperparameters.cosine_weight)
        return one_against_several(score, query, gallery)
