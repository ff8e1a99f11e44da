"""Classification with the network trained inside each training fold, over all instances of a data set.

This is how the field measures on ABIDE: in ten random folds, and in folds that leave a site out. For each fold a
network is trained from random weights on the training fold, without labels, and logistic regression on the embeddings
of the training fold classifies the rest. Neither standardisation nor training sees the rest. The networks are not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pmrl.data.dataset import Dataset
from pmrl.experiments.classifying import folds_seed, raw_features
from pmrl.experiments.run import Run, new_method, new_network
from pmrl.experiments.writing import Measured
from pmrl.method import Batch
from pmrl.method.networks import embed
from pmrl.progress import progress
from pmrl.records import INSIDE_RANDOM, INSIDE_SITES, PRETRAIN, RAW_FEATURES, SCRATCH, TEST, VALIDATION
from pmrl.seeds import derived_seed
from pmrl.training.loop import train_stage

if TYPE_CHECKING:
    from pmrl.evaluation.probing import Folds

OUTER_FOLDS = 10
VALIDATION_SHARE = 0.1

Represent = Callable[[np.ndarray], np.ndarray]
"""Features (items, dimension) of all items for a fold, given (items,) booleans of what is held out of it."""


def classify_inside_folds(run: Run, measured: Measured) -> None:
    """Train and test the run's method in every fold."""
    measure_folds(run, lambda held_out: embedded(run, held_out), run.method, measured)


def classify_raw_inside_folds(run: Run, measured: Measured) -> None:
    """Test logistic regression on the input features in the same folds."""
    everything = Batch.from_dataset(run.dataset, np.arange(len(run.dataset.items)), run.device)
    features = np.concatenate([*raw_features(everything).values()], axis=1)
    measure_folds(run, lambda held_out: features, RAW_FEATURES, measured)


def measure_folds(run: Run, represent: Represent, method: str, measured: Measured) -> None:
    """Predict every instance from the folds that it is not in, and record all predictions together."""
    from pmrl.evaluation.probing import classified, judged, predict

    items = run.dataset.items
    rows = classified(items["label"].to_numpy())
    labels = items["label"].to_numpy()[rows]
    classes = np.unique(labels)
    for name, folds, keys in kinds_of_folds(run.dataset, rows, folds_seed(run)):
        probability = np.zeros((len(rows), len(classes)))
        for train, test in progress(list(folds), f"{run.dataset.card.name} {method} {name} {run.seed}"):
            features = represent(np.isin(keys, keys[rows[test]]))
            probability[test] = predict(features[rows[train]], labels[train], features[rows[test]], classes)
        probe = judged(name, rows, labels, [(np.arange(len(rows)), probability)])
        measured.add_probe(probe, items["id"].to_numpy(), method)


def kinds_of_folds(dataset: Dataset, rows: np.ndarray, seed: int) -> Iterator[tuple[str, Folds, np.ndarray]]:
    """The kinds of folds of some rows, the same for all methods.

    Yields:
        The name; the folds as indices into ``rows``; and (items,) what a fold never divides, instances or sites.
    """
    from pmrl.evaluation.probing import groups_are_sites, random_folds, site_folds

    labels, groups = (dataset.items[column].to_numpy()[rows] for column in ("label", "group"))
    if len(rows):
        yield INSIDE_RANDOM, random_folds(labels, dataset.instances[rows], seed, OUTER_FOLDS), dataset.instances
    if len(rows) and groups_are_sites(labels, groups):
        yield INSIDE_SITES, site_folds(labels, groups), dataset.items["group"].to_numpy()


def embedded(run: Run, held_out: np.ndarray) -> np.ndarray:
    """Embeddings of all items, modalities side by side, (items, dimension), by a network that saw none ``held_out``."""
    inside = replace(run, dataset=fold_of(run.dataset, held_out, run.seed))
    method = new_method(inside, run.method, run.settings["hyperparameters"])
    network = new_network(inside, method)
    train_stage(network, method, inside.dataset, run.stage(SCRATCH), run.seed, run.device)
    everything = Batch.from_dataset(run.dataset, np.arange(len(held_out)), run.device)
    values: np.ndarray = embed(network, everything).stack().flatten(1).cpu().numpy()
    return values


def fold_of(dataset: Dataset, held_out: np.ndarray, seed: int) -> Dataset:
    """The data set split for a fold: ``held_out`` is the test split, nine tenths of the other instances pre-training.

    The last tenth is the validation split: the training loop watches it, and so never watches the test instances.
    """
    inside = np.unique(dataset.instances[~held_out])
    generator = np.random.default_rng(derived_seed("inside folds", dataset.card.name, seed))
    watched = generator.choice(inside, max(1, round(VALIDATION_SHARE * len(inside))), replace=False)
    split = np.where(np.isin(dataset.instances, watched), VALIDATION, PRETRAIN)
    return replace(dataset, items=dataset.items.assign(split=np.where(held_out, TEST, split)))
