"""How training scales: the share of a step that computes, and two processes beside one with the same joint batch.

Run ``python -m benchmarks.scaling --output results/benchmarks``; it writes ``scaling_of_training.csv``, one row for
each method, network and measure, with its target. All in one run on the same machine; a process computes with one
thread.

- ``share``: the part of the training loop that is spent in forward, backward and optimiser, with stored features.
- ``two processes``: items per second of two processes (gloo) over those of one, which has the whole joint batch.
- ``two apart``: the same for two processes that do not talk to each other, each with half of the batch.

What two processes gain depends on the network: they share the work of the encoders and of matching, while each computes
the contrastive loss of the joint batch and exchanges all gradients.
"""

import argparse
import contextlib
import io
import itertools
import multiprocessing
import os
import socket
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist

from pmrl.data.dataset import Card, Dataset, Modality
from pmrl.experiments.writing import processor
from pmrl.files import replacing
from pmrl.method import Method, NetworkSettings
from pmrl.method.base import build_method
from pmrl.method.batch import Batch
from pmrl.method.networks import Network
from pmrl.progress import progress
from pmrl.records import MEASUREMENT, SPLITS
from pmrl.training.batches import About, batch_indices
from pmrl.training.loop import Training, set_mode
from pmrl.training.reading import Drawn
from pmrl.training.stage import Stage

MODALITIES, FEATURES, TOKENS = 4, 768, (16, 128)
ITEMS, BATCH, STEPS, WARM_UP = 2_000, 256, 20, 5
NETWORKS = {
    "linear": NetworkSettings(dimension=512),
    "two layers of 2,048": NetworkSettings(encoder="two_layers", dimension=512, hidden=2048),
}
TARGETS = {"share": 0.85, "two processes": 1.7}


def features(seed: int = 0) -> Dataset:
    """Random features of the sizes that video encoders give; half of the items are for pre-training."""
    draw = np.random.default_rng(seed)
    names = [f"m{number}" for number in range(MODALITIES)]
    about = Modality("random", "none", MEASUREMENT, FEATURES, TOKENS)
    card = Card("random", "random", names[0], dict.fromkeys(names, about), "", "", "", "", [])
    split = np.resize(np.array([SPLITS[0], SPLITS[0], *SPLITS[2:]]), ITEMS)
    ids = [f"i{number}" for number in range(ITEMS)]
    items = pd.DataFrame({"id": ids, "group": ids, "label": "", "split": split, "caption": ""})
    return Dataset(
        card,
        items,
        {name: draw.normal(size=(ITEMS, FEATURES)).astype(np.float32) for name in names},
        {name: draw.normal(size=(ITEMS, *TOKENS)).astype(np.float16) for name in names},
        {name: np.ones(ITEMS, bool) for name in names},
    )


def training(name: str, network_name: str, batch_size: int) -> tuple[Training, list[np.ndarray]]:
    """A training that has not begun, and its batches."""
    device = torch.device("cpu")
    data = features()
    torch.manual_seed(0)
    network, method = Network(data, NETWORKS[network_name]), build_method(name, {})
    stage = Stage("continued", SPLITS[0], STEPS + WARM_UP, batch_size)
    rows = data.indices(SPLITS[0])
    examples = network.standardize(Batch.from_dataset(data, rows, device))
    begun = Training(network, method, stage, examples, About.of(data, SPLITS[0], device), examples, None, "", device)
    set_mode(True, network, method)
    return begun, list(batch_indices(np.arange(len(rows)), batch_size, stage.steps, 0))


def seconds(begun: Training, batches: list[np.ndarray]) -> float:
    """Seconds of the steps after the first few."""
    draws = begun.drawn(batches)
    for draw in itertools.islice(draws, WARM_UP):
        begun.step(draw)
    start = time.perf_counter()
    for draw in draws:
        begun.step(draw)
    return time.perf_counter() - start


def share(name: str, network: str) -> float:
    """The part of the loop's time that is spent in encoding, loss, backward pass and update."""
    begun, batches = training(name, network, BATCH)
    return computing(begun, begun.drawn(batches), WARM_UP)[1]


def computing(begun: Training, draws: Iterator[Drawn], warm_up: int) -> tuple[float, float]:
    """Seconds of the steps after the first ``warm_up``, and the part of them that computes."""
    spent = [0.0]

    def timed(owner: object, attribute: str) -> None:
        original: Callable = getattr(owner, attribute)

        def measured(*arguments: object) -> object:
            start = time.perf_counter()
            try:
                return original(*arguments)
            finally:
                spent[0] += time.perf_counter() - start

        setattr(owner, attribute, measured)

    method: Method = begun.method
    timed(begun.network, "encode")
    timed(method, "loss")
    timed(begun.optimizer, "backward")
    timed(begun.optimizer, "update")
    for draw in itertools.islice(draws, warm_up):
        begun.step(draw)
    spent[0], start = 0.0, time.perf_counter()
    for draw in draws:
        begun.step(draw)
    took = time.perf_counter() - start
    return took, spent[0] / took


def member(
    place: int, count: int, port: int, name: str, network: str, talk: bool, results: "multiprocessing.Queue"
) -> None:
    """One of several processes: puts the seconds of its steps."""
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    if talk and count > 1:
        dist.init_process_group("gloo", rank=place, world_size=count)
    results.put(seconds(*training(name, network, BATCH if talk else BATCH // count)))
    if dist.is_initialized():
        dist.destroy_process_group()


def items_per_second(count: int, name: str, network: str, talk: bool = True) -> float:
    """Of ``count`` processes that share a batch; without ``talk`` each trains for itself with its part."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    about = (count, port, name, network, talk, results)
    started = [context.Process(target=member, args=(place, *about)) for place in range(count)]
    for process in started:
        process.start()
    took = [results.get(timeout=300) for _ in started]
    for process in started:
        process.join()
    return BATCH * STEPS / max(took)


def main() -> None:
    """Measure and write the table to the folder ``--output``."""
    parser = argparse.ArgumentParser(description="Measure how training scales.")
    parser.add_argument("--output", type=Path, required=True, help="folder for the table")
    parser.add_argument("--methods", nargs="+", default=["pmrl", "gram", "pairwise"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for network, name in progress(list(product(NETWORKS, options.methods)), "networks and methods"):
        with contextlib.redirect_stderr(io.StringIO()):
            measures = {"share": share(name, network)}
        one = items_per_second(1, name, network)
        measures["two processes"] = items_per_second(2, name, network) / one
        measures["two apart"] = items_per_second(2, name, network, talk=False) / one
        rows += [{"network": network, "method": name, "measure": key, "value": x} for key, x in measures.items()]
    table = pd.DataFrame(rows)
    table["target"] = table["measure"].map(TARGETS)
    reached = np.where(table["value"] >= table["target"], "reached", "miss")
    table["verdict"] = np.where(table["target"].notna(), reached, "")
    table = table.assign(processor=processor(), torch=torch.__version__)
    with replacing(options.output / "scaling_of_training.csv") as temporary:
        table.to_csv(temporary, index=False, float_format="%.3g")
    print(table.to_string(index=False, float_format="{:.3g}".format))


if __name__ == "__main__":
    main()
