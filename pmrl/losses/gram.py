"""GRAM: alignment by the volume of the parallelotope that the modality vectors span.

Cicchetti, Grassucci, Sigillo, Comminiello: Gramian Multimodal Representation Learning and Alignment,
ICLR 2025, arXiv 2412.11959. vol(t; x_1 … x_m) = √|det G| with the Gram matrix G of t, x_1, …, x_m.
"""

from typing import Any

import torch
from torch import Tensor

from pmrl.errors import ArgumentError
from pmrl.losses.contrastive import info_nce
from pmrl.losses.inputs import all_present, check_vectors, full_precision
from pmrl.losses.spectral import first_order, gram_factors, require_finite, safe_reciprocal, values_can_be_read, widen


@full_precision
def gram_loss(
    z: Tensor,
    mask: Tensor | None = None,
    *,
    anchor: int = 0,
    temperature: float | Tensor = 0.07,
    label_smoothing: float = 0.1,
) -> Tensor:
    """Symmetric InfoNCE over −vol(anchor of i; others of j)/temperature, in nats.

    Gradients are first-order only and bounded, see :func:`volume`.

    Args:
        z: (batch, modalities, dimension) unit vectors; what stands in absent places is ignored.
        mask: (batch, modalities), true where a modality is present; None means that all are.
        anchor: place of the anchor.
        temperature: > 0.
        label_smoothing: see :func:`pmrl.losses.info_nce`.

    Returns:
        A scalar, in nats.

    Example:
        >>> import torch
        >>> z = torch.nn.functional.normalize(torch.randn(8, 4, 32), dim=-1).requires_grad_()
        >>> gram_loss(z).backward()
    """
    z, present = check_vectors(z, mask, "gram_loss", least=2)
    t, x, others, usable = around(z, present, anchor)
    return info_nce(-volume(t, x, others) / temperature, usable, label_smoothing)


