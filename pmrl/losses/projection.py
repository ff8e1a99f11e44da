"""OVA-IB: each modality against the span of the others (arXiv 2605.29900).

s_m is the cosine of a query's z^m with its projection on the span of the candidate's other modalities, so that
s_m² = 1 − vol²/vol₋ₘ², with the volume of all vectors over that of the others. The loss is the mean over m of
InfoNCE(s_m/τ), plus β times the mean over m of ‖z^m − mean of the others‖².

Ours:

- A ridge: s_m² = Pᵀ(G₋ₘ + εI)⁻¹P with the cosines P of the query with the others. As the others of an instance align,
  which is what the loss wants, their span is that of rounding errors but for one direction, and the derivative of a
  projection on it has no bound. With the ridge it has, 1/√ε, and equal vectors have s = 1/√(1 + ε/(k − 1)).
- Contrast in both directions, as everywhere in this package.
- A missing modality is in no span and is no query; an instance with one modality takes no part.
"""

from typing import Any

import torch
from torch import Tensor

from pmrl.losses.contrastive import info_nce
from pmrl.losses.inputs import all_present, check_vectors, full_precision
from pmrl.losses.spectral import first_order, inner_products, widen

RIDGE = 1e-3
# s grows like a norm at 0, where it has no derivative; below this it counts as flat.
_FLAT = 1e-6


@full_precision
def ova_ib_loss(
    z: Tensor, mask: Tensor | None = None, *, temperature: float | Tensor = 0.07, consensus_weight: float = 1.0
) -> Tensor:
    """Mean over m of InfoNCE(s_m/τ) plus β·mean_m ‖z^m − mean of the others‖².

    Gradients are first-order only, and bounded by the ridge.

    Args:
        z: (batch, modalities, dimension) unit vectors; what stands in absent places is ignored.
        mask: (batch, modalities), true where a modality is present; None means that all are.
        temperature: τ > 0.
        consensus_weight: β; the paper has 1.

    Returns:
        A scalar ≥ 0.

    Example:
        >>> import torch
        >>> z = torch.nn.functional.normalize(torch.randn(8, 4, 32), dim=-1).requires_grad_()
        >>> ova_ib_loss(z).backward()
    """
    z, present = check_vectors(z, mask, "ova_ib_loss", least=2)
    mask = all_present(z.shape[:2], z.device) if present is None else present
    usable = mask & (mask.sum(1, keepdim=True) > 1)
    gram = inner_products(z, torch.float64)
    ridged, products = _ridged(gram, mask), _products(z)
    lengths = []
    for m in range(z.shape[1]):
        others = [n for n in range(z.shape[1]) if n != m]
        crossed = torch.stack([products[n][m] for n in others], dim=1)
        lengths.append(_lengths(crossed, ridged[:, others][:, :, others]))
    contrast = info_nce(torch.stack(lengths) / temperature, None if present is None else usable.mT).mean()
    return contrast + consensus_weight * consensus(gram, usable).to(z.dtype)


def _products(z: Tensor) -> list[list[Tensor]]:
    """Per two different modalities n and m, the cosines (batch, batch) of each z_j^n with each z_i^m.

    Those of m and n are their transposes, so half of the products are enough.
    """
    vectors = z.unbind(1)
    products: list[list[Tensor]] = [[z] * len(vectors) for _ in vectors]
    for n in range(len(vectors)):
        for m in range(n + 1, len(vectors)):
            products[n][m] = vectors[n] @ vectors[m].mT
            products[m][n] = products[n][m].mT
    return products


def consensus(gram: Tensor, usable: Tensor) -> Tensor:
    """Mean of ‖z^m − mean of the instance's other vectors‖² over the usable places (batch, modalities).

    With n vectors of sum S it is ‖n z^m − S‖²/(n − 1)², which the Gram matrices (batch, modalities, modalities) hold;
    they are 0 where a vector is absent. An instance with one vector has no other, and takes no part.
    """
    count = usable.sum(1, keepdim=True).to(gram.dtype)
    sums = gram.sum(2)
    squares = count**2 * gram.diagonal(dim1=1, dim2=2) - 2 * count * sums + sums.sum(1, keepdim=True)
    distances = (squares / (count - 1).clamp_min(1) ** 2).masked_fill(~usable, 0)
    return distances.sum() / usable.sum().clamp_min(1)


