"""Memory and speed of training on features that do not fit into memory.

Run ``python -m benchmarks.large_store --output results/benchmarks``. It writes a store of random features, 150,000
items of 4 modalities with 16 tokens each, to a temporary folder (TMPDIR; two times 12 GB), trains on it in a fresh
process, and writes ``large_store.csv``: the peak of memory of this process, mapped pages included, the seconds until
the first step, and the milliseconds of a step and the share of the loop that computes, beside those of features in
memory.
"""

import argparse
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.evaluation import resident_bytes
from benchmarks.scaling import BATCH, computing
from pmrl.data import large, store
from pmrl.data.dataset import Card, Dataset, Modality
from pmrl.experiments.writing import processor
from pmrl.files import replacing
from pmrl.method.base import build_method
from pmrl.method.batch import Batch
from pmrl.method.networks import Network
from pmrl.method.sizes import NetworkSettings
from pmrl.progress import progress
from pmrl.records import CONTINUED, MEASUREMENT, PRETRAIN, SPLITS
from pmrl.training.batches import About, batch_indices
from pmrl.training.loop import Training, set_mode
from pmrl.training.stage import Stage

MODALITIES, FEATURES, TOKENS = 4, 768, (16, 512)
PATTERN, STEPS, WARM_UP = 1000, 200, 20


def written(items: int, folder: Path) -> Path:
    """A store of random features; nine of ten items are for pre-training."""
    draw = np.random.default_rng(0)
    names = [f"m{number}" for number in range(MODALITIES)]
    about = Modality("random", "none", MEASUREMENT, FEATURES, TOKENS)
    card = Card("random", "random", names[0], dict.fromkeys(names, about), "", "", "", "", [])
    split = np.where(np.arange(items) % 10 < 9, PRETRAIN, np.resize(np.array(SPLITS[1:]), items))
    ids = [f"i{number}" for number in range(items)]
    table = pd.DataFrame({"id": ids, "group": ids, "label": "", "split": split, "caption": ""})
    pooled = {name: filled((items, FEATURES), np.float32, draw) for name in names}
    tokens = {name: filled((items, *TOKENS), np.float16, draw) for name in names}
    store.write(Dataset(card, table, pooled, tokens, {name: np.ones(items, bool) for name in names}), folder)
    return folder


def filled(shape: tuple[int, ...], kind: type, draw: np.random.Generator) -> np.ndarray:
    """Random numbers; the same pattern again and again, with another scale."""
    array = large.empty(shape, kind)
    pattern = draw.normal(size=(PATTERN, *shape[1:])).astype(kind)
    for start in progress(range(0, shape[0], PATTERN), f"random features {shape}"):
        part = array[start : start + PATTERN]
        part[:] = pattern[: len(part)] * kind(1 + start / shape[0])
        large.forget(array)
    return array


def trained(folder: Path, items: int) -> dict[str, float]:
    """What training on the first ``items`` items of the pre-training part takes, in this process."""
    torch.set_num_threads(1)
    device, start = torch.device("cpu"), time.perf_counter()
    data = store.load(folder)
    network, method = Network(data, NetworkSettings(dimension=512)), build_method("pmrl", {})
    stage = Stage(CONTINUED, PRETRAIN, STEPS + WARM_UP, BATCH)
    rows = data.indices(PRETRAIN)[:items]
    examples = network.standardize(Batch.from_dataset(data, rows, device))
    held_out = network.standardize(Batch.from_dataset(data, rows[:BATCH], device))
    begun = Training(network, method, stage, examples, About.of(data, PRETRAIN, device), held_out, None, "", device)
    set_mode(True, network, method)
    draws = begun.drawn(batch_indices(np.arange(len(rows)), BATCH, stage.steps, 0))
    begun.step(next(draws))
    until = time.perf_counter() - start
    took, share = computing(begun, draws, WARM_UP)
    return {
        "items": len(rows),
        "gigabytes_of_store": sum(path.stat().st_size for path in folder.rglob("*.*")) / 1e9,
        "peak_gigabytes": resident_bytes() / 1e9,
        "seconds_until_first_step": until,
        "milliseconds_per_step": 1e3 * took / STEPS,
        "share": share,
    }


def main() -> None:
    """Measure and write the table to the folder ``--output``."""
    parser = argparse.ArgumentParser(description="Memory and speed of training on a large store.")
    parser.add_argument("--output", type=Path, required=True, help="folder for the table")
    parser.add_argument("--items", type=int, default=150_000)
    options = parser.parse_args()
    rows = []
    for name, items in (("in files", options.items), ("in memory", 2_000)):
        with tempfile.TemporaryDirectory() as folder:
            store_folder = written(items, Path(folder))
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                rows.append({"features": name} | process.submit(trained, store_folder, items).result())
    table = pd.DataFrame(rows).assign(processor=processor(), torch=torch.__version__)
    with replacing(options.output / "large_store.csv") as temporary:
        table.to_csv(temporary, index=False, float_format="%.3g")
    print(table.to_string(index=False, float_format="{:.3g}".format))


if __name__ == "__main__":
    main()
