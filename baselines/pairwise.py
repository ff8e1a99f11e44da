"""Pairwise contrastive learning around an anchor, as in ImageBind (Girdhar et al., CVPR 2023, arXiv 2305.05665).

Symmetric InfoNCE between the anchor and each other modality, with one learnable temperature; no matching head.
"""

from torch import Tensor

from pmrl.losses import pairwise_loss
from pmrl.method import Embeddings, Method, Temperature, attended, searched, value


class Pairwise(Method):
    """Contrasts the anchor with each other modality; scores by the cosine of the two sides' centroids, or as SCALAR."""

    title = "Pairwise"
    reference = "Girdhar et al. 2023, arXiv 2305.05665"
    color = "#0072B2"

    class Hyperparameters(Method.Hyperparameters):
        """``temperature`` is the initial value of the learnable one; the score ``scalar`` is SCALAR's."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
        label_smoothing: float = searched(0.0, 0.1, at_least=0, below=1)
        score: str = value("centroid", choices=("centroid", "scalar"))

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Mean over the other modalities of the symmetric InfoNCE with the anchor."""
        vectors, mask = embeddings.stack(), embeddings.mask()
        anchor, smoothing = embeddings.modalities.index(embeddings.anchor), self.hyperparameters.label_smoothing
        loss = pairwise_loss(vectors, mask, anchor=anchor, temperature=self.temperature(), label_smoothing=smoothing)
        return {"contrastive": loss}

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Scores (queries, gallery items) by the chosen score."""
        return attended(query, gallery) if self.hyperparameters.score == "scalar" else super().score(query, gallery)
