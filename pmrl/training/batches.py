"""What a stage trains on: its instances with the stage's corruption, and the order in which batches draw them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pmrl.data.dataset import Dataset
from pmrl.errors import UserError
from pmrl.method.base import Method
from pmrl.method.batch import Batch
from pmrl.records import MISMATCHED_ANCHOR, MISMATCHED_MODALITY, MISSING_TRAINING
from pmrl.seeds import derived_seed
from pmrl.training.corruption import drop_modalities, mismatch_anchor, mismatch_modalities
from pmrl.training.stage import Stage


def batch_indices(instances: np.ndarray, batch_size: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """Batches of row indices, in which no two rows are views of one instance.

    Each epoch is a fresh permutation of the instances, each with one of its rows, drawn anew; incomplete batches are
    dropped.

    Args:
        instances: (rows,) the instance of each row, numbered from 0 in the order of appearance.
        batch_size: rows in a batch, at most the number of instances.
        steps: number of batches.
        seed: of the permutations and draws.
    """
    generator = np.random.default_rng(seed)
    by_instance = np.argsort(instances, kind="stable")
    counts = np.bincount(instances)
    first = np.cumsum(counts) - counts
    remaining = steps
    while True:
        order = generator.permutation(len(counts))
        rows = first[order]
        if len(instances) > len(counts):
            rows = rows + generator.integers(counts[order])
        for start in range(0, len(rows) - batch_size + 1, batch_size):
            if remaining == 0:
                return
            remaining -= 1
            yield by_instance[rows[start : start + batch_size]]


def training_examples(dataset: Dataset, stage: Stage, seed: int, device: torch.device) -> Batch:
    """The instances that a stage trains on, with the stage's corruption.

    Raises:
        UserError: there are fewer instances than a batch holds.
    """
    rows = dataset.indices(stage.split)
    instances = dataset.instances[rows]
    count = len(set(instances))
    if stage.batch_size > count:
        raise UserError(
            f"Data set {dataset.card.name!r}: the batch of {stage.batch_size} is larger than the split "
            f"{stage.split!r} ({count} instances). Set training.batch_size to {count} or less."
        )
    examples = Batch.from_dataset(dataset, rows, device)
    if stage.mismatched_anchor:
        draw = derived_seed("corruption", MISMATCHED_ANCHOR, stage.mismatched_anchor, dataset.card.name, seed)
        examples = mismatch_anchor(examples, instances, dataset.anchor, stage.mismatched_anchor, draw)
    if stage.mismatched_modality:
        draw = derived_seed("corruption", MISMATCHED_MODALITY, stage.mismatched_modality, dataset.card.name, seed)
        examples = mismatch_modalities(examples, instances, stage.mismatched_modality, draw)
    if stage.missing:
        draw = derived_seed("corruption", MISSING_TRAINING, stage.missing, dataset.card.name, seed)
        examples = drop_modalities(examples, None, stage.missing, draw)
    return examples


class About(NamedTuple):
    """(rows,) numbers of the labels and instances of the rows that a stage trains on; −1 where there is no label."""

    labels: Tensor
    ids: Tensor

    @classmethod
    def of(cls, dataset: Dataset, split: str, device: torch.device) -> About:
        """Those of a split of a data set."""
        rows = dataset.indices(split)
        labels = pd.Index(dataset.classes).get_indexer(dataset.items["label"].astype(str))
        numbers = labels, pd.factorize(dataset.instances)[0]
        return cls(*(torch.from_numpy(values[rows].astype(np.int64)).to(device) for values in numbers))


def wanted(method: Method, batch: Batch, about: About, rows: Tensor) -> dict[str, Any]:
    """What a method wants to know of the standardised instances of a batch, by name.

    Raises:
        UserError: it wants something that a batch does not have.
    """
    known: dict[str, Any] = {"features": batch, "labels": about.labels[rows], "ids": about.ids[rows]}
    for name in method.wants:
        if name not in known:
            raise UserError(f"Method {method.title!r}: wants {name!r}; a batch has {', '.join(known)}.")
    return {name: known[name] for name in method.wants}
