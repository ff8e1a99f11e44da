"""Three corruptions, with the same draws for all methods: input noise, missing modalities, mismatched pairs.

The paper's own noise protocol could not be recovered; these are ours.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pmrl.method.embeddings import Batch
from pmrl.method.networks import Network


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


def mismatch(batch: Batch, anchor: str, percent: float, seed: int) -> Batch:
    """Give a share of the instances all modalities but the anchor from another instance.

    These instances exchange their modalities in one cycle, so that every one of them is mismatched. Their number is
    rounded; where that gives one, it is two, as an instance alone has nobody to exchange with.
    """
    generator = np.random.default_rng(seed)
    count = round(percent / 100 * len(batch))
    cycle = generator.permutation(len(batch))[: 2 if count == 1 else count]
    source = np.arange(len(batch))
    source[cycle] = np.roll(cycle, 1)
    index = torch.from_numpy(source).to(next(iter(batch.present.values())).device)

    return batch.mapped(lambda name, x: x if name == anchor else x[index])
