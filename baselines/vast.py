"""VAST (Chen et al., NeurIPS 2023, arXiv 2305.18500): the anchor against the fused vector of the other modalities.

Symmetric InfoNCE with label smoothing 0.1 and a learnable temperature, averaged over subsets of the other
modalities, plus 0.1 times instance matching. The original's captioning loss is generative and left out.
"""

from dataclasses import dataclass
from itertools import chain, combinations

import torch
from torch import Tensor

from pmrl.contrastive import Temperature, info_nce
from pmrl.matching import instance_matching
from pmrl.method import Hyperparameters, Method
from pmrl.networks import Embeddings


@dataclass(frozen=True)
class VastHyperparameters(Hyperparameters):
    """Defaults are the paper's; beyond ``maximum_subsets``, only single modalities and the full set are fused."""

    temperature: float = 0.07
    label_smoothing: float = 0.1
    matching_weight: float = 0.1
    maximum_subsets: int = 32


class Vast(Method):
    """Anchor against fused subsets; scores by the cosine with the fused vector."""

    title = "VAST"
    reference = "Chen et al. 2023, arXiv 2305.18500"
    color = "#E69F00"
    Hyperparameters = VastHyperparameters
    search_space = {
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "temperature": (0.05, 0.07, 0.1, 0.2),
        "matching_weight": (0.05, 0.1, 0.3),
    }

    def __init__(self, hyperparameters: VastHyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Contrastive term averaged over the subsets, and the matching term."""
        anchor, present = embeddings.vectors[embeddings.anchor], embeddings.present[embeddings.anchor]
        terms = []
        for subset in self.subsets(embeddings.others):
            part = embeddings.select(subset)
            usable = present & part.mask().any(dim=1)
            logits = anchor[usable] @ part.fused()[usable].T / self.temperature()
            terms.append(info_nce(logits, self.hyperparameters.label_smoothing))
        with torch.no_grad():
            similarity = anchor @ embeddings.fused().T / self.temperature()
        return {
            "contrastive": torch.stack(terms).mean(),
            "matching": self.hyperparameters.matching_weight * instance_matching(embeddings, similarity),
        }

    def subsets(self, others: tuple[str, ...]) -> list[tuple[str, ...]]:
        """All non-empty subsets of ``others``, or the singles and the full set if there are too many."""
        if 2 ** len(others) - 1 <= self.hyperparameters.maximum_subsets:
            return list(chain.from_iterable(combinations(others, size + 1) for size in range(len(others))))
        return [(name,) for name in others] + [others]

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Cosine of the sides' vectors, (queries, gallery items); a side without the anchor is fused."""
        return side_vector(query) @ side_vector(gallery).T


def side_vector(side: Embeddings) -> Tensor:
    """The anchor's vector if the side is the anchor alone, else the fused vector of its other modalities."""
    return side.vectors[side.anchor] if side.modalities == (side.anchor,) else side.fused()
