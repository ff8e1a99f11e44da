"""Singular values and leading direction of k unit vectors, with a gradient that stays bounded.

PMRL (Liu, Xia, Ng, Chua: Principled Multimodal Representation Learning, arXiv 2507.17343) trains on the
singular value decomposition Z = U S Vᵀ of the modality vectors of an instance. Only σ and u1 are used, and
both follow from the k×k Gram matrix: G = ZᵀZ = V S² Vᵀ and u1 = Z v1/σ1.

They ignore the signs of vectors. With a shift c they are those of G_c = (G + c²·11ᵀ)/(1 + c²) and u1 = Z v1/‖Z v1‖
instead, which do not: λ1 = k only if all cosines are +1. G_c is the Gram matrix of the unit vectors (z; c)/√(1 + c²).

A modality is a row of a tensor ``z`` here, so Z of the paper is the transpose of ``z[i]``.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from pmrl.errors import ArgumentError
from pmrl.losses.eigen import symmetric_eigen

# All thresholds follow the rounding of float32, the type that vectors are trained in, even for float64 input.
_ROUNDING = torch.finfo(torch.float32).eps
LARGEST_SHIFT = 100
"""Of lifted vectors with a larger shift, float32 keeps too little of z to give a direction."""


class Spectrum(NamedTuple):
    """Singular values ``(batch, modalities)``, descending, and leading direction ``(batch, dimension)``."""

    singular_values: Tensor
    direction: Tensor


def spectrum(z: Tensor, mask: Tensor | None = None, shift: float = 0.0) -> Spectrum:
    """Singular values and leading left singular vector of the modality vectors of every instance.

    The direction u1 is oriented so that u1·Σ_m z^m ≥ 0. Where the leading value is repeated, u1 is the vector
    of the leading space nearest to Σ_m z^m. Where Σ_m z^m is orthogonal to that space within the rounding of
    float32, as it always is for two vectors at an obtuse angle, u1 is the vector of that space nearest to the
    first modality vector that is not orthogonal to it. (No rule could treat both modalities alike here: a rotation
    by 180° swaps the two vectors and reverses u1.) So the result is a function of ``z`` alone, whichever vectors
    an eigensolver returns.

    Gradients are first-order only: ∂σ_j/∂Z = u_j v_jᵀ, and those of u1 pass through the gaps σ1² − σ_j² only.
    Where a derivative does not exist they take bounded values, see :class:`_Spectrum`.

    With a ``shift`` c, all of this holds for the lifted vectors (z; c)/√(1 + c²), whose Gram matrix is G_c. Their own
    leading direction is (Z v1; c·1ᵀv1) up to length, so its first part gives Z v1/‖Z v1‖: derivatives are exact without
    a second backward pass. For c ≥ 1 every entry of G_c is ≥ 0, hence v1 too, and no convention chooses the sign of
    u1. Where ‖Z v1‖ vanishes, as for two opposite vectors then, no direction exists and u1 shortens to 0, see
    :func:`_lowered`.

    Singular values are computed from the Gram matrix in float64. They are exact to the rounding of float32, but
    a value below about 1e-7·σ1 is reported as 0 whatever the type of ``z``. Half-precision input is computed in
    float32; under autocast the result is float32 too.

    Args:
        z: ``(batch, modalities, dimension)``, any floating type, unit rows. The contents of absent rows are ignored.
        mask: ``(batch, modalities)``, true where a modality is present; None means that all are present.
        shift: c, from 0 to 100; 0 ignores the signs of vectors, as the paper does.

    Returns:
        :class:`Spectrum` in the type of ``z``. An instance with n present modalities has n singular values
        followed by zeros; an instance without any has direction 0.

    Raises:
        ArgumentError: a shape or type is wrong, a present vector is not finite, or the shift is out of range.

    Example:
        >>> z = torch.nn.functional.normalize(torch.randn(8, 4, 512), dim=-1)
        >>> singular_values, direction = spectrum(z)
    """
    _check(z, mask, shift)
    vectors = lifted(widen(z), shift) if shift else widen(z)
    if mask is not None:
        vectors = vectors.masked_fill(~mask.bool()[..., None], 0)
    require_finite(vectors)
    singular_values, direction, *_ = _Spectrum.apply(vectors)  # type: ignore[no-untyped-call]
    result = Spectrum(singular_values, _lowered(direction) if shift else direction)
    if torch.is_autocast_enabled(z.device.type):
        return result
    return Spectrum(*(value.to(z.dtype) for value in result))


def inner_products(vectors: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """All inner products ``(…, n, n)`` of ``(…, n, dimension)`` vectors with each other.

    The result is symmetric, so its gradient takes one matrix product where automatic differentiation needs two.
    Computed in float32 or float64, even under autocast.

    Args:
        vectors: ``(…, n, dimension)``, any floating type.
        dtype: of the result and its computation; None means that of the vectors, float32 at least. The gradient is
            computed in the type of the vectors.
    """
    products: Tensor = _InnerProducts.apply(widen(vectors), dtype)  # type: ignore[no-untyped-call]
    return products


def first_order(gradient: Tensor, name: str) -> Tensor:
    """A gradient that refuses to be differentiated again, by the name of what it is the gradient of."""
    result: Tensor = _FirstOrder.apply(gradient, name)  # type: ignore[no-untyped-call]
    return result


def values_can_be_read(tensor: Tensor) -> bool:
    """Whether Python may look at values: on the CPU, in plain PyTorch.

    Elsewhere that would wait for the device, break the graph of ``torch.compile`` and ``torch.export``, or fail under
    ``torch.func.vmap``. Values that are not finite then give results that are not.
    """
    traced = torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    return tensor.device.type == "cpu" and not traced


def require_finite(z: Tensor) -> None:
    """Check that the squares of modality vectors (batch, modalities, dimension) are finite, where values can be read.

    Raises:
        ArgumentError: naming the first instance and modality.
    """
    if not values_can_be_read(z) or not z.numel():
        return
    if not squares_are_finite(z):
        raise ArgumentError(_describe_non_finite(z))


def squares_are_finite(vectors: Tensor) -> bool:
    """Whether no vector (…, dimension) holds a value that is not finite, or whose square might not be."""
    # NaN is passed on, and nothing of the size of the vectors is made
    low, high = (extreme.item() for extreme in torch.aminmax(vectors.detach()))
    return math.isfinite((low * low + high * high) * vectors.shape[-1])


def widen(tensor: Tensor) -> Tensor:
    """``tensor`` in the type that the kernels compute in: float64 unchanged, every shorter type as float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def gram_factors(z: Tensor) -> tuple[Tensor, Tensor]:
    """Singular values and right singular vectors of ``z``, from its Gram matrix.

    The Gram matrix is formed and factored in float64: squaring loses half of the digits of a small singular
    value, and half of the digits of float64 are as many as float32 has.

    Args:
        z: ``(batch, modalities, dimension)``, float32 or float64.

    Returns:
        Singular values ``(batch, modalities)``, descending, and right singular vectors
        ``(batch, modalities, modalities)``, one per column; both float64.
    """
    double = z.double()
    return factored(double @ double.mT)


