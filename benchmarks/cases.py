"""What is measured: each kernel, its direct formulation and the contrastive loss, on the same random vectors."""

import resource
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from benchmarks import direct
from pmrl import spectrum
from pmrl.evaluation.ranks import cosine_ranks, ranks, recall
from pmrl.losses import alignment_loss, instance_regularization, volume

SPECTRAL, DIRECT_SPECTRAL = "PMRL's spectral terms", "PMRL's spectral terms, direct"
VOLUME, DIRECT_VOLUME = "GRAM's volume", "GRAM's volume, direct"
PAIRWISE = "anchored pairwise loss"
PRODUCTS = "GRAM's volume, matrix products alone"
RECALL, DIRECT_RECALL = "recall", "recall, direct"

_ALIGNMENT_TEMPERATURE, _REGULARIZATION_TEMPERATURE = 0.05, 0.1  # τ1 and τ2 of PMRL
_CONTRAST_TEMPERATURE = 0.07  # of GRAM
_CUTOFFS = (1, 5, 10)
# Entries of all matrices U beyond which a full decomposition takes gigabytes and is left out.
_LARGEST_FACTOR = 256 * 512 * 512

Call = Callable[[], object]


class Shape(NamedTuple):
    """Size of a batch of modality vectors; the targets are stated for the default."""

    batch: int = 256
    modalities: int = 4
    dimension: int = 512


def training_calls(shape: Shape) -> dict[str, Call]:
    """Forward and backward pass of every loss on the same float32 vectors, by name.

    Among them are the three matrix products that any loss over all pairs of an anchor and a gallery vector needs, one
    forward and two backward: the least time that GRAM's volume and the pairwise loss can take.
    """
    vectors = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    z = normalize(vectors, dim=-1).requires_grad_()
    anchor = z[:, 0].detach().clone().requires_grad_()
    gallery = z[:, 1:].detach().clone().requires_grad_()
    own = torch.arange(shape.batch)
    others, similarities = gallery.detach().flatten(0, 1), anchor.detach() @ gallery.detach().flatten(0, 1).T

    def matrix_products() -> None:
        anchor.detach() @ others.T
        similarities @ others
        similarities.T @ anchor.detach()

    def spectral_terms() -> Tensor:
        singular_values, direction = spectrum(z)
        regularization = instance_regularization(direction, _REGULARIZATION_TEMPERATURE)
        return alignment_loss(singular_values, _ALIGNMENT_TEMPERATURE) + regularization

    def direct_terms() -> Tensor:
        return direct.spectral_terms(z, _ALIGNMENT_TEMPERATURE, _REGULARIZATION_TEMPERATURE)

    def contrast(kernel: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        return cross_entropy(-kernel(anchor, gallery) / _CONTRAST_TEMPERATURE, own)

    calls: dict[str, Call] = {
        SPECTRAL: lambda: torch.autograd.grad(spectral_terms(), z),
        PAIRWISE: lambda: torch.autograd.grad(direct.anchored_pairwise(z, _CONTRAST_TEMPERATURE), z),
        PRODUCTS: matrix_products,
        VOLUME: lambda: torch.autograd.grad(contrast(volume), (anchor, gallery)),
        DIRECT_VOLUME: lambda: torch.autograd.grad(contrast(direct.volume), (anchor, gallery)),
    }
    if shape.batch * shape.dimension**2 <= _LARGEST_FACTOR:
        calls[DIRECT_SPECTRAL] = lambda: torch.autograd.grad(direct_terms(), z)
    return calls


def recall_calls(size: int) -> dict[str, Call]:
    """Recall at 1, 5 and 10 in both directions from the same ``(size, size)`` scores, by name."""
    scores = torch.randn(size, size, generator=torch.Generator().manual_seed(0))
    own = torch.arange(size)

    def kernel() -> list[float]:
        both_directions = ranks(scores, own), ranks(scores.T, own)
        return [recall(query_ranks, k) for query_ranks in both_directions for k in _CUTOFFS]

    def reference() -> list[float]:
        return direct.recall(scores, _CUTOFFS) + direct.recall(scores.T, _CUTOFFS)

    return {RECALL: kernel, DIRECT_RECALL: reference}


def rank_many_items(size: int, dimension: int) -> tuple[float, int]:
    """Rank ``size`` queries against as many items by cosine; run it in a process of its own.

    Returns:
        Seconds, and the process's largest resident set so far, in bytes.
    """
    generator = torch.Generator().manual_seed(0)
    query, gallery = (torch.randn(size, dimension, generator=generator) for _ in range(2))
    own = torch.arange(size)
    start = time.perf_counter()
    cosine_ranks(query, gallery, own, own)
    seconds = time.perf_counter() - start
    kilobyte = 1 if sys.platform == "darwin" else 1024
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobyte
