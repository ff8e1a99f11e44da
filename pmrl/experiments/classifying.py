"""Classification of the target part, on whose labels nothing was trained: every protocol on the same instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from pmrl.experiments.resume import Trained
from pmrl.experiments.run import Run
from pmrl.experiments.writing import TARGET, Measured
from pmrl.method import Batch, Embeddings
from pmrl.method.networks import embed
from pmrl.records import RAW_FEATURES, TRAIN, VALIDATION
from pmrl.seeds import derived_seed

if TYPE_CHECKING:
    from pmrl.evaluation.probing import Probe


def classify_target(run: Run, trained: Trained, test: Embeddings, measured: Measured) -> None:
    """All protocols on the embeddings of the target's instances; those of the test split are given."""
    from pmrl.evaluation.class_names import class_name_probes
    from pmrl.evaluation.neighbours import neighbours_across_probes

    vectors, items = embedded_target(run, trained, test), run.items(*TARGET)
    found = [
        *single_side_probes(np.concatenate([*vectors.values()], axis=1), vectors, items, folds_seed(run)),
        *neighbours_across_probes(vectors, items["label"].to_numpy(), instances_of(items)),
        *class_name_probes(trained.network, trained.method, run.dataset, run.rows(*TARGET)),
    ]
    for probe in found:
        measured.add_probe(probe, items["id"].to_numpy(), run.method)


def classify_raw_target(run: Run, measured: Measured) -> None:
    """The protocols that need no shared space, on the target's features as they are."""
    from pmrl.evaluation.few_labels import standardized

    items, features = run.items(*TARGET), raw_features(run.batch(*TARGET))
    vectors = {name: unit(standardized(values)) for name, values in features.items()}
    together = np.concatenate([*features.values()], axis=1)
    for probe in single_side_probes(together, vectors, items, folds_seed(run)):
        measured.add_probe(probe, items["id"].to_numpy(), RAW_FEATURES)


def single_side_probes(
    features: np.ndarray, vectors: dict[str, np.ndarray], items: pd.DataFrame, seed: int
) -> list[Probe]:
    """Linear probes, probes with few labels, and nearest neighbours.

    Args:
        features: (instances, dimension), NaN where absent.
        vectors: by modality (instances, its dimension), unit vectors, zero where absent.
        items: the table of the instances.
        seed: of folds and draws, the same for all methods.
    """
    from pmrl.evaluation.few_labels import few_label_probes
    from pmrl.evaluation.neighbours import neighbour_probes
    from pmrl.evaluation.probing import probes

    labels, groups, instances = items["label"].to_numpy(), items["group"].to_numpy(), instances_of(items)
    return [
        *probes(features, labels, groups, seed, instances),
        *few_label_probes(features, labels, instances, seed),
        *neighbour_probes(vectors, labels, instances),
    ]


def folds_seed(run: Run) -> int:
    """The seed of all folds and draws of a run, the same for every method."""
    return derived_seed("folds", run.dataset.card.name, run.seed)


def instances_of(items: pd.DataFrame) -> np.ndarray:
    """(items,) what each item is a view of."""
    return items["instance" if "instance" in items else "id"].to_numpy()


def embedded_target(run: Run, trained: Trained, test: Embeddings) -> dict[str, np.ndarray]:
    """By modality (instances, dimension) vectors of the target's instances, zero where absent; ``test`` as given."""
    parts = embed(trained.network, run.batch(TRAIN, VALIDATION)), test
    return {name: torch.cat([part.vectors[name] for part in parts]).cpu().numpy() for name in test.modalities}


def raw_features(batch: Batch) -> dict[str, np.ndarray]:
    """By modality (instances, its dimension) pooled features, NaN where absent."""
    nan = torch.tensor(torch.nan)
    present = batch.present
    return {m: torch.where(present[m].cpu()[:, None], x.cpu(), nan).numpy() for m, x in batch.pooled.items()}


def unit(values: np.ndarray) -> np.ndarray:
    """Rows of length 1; rows of zeros stay."""
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.finfo(float).tiny)
