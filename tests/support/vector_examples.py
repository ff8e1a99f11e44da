"""Unit vectors for tests of the kernels."""

import torch
from hypothesis import strategies
from torch import Tensor
from torch.nn.functional import normalize


def unit_vectors(*shape: int, seed: int = 0, agreement: float = 0.0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Random unit vectors ``(batch, modalities, dimension)``; agreement 1 makes an instance's vectors equal."""
    generator = torch.Generator().manual_seed(seed)
    own = torch.randn(*shape, generator=generator, dtype=torch.float64)
    shared = torch.randn(*shape[:-2], 1, shape[-1], generator=generator, dtype=torch.float64)
    return normalize(agreement * shared + (1 - agreement) * own, dim=-1).to(dtype)


def equal_cosine(count: int, cosine: float, dimension: int) -> Tensor:
    """``(1, count, dimension)`` unit vectors whose pairwise cosines are all the same."""
    gram = (1 - cosine) * torch.eye(count, dtype=torch.float64) + cosine
    eigenvalues, vectors = torch.linalg.eigh(gram)
    square = vectors * eigenvalues.clamp(min=0).sqrt()
    return torch.nn.functional.pad(square, (0, dimension - count))[None]


def rotation(dimension: int, seed: int = 0) -> Tensor:
    """A random orthogonal matrix."""
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(dimension, dimension, generator=generator, dtype=torch.float64)).Q


@strategies.composite
def batches(draw: strategies.DrawFn, least_modalities: int = 1, least_dimension: int = 2) -> Tensor:
    """Batches of every shape that matters: one modality, more modalities than dimensions, nearly aligned."""
    return unit_vectors(
        draw(strategies.integers(1, 5)),
        draw(strategies.integers(least_modalities, 6)),
        draw(strategies.integers(least_dimension, 12)),
        seed=draw(strategies.integers(0, 2**31)),
        agreement=draw(strategies.sampled_from([0.0, 0.3, 0.7, 0.95])),
    )
