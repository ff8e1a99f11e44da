"""The modality gap: how far the vectors of one modality lie apart from those of another, whatever they stand for.

Sources: Liang et al. 2022, Mind the gap (distance of centroids); Rosenberg and Hirschberg 2007 (V-measure).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import v_measure_score
from threadpoolctl import threadpool_limits

from pmrl.evaluation.probing import SMALLEST_CLASS
from pmrl.method.embeddings import Embeddings
from pmrl.records import BETWEEN_MODALITIES, CENTROID_DISTANCE, CLASS_CLUSTERS, MODALITY_CLUSTERS

STARTS = 5  # of k-means; the tightest clusters count
ROUNDING = float(np.finfo(np.float32).eps) ** 2  # a variance this small is that of equal vectors


def space_metrics(embeddings: Embeddings, labels: np.ndarray, seed: int) -> dict[str, float]:
    """The ``SPACE_METRICS`` of ``pmrl.records``; none if fewer than two modalities are present.

    Args:
        embeddings: of some items.
        labels: (items,) class names. The clusters of classes are those of the items with a label ("" is none) whose
            class has at least 10 items; without two such classes there is no number.
        seed: of k-means, the same for every method.
    """
    present = embeddings.mask().cpu().numpy()
    item, modality = present.nonzero()
    if len(np.unique(modality)) < 2:
        return {}
    vectors = embeddings.stack().double().cpu().numpy()[item, modality]
    metrics = {
        CENTROID_DISTANCE: centroid_distance(vectors, modality),
        BETWEEN_MODALITIES: 100 * variance_between(vectors, modality),
        MODALITY_CLUSTERS: 100 * cluster_agreement(vectors, modality, seed),
    }
    names, counts = np.unique(labels, return_counts=True)
    large = names[(counts >= SMALLEST_CLASS) & (names != "")]
    if len(large) > 1:
        rows = np.isin(labels[item], large)
        metrics[CLASS_CLUSTERS] = 100 * cluster_agreement(vectors[rows], labels[item[rows]], seed)
    return metrics


def centroid_distance(vectors: np.ndarray, modality: np.ndarray) -> float:
    """Mean of ‖μ_a − μ_b‖ over pairs of modalities, with the means μ of their unit vectors; 0 … 2.

    Args:
        vectors: (vectors, dimension).
        modality: (vectors,) the modality of each, at least two.
    """
    centroids = [vectors[modality == name].mean(axis=0) for name in np.unique(modality)]
    return float(np.mean([np.linalg.norm(a - b) for a, b in combinations(centroids, 2)]))


def variance_between(vectors: np.ndarray, modality: np.ndarray) -> float:
    """Share of the variance that lies between modalities, Σ_m n_m ‖μ_m − μ‖² / Σ ‖z − μ‖²; 0 if all are equal.

    Free of scale: vectors that all lie close together have a small distance of centroids, and perhaps a large share.

    Args:
        vectors: (vectors, dimension).
        modality: (vectors,) the modality of each.
    """
    centred = vectors - vectors.mean(axis=0)
    total = np.square(centred).sum()
    groups = [centred[modality == name] for name in np.unique(modality)]
    between = sum(len(group) * np.square(group.mean(axis=0)).sum() for group in groups)
    return float(between / total) if total > ROUNDING * len(vectors) else 0.0


def cluster_agreement(vectors: np.ndarray, truth: np.ndarray, seed: int) -> float:
    """V-measure of k-means clusters against the true groups, with as many clusters as groups; 0 … 1.

    The harmonic mean of homogeneity and completeness: 1 if the clusters are the groups. It is not corrected for chance.

    Args:
        vectors: (vectors, dimension).
        truth: (vectors,) the group of each.
        seed: of the starts.
    """
    model = KMeans(n_clusters=len(np.unique(truth)), n_init=STARTS, random_state=seed % 2**32)
    with threadpool_limits(1):  # with more, problems of this size take longer and other jobs lack cores
        clusters = model.fit_predict(vectors)
    return float(v_measure_score(truth, clusters))
