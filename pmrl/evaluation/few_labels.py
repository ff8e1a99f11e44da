"""Classification from few labels: logistic regression on 1, 5 or 10 labelled instances per class, tested on the rest.

Features are centred and scaled by the mean and deviation of all instances, which takes no label: of the few labelled
ones a deviation would be noise. The labelled instances are drawn ten times, the same draws for every method.
"""

from __future__ import annotations

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from pmrl.data.arrays import deviations
from pmrl.evaluation.probing import REGULARIZATION, SMALLEST_CLASS, Probe, classified, judged
from pmrl.records import FEW_LABELS
from pmrl.seeds import derived_seed

DRAWS = 10


def few_label_probes(features: np.ndarray, labels: np.ndarray, instances: np.ndarray, seed: int) -> list[Probe]:
    """One probe for each number of labelled instances, the mean over the draws.

    Args:
        features: (instances, dimension), NaN where absent.
        labels: (instances,) class names; a class needs twice as many instances as are labelled.
        instances: (instances,) what each row is a view of; all views of a labelled instance are labelled.
        seed: of the draws.
    """
    features = standardized(features)
    results = []
    for name, count in FEW_LABELS.items():
        rows = np.flatnonzero(np.isin(labels, well_filled(labels, instances, max(SMALLEST_CLASS, 2 * count))))
        if len(rows):
            draws = derived_seed(name, seed)
            results.append(few_label_probe(name, rows, features[rows], labels[rows], instances[rows], draws))
    return results


def well_filled(labels: np.ndarray, instances: np.ndarray, smallest: int) -> np.ndarray:
    """The classes of at least ``smallest`` instances, views of one counted once; none if there is only one."""
    once = np.unique(np.stack([labels.astype(str), instances.astype(str)]), axis=1)[0]
    return np.unique(once[classified(once, smallest)])


def standardized(features: np.ndarray) -> np.ndarray:
    """Features of mean 0 and deviation 1 over the instances, float64; 0 where they are absent (NaN) or constant."""
    filled = SimpleImputer(keep_empty_features=True).fit_transform(features.astype(np.float64))
    deviation = deviations(filled)
    scaled = (filled - filled.mean(axis=0)) / np.where(deviation > 0, deviation, np.inf)
    return np.where(np.isnan(features), 0.0, scaled)


def few_label_probe(
    name: str, rows: np.ndarray, features: np.ndarray, labels: np.ndarray, instances: np.ndarray, seed: int
) -> Probe:
    """The mean over ``DRAWS`` draws of the labelled instances."""
    generator, trials = np.random.default_rng(seed), []
    for _ in range(DRAWS):
        known = drawn(labels, instances, FEW_LABELS[name], generator)
        trials.append((np.flatnonzero(~known), predict_from_few(features[known], labels[known], features[~known])))
    return judged(name, rows, labels, trials)


def drawn(labels: np.ndarray, instances: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """(instances,) booleans: which rows are labelled, all views of ``count`` instances of each class."""
    chosen = [
        generator.choice(np.unique(instances[labels == name]), count, replace=False) for name in np.unique(labels)
    ]
    return np.isin(instances, np.concatenate(chosen))


def predict_from_few(features: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Probability of each class, (test instances, classes), by a fit to few ``features``, every class among them.

    The ridge penalty leaves the weights in the span of the training rows. With the orthonormal basis Q of that span,
    x ↦ Qᵀx, the fit is the same and takes as many columns as there are rows.
    """
    basis, _ = np.linalg.qr(features.T)
    with threadpool_limits(1):
        model = LogisticRegression(C=REGULARIZATION, max_iter=300).fit(features @ basis, labels)
    probability: np.ndarray = model.predict_proba(test @ basis)
    return probability
