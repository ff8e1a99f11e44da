"""Contrast over all pairs: symmetric InfoNCE between every two modalities, without an anchor.

The loss of one pair is that of CLIP (Radford et al., ICML 2021, arXiv 2103.00020); the mean over all pairs of views
is the "full graph" of Contrastive Multiview Coding (Tian, Krishnan, Isola, ECCV 2020, arXiv 1906.05849). One
learnable temperature, no matching head.
"""

import torch
from torch import Tensor

from pmrl.method import Embeddings, Method, Temperature, info_nce, searched


class AllPairs(Method):
    """Contrasts every modality with every other; scores by the cosine of the two sides' centroids."""

    title = "All pairs"
    reference = "Tian et al. 2020, arXiv 1906.05849 (full graph)"
    color = "#56B4E9"

    class Hyperparameters(Method.Hyperparameters):
        """``temperature`` is the initial value of the learnable one; ``label_smoothing`` is that of the loss."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
        label_smoothing: float = searched(0.0, 0.1, at_least=0, below=1)

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Mean of the symmetric InfoNCE over all pairs, each over the instances that have both modalities."""
        vectors, mask = embeddings.stack().transpose(0, 1), embeddings.mask().T
        first, second = torch.triu_indices(len(vectors), len(vectors), offset=1)
        logits = vectors[first] @ vectors[second].mT / self.temperature()
        usable = mask[first] & mask[second]
        return {"contrastive": info_nce(logits, usable, self.hyperparameters.label_smoothing).mean()}
