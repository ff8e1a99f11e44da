"""What each method costs: parameters, time of a training step and of an epoch, peak memory, as k grows.

The methods of one session are measured in one process with interleaved steps, so that their ratios are reliable. Rows
that an earlier session measured with the same code, data, settings and torch are reused; ratios between old and new
rows are reliable only if the machine was in the same state. To measure all methods in one session, delete
``<results>/costs`` and ``<results>/costs.parquet`` first. Peak memory is what torch allocates during one step, without
what was allocated before it, according to torch's profiler.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from pmrl import provenance
from pmrl.data.dataset import Dataset
from pmrl.discovery import method_file
from pmrl.errors import UserError
from pmrl.experiments.run import network_of
from pmrl.experiments.stopwatch import median_seconds, peak_bytes
from pmrl.files import read_json, replacing, write_json
from pmrl.method import Batch, Method, Network
from pmrl.method.base import blaming, build_method, is_supported, load_method
from pmrl.progress import progress
from pmrl.records import COLUMNS, PRETRAIN, TABLES
from pmrl.training.batches import About, wanted
from pmrl.training.loop import check_finite

ROUNDS = 15


def with_modalities(dataset: Dataset, names: list[str]) -> Dataset:
    """The same instances with only the named modalities."""
    card = replace(dataset.card, modalities={name: dataset.card.modalities[name] for name in names})
    parts = ({name: part[name] for name in names} for part in (dataset.pooled, dataset.tokens, dataset.present))
    pooled, tokens, present = parts
    return replace(dataset, card=card, pooled=pooled, tokens=tokens, present=present)


def measure_costs(config: dict[str, Any], dataset: Dataset, results: Path, device: torch.device) -> Path:
    """Measure every trained method that supports the data set, at k = 2 … all modalities; return the table's path.

    A method that was measured before with the same code, data, settings and torch is not measured again. A method that
    fails is left out, with a message.
    """
    folder, names = Path(results) / "costs", config["methods"]
    current = {name: fingerprint(config, dataset, name, device) for name in names}
    due = [name for name in names if read_fingerprint(folder / f"{name}.json") != current[name]]
    rows = measured(config, dataset, due, device)
    for name in due:
        own_rows = [row for row in rows if row["method"] == name]
        write_json(folder / f"{name}.json", {"fingerprint": current[name], "rows": own_rows})
    path = Path(results) / TABLES["costs"]
    all_rows = [row for name in names for row in read_json(folder / f"{name}.json")["rows"]]
    with replacing(path) as temporary:
        pd.DataFrame(all_rows, columns=COLUMNS["costs"]).to_parquet(temporary, index=False)
    return path


def fingerprint(config: dict[str, Any], dataset: Dataset, name: str, device: torch.device) -> str:
    """Hash of everything that a method's costs depend on except the machine."""
    settings = {key: config[key] for key in ("network", "training")}
    content = [dataset.card.checksum, settings, provenance.code(__file__, method_file(name))]
    return hashlib.sha256(json.dumps([*content, torch.__version__, device.type], sort_keys=True).encode()).hexdigest()


def read_fingerprint(path: Path) -> str | None:
    """The fingerprint stored with a method's costs; None if the file is missing or damaged."""
    try:
        return read_json(path)["fingerprint"]
    except (UserError, KeyError, TypeError):
        return None


def measured(config: dict[str, Any], dataset: Dataset, names: list[str], device: torch.device) -> list[dict[str, Any]]:
    """One row per method and number of modalities."""
    others = [name for name in dataset.modalities if name != dataset.anchor]
    rows = []
    for count in progress(range(1, len(others) + 1), "cost"):
        subset = {dataset.anchor, *others[:count]}
        part = with_modalities(dataset, [name for name in dataset.modalities if name in subset])
        rows += costs(config, part, names, device)
    return rows


def costs(config: dict[str, Any], dataset: Dataset, names: list[str], device: torch.device) -> list[dict[str, Any]]:
    """One row per method for one number of modalities."""
    size = config["training"]["batch_size"]
    indices = dataset.indices(PRETRAIN)
    batch = Batch.from_dataset(dataset, indices[:size], device)
    steps, parameters = {}, {}
    for name in names:
        try:
            if load_method(name).closed_form or not is_supported(name, dataset.card)[0]:
                continue
            torch.manual_seed(0)
            method = build_method(name, {})
            network = network_of(method, dataset, config["network"], device)
            step = training_step(network, method, batch)
            step()
        except UserError as error:
            print(f"pmrl: no costs of {name!r}: {error}", file=sys.stderr)
            continue
        parameters[name] = sum(p.numel() for p in [*network.parameters(), *method.parameters()])
        steps[name] = step
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


def training_step(network: Network, method: Method, batch: Batch) -> Callable[[], None]:
    """A function that computes the loss and its gradients and makes one update."""
    parameters = [*network.parameters(), *method.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)

    rows = torch.arange(len(batch), device=next(network.parameters()).device)
    about = About(rows, rows)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        standardized = network.standardize(batch)
        embeddings = replace(network.encode(standardized), extra=wanted(method, standardized, about, rows))
        with blaming(method, "loss"):
            check_finite(method.loss(embeddings), method, 0).backward()
        optimizer.step()

    return step
