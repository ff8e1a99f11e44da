"""The cost of every method's loss beside the pairwise loss, kernels beside their floors, and what threads do to them.

Run ``python -m benchmarks.field --output results/benchmarks``. It writes

- ``field.csv``: time and peak memory of every method's loss and gradient, without networks and instance matching, for
  several numbers of modalities, with its ratio to the pairwise loss and the target;
- ``floor.csv``: the time of kernels beside the matrix products that any such loss needs;
- ``threads.csv``: the time of kernels with all threads beside that with one, alone and beside a busy process.
"""

import argparse
import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import normalize
from tqdm import tqdm

from benchmarks.cases import PAIRWISE, PRODUCTS, Shape, recall_calls, training_calls
from pmrl.data.threads import threads
from pmrl.discovery import method_files
from pmrl.errors import UserError
from pmrl.experiments.memory import keep_freed_memory
from pmrl.experiments.stopwatch import median_seconds, peak_bytes
from pmrl.files import replacing
from pmrl.losses import alignment_loss, instance_regularization, ova_ib_loss, spectrum, volume
from pmrl.method import Embeddings, NetworkSettings, Sizes
from pmrl.method import Shape as Features
from pmrl.method.base import build_method, load_method
from pmrl.method.heads import Heads

MODALITIES = (3, 4, 6, 14)
TARGETS = {"confu": 4.0, "calmrl": 4.0}  # times the pairwise loss with four modalities; others 2
FLOOR_TARGET, THREADS_TARGET = 1.5, 1.2
Call = Callable[[], object]


def embeddings_of(z: Tensor, heads: Heads) -> Embeddings:
    """Embeddings of unit vectors (batch, modalities, dimension), all present, without tokens."""
    names = [f"m{place}" for place in range(z.shape[1])]
    present = torch.ones(len(z), dtype=torch.bool)
    vectors = dict(zip(names, z.unbind(1), strict=True))
    presence, lengths = dict.fromkeys(names, present), dict.fromkeys(names, present.long())
    return Embeddings(vectors, {}, presence, lengths, names[0], heads)


def method_calls(shape: Shape) -> dict[str, Call]:
    """Loss and gradient of every method that is trained, on the same float32 vectors, by name."""
    z = normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(0)), dim=-1).requires_grad_()
    names = tuple(f"m{place}" for place in range(shape.modalities))
    network = NetworkSettings(dimension=shape.dimension)
    heads = Heads(names, names[0], network).requires_grad_(False)
    sizes = Sizes(names, names[0], dict.fromkeys(names, Features(8, (1, 8))), network, shape.batch, 1)
    calls = {}
    for name in method_files():
        cls = load_method(name)
        if cls.closed_form or not cls.learns:
            continue
        has_matching = "matching_weight" in vars(cls.Hyperparameters())
        method = build_method(name, {"matching_weight": 0.0} if has_matching else {})
        method.setup(sizes, None)  # type: ignore[arg-type]

        def call(method: torch.nn.Module = method) -> object:
            terms = method.loss(embeddings_of(z, heads))
            parameters = [parameter for parameter in method.parameters() if parameter.requires_grad]
            return torch.autograd.grad(sum(terms.values()), [z, *parameters], allow_unused=True)

        try:
            call()
        except UserError as error:
            print(f"{name} with {shape.modalities} modalities: {error}")
            continue
        calls[name] = call
    return calls


def measure_field() -> pd.DataFrame:
    """One row per method and number of modalities, with one thread."""
    rows = []
    for count in tqdm(MODALITIES, desc="field", unit="number of modalities", disable=None):
        calls = method_calls(Shape(modalities=count))
        with threads(1):
            seconds = median_seconds(calls, rounds=5)
        for name, call in calls.items():
            ratio, target = seconds[name] / seconds["pairwise"], TARGETS.get(name, 2.0)
            judged = count == 4 and name != "pairwise"
            rows.append(
                {
                    "method": name,
                    "modalities": count,
                    "milliseconds": 1e3 * seconds[name],
                    "of pairwise": ratio,
                    "peak megabytes": peak_bytes(call) / 1e6,
                    "target": f"≤ {target:g}" if judged else "",
                    "verdict": _verdict(ratio <= target) if judged else "",
                }
            )
    return pd.DataFrame(rows)


