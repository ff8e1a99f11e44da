"""Symile: contrast by the multilinear inner product of all modalities at once.

Saporta, Puli, Goldstein, Ranganath: Contrasting with Symile, NeurIPS 2024, arXiv 2411.01053. The multilinear inner
product of vectors z^1 … z^k is Σ_d Π_m z^m_d. Each modality in turn is the query, for which the instance's own
combination of the other modalities is contrasted with n − 1 different ones. The loss is the mean of the k
cross-entropies. What is ours stands in
``pmrl/losses/symile.py``: the kinds of negatives, the scale, missing modalities.
"""

from torch import Tensor

from pmrl.losses import symile_loss, symile_score
from pmrl.method import Embeddings, Method, Temperature, searched


class Symile(Method):
    """Contrasts all modalities at once; scores by the multilinear inner product of both sides' vectors."""

    title = "Symile"
    reference = "Saporta et al. 2024, arXiv 2411.01053"
    color = "#4B0092"

    class Hyperparameters(Method.Hyperparameters):
        """``temperature`` is the initial value of the learnable temperature; ``negatives`` is as described above."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
        negatives: str = searched("shuffled", "together", choices=("shuffled", "together"))

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Mean over the modalities of the cross-entropy against the combinations of the others."""
        values = self.hyperparameters
        temperature = self.temperature()
        vectors, mask = embeddings.stack(), embeddings.mask()
        return {"contrastive": symile_loss(vectors, mask, temperature=temperature, negatives=values.negatives)}

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Multilinear inner product of all vectors of both sides, (queries, gallery items)."""
        return symile_score(query.stack(), gallery.stack(), query.mask(), gallery.mask())
