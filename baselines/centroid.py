"""CentroBind: every modality is contrasted with the centroid of all modalities, a moving anchor.

Jeong, Namgung, Kim, Kang, Chiang, Hero: Anchors Aweigh! Sail for Optimal Unified Multi-Modal Representations,
arXiv 2410.02086. The anchor of instance i is a_i = (1/M) Σ_m z^m_i, and the loss sums the symmetric InfoNCE of each
modality with it.

Differences from the paper: the anchor is computed from the same embeddings that it is contrasted with (the paper
computes it from augmented inputs; stored features are not augmented), it is normalised to unit length, the loss is the
mean over the modalities instead of the sum, and the temperature is learnable. The vector of an instance with only one
modality equals its centroid, so such an instance takes no part.
"""

from torch import Tensor

from pmrl.losses import centroid_loss
from pmrl.method import Embeddings, Method, Temperature, searched


class Centroid(Method):
    """Contrasts each modality with the centroid of all; scores by the cosine of the two sides' centroids."""

    title = "CentroBind"
    reference = "Jeong et al. 2024, arXiv 2410.02086"
    color = "#DDCC77"

    class Hyperparameters(Method.Hyperparameters):
        """``temperature`` is the initial value of the learnable temperature."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Mean over the modalities of the symmetric InfoNCE with the centroid."""
        loss = centroid_loss(embeddings.stack(), embeddings.mask(), temperature=self.temperature())
        return {"contrastive": loss}
