"""PMRL (Liu, Xia, Ng, Chua: Principled Multimodal Representation Learning, arXiv 2507.17343, TPAMI 2026).

The loss is L^M + L^M′ + 0.1·IM: it aligns the modalities of an instance by their singular values, keeps instances
apart by their leading directions, and matches instances. L^M and L^M′ have no anchor modality; matching reads the
anchor's tokens, where the paper reads the text. Its negatives are drawn by the softmax of the cosines between the
anchor's vector and the instances' leading directions, divided by τ2.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pmrl.method import Embeddings, Method, info_nce, instance_matching, searched, value
from pmrl.spectral import inner_products, spectrum

QUERIES_AT_ONCE = 64


def alignment_loss(singular_values: Tensor, temperature: float, mask: Tensor | None = None) -> Tensor:
    """L^M: cross-entropy of the logits σ_j/τ1 against the first class, in nats.

    Only the singular values of present modalities enter the softmax: the trailing zero that stands for an absent
    modality is not a direction to be suppressed. An instance with one modality, or none, has loss 0.

    Args:
        singular_values: ``(batch, modalities)``, descending, from :func:`pmrl.spectral.spectrum`.
        temperature: τ1 > 0.
        mask: ``(batch, modalities)``, true where a modality is present; None means that all are present.

    Returns:
        Mean over the batch of −log softmax(σ/τ1)[1], a scalar; 0 for an empty batch.
    """
    logits = singular_values / temperature
    if mask is not None:
        count = mask.bool().sum(1, keepdim=True).clamp(min=1)
        logits = logits.masked_fill(torch.arange(logits.shape[1], device=logits.device) >= count, -torch.inf)
    losses = logits.logsumexp(1) - logits[:, 0]
    return losses.sum() / max(len(losses), 1)


def instance_regularization(direction: Tensor, temperature: float) -> Tensor:
    """L^M′: cross-entropy of u_i·u_j/τ2 against the diagonal, in nats.

    As u_i·u_i = 1 it equals the mean of log(1 + Σ_{j≠i} exp((u_i·u_j − 1)/τ2)): it drives instances apart.

    Args:
        direction: ``(batch, dimension)``, leading directions from :func:`pmrl.spectral.spectrum`.
        temperature: τ2 > 0.

    Returns:
        Mean over the batch, a scalar; 0 for an empty batch.
    """
    logits = inner_products(direction) / temperature
    target = torch.arange(len(direction), device=direction.device)
    return cross_entropy(logits, target, reduction="sum") / max(len(direction), 1)


def direction_contrast(z: Tensor, direction: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """InfoNCE of the vectors of each modality against the leading directions of all instances, in nats.

    Not in the paper. L^M ignores signs and L^M′ does not depend on single modalities, so in training from random
    weights neither says which instance a vector belongs to. Here each z_i^m is matched with u_i among all u_j, and
    each u_i with z_i^m among all z_j^m.

    Args:
        z: ``(batch, modalities, dimension)`` unit vectors.
        direction: ``(batch, dimension)``, leading directions.
        mask: ``(batch, modalities)``, true where a modality is present.
        temperature: > 0.

    Returns:
        Mean over modalities, a scalar.
    """
    logits = z.transpose(0, 1) @ direction.T / temperature
    return info_nce(logits, mask.T).mean()


class Pmrl(Method):
    """Alignment by the leading singular value.

    Scores: ``leading_direction`` is the cosine of the two sides' leading directions, ``centroid`` that of their
    centroids, ``singular_value`` is σ1 of all vectors of both sides (it ignores signs, as the theory does), and
    ``fused`` is the cosine with the fused head's vector, as in the authors' code, where PMRL's loss gives that head
    no gradient.

    A ``shift`` above 0 makes the method sign-aware (not in the paper): loss and scores use the shifted spectrum of
    :func:`pmrl.spectral.spectrum`. The scores do, because they shall rank by the direction that training spreads.
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
        score: str = value("leading_direction", choices=("leading_direction", "centroid", "singular_value", "fused"))

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
            nonzero_directions = direction[mask.any(dim=1)]
            regularization = instance_regularization(nonzero_directions, values.instance_temperature)
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


def leading_direction_score(query: Embeddings, gallery: Embeddings, shift: float) -> Tensor:
    """Cosine of the two sides' leading directions u1."""
    return query.leading_direction(shift) @ gallery.leading_direction(shift).T


def centroid_score(query: Embeddings, gallery: Embeddings, _shift: float) -> Tensor:
    """Cosine of the two sides' centroids."""
    return query.centroid() @ gallery.centroid().T


def singular_value_score(query: Embeddings, gallery: Embeddings, shift: float) -> Tensor:
    """σ1 of the vectors of both sides together, for every pair."""
    return torch.cat([_pair_values(query.rows(slice(i, i + QUERIES_AT_ONCE)), gallery, shift) for i in _starts(query)])


def _starts(query: Embeddings) -> range:
    return range(0, len(query), QUERIES_AT_ONCE)


def _pair_values(query: Embeddings, gallery: Embeddings, shift: float) -> Tensor:
    vectors, mask = _joined(query.stack(), gallery.stack()), _joined(query.mask(), gallery.mask())
    return spectrum(vectors, mask, shift).singular_values[:, 0].view(len(query), len(gallery))


def _joined(queries: Tensor, gallery: Tensor) -> Tensor:
    """What belongs to the modalities of both sides, (pairs, modalities, …), for every pair of a query and an item."""
    shape = len(queries), len(gallery)
    first = queries.unsqueeze(1).expand(*shape, *queries.shape[1:])
    second = gallery.unsqueeze(0).expand(*shape, *gallery.shape[1:])
    return torch.cat([first, second], dim=2).flatten(0, 1)


def fused_score(query: Embeddings, gallery: Embeddings, _shift: float) -> Tensor:
    """Cosine of the fused head's vector with the single modality on the other side."""
    return query.side_vector() @ gallery.side_vector().T


SCORES = {
    "leading_direction": leading_direction_score,
    "centroid": centroid_score,
    "singular_value": singular_value_score,
    "fused": fused_score,
}
