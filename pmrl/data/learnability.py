"""What a linear model can learn from a data set: canonical correlation, recall@1 against chance per pair.

Regularised canonical correlation analysis (Hotelling 1936; ridge as in Vinod 1976) is fitted on the
pre-training and training parts and tested on the unseen groups of the test part. It is not a baseline but a
lower bound that tells which pairs of modalities are linked at all. Of a large data set, a sample is fitted and a sample
is tested, so that the time does not grow with it.

Items of one instance count as in `pmrl.evaluation.identity`: every item of the query's instance is relevant, the best
of them counts, and a side holds each distinct content of an instance once.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from pmrl.data.arrays import deviations
from pmrl.data.dataset import Dataset
from pmrl.files import replacing
from pmrl.progress import progress
from pmrl.records import PRETRAIN, TEST, TRAIN

FILE = "learnability.csv"
COMPONENTS = 32
RIDGE = 0.01
PRINCIPAL = 128
# At most so many items are fitted and tested, whole instances drawn by this seed.
MOST_FITTED, MOST_TESTED, SEED = 5000, 2000, 0


def measure(dataset: Dataset, split: str = TEST) -> pd.DataFrame:
    """Fit every pair of modalities on the pre-training and training parts and retrieve on another part.

    Args:
        dataset: what is measured.
        split: the part on which to retrieve; the validation part where a choice rests on it.

    Returns:
        One row per ordered pair: query, gallery, recall@1 and chance in percent, and the number of queries.
        Items that lack one of the two modalities are left out. Recall is NaN for a pair with fewer than 2
        common items to fit or to test.
    """
    training, test = _parts(dataset, split)
    used = np.sort(np.concatenate([training, test]))
    fit = np.isin(used, training)
    instances = np.unique(dataset.instances[used], return_inverse=True)[1]
    present = {name: dataset.present[name][used] for name in dataset.modalities}
    features = {name: dataset.pooled[name][used] for name in dataset.modalities}
    whitened = {
        name: _whiten(features[name], present[name], fit, dataset.card.modalities[name].noise)
        for name in dataset.modalities
    }
    rows = []
    for left, right in progress(list(combinations(dataset.modalities, 2)), "pairs"):
        both = present[left] & present[right]
        if min((both & fit).sum(), (both & ~fit).sum()) < 2:
            rows += [(left, right, np.nan, np.nan, 0), (right, left, np.nan, np.nan, 0)]
            continue
        variates = dict(zip((left, right), _canonical(whitened[left], whitened[right], both & fit), strict=True))
        tested = np.flatnonzero(both & ~fit)
        sides = {name: tested[_first_of_content(instances[tested], features[name][tested])] for name in variates}
        for query, gallery in ((left, right), (right, left)):
            queries, candidates = sides[query], sides[gallery]
            scores = _unit(variates[query][queries]) @ _unit(variates[gallery][candidates]).T
            relevant = instances[queries, None] == instances[candidates]
            recall, chance = 100 * _first_place(scores, relevant), 100 * relevant.sum(axis=1).mean() / len(candidates)
            rows.append((query, gallery, recall, chance, len(queries)))
    return pd.DataFrame(rows, columns=["query", "gallery", "recall@1", "chance", "queries"])


def tested(dataset: Dataset) -> str:
    """What `measure` tests, in words: the test part, or a sample of it."""
    total, count = len(dataset.indices(TEST)), len(_parts(dataset, TEST)[1])
    return "the test part" if count == total else f"a sample of {count:,} of the {total:,} items of the test part"


def _parts(dataset: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The rows that are fitted and the rows that are tested, each ascending."""
    splits = dataset.items["split"].to_numpy()
    parts = np.flatnonzero(np.isin(splits, [PRETRAIN, TRAIN])), np.flatnonzero(splits == split)
    fitted, tested = (
        _sample(rows, dataset.instances, most) for rows, most in zip(parts, (MOST_FITTED, MOST_TESTED), strict=True)
    )
    return fitted, tested


def _sample(rows: np.ndarray, instances: np.ndarray, most: int) -> np.ndarray:
    """At most ``most`` of the rows, ascending: all items of as many instances as fit."""
    if len(rows) <= most:
        return rows
    _, numbers, counts = np.unique(instances[rows], return_inverse=True, return_counts=True)
    drawn = np.random.default_rng(SEED).permutation(len(counts))
    kept = drawn[np.cumsum(counts[drawn]) <= most]
    return rows[np.isin(numbers, kept)]


def _first_of_content(instances: np.ndarray, features: np.ndarray) -> np.ndarray:
    """The items that are the first of their instance with these features, ascending; all if all instances differ."""
    seen: dict[tuple[int, bytes], int] = {}
    for row, instance in enumerate(instances):
        seen.setdefault((int(instance), features[row].tobytes()), row)
    return np.array(list(seen.values()))


def save(dataset: Dataset, folder: Path) -> Path:
    """Measure a data set and write the table beside its store; return the file."""
    path = Path(folder) / FILE
    table = measure(dataset)
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.2f")
    return path


def _whiten(features: np.ndarray, present: np.ndarray, training: np.ndarray, noise: float) -> np.ndarray:
    """Leading principal components of standardised features, whitened with a ridge; zeros where absent."""
    values = features.astype(np.float64)
    fit = values[present & training]
    deviation = deviations(fit, noise)
    values = np.where(present[:, None], (values - fit.mean(axis=0)) / np.where(deviation > 0, deviation, 1), 0)
    values[:, deviation == 0] = 0
    # A feature that hardly varies in the training groups must not dominate in the others.
    values = np.clip(values, -5, 5)
    fit = values[present & training]
    _, singular, directions = np.linalg.svd(fit, full_matrices=False)
    leading = slice(min(PRINCIPAL, len(fit) // 4, len(singular)))
    variance = singular[leading] ** 2 / len(fit)
    return values @ directions[leading].T / np.sqrt(variance + RIDGE * variance.mean())


def _canonical(left: np.ndarray, right: np.ndarray, fit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Canonical variates of two whitened views, each scaled by its correlation."""
    covariance = left[fit].T @ right[fit] / fit.sum()
    u, correlation, v = np.linalg.svd(covariance, full_matrices=False)
    leading = slice(COMPONENTS)
    return left @ u[:, leading] * correlation[leading], right @ v[leading].T * correlation[leading]


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _first_place(scores: np.ndarray, relevant: np.ndarray) -> float:
    """Fraction of queries with an own item that is ranked strictly first; a tie with another instance is a miss."""
    own = np.where(relevant, scores, -np.inf).max(axis=1)
    others = np.where(relevant, -np.inf, scores).max(axis=1)
    return float((own > others).mean())
