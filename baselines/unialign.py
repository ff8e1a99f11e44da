"""UniAlign: alignment of instances and uniformity of each modality, without cross-modal negatives.

arXiv 2602.09507, ICML 2026: λu Σ_m log mean exp(−‖z_i^m − z_j^m‖²/2τ²) + λa mean ‖z^anchor − z^n‖² + λv·vol.

Ours: the weights and the bandwidth, which are not known to us, are searched; the volume is averaged over instances; a
missing modality takes no part in any term; the score is the cosine of the two sides' centroids, like that of pairwise
methods, since the loss has no score of its own.
"""

from torch import Tensor

from pmrl.losses.uniformity import anchor_distance, own_volume, uniformity
from pmrl.method import Embeddings, Method, searched


class UniAlign(Method):
    """Pulls modalities to the anchor and spreads each modality; scores by the cosine of the two sides' centroids."""

    title = "UniAlign"
    reference = "arXiv 2602.09507, ICML 2026"
    color = "#F9B1C6"

    class Hyperparameters(Method.Hyperparameters):
        """``bandwidth`` is τ; the weights are those of the uniformity, the alignment and the volume."""

        bandwidth: float = searched(0.5, 0.3, 0.7, 1.0, above=0)
        uniformity_weight: float = searched(1.0, 0.3, at_least=0)
        alignment_weight: float = searched(3.0, 1.0, 10.0, at_least=0)
        volume_weight: float = searched(0.1, 0.0, 1.0, at_least=0)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Uniformity, alignment and volume; a term of weight 0 is left out."""
        values, vectors, mask = self.hyperparameters, embeddings.stack(), embeddings.mask()
        anchor = embeddings.modalities.index(embeddings.anchor)
        terms = {
            "uniformity": values.uniformity_weight * uniformity(vectors, mask, values.bandwidth),
            "alignment": values.alignment_weight * anchor_distance(vectors, mask, anchor),
        }
        if values.volume_weight:
            terms["volume"] = values.volume_weight * own_volume(vectors, mask)
        return terms
