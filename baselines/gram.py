"""GRAM: alignment by the volume of the parallelotope that the modality vectors span.

Cicchetti, Grassucci, Sigillo, Comminiello: Gramian Multimodal Representation Learning and Alignment,
ICLR 2025, arXiv 2412.11959. vol(t; x_1 … x_m) = √|det G| with the Gram matrix G of t, x_1, …, x_m.
The loss contrasts −vol(anchor of i; others of j) both ways with label smoothing, plus 0.1 times instance matching,
whose negatives are drawn by the softmax of the same logits, −vol/temperature, as VAST draws them.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pmrl.errors import ArgumentError
from pmrl.method import Embeddings, Method, Temperature, info_nce, instance_matching, matchable, searched, value
from pmrl.spectral import gram_factors, safe_reciprocal, widen


class Gram(Method):
    """Contrasts the anchor with the other modalities by the volume that they span; scores by −volume."""

    title = "GRAM"
    reference = "Cicchetti et al. 2025, arXiv 2412.11959"
    color = "#009E73"

    class Hyperparameters(Method.Hyperparameters):
        """Defaults are the paper's."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
        label_smoothing: float = value(0.1, at_least=0, below=1)
        matching_weight: float = searched(0.1, 0.05, 0.3, at_least=0)

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Contrastive term over −volume, and the matching term with negatives drawn by the same logits."""
        anchor, others = embeddings.select([embeddings.anchor]), embeddings.select(embeddings.others)
        logits = self.score(anchor, others) / self.temperature()
        weight, smoothing = self.hyperparameters.matching_weight, self.hyperparameters.label_smoothing
        terms = {"contrastive": info_nce(logits, matchable(embeddings), smoothing)}
        if weight:
            terms["matching"] = weight * instance_matching(embeddings, logits)
        return terms

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """−volume, (queries, gallery items); one of the two sides has a single modality."""
        if len(query.modalities) > 1:
            return self.score(gallery, query).T
        (vectors,) = query.vectors.values()
        return -volume(vectors, gallery.stack(), gallery.mask())


def volume(anchor: Tensor, gallery: Tensor, mask: Tensor | None = None) -> Tensor:
    """Volume that every anchor vector spans with the modality vectors of every gallery item.

    The volume is that of the item's own vectors times the distance of the anchor from their span, so each item is
    factored once and no Gram matrix of a pair is built. The derivative with respect to any vector is the volume of
    the others times a unit vector, hence bounded; it is 0 where that unit vector does not exist (the vector lies in
    the span of the others). Gradients are first-order only.

    Half-precision input is computed in float32; under autocast the result is float32 too.

    Args:
        anchor: ``(Q, d)`` vectors.
        gallery: ``(G, m, d)`` vectors of the m other modalities. The contents of absent rows are ignored.
        mask: ``(G, m)``, true where a modality is present; an absent modality does not count as a dimension.

    Returns:
        ``(Q, G)`` volumes ≥ 0 in the type of ``anchor``; for unit vectors at most 1.

    Raises:
        ArgumentError: a shape or type is wrong, or a present gallery vector is not finite.
    """
    _check(anchor, gallery, mask)
    if mask is None:
        present = torch.ones(gallery.shape[:2], dtype=torch.bool, device=gallery.device)
    else:
        present = mask.bool()
        gallery = gallery.masked_fill(~present[..., None], 0)
    result: Tensor = _Volume.apply(widen(anchor), widen(gallery), present.sum(1))  # type: ignore[no-untyped-call]
    return result if torch.is_autocast_enabled(anchor.device.type) else result.to(anchor.dtype)


class _Volume(torch.autograd.Function):
    """V_j r_ij: volume V_j = Π_l s_jl of item j times the distance r_ij of anchor i from its span.

    With X_j = Σ_l s_jl u_jl v_jlᵀ (columns are vectors), P_ijl = u_jl·t_i and the residual
    e_ij = t_i − Σ_l P_ijl u_jl of length r_ij:

    - ∂vol/∂t_i = V_j e_ij/r_ij;
    - ∂vol/∂X_j = Σ_l (V_j/s_jl) (r_ij u_jl − P_ijl e_ij/r_ij) v_jlᵀ, where V_j/s_jl is the product of the
      other singular values, so nothing is divided by a small one.

    u_jl = X_j v_jl/s_jl is never formed: m×m matrices are applied to inner products instead of vectors.
    """

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, gallery: Tensor, present: Tensor) -> Tensor:
        with torch.autocast(anchor.device.type, enabled=False):
            singular_values, vectors = gram_factors(gallery)
            absent = torch.arange(gallery.shape[1], device=gallery.device) >= present[:, None]
            lengths = singular_values.masked_fill(absent, 1)
            to_basis = (vectors * safe_reciprocal(singular_values)[:, None, :]).to(gallery.dtype)
            products = (gallery.flatten(0, 1) @ anchor.T).view(*gallery.shape[:2], len(anchor))
            projections = to_basis.mT @ products
            squared_norms = anchor.square().sum(1)
            if not squared_norms.isfinite().all():
                query = int((~squared_norms.isfinite()).nonzero()[0])
                raise ArgumentError(f"volume: anchor vector {query} holds a value that is not finite, or too large.")
            squared_distances = squared_norms - projections.square().sum(1)
            # below this the difference of the two squares is rounding error, and the anchor lies in the span
            floor = 16 * torch.finfo(anchor.dtype).eps * squared_norms
            distances = squared_distances.masked_fill_(squared_distances <= floor, 0).sqrt_()
            volumes = lengths.prod(1, keepdim=True).to(anchor.dtype)
        ctx.save_for_backward(anchor, gallery, vectors, lengths, to_basis, projections, distances)
        return (volumes * distances).T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        anchor, gallery, vectors, lengths, to_basis, projections, distances = ctx.saved_tensors
        gradient = gradient.T.contiguous()
        with torch.autocast(anchor.device.type, enabled=False):
            scaled = (gradient / distances).masked_fill_(distances == 0, 0)
            weighted = projections * scaled[:, None, :]
            volumes = lengths.prod(1).to(anchor.dtype)
            # Σ_j g_ij V_j e_ij/r_ij
            anchor_gradient = (volumes @ scaled)[:, None] * anchor
            along = (volumes[:, None, None] * to_basis) @ weighted
            anchor_gradient.addmm_(along.flatten(0, 1).T, gallery.flatten(0, 1), alpha=-1)
            del along
            # Σ_l (V_j/s_jl) v_jl Σ_i g_ij (r_ij u_jl − P_ijl e_ij/r_ij)
            stretch = (vectors * _product_of_others(lengths)[:, None, :]).to(anchor.dtype)
            within = weighted @ projections.mT
            within.diagonal(dim1=1, dim2=2).add_((gradient * distances).sum(1, keepdim=True))
            gallery_gradient = ((stretch @ weighted).flatten(0, 1) @ anchor).view_as(gallery)
            gallery_gradient.baddbmm_(stretch @ within @ to_basis.mT, gallery, beta=-1)
        return anchor_gradient, gallery_gradient, None


def _product_of_others(values: Tensor) -> Tensor:
    """For ``values`` ``(G, m)``, entry l of a row is the product of all other entries of that row."""
    count = values.shape[1]
    own = torch.eye(count, dtype=torch.bool, device=values.device)
    return values[:, None, :].expand(-1, count, -1).masked_fill(own, 1).prod(2)


def _check(anchor: Tensor, gallery: Tensor, mask: Tensor | None) -> None:
    shapes_agree = anchor.dim() == 2 and gallery.dim() == 3 and anchor.shape[1] == gallery.shape[2]
    if not shapes_agree or anchor.dtype != gallery.dtype or not anchor.is_floating_point():
        raise ArgumentError(
            f"volume: anchor is {tuple(anchor.shape)} {anchor.dtype} and gallery {tuple(gallery.shape)} "
            f"{gallery.dtype}, expected (Q, d) and (G, m, d) of one floating type."
        )
    if mask is not None and mask.shape != gallery.shape[:2]:
        raise ArgumentError(
            f"volume: mask has shape {tuple(mask.shape)}, expected {tuple(gallery.shape[:2])}, "
            "one entry per gallery item and modality."
        )
