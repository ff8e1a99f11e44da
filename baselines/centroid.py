"""CentroBind: every modality is contrasted with the centroid of all modalities, a moving anchor.

Jeong, Namgung, Kim, Kang, Chiang, Hero: Anchors Aweigh! Sail for Optimal Unified Multi-Modal Representations,
arXiv 2410.02086. The anchor of instance i is a_i = (1/M) Σ_m z^m_i, and the loss sums the symmetric InfoNCE of each
modality with it.

Ours: the anchor is made from the same embeddings that it is contrasted with (the paper makes it from augmented
inputs; stored features are not augmented), its length is normalised, the sum over modalities is a mean, and the
temperature is learnable. An instance with only one modality is its own centroid and says nothing, so it takes no part.
"""

from dataclasses import dataclass

from torch import Tensor

from pmrl.contrastive import Temperature, info_nce
from pmrl.method import Hyperparameters, Method
from pmrl.networks import Embeddings


@dataclass(frozen=True)
class CentroidHyperparameters(Hyperparameters):
    """``temperature`` is where the learnable temperature starts."""

    temperature: float = 0.07


class Centroid(Method):
    """Each modality against the centroid of all; scores by the cosine of the two sides' centroids."""

    title = "CentroBind"
    reference = "Jeong et al. 2024, arXiv 2410.02086"
    color = "#DDCC77"
    Hyperparameters = CentroidHyperparameters
    search_space = {"learning_rate": (3e-4, 1e-3, 3e-3), "temperature": (0.05, 0.07, 0.1, 0.2)}

    def __init__(self, hyperparameters: CentroidHyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Mean over the modalities of the symmetric InfoNCE with the centroid."""
        vectors, mask = embeddings.stack().transpose(0, 1), embeddings.mask()
        logits = embeddings.centroid() @ vectors.mT / self.temperature()
        usable = mask & (mask.sum(dim=1, keepdim=True) > 1)
        return {"contrastive": info_nce(logits, usable.T).mean()}

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Cosine of the centroids, (queries, gallery items)."""
        return query.centroid() @ gallery.centroid().T
