"""What a linear model can learn from a data set: canonical correlation, recall@1 against chance per pair.

Regularised canonical correlation analysis (Hotelling 1936; ridge as in Vinod 1976) is fitted on the
pre-training and training parts and tested on the unseen groups of the test part. It is not a baseline but a
lower bound that tells which pairs of modalities are linked at all.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from pmrl.data.dataset import Dataset
from pmrl.files import replacing
from pmrl.records import PRETRAIN, TEST, TRAIN

FILE = "learnability.csv"
COMPONENTS = 32
RIDGE = 0.01
PRINCIPAL = 128


def measure(dataset: Dataset) -> pd.DataFrame:
    """Fit every pair of modalities on the pre-training and training parts and retrieve on the test part.

    Returns:
        One row per ordered pair: query, gallery, recall@1 and chance in percent, and the number of queries.
        Instances that lack one of the two modalities are left out. Recall is NaN for a pair with fewer than 2
        common instances to fit or to test.
    """
    training = np.isin(dataset.items["split"], [PRETRAIN, TRAIN])
    test = (dataset.items["split"] == TEST).to_numpy()
    whitened = {name: _whiten(dataset, name, training) for name in dataset.modalities}
    pairs = [
        (left, right)
        for position, left in enumerate(dataset.modalities)
        for right in dataset.modalities[position + 1 :]
    ]
    rows = []
    for left, right in tqdm(pairs, desc="pairs", disable=None):
        both = dataset.present[left] & dataset.present[right]
        if min((both & training).sum(), (both & test).sum()) < 2:
            rows += [(left, right, np.nan, np.nan, 0), (right, left, np.nan, np.nan, 0)]
            continue
        first, second = _canonical(whitened[left], whitened[right], both & training)
        scores = _unit(first[both & test]) @ _unit(second[both & test]).T
        for query, gallery, table in ((left, right, scores), (right, left, scores.T)):
            rows.append((query, gallery, 100 * _first_place(table), 100 / len(table), len(table)))
    return pd.DataFrame(rows, columns=["query", "gallery", "recall@1", "chance", "queries"])


def save(dataset: Dataset, folder: Path) -> Path:
    """Measure a data set and write the table beside its store; return the file."""
    path = Path(folder) / FILE
    table = measure(dataset)
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.2f")
    return path


def _whiten(dataset: Dataset, name: str, training: np.ndarray) -> np.ndarray:
    """Leading principal components of standardised features, whitened with a ridge; zeros where absent."""
    present = dataset.present[name]
    values = dataset.pooled[name].astype(np.float64)
    fit = values[present & training]
    values = np.where(present[:, None], (values - fit.mean(axis=0)) / np.maximum(fit.std(axis=0), 1e-6), 0)
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


def _first_place(scores: np.ndarray) -> float:
    """Fraction of queries whose own item is ranked strictly first; a tie counts as a miss."""
    others = scores - np.diag(np.full(len(scores), np.inf))
    return float((np.diag(scores) > others.max(axis=1)).mean())
