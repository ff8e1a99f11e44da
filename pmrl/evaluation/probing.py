"""Classification by linear probes: logistic regression (scikit-learn) on frozen embeddings, cross-validated.

Probes use the target part only; no method has been trained on its labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, label_binarize
from threadpoolctl import threadpool_limits

FOLDS = 5
SMALLEST_CLASS = 10
MOST_SITES = 50
REGULARIZATION = 0.1
"""Inverse strength of the ridge penalty (scikit-learn's C), the same for all methods and for the raw features."""


Folds = Iterator[tuple[np.ndarray, np.ndarray]]  # (training rows, test rows)


@dataclass(frozen=True)
class Probe:
    """Cross-validated performance in percent.

    Attributes:
        folds: kind of folds.
        rows: indices of the classified instances.
        correct: whether each of them was classified correctly.
    """

    folds: str
    rows: np.ndarray
    correct: np.ndarray
    accuracy: float
    auc: float
    sensitivity: float
    specificity: float

    @property
    def n(self) -> int:
        """How many instances were classified."""
        return len(self.rows)

    def metrics(self) -> dict[str, float]:
        """The four numbers by name."""
        return {name: getattr(self, name) for name in ("accuracy", "auc", "sensitivity", "specificity")}


def probes(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, seed: int, instances: np.ndarray | None = None
) -> list[Probe]:
    """Probes with random folds, and with leave-site-out folds if groups are sites (few, most with every class).

    Args:
        features: (instances, dimension).
        labels: (instances,) class names; instances without a label ("") and classes of fewer than 10 are left out.
        groups: (instances,) names of groups.
        seed: of the random folds; the same for all methods.
        instances: (instances,) what each row is a view of; views of one thing are never on both sides of a fold. By
            default every row is on its own.

    Returns:
        One probe for each kind of folds; an empty list if fewer than two classes are large enough.
    """
    names, counts = np.unique(labels, return_counts=True)
    rows = np.flatnonzero(np.isin(labels, names[(counts >= SMALLEST_CLASS) & (names != "")]))
    features, labels, groups = features[rows], labels[rows], groups[rows]
    if len(np.unique(labels)) < 2:
        return []
    random = random_folds(labels, np.arange(len(rows)) if instances is None else instances[rows], seed)
    results = [probe("random", rows, features, labels, random)]
    if groups_are_sites(labels, groups):
        by_site = LeaveOneGroupOut().split(features, labels, groups)
        results.append(probe("leave_site_out", rows, features, labels, by_site))
    return results


def random_folds(labels: np.ndarray, instances: np.ndarray, seed: int) -> Folds:
    """Folds with the classes' shares, which no instance straddles."""
    options = {"n_splits": FOLDS, "shuffle": True, "random_state": seed % 2**32}
    if len(set(instances)) == len(instances):
        return StratifiedKFold(**options).split(labels, labels)
    return StratifiedGroupKFold(**options).split(labels, labels, instances)


def groups_are_sites(labels: np.ndarray, groups: np.ndarray) -> bool:
    """Whether there are few groups and most of them hold every class, as sites of a clinical study do."""
    sites, classes = np.unique(groups), np.unique(labels)
    if not 2 <= len(sites) <= MOST_SITES:
        return False
    complete = [len(np.unique(labels[groups == site])) == len(classes) for site in sites]
    return sum(complete) > len(sites) / 2


def probe(
    name: str,
    rows: np.ndarray,
    features: np.ndarray,
    labels: np.ndarray,
    folds: Folds,
) -> Probe:
    """Predict every instance from the folds that it is not in, and evaluate all predictions together."""
    classes = np.unique(labels)
    probability = np.zeros((len(labels), len(classes)))
    for train, test in folds:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=REGULARIZATION, max_iter=300))
        with threadpool_limits(1):  # with more, problems of this size take longer and other jobs lack cores
            model.fit(features[train], labels[train])
        columns = np.searchsorted(classes, model.classes_)
        probability[np.ix_(test, columns)] = model.predict_proba(features[test])
    correct = classes[probability.argmax(axis=1)] == labels
    return Probe(name, rows, correct, *(100 * value for value in performance(labels, classes, probability)))


def performance(labels: np.ndarray, classes: np.ndarray, probability: np.ndarray) -> tuple[float, ...]:
    """Accuracy, AUC, sensitivity and specificity as fractions.

    With two classes the first in alphabetical order is the positive one ("autism" before "control"); with more,
    the last three are means over classes, one against the rest.
    """
    predicted = classes[probability.argmax(axis=1)]
    targets = classes[:1] if len(classes) == 2 else classes
    truth = label_binarize(labels, classes=classes) if len(classes) > 2 else (labels == classes[0])[:, None]
    aucs = [roc_auc_score(truth[:, j], probability[:, j]) for j in range(len(targets))]
    sensitivities = [recall_score(labels == c, predicted == c) for c in targets]
    specificities = [recall_score(labels != c, predicted != c) for c in targets]
    return accuracy_score(labels, predicted), np.mean(aucs), np.mean(sensitivities), np.mean(specificities)
