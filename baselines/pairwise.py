"""Pairwise contrastive learning around an anchor, as in ImageBind (Girdhar et al., CVPR 2023, arXiv 2305.05665).

Symmetric InfoNCE between the anchor and each other modality, with one learnable temperature; no matching head.
"""

from torch import Tensor

from pmrl.method import Embeddings, Method, Temperature, info_nce, searched


class Pairwise(Method):
    """Contrasts the anchor with each other modality; scores by the cosine of the two sides' centroids."""

    title = "Pairwise"
    reference = "Girdhar et al. 2023, arXiv 2305.05665"
    color = "#0072B2"

    class Hyperparameters(Method.Hyperparameters):
        """``temperature`` is the initial value of the learnable one; ``label_smoothing`` is that of the loss."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
        label_smoothing: float = searched(0.0, 0.1, at_least=0, below=1)

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Mean over the other modalities of the symmetric InfoNCE with the anchor."""
        anchor, others = embeddings.vectors[embeddings.anchor], embeddings.select(embeddings.others)
        usable = embeddings.present[embeddings.anchor].unsqueeze(1) & others.mask()
        logits = anchor @ others.stack().permute(1, 2, 0) / self.temperature()
        return {"contrastive": info_nce(logits, usable.T, self.hyperparameters.label_smoothing).mean()}