def around(z: Tensor, present: Tensor | None, anchor: int) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Anchor (batch, dimension), others (batch, others, dimension), their mask, and which instances have both sides."""
    places = [place for place in range(z.shape[1]) if place != anchor]
    if present is None:
        return z[:, anchor], z[:, places], None, None
    others = present[:, places]
    return z[:, anchor], z[:, places], others, present[:, anchor] & others.any(1)


@full_precision
def volume_score(query: Tensor, gallery: Tensor, gallery_mask: Tensor | None = None) -> Tensor:
    """GRAM's score: −volume, (queries, items), for unit vectors in [−1, 0].

    Args:
        query: (queries, dimension) unit vectors of one modality.
        gallery: (items, other modalities, dimension) unit vectors.
        gallery_mask: (items, other modalities), true where present; None means that all are.

    Example:
        >>> import torch
        >>> volume_score(torch.eye(3), torch.eye(3)[:, None])[0].tolist()
        [-0.0, -1.0, -1.0]
    """
    return -volume(query, gallery, gallery_mask)


def volume(anchor: Tensor, gallery: Tensor, mask: Tensor | None = None) -> Tensor:
    """Volume that every anchor vector spans with the modality vectors of every gallery item.

    The volume is that of the item's own vectors times the distance of the anchor from their span, so each item is
    factored once and no Gram matrix of a pair is built. The derivative with respect to any vector is the volume of
    the others times a unit vector, hence bounded; it is 0 where that unit vector does not exist (the vector lies in
    the span of the others). Gradients are first-order only.

    Half-precision input is computed in float32; under autocast the result is float32 too.

    Args:
        anchor: (Q, d) vectors.
        gallery: (G, m, d) vectors of the m other modalities. The contents of absent rows are ignored.
        mask: (G, m), true where a modality is present; an absent modality does not count as a dimension.

    Returns:
        (Q, G) volumes ≥ 0 in the type of ``anchor``; for unit vectors at most 1.

    Raises:
        ArgumentError: a shape or type is wrong, or a present vector is not finite.

    Example:
        >>> import torch
        >>> volume(torch.eye(3)[:1], torch.eye(3)[None, 1:]).item()
        1.0
    """
    _check(anchor, gallery, mask)
    gallery, present = widen(gallery), all_present(gallery.shape[:2], gallery.device)
    if mask is not None:
        present = mask.bool()
        gallery = gallery.masked_fill(~present[..., None], 0)
    require_finite(gallery)
    result: Tensor
    result, *_ = _Volume.apply(widen(anchor), gallery, present.sum(1))  # type: ignore[no-untyped-call]
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

    generate_vmap_rule = True

    @staticmethod
    def forward(anchor: Tensor, gallery: Tensor, present: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast(anchor.device.type, enabled=False):
            singular_values, vectors = gram_factors(gallery)
            absent = torch.arange(gallery.shape[1], device=gallery.device) >= present[:, None]
            lengths = singular_values.masked_fill(absent, 1)
            to_basis = (vectors * safe_reciprocal(singular_values)[:, None, :]).to(gallery.dtype)
            products = (gallery.flatten(0, 1) @ anchor.mT).view(*gallery.shape[:2], len(anchor))
            projections = to_basis.mT @ products
            squared_norms = anchor.square().sum(1)
            squared_distances = squared_norms - projections.square().sum(1)
            # below this the difference of the two squares is rounding error, and the anchor lies in the span
            floor = 16 * torch.finfo(anchor.dtype).eps * squared_norms
            distances = squared_distances.masked_fill_(squared_distances <= floor, 0).sqrt_()
            volumes = lengths.prod(1, keepdim=True).to(anchor.dtype)
            return (volumes * distances).mT, vectors, lengths, to_basis, projections, distances

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: tuple[Tensor, ...]) -> None:
        _, *factors = output
        ctx.mark_non_differentiable(*factors)
        ctx.set_materialize_grads(False)  # no zeros for the factors
        ctx.save_for_backward(*inputs[:2], *factors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, *_: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        if gradient is None:
            return None, None, None
        anchor, gallery, vectors, lengths, to_basis, projections, distances = ctx.saved_tensors
        gradient = gradient.mT.contiguous()
        with torch.autocast(anchor.device.type, enabled=False):
            scaled = (gradient / distances).masked_fill_(distances == 0, 0)
            weighted = projections * scaled[:, None, :]
            volumes = lengths.prod(1).to(anchor.dtype)
            # Σ_j g_ij V_j e_ij/r_ij
            along = ((volumes[:, None, None] * to_basis) @ weighted).flatten(0, 1)
            anchor_gradient = (volumes @ scaled)[:, None] * anchor
            anchor_gradient.addmm_(along.mT, gallery.flatten(0, 1), alpha=-1)
            del along
            # Σ_l (V_j/s_jl) v_jl Σ_i g_ij (r_ij u_jl − P_ijl e_ij/r_ij)
            stretch = (vectors * _product_of_others(lengths)[:, None, :]).to(anchor.dtype)
            within = weighted @ projections.mT + torch.diag_embed(
                (gradient * distances).sum(1, keepdim=True).expand_as(stretch[:, 0])
            )
            gallery_gradient = ((stretch @ weighted).flatten(0, 1) @ anchor).view_as(gallery)
            gallery_gradient.baddbmm_(stretch @ within @ to_basis.mT, gallery, beta=-1)
        return first_order(anchor_gradient, "volume"), first_order(gallery_gradient, "volume"), None


def _product_of_others(values: Tensor) -> Tensor:
    """For ``values`` (G, m), entry l of a row is the product of all other entries of that row."""
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
    squares = anchor.detach().double().square().sum(1)
    if values_can_be_read(anchor) and not squares.isfinite().all():
        query = int((~squares.isfinite()).nonzero()[0])
        raise ArgumentError(f"volume: anchor vector {query} holds a value that is not finite, or too large.")
