"""Pairwise contrastive learning around an anchor, as in ImageBind (Girdhar et al., CVPR 2023, arXiv 2305.05665).

Symmetric InfoNCE between the anchor and each other modality, with one learnable temperature; no matching head.
"""

from dataclasses import dataclass

from torch import Tensor

from pmrl.contrastive import Temperature, info_nce
from pmrl.method import Hyperparameters, Method
from pmrl.networks import Embeddings


@dataclass(frozen=True)
class PairwiseHyperparameters(Hyperparameters):
    """``temperature`` is where the learnable temperature starts; ``label_smoothing`` is that of the loss."""

    temperature: float = 0.07
    label_smoothing: float = 0.0


class Pairwise(Method):
    """Anchor against each other modality; scores by the cosine of the two sides' centroids."""

    title = "Pairwise"
    reference = "Girdhar et al. 2023, arXiv 2305.05665"
    color = "#0072B2"
    Hyperparameters = PairwiseHyperparameters
    search_space = {
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "temperature": (0.05, 0.07, 0.1, 0.2),
        "label_smoothing": (0.0, 0.1),
    }

    def __init__(self, hyperparameters: PairwiseHyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Mean over the other modalities of the symmetric InfoNCE with the anchor."""
        anchor, others = embeddings.vectors[embeddings.anchor], embeddings.select(embeddings.others)
        usable = embeddings.present[embeddings.anchor].unsqueeze(1) & others.mask()
        logits = anchor @ others.stack().permute(1, 2, 0) / self.temperature()
        return {"contrastive": info_nce(logits, usable.T, self.hyperparameters.label_smoothing).mean()}

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Cosine of the centroids, (queries, gallery items)."""
        return query.centroid() @ gallery.centroid().T
