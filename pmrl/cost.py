"""What each method costs: parameters, time of a training step and of an epoch, peak memory, as k grows.

All methods are measured in one process, their steps interleaved, so that ratios hold; peak memory is what torch
allocates during one step beyond what was there before it, by torch's own profiler.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from pmrl.data.store import Dataset
from pmrl.files import replacing
from pmrl.measure import median_seconds, peak_bytes
from pmrl.method import build_method, load_method
from pmrl.networks import Batch, Network, NetworkSettings

ROUNDS = 15


def with_modalities(dataset: Dataset, names: list[str]) -> Dataset:
    """The same instances with some of the modalities only."""
    card = replace(dataset.card, modalities={name: dataset.card.modalities[name] for name in names})
    parts = ({name: part[name] for name in names} for part in (dataset.pooled, dataset.tokens, dataset.present))
    return replace(dataset, card=card, **dict(zip(("pooled", "tokens", "present"), parts, strict=True)))


def measure_costs(config: dict[str, Any], dataset: Dataset, results: Path, device: torch.device) -> Path:
    """Measure every trained method that supports the data set, at k = 2 … all modalities; return the table's path."""
    others = [name for name in dataset.modalities if name != dataset.anchor]
    rows = []
    for count in tqdm(range(1, len(others) + 1), desc="cost", disable=None):
        chosen = {dataset.anchor, *others[:count]}
        part = with_modalities(dataset, [name for name in dataset.modalities if name in chosen])
        rows += costs(config, part, device)
    path = Path(results) / "costs.parquet"
    with replacing(path) as temporary:
        pd.DataFrame(rows).to_parquet(temporary, index=False)
    return path


def costs(config: dict[str, Any], dataset: Dataset, device: torch.device) -> list[dict[str, Any]]:
    """One row per method for one number of modalities."""
    size = config["training"]["batch_size"]
    indices = dataset.indices("pretrain")
    batch = Batch.from_dataset(dataset, indices[:size], device)
    steps, parameters = {}, {}
    for name in config["methods"]:
        cls = load_method(name)
        if cls.supports(dataset.card)[0] and not cls.closed_form:
            torch.manual_seed(0)
            network = Network(dataset, NetworkSettings(**config["network"])).to(device)
            method = build_method(name, {}).to(device)
            parameters[name] = sum(p.numel() for p in [*network.parameters(), *method.parameters()])
            steps[name] = training_step(network, method, batch)
    seconds = median_seconds(steps, ROUNDS, share=0.0)
    return [
        {
            "method": name,
            "modalities": len(dataset.modalities),
            "parameters": parameters[name],
            "step_milliseconds": 1000 * seconds[name],
            "epoch_seconds": seconds[name] * (len(indices) // size),
            "peak_megabytes": peak_bytes(step) / 1e6,
        }
        for name, step in steps.items()
    ]


def training_step(network: Network, method: torch.nn.Module, batch: Batch) -> Callable[[], None]:
    """A closure that computes the loss, its gradients, and one update."""
    parameters = [*network.parameters(), *method.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.stack(tuple(method.loss(network(batch)).values())).sum()
        loss.backward()
        optimizer.step()

    return step
