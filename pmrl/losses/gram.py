"""GRAM: alignment by the volume of the parallelotope that the modality vectors span.

Cicchetti, Grassucci, Sigillo, Comminiello: Gramian Multimodal Representation Learning and Alignment,
ICLR 2025, arXiv 2412.11959. vol(t; x_1 … x_m) = √|det G| with the Gram matrix G of t, x_1, …, x_m.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from pmrl.errors import ArgumentError
from pmrl.losses.contrastive import info_nce
from pmrl.losses.inputs import all_present, check_vectors, full_precision
from pmrl.losses.spectral import (
    factored,
    first_order,
    inner_products,
    require_finite,
    safe_reciprocal,
    squares_are_finite,
    values_can_be_read,
    widen,
)


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
    result = Products.of(anchor, gallery, mask).volume()
    return result if torch.is_autocast_enabled(anchor.device.type) else result.to(anchor.dtype)


class Products(NamedTuple):
    """All inner products that the volumes of Q anchor vectors with G gallery items of m modalities depend on.

    Attributes:
        squares: (Q,) of the lengths of the anchor vectors.
        crossed: (G, m, Q) of every gallery vector with every anchor vector.
        gram: (G, m, m) Gram matrices of the gallery items, float64.
        present: (G, m), true where a modality is present; products with an absent one are 0.
    """

    squares: Tensor
    crossed: Tensor
    gram: Tensor
    present: Tensor

    @classmethod
    def of(cls, anchor: Tensor, gallery: Tensor, mask: Tensor | None) -> "Products":
        """Those of vectors as :func:`volume` takes them, computed in float32 at least."""
        _check(anchor, gallery, mask)
        anchor, gallery, present = widen(anchor), widen(gallery), all_present(gallery.shape[:2], gallery.device)
        if mask is not None:
            present = mask.bool()
            gallery = gallery.masked_fill(~present[..., None], 0)
        require_finite(gallery)
        with torch.autocast(anchor.device.type, enabled=False):
            crossed = (gallery.flatten(0, 1) @ anchor.mT).view(*gallery.shape[:2], len(anchor))
            return cls(anchor.square().sum(1), crossed, inner_products(gallery, torch.float64), present)

    def lifted(self, square: Tensor) -> "Products":
        """Those of the vectors (z; √square), of which absent ones stay zero."""
        gallery = square * self.present[..., None]
        both = gallery.double() * self.present[:, None, :]
        return Products(self.squares + square, self.crossed + gallery, self.gram + both, self.present)

    def volume(self) -> Tensor:
        """(Q, G) volumes ≥ 0."""
        result: Tensor
        result, *_ = _Volume.apply(self.squares, self.crossed, self.gram, self.present.sum(1))  # type: ignore[no-untyped-call]
        return result


class _Volume(torch.autograd.Function):
    """V_j r_ij: volume V_j = Π_l s_jl of item j times the distance r_ij of anchor t_i from its span.

    With X_j = Σ_l s_jl u_jl v_jlᵀ (columns are vectors), c_ij = X_jᵀt_i and P_ijl = v_jlᵀc_ij/s_jl, which is u_jl·t_i,
    r_ij² = |t_i|² − Σ_l P_ijl². So the volume is a function of products of vectors, and with B_jl = v_jl/s_jl

    - ∂vol/∂|t_i|² = V_j/(2 r_ij);
    - ∂vol/∂c_ij = −V_j/r_ij Σ_l P_ijl B_jl;
    - ∂vol/∂(X_jᵀX_j) = ½ V_j Σ_ll' (r_ij δ_ll' + P_ijl P_ijl'/r_ij) B_jl B_jl'ᵀ.

    A direction with s_jl = 0, or an anchor with r_ij = 0, has derivative 0.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(squares: Tensor, crossed: Tensor, gram: Tensor, present: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast(gram.device.type, enabled=False):
            singular_values, vectors = factored(gram)
            absent = torch.arange(gram.shape[-1], device=gram.device) >= present[:, None]
            volumes = singular_values.masked_fill(absent, 1).prod(1, keepdim=True).to(crossed.dtype)
            to_basis = (vectors * safe_reciprocal(singular_values)[:, None, :]).to(crossed.dtype)
            projections = to_basis.mT @ crossed
            squared_distances = squares - projections.square().sum(1)
            # below this the difference of the two squares is rounding error, and the anchor lies in the span
            floor = 16 * torch.finfo(squares.dtype).eps * squares
            distances = squared_distances.masked_fill_(squared_distances <= floor, 0).sqrt_()
            return (volumes * distances).mT, volumes, to_basis, projections, distances

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        _, *factors = output
        ctx.mark_non_differentiable(*factors)
        ctx.set_materialize_grads(False)  # no zeros for the factors
        ctx.save_for_backward(*factors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, *_: Tensor) -> tuple[Tensor | None, ...]:
        if gradient is None:
            return None, None, None, None
        volumes, to_basis, projections, distances = ctx.saved_tensors
        with torch.autocast(gradient.device.type, enabled=False):
            gradient = gradient.mT.contiguous()
            scaled = (gradient / distances).masked_fill_(distances == 0, 0)
            weighted = projections * scaled[:, None, :]
            within = weighted @ projections.mT
            within = within + torch.diag_embed((gradient * distances).sum(1, keepdim=True).expand(within.shape[:2]))
            stretched = volumes[..., None] * to_basis
            of_squares = (volumes.mT @ scaled)[0] / 2
            of_gram = (stretched @ within @ to_basis.mT / 2).double()
            gradients = of_squares, -stretched @ weighted, of_gram
        return *(first_order(part, "volume") for part in gradients), None


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
    if values_can_be_read(anchor) and not squares_are_finite(anchor):
        query = int((~anchor.detach().double().square().sum(1).isfinite()).nonzero()[0])
        raise ArgumentError(f"volume: anchor vector {query} holds a value that is not finite, or too large.")