def kernel_calls(shape: Shape) -> dict[str, tuple[Call, Call]]:
    """Forward and backward pass of each kernel, and the matrix products that any such loss needs, by name.

    Spectral terms need the Gram matrices, one mixture of the vectors forward and one backward, and the inner products
    of directions with one product backward; a volume the products of all anchors and others, forward and twice
    backward; OVA-IB those of all pairs of modalities.
    """
    z = normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(0)), dim=-1).requires_grad_()
    fixed, first, rest = z.detach(), z.detach()[:, 0], z.detach()[:, 1:].flatten(0, 1)
    anchor, gallery = (part.clone().requires_grad_() for part in (fixed[:, 0], fixed[:, 1:]))
    pair, other = torch.triu_indices(shape.modalities, shape.modalities, offset=1)
    stacked = fixed.transpose(0, 1)
    mixing = torch.randn(shape.batch, shape.modalities, shape.modalities)
    square, wide = torch.randn(shape.batch, shape.batch), torch.randn(shape.batch, len(rest))
    several = torch.randn(len(pair), shape.batch, shape.batch)

    def spectral() -> object:
        values, direction = spectrum(z)
        return torch.autograd.grad(alignment_loss(values, 0.5) + instance_regularization(direction, 0.1), z)

    def spectral_floor() -> object:
        double = fixed.double()
        return double @ double.mT, mixing[:, :1] @ fixed, mixing @ fixed, first @ first.T, square @ first

    def pairs_floor() -> object:
        return stacked[pair] @ stacked[other].mT, several @ stacked[other], several.mT @ stacked[pair]

    return {
        "PMRL's spectral terms": (spectral, spectral_floor),
        "GRAM's volume": (
            lambda: torch.autograd.grad(volume(anchor, gallery).sum(), (anchor, gallery)),
            lambda: (first @ rest.T, wide @ rest, wide.T @ first),
        ),
        "OVA-IB": (lambda: torch.autograd.grad(ova_ib_loss(z), z), pairs_floor),
    }


def measure_floor() -> pd.DataFrame:
    """One row per kernel, with one thread."""
    both = kernel_calls(Shape())
    calls = {name: pair[0] for name, pair in both.items()} | {f"{name}, floor": pair[1] for name, pair in both.items()}
    with threads(1):
        seconds = median_seconds(calls, rounds=7)
    rows = []
    for name in both:
        ratio = seconds[name] / seconds[f"{name}, floor"]
        rows.append(
            {
                "kernel": name,
                "milliseconds": 1e3 * seconds[name],
                "floor milliseconds": 1e3 * seconds[f"{name}, floor"],
                "of floor": ratio,
                "target": f"≤ {FLOOR_TARGET:g}",
                "verdict": _verdict(ratio <= FLOOR_TARGET),
            }
        )
    return pd.DataFrame(rows)


@contextmanager
def busy_process(wanted: bool) -> Iterator[None]:
    """Another process that computes all the time, if it is wanted."""
    process = multiprocessing.get_context("spawn").Process(target=_compute_for_ever, daemon=True) if wanted else None
    if process:
        process.start()
    try:
        yield
    finally:
        if process:
            process.kill()
            process.join()


def _compute_for_ever() -> None:
    torch.set_num_threads(1)
    matrix = torch.randn(256, 256)
    while True:
        matrix @ matrix


def measure_threads() -> pd.DataFrame:
    """One row per kernel and condition: all threads beside one thread, alone and beside a busy process."""
    most = os.cpu_count() or 1
    kernels = kernel_calls(Shape())
    calls = {name: pair[0] for name, pair in kernels.items()}
    calls |= {PRODUCTS: kernels["GRAM's volume"][1], PAIRWISE: training_calls(Shape())[PAIRWISE]}
    calls |= {"recall": recall_calls(2000)["recall"]}
    rows = []
    for busy in (False, True):
        with busy_process(busy):
            seconds = {}
            for count in (1, most):
                with threads(count):
                    seconds[count] = median_seconds(calls, rounds=7)
        for name in calls:
            ratio = seconds[most][name] / seconds[1][name]
            rows.append(
                {
                    "kernel": name,
                    "beside": "a busy process" if busy else "nothing",
                    "threads": most,
                    "milliseconds": 1e3 * seconds[most][name],
                    "one thread milliseconds": 1e3 * seconds[1][name],
                    "of one thread": ratio,
                    "target": f"≤ {THREADS_TARGET:g}",
                    "verdict": _verdict(ratio <= THREADS_TARGET),
                }
            )
    return pd.DataFrame(rows)


def _verdict(met: bool) -> str:
    return "pass" if met else "miss"


def main() -> None:
    """Run everything and write it to the folder ``--output``."""
    parser = argparse.ArgumentParser(description="Cost of every method's loss, floors of kernels, and threads.")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")
    output = parser.parse_args().output
    keep_freed_memory()
    for name, measure in {"field": measure_field, "floor": measure_floor, "threads": measure_threads}.items():
        table = measure()
        print(table.to_string(index=False, na_rep="", float_format="{:.4g}".format))
        with replacing(output / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
