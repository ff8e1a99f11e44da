"""Contrast over all pairs: symmetric InfoNCE between every two modalities, without an anchor.

The loss of one pair is that of CLIP (Radford et al., ICML 2021, arXiv 2103.00020); the mean over all pairs of views
is the "full graph" of Contrastive Multiview Coding (Tian, Krishnan, Isola, ECCV 2020, arXiv 1906.05849). One
learnable temperature, no matching head.
"""

from torch import Tensor

from pmrl.losses import all_pairs_loss
from pmrl.method import Embeddings, Method, Temperature, attended, searched, value


class AllPairs(Method):
    """Contrasts every modality with every other; scores by the cosine of the two sides' centroids, or as SCALAR."""

    title = "All pairs"
    reference = "Tian et al. 2020, arXiv 1906.05849 (full graph)"
    color = "#56B4E9"

    class Hyperparameters(Method.Hyperparameters):
        """``temperature`` is the initial value of the learnable one; the score ``scalar`` is SCALAR's."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
        label_smoothing: float = searched(0.0, 0.1, at_least=0, below=1)
        score: str = value("centroid", choices=("centroid", "scalar"))

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Mean of the symmetric InfoNCE over all pairs, each over the instances that have both modalities."""
        vectors, mask = embeddings.stack(), embeddings.mask()
        smoothing = self.hyperparameters.label_smoothing
        loss = all_pairs_loss(vectors, mask, temperature=self.temperature(), label_smoothing=smoothing)
        return {"contrastive": loss}

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Scores (queries, gallery items) by the chosen score."""
        return attended(query, gallery) if self.hyperparameters.score == "scalar" else super().score(query, gallery)
