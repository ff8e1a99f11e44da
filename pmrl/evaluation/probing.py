"""Classification by linear probes: logistic regression (scikit-learn) on frozen embeddings, cross-validated.

Features that are NaN are absent; a probe takes the mean of the training rows instead. No method has been trained on
the labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from pmrl.records import CHANCE, LEAVE_SITE_OUT, PROBE_METRICS, RANDOM_FOLDS

FOLDS = 5
SMALLEST_CLASS = 10
MOST_SITES = 50
REGULARIZATION = 0.1
"""Inverse strength of the ridge penalty (scikit-learn's C), the same for all methods and for the raw features."""


Folds = Iterator[tuple[np.ndarray, np.ndarray]]  # (training rows, test rows)
Trial = tuple[np.ndarray, np.ndarray]
"""(tested,) indices of instances; (tested, classes) a probability, or any score that is higher for a likelier class, of
each class in alphabetical order."""


@dataclass(frozen=True)
class Probe:
    """Performance of a classifier in percent.

    Attributes:
        folds: how the instances were classified, one of `pmrl.records.PROTOCOLS`.
        rows: indices of the classified instances.
        correct: what each of them adds to the accuracy; their mean is the accuracy as a fraction.
        classes: how many classes there are.
        chance: the accuracy of always naming the most frequent class.
    """

    folds: str
    rows: np.ndarray
    correct: np.ndarray
    classes: int
    accuracy: float
    auc: float
    sensitivity: float
    specificity: float
    chance: float

    @property
    def n(self) -> int:
        """How many instances were classified."""
        return len(self.rows)

    def metrics(self) -> dict[str, float]:
        """The five numbers by name."""
        return {name: getattr(self, name) for name in (*PROBE_METRICS, CHANCE)}


def probes(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, seed: int, instances: np.ndarray | None = None
) -> list[Probe]:
    """Probes with random folds, and with leave-site-out folds if groups are sites (few, most with every class).

    Args:
        features: (instances, dimension).
        labels: (instances,) class names; see `classified`.
        groups: (instances,) names of groups.
        seed: of the random folds; the same for all methods.
        instances: (instances,) what each row is a view of; views of one thing are never on both sides of a fold. By
            default every row is on its own.

    Returns:
        One probe for each kind of folds; an empty list if fewer than two classes are large enough.
    """
    rows = classified(labels)
    features, labels, groups = features[rows], labels[rows], groups[rows]
    if not len(rows):
        return []
    random = random_folds(labels, np.arange(len(rows)) if instances is None else instances[rows], seed)
    results = [probe(RANDOM_FOLDS, rows, features, labels, random)]
    if groups_are_sites(labels, groups):
        results.append(probe(LEAVE_SITE_OUT, rows, features, labels, site_folds(labels, groups)))
    return results


def classified(labels: np.ndarray, smallest: int = SMALLEST_CLASS) -> np.ndarray:
    """Indices of the instances of all classes that have at least ``smallest``; empty if fewer than two have.

    Instances without a label ("") are of no class.
    """
    names, counts = np.unique(labels, return_counts=True)
    large = names[(counts >= smallest) & (names != "")]
    return np.flatnonzero(np.isin(labels, large)) if len(large) > 1 else np.empty(0, dtype=np.int64)


def random_folds(labels: np.ndarray, instances: np.ndarray, seed: int, count: int = FOLDS) -> Folds:
    """Folds with the classes' shares, which no instance straddles."""
    options = {"n_splits": count, "shuffle": True, "random_state": seed % 2**32}
    if len(set(instances)) == len(instances):
        return StratifiedKFold(**options).split(labels, labels)
    return StratifiedGroupKFold(**options).split(labels, labels, instances)


def site_folds(labels: np.ndarray, groups: np.ndarray) -> Folds:
    """Folds that leave out one site each."""
    return LeaveOneGroupOut().split(labels, labels, groups)


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
        probability[test] = predict(features[train], labels[train], features[test], classes)
    return judged(name, rows, labels, [(np.arange(len(labels)), probability)])


def predict(features: np.ndarray, labels: np.ndarray, test: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Probability of each class, (test instances, classes), by a fit to ``features`` and ``labels``.

    A class without training instances has the probability 0.
    """
    fill = SimpleImputer(keep_empty_features=True)
    model = make_pipeline(fill, StandardScaler(), LogisticRegression(C=REGULARIZATION, max_iter=300))
    with threadpool_limits(1):  # with more, problems of this size take longer and other jobs lack cores
        model.fit(features, labels)
    probability = np.zeros((len(test), len(classes)))
    probability[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(test)
    return probability


def judged(name: str, rows: np.ndarray, labels: np.ndarray, trials: Sequence[Trial]) -> Probe:
    """How well instances were classified, the mean over several trials on some or all of them.

    Args:
        name: how, one of `pmrl.records.PROTOCOLS`.
        rows: indices of the instances.
        labels: (instances,) their classes.
        trials: what was predicted for which of the instances.
    """
    classes = np.unique(labels)
    correct, numbers = np.zeros(len(labels)), []
    for tested, probability in trials:
        numbers.append(performance(labels[tested], classes, probability))
        hits = classes[probability.argmax(axis=1)] == labels[tested]
        correct[tested] += hits * len(labels) / (len(hits) * len(trials))
    means = 100 * np.array([*np.mean(numbers, axis=0), largest_share(labels)])
    return Probe(name, rows, correct, len(classes), *means.tolist())


def largest_share(labels: np.ndarray) -> float:
    """The share of the most frequent class."""
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def performance(labels: np.ndarray, classes: np.ndarray, probability: np.ndarray) -> tuple[float, ...]:
    """Accuracy, AUC, sensitivity and specificity as fractions.

    With two classes the first in alphabetical order is the positive one ("autism" before "control"); with more,
    the last three are means over classes, one against the rest.
    """
    named = classes[probability.argmax(axis=1)]
    targets = classes[:1] if len(classes) == 2 else classes
    truth = labels[:, np.newaxis] == targets
    positive = truth.sum(axis=0)
    # the Mann–Whitney statistic: how many (positive, negative) pairs are in the right order, a tie counting one half
    ranks = rankdata(probability[:, : len(targets)], axis=0)
    pairs = (ranks * truth).sum(axis=0) - positive * (positive + 1) / 2
    aucs = pairs / (positive * (len(labels) - positive))
    sensitivities = [(named == c)[labels == c].mean() for c in targets]
    specificities = [(named != c)[labels != c].mean() for c in targets]
    return (named == labels).mean(), np.mean(aucs), np.mean(sensitivities), np.mean(specificities)
