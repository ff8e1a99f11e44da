"""VAST (Chen et al., NeurIPS 2023, arXiv 2305.18500): the anchor against the fused vector of the other modalities.

Symmetric InfoNCE with label smoothing 0.1 and a learnable temperature, averaged over subsets of the other
modalities, plus 0.1 times instance matching. The original's captioning loss is generative and left out.
"""

from collections.abc import Sequence
from itertools import chain, combinations

import torch
from torch import Tensor

from pmrl.method import Embeddings, Method, Temperature, info_nce, instance_matching, searched, value


class Vast(Method):
    """Contrasts the anchor with fused subsets of the others; scores by the cosine with the fused vector."""

    title = "VAST"
    reference = "Chen et al. 2023, arXiv 2305.18500"
    color = "#E69F00"

    class Hyperparameters(Method.Hyperparameters):
        """Defaults are the paper's; beyond ``maximum_subsets``, only single modalities and the full set are used."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
        label_smoothing: float = value(0.1, at_least=0, below=1)
        matching_weight: float = searched(0.1, 0.05, 0.3, at_least=0)
        maximum_subsets: int = value(32, at_least=1)

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Contrastive term averaged over the subsets, and the matching term."""
        subsets = self.subsets(embeddings.others)
        anchor, present = embeddings.vectors[embeddings.anchor], embeddings.present[embeddings.anchor]
        usable = torch.stack([present & embeddings.select(subset).mask().any(dim=1) for subset in subsets])
        logits = anchor @ subset_vectors(embeddings, subsets).mT / self.temperature()
        weight, smoothing = self.hyperparameters.matching_weight, self.hyperparameters.label_smoothing
        terms = {"contrastive": info_nce(logits, usable, smoothing).mean()}
        if weight:
            terms["matching"] = weight * instance_matching(embeddings, logits[-1])
        return terms

    def subsets(self, others: tuple[str, ...]) -> list[tuple[str, ...]]:
        """All non-empty subsets of ``others``, or singles and the full set if those are too many; the full set last."""
        if 2 ** len(others) - 1 <= self.hyperparameters.maximum_subsets:
            return list(chain.from_iterable(combinations(others, size + 1) for size in range(len(others))))
        return [(name,) for name in others] + [others]

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Cosine of the two sides' vectors, (queries, gallery items)."""
        return query.side_vector() @ gallery.side_vector().T


def subset_vectors(embeddings: Embeddings, subsets: Sequence[tuple[str, ...]]) -> Tensor:
    """Unit vectors (subsets, batch, dimension): a single modality's own vector, or the fused vector of several."""
    singles = [subset[0] for subset in subsets if len(subset) == 1]
    several = [subset for subset in subsets if len(subset) > 1]
    parts = [torch.stack([embeddings.vectors[name] for name in singles])] if singles else []
    return torch.cat(parts + ([embeddings.fused(several)] if several else []))
