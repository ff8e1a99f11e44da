"""The formulations that the kernels replace, as in their sources: plain, correct, and differentiated by autograd.

Each is what one would write from the paper, in whole-tensor operations where the source has them.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def spectral_terms(z: Tensor, alignment_temperature: float, regularization_temperature: float) -> Tensor:
    """PMRL's two spectral terms through a full singular value decomposition of every instance.

    Source: Liu et al., Principled Multimodal Representation Learning, arXiv 2507.17343, and its public code,
    which computes the complete U of every instance, takes its first column with whatever sign it has, and
    differentiates through the decomposition.

    Args:
        z: ``(batch, modalities, dimension)`` unit vectors.
        alignment_temperature: τ1.
        regularization_temperature: τ2.

    Returns:
        L^M + L^M′, a scalar in nats.
    """
    left, singular_values, _ = torch.linalg.svd(z.mT, full_matrices=True)
    direction = left[:, :, 0]
    first = torch.zeros(len(z), dtype=torch.int64)
    alignment = cross_entropy(singular_values / alignment_temperature, first)
    cosines = direction @ direction.T
    regularization = cross_entropy(cosines / regularization_temperature, torch.arange(len(z)))
    return alignment + regularization


def volume(anchor: Tensor, gallery: Tensor) -> Tensor:
    """GRAM's volumes of all pairs as determinants of a stacked tensor of Gram matrices.

    Source: Cicchetti et al., Gramian Multimodal Representation Learning and Alignment, arXiv 2412.11959
    (equation of the volume), and its public code, which stacks one k×k Gram matrix per pair.

    Args:
        anchor: ``(Q, d)`` unit vectors.
        gallery: ``(G, m, d)`` unit vectors.

    Returns:
        ``(Q, G)`` volumes.
    """
    vectors = gallery.unbind(1)
    pairs = (len(anchor), len(gallery))
    products = {(0, 0): (anchor * anchor).sum(1)[:, None].expand(pairs)}
    for i, own in enumerate(vectors, start=1):
        products[0, i] = products[i, 0] = anchor @ own.T
        for j, other in enumerate(vectors[:i], start=1):
            products[i, j] = products[j, i] = (own * other).sum(1).expand(pairs)
    rows = [torch.stack([products[i, j] for j in range(len(vectors) + 1)], -1) for i in range(len(vectors) + 1)]
    return torch.linalg.det(torch.stack(rows, -2)).abs().sqrt()


def recall(scores: Tensor, cutoffs: tuple[int, ...]) -> list[float]:
    """Recall of the diagonal in percent by sorting every row and looking up a position in a Python list.

    Source: the retrieval evaluation in the public code of VAST (Chen et al., arXiv 2305.18500), which the code
    of GRAM and PMRL builds on. Ties are ranked in the order in which the sort returns them.

    Args:
        scores: ``(Q, Q)``; item i is relevant to query i.
        cutoffs: the k of recall@k.

    Returns:
        One percentage per cut-off.
    """
    order = scores.sort(dim=1, descending=True).indices
    positions = [row.tolist().index(query) for query, row in enumerate(order)]
    return [100 * sum(position < k for position in positions) / len(positions) for k in cutoffs]


def anchored_pairwise(z: Tensor, temperature: float) -> Tensor:
    """InfoNCE from the first modality to each of the others, in one direction: the yardstick of cost.

    Source: van den Oord et al., Representation Learning with Contrastive Predictive Coding, arXiv 1807.03748;
    anchored over several modalities as in ImageBind (Girdhar et al., arXiv 2305.05665).

    Args:
        z: ``(batch, modalities, dimension)`` unit vectors.
        temperature: divides the cosines.

    Returns:
        Sum of the terms, a scalar in nats.
    """
    anchor, *others = z.unbind(1)
    own = torch.arange(len(z))
    return torch.stack([cross_entropy(anchor @ other.T / temperature, own) for other in others]).sum()
