"""Eigenvalues and eigenvectors of many small symmetric matrices, without waiting for the device.

On the CPU this is LAPACK. Elsewhere LAPACK's counterpart reports convergence to the host, which stops the queue of the
device, so the matrices are turned to diagonal form by sweeps of Jacobi rotations: a fixed number of elementwise
operations on the whole batch, exact to rounding (Golub and Van Loan, Matrix Computations, 4th edition, section 8.5).
"""

import functools
import math

import torch
from torch import Tensor


def symmetric_eigen(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (…, k), descending, and eigenvectors (…, k, k), one per column, of symmetric (…, k, k)."""
    if matrices.device.type != "cpu":
        return jacobi(matrices)
    values, vectors = torch.linalg.eigh(matrices)
    return values.flip(-1), vectors.flip(-1)


def jacobi(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """As :func:`symmetric_eigen`, by Jacobi rotations of disjoint pairs of rows and columns at a time."""
    count = matrices.shape[-1]
    vectors = torch.eye(count, dtype=matrices.dtype, device=matrices.device).expand_as(matrices)
    for _ in range(_sweeps(count)):
        for partners in rounds(count):
            partner = torch.tensor(partners, device=matrices.device)
            places = torch.arange(count, device=matrices.device)
            cosine, sine = _rotations(matrices, partner, torch.where(places < partner, 1.0, -1.0).to(matrices.dtype))
            rows = cosine[..., None] * matrices + sine[..., None] * matrices.index_select(-2, partner)
            matrices = cosine[..., None, :] * rows + sine[..., None, :] * rows.index_select(-1, partner)
            vectors = cosine[..., None, :] * vectors + sine[..., None, :] * vectors.index_select(-1, partner)
    values, order = matrices.diagonal(dim1=-2, dim2=-1).sort(dim=-1, descending=True)
    return values, vectors.gather(-1, order[..., None, :].expand_as(vectors))


def _rotations(matrices: Tensor, partner: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and signed sine (…, k) by which each row is mixed with its partner, so that their entry vanishes.

    A row without a partner is its own, and stays as it is.
    """
    diagonal = matrices.diagonal(dim1=-2, dim2=-1)
    entry = matrices.gather(-1, partner[:, None].expand(*matrices.shape[:-1], 1))[..., 0]
    # rounding leaves the two triangles slightly different, and both partners must turn by one angle
    entry = (entry + entry.index_select(-1, partner)) / 2
    # tan 2θ = 2 a_pq/(a_pp − a_qq), seen from p; of the two angles the smaller
    half_gap = (diagonal - diagonal.index_select(-1, partner)) * side / 2
    tangent = torch.where(half_gap < 0, -entry, entry) / (half_gap.abs() + torch.hypot(half_gap, entry))
    alone = partner == torch.arange(len(partner), device=partner.device)
    tangent = torch.where((entry == 0) | alone, 0, tangent)
    cosine = (1 + tangent.square()).rsqrt()
    return cosine, side * tangent * cosine


def _sweeps(count: int) -> int:
    """Sweeps after which the off-diagonal part is rounding error: convergence is quadratic in the end."""
    return 0 if count == 1 else 7 + math.ceil(math.log2(count))


@functools.cache
def rounds(count: int) -> tuple[tuple[int, ...], ...]:
    """The pairs of a round-robin tournament: per round, each place's partner; all pairs meet once.

    With an odd count one place rests in each round and is its own partner.
    """
    players = count + count % 2
    ring = list(range(players))
    schedule = []
    for _ in range(players - 1):
        partners = list(range(count))
        for first, second in zip(ring[: players // 2], reversed(ring[players // 2 :]), strict=True):
            if first < count and second < count:
                partners[first], partners[second] = second, first
        schedule.append(tuple(partners))
        ring = [ring[0], ring[-1], *ring[1:-1]]
    return tuple(schedule)