def factored(gram: Tensor) -> tuple[Tensor, Tensor]:
    """As :func:`gram_factors`, from Gram matrices ``(batch, modalities, modalities)`` in float64."""
    eigenvalues, vectors = symmetric_eigen(gram)
    noise = 4 * gram.shape[-1] * torch.finfo(gram.dtype).eps * eigenvalues[:, :1]
    return eigenvalues.masked_fill(eigenvalues <= noise, 0).sqrt(), vectors


def safe_reciprocal(singular_values: Tensor) -> Tensor:
    """1/σ_j, and 0 where σ_j vanishes beside σ1 and u_j = Z v_j/σ_j would be rounding error."""
    vanishing = singular_values <= 4 * _ROUNDING * singular_values[..., :1]
    return singular_values.masked_fill(vanishing, 1).reciprocal().masked_fill(vanishing, 0)


class _Spectrum(torch.autograd.Function):
    """(σ, u1) of ``z``, and their derivatives.

    With p = VᵀZᵀh for an incoming gradient h of u1, the transpose of

        du1 = Σ_{j>1} u_j [σ1 u_jᵀdZ v1 + σ_j v_jᵀdZᵀu1] / (σ1² − σ_j²) + (I − UUᵀ) dZ v1/σ1

    is (h − u1 u1ᵀh) v1ᵀ/σ1 + Σ_{j>1} p_j [Z v_j v1ᵀ/σ1 + u1 v_jᵀ] / (σ1² − σ_j²): nothing is divided by a
    small σ_j, and no gap between trailing values occurs.

    Choices where a derivative does not exist:

    - σ_j = 0: σ_j grows in every direction, like a norm at 0; its gradient is 0, the mean of all directions.
    - σ1 = σ2: σ1 and u1 change as if the first singular pair were the one that ``spectrum`` describes. The
      factor 1/(σ1² − σ_j²) tapers to 0 once the gap is below √ε·σ1², where ε is the rounding of float32:
      there, rounding the input turns u1 by √ε or more. So the norm of the gradient is at most (1 + 2/√ε)|h|/σ1.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        with torch.autocast(z.device.type, enabled=False):
            singular_values, vectors = gram_factors(z)
            vectors = _oriented(singular_values, vectors)
            loading = vectors[..., 0] * safe_reciprocal(singular_values)[..., :1]
            direction = (loading.to(z.dtype)[:, None, :] @ z)[:, 0]
        return singular_values.to(z.dtype, copy=True), direction, singular_values, vectors

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
        *_, singular_values, vectors = output
        ctx.mark_non_differentiable(singular_values, vectors)
        ctx.save_for_backward(*inputs, singular_values, vectors)

    @staticmethod
    def backward(ctx: Any, values_gradient: Tensor, direction_gradient: Tensor, *_: Tensor) -> Tensor:
        z, singular_values, vectors = ctx.saved_tensors
        with torch.autocast(z.device.type, enabled=False):
            reciprocal = safe_reciprocal(singular_values)
            leading, inverse = vectors[..., 0], reciprocal[..., :1]
            # p = VᵀZᵀh; its first entry is σ1 u1ᵀh
            products = (direction_gradient[:, None, :] @ z.mT)[:, 0].to(vectors.dtype)
            products = torch.einsum("bkj,bk->bj", vectors, products)
            # Σ_{j>1} p_j v_j/(σ1² − σ_j²), with half of the term −u1 u1ᵀh v1ᵀ/σ1: the sum below has it twice
            first = -products[..., :1] * inverse**2 / 2
            weights = torch.cat([first, (products * _inverse_gaps(singular_values))[..., 1:]], dim=-1)
            turn = torch.einsum("bkj,bj->bk", vectors, weights) * inverse
            # every term but h v1ᵀ/σ1 is a k×k matrix times the vectors
            mixing = (vectors * (values_gradient * reciprocal)[..., None, :]) @ vectors.mT
            turned = leading[..., :, None] * turn[..., None, :]
            mixing = mixing + turned + turned.mT
            outer = (leading * inverse).to(z.dtype)[..., None] * direction_gradient[..., None, :]
            gradient = torch.baddbmm(outer, mixing.to(z.dtype), z)
        return first_order(gradient, "spectrum")


def lifted(z: Tensor, shift: float) -> Tensor:
    """The unit vectors (z; c)/√(1 + c²), ``(batch, modalities, dimension + 1)``."""
    result: Tensor = pad(z, (0, 1), value=shift) / (1 + shift**2) ** 0.5
    return result


def _lowered(direction: Tensor) -> Tensor:
    """The first part of lifted leading directions, as unit vectors.

    A part shorter than √ε, which rounding turns by √ε or more, is divided by √ε only, so that the derivative is at
    most 1/√ε.
    """
    lowered: Tensor = normalize(direction[:, :-1], dim=-1, eps=_ROUNDING**0.5)
    return lowered


class _InnerProducts(torch.autograd.Function):
    """Z Zᵀ with rows as vectors; for an incoming gradient H that of Z is (H + Hᵀ) Z."""

    generate_vmap_rule = True

    @staticmethod
    def forward(vectors: Tensor, dtype: torch.dtype | None) -> Tensor:
        with torch.autocast(vectors.device.type, enabled=False):
            vectors = vectors.to(dtype or vectors.dtype)
            return vectors @ vectors.mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, torch.dtype | None], _: Tensor) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (vectors,) = ctx.saved_tensors
        with torch.autocast(vectors.device.type, enabled=False):
            return (gradient + gradient.mT).to(vectors.dtype) @ vectors, None


class _FirstOrder(torch.autograd.Function):
    """The identity, whose own derivatives are refused."""

    generate_vmap_rule = True

    @staticmethod
    def forward(gradient: Tensor, _: str) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, str], _: Tensor) -> None:
        ctx.name = inputs[1]

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor, None]:
        raise ArgumentError(
            f"{ctx.name}: gradients are first-order only, and a second derivative was asked for (create_graph=True, or "
            "a Hessian). Detach the first gradient, or compute second derivatives by finite differences."
        )


def _oriented(singular_values: Tensor, vectors: Tensor) -> Tensor:
    """The right singular vectors, with a basis of the leading space whose first vector gives the u1 of ``spectrum``."""
    count = vectors.shape[-1]
    squares = singular_values.square()
    leading_space = squares[..., :1] - squares <= 4 * count * _ROUNDING * squares[..., :1]
    coordinates = vectors * leading_space[..., None, :]  # row m: modality m projected on the leading space
    total = coordinates.sum(-2)
    lengths = coordinates.norm(dim=-1)
    # the rows have Σ_m length² ≥ 1, so one of them is at least 1/√k long
    first = (lengths > 0.5 / count**0.5).int().argmax(-1)
    fallback = coordinates.gather(-2, first[..., None, None].expand_as(coordinates[..., :1, :])).squeeze(-2)
    # unit vectors differ in length by rounding, which must not decide the sign
    negligible = total.norm(dim=-1, keepdim=True) <= 128 * _ROUNDING
    target = normalize(torch.where(negligible, fallback, total), dim=-1)
    # Householder reflection that takes the first axis to ∓target; the sign avoids cancellation
    sign = torch.where(target[..., :1] < 0, -1.0, 1.0)
    normal = target.clone()
    normal[..., :1] += sign
    projected = torch.einsum("bkj,bj->bk", vectors, normal)
    scale = 2 / normal.square().sum(-1)[..., None, None]
    return sign[..., None] * (scale * projected[..., :, None] * normal[..., None, :] - vectors)


def _inverse_gaps(singular_values: Tensor) -> Tensor:
    """1/(σ1² − σ_j²), tapering linearly to 0 where the gap is below √ε·σ1²."""
    squares = singular_values.square()
    gaps = squares[..., :1] - squares
    floor = _ROUNDING**0.5 * squares[..., :1]
    bounded = torch.maximum(gaps, floor)
    return torch.where(bounded > 0, gaps / bounded.square(), 0)


def _check(z: Tensor, mask: Tensor | None, shift: float) -> None:
    if z.dim() != 3 or not z.is_floating_point() or 0 in z.shape[1:]:
        raise ArgumentError(
            f"spectrum: z has shape {tuple(z.shape)} and type {z.dtype}, expected a floating "
            "(batch, modalities, dimension) with at least one modality and one dimension. "
            "Stack the modality vectors of every instance along axis 1."
        )
    if mask is not None and mask.shape != z.shape[:2]:
        raise ArgumentError(
            f"spectrum: mask has shape {tuple(mask.shape)}, expected {tuple(z.shape[:2])}, "
            "one entry per instance and modality of z."
        )
    if not 0 <= shift <= LARGEST_SHIFT:
        raise ArgumentError(f"spectrum: shift is {shift}, expected 0 to {LARGEST_SHIFT}. From 1 on every sign counts.")


def _describe_non_finite(z: Tensor) -> str:
    """A message that names the first non-finite value, or says that finite values are too large to be squared."""
    finite = z.isfinite()
    if finite.all():
        return "The modality vectors are too large to be squared. Normalise them to unit length first."
    instance, modality, _ = (~finite).nonzero()[0].tolist()
    return (
        f"Instance {instance}, modality {modality} holds a value that is not finite "
        f"({z[instance, modality][~finite[instance, modality]][0].item()}). Modality vectors must be finite: "
        "mark the modality as absent in the mask, or look for a zero vector that was normalised."
    )
