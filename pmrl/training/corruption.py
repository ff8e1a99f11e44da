"""Corruptions of stored features, with the same draws for all methods: noise, missing and mismatched modalities.

The paper's own noise protocol could not be recovered; these are ours. Whom each of them favours by its construction is
discussed in docs/who_gains.md.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pmrl.errors import UserError
from pmrl.method.batch import Batch
from pmrl.method.networks import Network

ROUNDS = 1000  # of repairs, before an exchange counts as impossible; a handful suffices for all but a few rows


def add_noise(batch: Batch, network: Network, level: float, seed: int) -> Batch:
    """Add Gaussian noise to every feature, ``level`` times its standard deviation in the pre-training part."""
    generator = torch.Generator().manual_seed(seed)

    def noisy(values: Tensor, deviation: Tensor) -> Tensor:
        noise = torch.randn(values.shape, generator=generator).to(values.device)
        return values.float() + level * deviation * noise

    pooled = {m: noisy(x, network.pooled[m].get_buffer("deviation")) for m, x in batch.pooled.items()}
    tokens = {m: noisy(x, network.tokens[m].get_buffer("deviation")) for m, x in batch.tokens.items()}
    return replace(batch, pooled=pooled, tokens=tokens)


def drop_modalities(batch: Batch, keep: str | None, percent: float, seed: int) -> Batch:
    """Remove each present modality except ``keep`` with the given probability; at least one of them stays.

    Args:
        batch: the instances.
        keep: a modality that never goes missing, or None.
        percent: probability in percent.
        seed: of the draw; the same instances lose the same modalities for every method.
    """
    generator = np.random.default_rng(seed)
    names = [name for name in batch.present if name != keep]
    present = torch.stack([batch.present[name] for name in names], dim=1)
    draws = torch.from_numpy(generator.random((len(batch), len(names)))).to(present.device)
    # the present modality with the largest draw always stays
    survivor = draws.masked_fill(~present, -1).argmax(dim=1, keepdim=True)
    remaining = present & ((draws >= percent / 100) | (torch.arange(len(names), device=present.device) == survivor))
    return replace(batch, present={**batch.present, **{name: remaining[:, i] for i, name in enumerate(names)}})


def mismatch_anchor(batch: Batch, instances: np.ndarray, anchor: str, percent: float, seed: int) -> Batch:
    """Give a share of the items all modalities but the anchor from one other instance, so that these still agree.

    Args:
        batch: the items.
        instances: (items,) the instance that each is a view of.
        anchor: the modality that stays.
        percent: of the items; see :func:`chosen`.
        seed: of the draw.
    """
    generator = np.random.default_rng(seed)
    codes = np.unique(instances, return_inverse=True)[1]
    source = np.arange(len(batch))
    rows = chosen(source, codes, percent, generator)
    source[rows] = exchanged(rows, codes, codes[rows, np.newaxis], generator)
    index = torch.from_numpy(source).to(next(iter(batch.present.values())).device)
    return batch.taken({name: index for name in batch.present if name != anchor})


def mismatch_modalities(batch: Batch, instances: np.ndarray, percent: float, seed: int) -> Batch:
    """Give a share of the cells (item, modality) to other instances; no modality is treated unlike the others.

    In each modality, rows that are drawn for this modality alone exchange their features: no row keeps its own, and
    the features of the modality stay the same as a set. The sources of an item's modalities are different instances,
    so that corrupted modalities never agree. Cells that are absent stay absent.

    Args:
        batch: the items.
        instances: (items,) the instance that each is a view of.
        percent: of the present cells of each modality; see :func:`chosen`.
        seed: of the draw.
    """
    generator = np.random.default_rng(seed)
    codes = np.unique(instances, return_inverse=True)[1]
    device = next(iter(batch.present.values())).device
    taken = np.full((len(batch), 1 + len(batch.present)), -1)  # instances that a row must not draw from: its own,
    taken[:, 0] = codes  # and the sources of its other modalities
    index = {}
    for column, (name, present) in enumerate(batch.present.items(), start=1):
        source = np.arange(len(batch))
        rows = chosen(np.flatnonzero(present.cpu().numpy()), codes, percent, generator)
        source[rows] = exchanged(rows, codes, taken[rows], generator)
        taken[rows, column] = codes[source[rows]]
        index[name] = torch.from_numpy(source).to(device)
    return batch.taken(index)


def chosen(rows: np.ndarray, codes: np.ndarray, percent: float, generator: np.random.Generator) -> np.ndarray:
    """The given percent of ``rows``, rounded, in random order; two instead of one, as one has nobody to exchange with.

    None if all rows are of one instance, by ``codes`` (items,).
    """
    if len(set(codes[rows])) < 2:
        return rows[:0]
    count = round(percent / 100 * len(rows))
    return generator.permutation(rows)[: 2 if count == 1 else count]


def exchanged(rows: np.ndarray, codes: np.ndarray, taken: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A random permutation of ``rows`` that gives no row an instance in its row of ``taken``.

    Args:
        rows: (n,) indices of items.
        codes: (items,) the instance of each item, numbered from 0.
        taken: (n, any) numbers of instances, -1 for none.
        generator: of the draw.

    Raises:
        UserError: none was found, as the rows are too few.
    """
    source = generator.permutation(rows)
    for _ in range(ROUNDS):
        clashes = np.flatnonzero((codes[source][:, np.newaxis] == taken).any(axis=1))
        if not len(clashes):
            return source
        for first, second in zip(clashes, generator.integers(len(rows), size=len(clashes)), strict=True):
            source[[first, second]] = source[[second, first]]
    raise UserError(
        f"Mismatching: {len(rows)} items cannot exchange a modality so that each gets it from another instance, and "
        "all of its modalities from different ones. Set corruption.mismatched_modality and "
        "corruption.mismatched_anchor to levels that corrupt more items, or to [], or give the data set more items."
    )
