"""GRAM: alignment by the volume of the parallelotope that the modality vectors span.

Cicchetti, Grassucci, Sigillo, Comminiello: Gramian Multimodal Representation Learning and Alignment,
ICLR 2025, arXiv 2412.11959. vol(t; x_1 … x_m) = √|det G| with the Gram matrix G of t, x_1, …, x_m.
The loss contrasts −vol(anchor of i; others of j) both ways with label smoothing, plus 0.1 times instance matching,
whose negatives are drawn by the softmax of the same logits, −vol/temperature, as VAST draws them.
"""

from torch import Tensor

from pmrl.losses import volume_score
from pmrl.method import (
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


class Gram(Method):
    """Contrasts the anchor with the other modalities by the volume that they span; scores by −volume."""

    title = "GRAM"
    reference = "Cicchetti et al. 2025, arXiv 2412.11959"
    color = "#009E73"

    class Hyperparameters(Method.Hyperparameters):
        """Defaults are the paper's."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
        label_smoothing: float = value(0.1, at_least=0, below=1)
        matching_weight: float = searched(0.1, 0.05, 0.3, at_least=0)

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Contrastive term over −volume, and the matching term with negatives drawn by the same logits."""
        anchor, others = embeddings.select([embeddings.anchor]), embeddings.select(embeddings.others)
        logits = self.score(anchor, others) / self.temperature()
        weight, smoothing = self.hyperparameters.matching_weight, self.hyperparameters.label_smoothing
        terms = {"contrastive": info_nce(logits, matchable(embeddings), smoothing)}
        if weight:
            terms["matching"] = weight * instance_matching(embeddings, logits)
        return terms

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """−volume, (queries, gallery items); one of the two sides has a single modality."""
        return one_against_several(volume_score, query, gallery)