@full_precision
def ova_ib_score(query: Tensor, gallery: Tensor, gallery_mask: Tensor | None = None) -> Tensor:
    """s: cosine of each query with its projection on the span of an item's vectors, (queries, items), in [0, 1].

    Args:
        query: (queries, dimension) unit vectors of one modality.
        gallery: (items, other modalities, dimension) unit vectors.
        gallery_mask: (items, other modalities), true where present; None means that all are.

    Example:
        >>> import torch
        >>> ova_ib_score(torch.eye(3)[:1], torch.eye(3)[None, :2]).round(decimals=2).item()
        1.0
    """
    mask = all_present(gallery.shape[:2], gallery.device) if gallery_mask is None else gallery_mask.bool()
    return projection_cosine(widen(query), widen(gallery).masked_fill(~mask[..., None], 0), mask)


def projection_cosine(query: Tensor, gallery: Tensor, mask: Tensor) -> Tensor:
    """√(Pᵀ(G + εI)⁻¹P) for every query and item, (queries, items).

    Args:
        query: (queries, dimension).
        gallery: (items, modalities, dimension), zero where absent.
        mask: (items, modalities), true where present.
    """
    products = (gallery.flatten(0, 1) @ query.mT).view(*gallery.shape[:2], len(query))
    return _lengths(products, _ridged(inner_products(gallery, torch.float64), mask)).mT


def _ridged(gram: Tensor, mask: Tensor) -> Tensor:
    """G + εI, from Gram matrices (items, modalities, modalities) in double precision.

    An absent vector has the cosine 0 with all others, so any positive entry for it changes nothing.
    """
    return gram + torch.diag_embed(RIDGE + (~mask).to(gram.dtype))


def _lengths(products: Tensor, gram: Tensor) -> Tensor:
    """√(Pᵀ(G + εI)⁻¹P), (items, queries), from P (items, modalities, queries) and G + εI."""
    lengths: Tensor
    lengths, *_ = _Lengths.apply(products, gram)  # type: ignore[no-untyped-call]
    return lengths


class _Lengths(torch.autograd.Function):
    """s = √(PᵀG⁻¹P) = ‖L⁻¹P‖ with G = LLᵀ, for each column P of products.

    With y = G⁻¹P, ∂s/∂P = y/s and ∂s/∂G = −yyᵀ/(2s); both are 0 where s is below ``_FLAT`` and has no derivative.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(products: Tensor, gram: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.autocast(products.device.type, enabled=False):
            factor, _ = torch.linalg.cholesky_ex(gram)
            identity = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device).expand_as(gram)
            whitening = torch.linalg.solve_triangular(factor, identity, upper=False).to(products.dtype)
            whitened = whitening @ products
            return whitened.square().sum(1).sqrt_().clamp_min_(_FLAT), whitening, whitened

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor, Tensor]) -> None:
        lengths, *factors = output
        ctx.mark_non_differentiable(*factors)
        ctx.set_materialize_grads(False)  # no zeros for the factors
        ctx.save_for_backward(lengths, *factors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, *_: Tensor) -> tuple[Tensor | None, Tensor | None]:
        if gradient is None:
            return None, None
        lengths, whitening, whitened = ctx.saved_tensors
        with torch.autocast(gradient.device.type, enabled=False):
            scaled = (gradient / lengths).masked_fill(lengths <= _FLAT, 0)
            solved = whitening.mT @ whitened
            of_products = solved * scaled[:, None, :]
            of_gram = (of_products @ solved.mT).double() / -2
        return first_order(of_products, "ova_ib"), first_order(of_gram, "ova_ib")
