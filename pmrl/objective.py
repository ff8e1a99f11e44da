"""PMRL (Liu, Xia, Ng, Chua: Principled Multimodal Representation Learning, arXiv 2507.17343, TPAMI 2026).

The loss is L^M + L^M′ + 0.1·IM: it aligns the modalities of an instance by their singular values, keeps instances
apart by their leading directions, and matches instances. L^M and L^M′ have no anchor modality; matching reads the
anchor's tokens, where the paper reads the text. Its negatives are drawn by the softmax of the cosines between the
anchor's vector and the instances' leading directions, divided by τ2.
"""

from torch import Tensor

from pmrl.losses import (
    alignment_loss,
    direction_contrast,
    instance_regularization,
    singular_value_score,
)
from pmrl.losses.spectral import spectrum
from pmrl.method import Embeddings, Method, attended, instance_matching, searched, value


class Pmrl(Method):
    """Alignment by the leading singular value.

    Scores: ``leading_direction`` is the cosine of the two sides' leading directions, ``centroid`` that of their
    centroids, ``singular_value`` is σ1 of all vectors of both sides (it ignores signs, as the theory does), ``fused``
    is the cosine with the fused head's vector, as in the authors' code, where PMRL's loss gives that head no gradient,
    and ``scalar`` is SCALAR's, see :func:`pmrl.losses.scalar_score`.

    A ``shift`` above 0 makes the method sign-aware (not in the paper): loss and scores use the shifted spectrum of
    :func:`pmrl.losses.spectrum`. The scores do, because they shall rank by the direction that training spreads.
    """

    title = "PMRL"
    reference = "Liu et al. 2026, arXiv 2507.17343"
    color = "#D55E00"

    class Hyperparameters(Method.Hyperparameters):
        """Temperatures, weights of the terms, and the score.

        Attributes:
            alignment_temperature: τ1 (the paper's code: 0.05, and 0.01 for pre-training).
            instance_temperature: τ2 (the paper's code: 0.1).
            alignment_weight: weight of L^M.
            regularization_weight: weight of L^M′.
            matching_weight: weight of IM.
            direction_contrast_weight: weight of :func:`direction_contrast`, our addition. Off by default; training
                from random weights needs it (docs/from_scratch.md).
            shift: c of the shifted Gram matrix (G + c²·11ᵀ)/(1 + c²); 0 is the paper's, which ignores signs. An
                orthonormal instance has a gap of singular values already, √((k+1)/2) − √½ for c = 1, so a τ1 of 0.1
                or less is saturated from the start (docs/from_scratch.md).
            score: which of ``SCORES`` is the method's own.
        """

        alignment_temperature: float = searched(0.5, 0.05, 0.1, 0.2, 1.0, above=0)
        instance_temperature: float = searched(0.1, 0.05, 0.2, above=0)
        alignment_weight: float = value(1.0, at_least=0)
        regularization_weight: float = value(1.0, at_least=0)
        matching_weight: float = searched(0.1, 0.05, 0.3, at_least=0)
        direction_contrast_weight: float = value(0.0, at_least=0)
        shift: float = value(0.0, at_least=0, at_most=100)
        score: str = value(
            "leading_direction", choices=("leading_direction", "centroid", "singular_value", "fused", "scalar")
        )

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """The three terms over the present modalities; a term of weight 0 is left out."""
        values = self.hyperparameters
        mask = embeddings.mask()
        singular_values, direction = spectrum(embeddings.stack(), mask, values.shift)
        terms = {}
        if values.alignment_weight:
            alignment = alignment_loss(singular_values, values.alignment_temperature, mask)
            terms["alignment"] = values.alignment_weight * alignment
        if values.regularization_weight:
            regularization = instance_regularization(direction, values.instance_temperature, mask.any(dim=1))
            terms["regularization"] = values.regularization_weight * regularization
        if values.direction_contrast_weight:
            contrast = direction_contrast(embeddings.stack(), direction, mask, values.instance_temperature)
            terms["direction_contrast"] = values.direction_contrast_weight * contrast
        if values.matching_weight:
            similarity = embeddings.vectors[embeddings.anchor] @ direction.T / values.instance_temperature
            terms["matching"] = values.matching_weight * instance_matching(embeddings, similarity)
        return terms

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Scores (queries, gallery items) by the chosen score."""
        return SCORES[self.hyperparameters.score](query, gallery, self.hyperparameters.shift)


def _leading_direction(query: Embeddings, gallery: Embeddings, shift: float) -> Tensor:
    return query.leading_direction(shift) @ gallery.leading_direction(shift).T


def _centroid(query: Embeddings, gallery: Embeddings, _shift: float) -> Tensor:
    return query.centroid() @ gallery.centroid().T


def _singular_value(query: Embeddings, gallery: Embeddings, shift: float) -> Tensor:
    return singular_value_score(query.stack(), gallery.stack(), query.mask(), gallery.mask(), shift)


def _fused(query: Embeddings, gallery: Embeddings, _shift: float) -> Tensor:
    return query.side_vector() @ gallery.side_vector().T


def _scalar(query: Embeddings, gallery: Embeddings, _shift: float) -> Tensor:
    return attended(query, gallery)


SCORES = {
    "leading_direction": _leading_direction,
    "centroid": _centroid,
    "singular_value": _singular_value,
    "fused": _fused,
    "scalar": _scalar,
}
