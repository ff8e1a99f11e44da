"""Zero-shot classification: an instance's modalities but texts against the embedded names of the classes.

The name of a class takes the place of the anchor, whose texts went through the same encoder. Other texts of the
instance do not take part: they could contain the name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from pmrl.data.dataset import Dataset
from pmrl.evaluation.probing import Probe, classified, judged
from pmrl.evaluation.retrieval import checked
from pmrl.method import Batch, Method, Network
from pmrl.method.networks import embed
from pmrl.records import CLASS_NAMES, TEXT


def class_name_probes(network: Network, method: Method, dataset: Dataset, rows: np.ndarray) -> list[Probe]:
    """The class whose name has the highest own score of the method, among the classes of the rows.

    Args:
        network: trained.
        method: likewise.
        dataset: with the names of its classes, or without.
        rows: of the instances to classify; those without any modality but texts are left out.

    Returns:
        One probe; none without names, without other modalities than texts, or with fewer than two classes.
    """
    texts = [name for name, modality in dataset.card.modalities.items() if modality.kind == TEXT]
    others = [dataset.present[name][rows] for name in dataset.modalities if name not in texts]
    if dataset.class_names is None or not others:
        return []
    seen = np.flatnonzero(np.any(others, axis=0))
    labels = dataset.items["label"].to_numpy()[rows[seen]]
    kept = classified(labels)
    if not len(kept):
        return []
    device = next(network.parameters()).device
    instances = embed(network, without(Batch.from_dataset(dataset, rows[seen[kept]], device), texts))
    pooled, tokens = (part[np.isin(dataset.classes, labels[kept])] for part in dataset.class_names)
    names = embed(network, named(dataset, pooled, tokens, device))
    with torch.no_grad():
        scores = checked(method)(instances.select(instances.others), names.select((names.anchor,)))
    return [judged(CLASS_NAMES, seen[kept], labels[kept], [(np.arange(len(kept)), scores.cpu().numpy())])]


def without(batch: Batch, modalities: Sequence[str]) -> Batch:
    """The instances without the named modalities."""
    absent = {name: torch.zeros_like(batch.present[name]) for name in modalities}
    return replace(batch, present={**batch.present, **absent})


def named(dataset: Dataset, pooled: np.ndarray, tokens: np.ndarray, device: torch.device) -> Batch:
    """Encoded names of classes as instances of which only the anchor is there.

    Args:
        dataset: gives the other modalities, and the form of their blanks.
        pooled: (classes, features).
        tokens: (classes, tokens, width).
        device: where the batch goes.
    """
    blank = Batch.from_dataset(dataset, np.zeros(len(pooled), dtype=np.int64), device)
    anchor = dataset.anchor
    return Batch(
        {**blank.pooled, anchor: torch.from_numpy(pooled).to(device)},
        {**blank.tokens, anchor: torch.from_numpy(tokens).to(device)},
        {name: torch.full((len(pooled),), name == anchor, device=device) for name in dataset.modalities},
        {**blank.lengths, anchor: torch.full((len(pooled),), tokens.shape[1], device=device)},
    )
