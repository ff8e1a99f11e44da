"""OVA-IB: contrast of each modality with the span of the others, and their consensus (arXiv 2605.29900).

s_m is the cosine of z^m with its projection on the span of a candidate's other modalities; the loss is the mean over m
of InfoNCE(s_m/τ) plus β·mean_m ‖z^m − mean of the others‖². It has no anchor and takes any number of modalities.

Ours, all in ``pmrl/losses/projection.py``: a ridge that bounds the gradient where modalities agree, contrast in both
directions, missing modalities left out. The temperature is learnable, as for the other methods. Between two single
modalities s is |cosine|, so the score is s plus the consensus term's part that tells their signs apart, ⟨t, mean⟩,
weighted by ``cosine_weight``; 0 leaves the published score.
"""

from torch import Tensor

from pmrl.losses import ova_ib_loss, ova_ib_score
from pmrl.method import Embeddings, Method, Temperature, one_against_several, searched, value


class OvaIb(Method):
    """Contrasts each modality with the span of the others; scores by the cosine with the projection on the span."""

    title = "OVA-IB"
    reference = "arXiv 2605.29900, 2026"
    color = "#0A16C1"

    class Hyperparameters(Method.Hyperparameters):
        """``temperature`` is the initial value of the learnable one, ``consensus_weight`` the paper's β."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
        consensus_weight: float = searched(1.0, 0.3, 3.0, at_least=0)
        cosine_weight: float = value(1.0, at_least=0)

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Contrast with the span of the others, and consensus."""
        vectors, mask, weight = embeddings.stack(), embeddings.mask(), self.hyperparameters.consensus_weight
        return {"one_against_all": ova_ib_loss(vectors, mask, temperature=self.temperature(), consensus_weight=weight)}

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """S + weight·cosine, (queries, gallery items); one of the two sides has a single modality."""
        span = one_against_several(ova_ib_score, query, gallery)
        weight: float = self.hyperparameters.cosine_weight
        return span + weight * super().score(query, gallery)
