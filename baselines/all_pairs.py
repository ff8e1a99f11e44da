"""Contrast over all pairs: symmetric InfoNCE between every two modalities, none of them an anchor.

The loss of one pair is that of CLIP (Radford et al., ICML 2021, arXiv 2103.00020); the mean over all pairs of views
is the "full graph" of Contrastive Multiview Coding (Tian, Krishnan, Isola, ECCV 2020, arXiv 1906.05849). One
learnable temperature, no matching head.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pmrl.contrastive import Temperature, info_nce
from pmrl.method import Hyperparameters, Method
from pmrl.networks import Embeddings


@dataclass(frozen=True)
class AllPairsHyperparameters(Hyperparameters):
    """``temperature`` is where the learnable temperature starts; ``label_smoothing`` is that of the loss."""

    temperature: float = 0.07
    label_smoothing: float = 0.0


class AllPairs(Method):
    """Every modality against every other; scores by the cosine of the two sides' centroids."""

    title = "All pairs"
    reference = "Tian et al. 2020, arXiv 1906.05849 (full graph)"
    color = "#56B4E9"
    Hyperparameters = AllPairsHyperparameters
    search_space = {
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "temperature": (0.05, 0.07, 0.1, 0.2),
        "label_smoothing": (0.0, 0.1),
    }

    def __init__(self, hyperparameters: AllPairsHyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Mean of the symmetric InfoNCE over all pairs; a pair's instances are those that have both modalities."""
        vectors, mask = embeddings.stack().transpose(0, 1), embeddings.mask().T
        first, second = torch.triu_indices(len(vectors), len(vectors), offset=1)
        logits = vectors[first] @ vectors[second].mT / self.temperature()
        usable = mask[first] & mask[second]
        return {"contrastive": info_nce(logits, usable, self.hyperparameters.label_smoothing).mean()}

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Cosine of the centroids, (queries, gallery items)."""
        return query.centroid() @ gallery.centroid().T
