"""Scores of embeddings by functions of vectors, for methods that compare one modality with several."""

from collections.abc import Callable

from torch import Tensor

from pmrl.losses import scalar_score
from pmrl.method.embeddings import Embeddings


def one_against_several(
    score: Callable[[Tensor, Tensor, Tensor], Tensor], query: Embeddings, gallery: Embeddings
) -> Tensor:
    """Scores (queries, gallery items) where one of the two sides has a single modality.

    Args:
        score: of vectors (n, dimension), the other side's vectors (m, modalities, dimension) and what of them is
            present (m, modalities); gives (n, m).
        query: the queries.
        gallery: the gallery items.
    """
    if len(query.modalities) > 1:
        return one_against_several(score, gallery, query).T
    (vectors,) = query.vectors.values()
    return score(vectors, gallery.stack(), gallery.mask())


def attended(query: Embeddings, gallery: Embeddings) -> Tensor:
    """SCALAR's score, see :func:`pmrl.losses.scalar_score`."""
    return one_against_several(scalar_score, query, gallery)
