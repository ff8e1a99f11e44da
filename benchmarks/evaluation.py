"""Time and memory of evaluation without a full matrix, for the score of every method.

Run ``python -m benchmarks.evaluation --output results/benchmarks``. It writes ``evaluation.csv``: for each method a row
of one direction, the anchor against all others with the best 50 of each query, in a fresh process. Blocks of queries do
not depend on each other, so a part of the queries shows the memory of all.
"""

import argparse
import multiprocessing
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd
import torch
from torch.nn.functional import normalize

from pmrl.discovery import method_files
from pmrl.evaluation.retrieval import Direction, checked, ranked
from pmrl.experiments.writing import processor
from pmrl.files import replacing
from pmrl.method.base import build_method
from pmrl.method.embeddings import Embeddings
from pmrl.method.heads import Heads
from pmrl.method.sizes import NetworkSettings, Shape, Sizes
from pmrl.progress import progress
from pmrl.records import OTHERS

SINGULAR_VALUE = "pmrl, score σ1"


def random_embeddings(items: int, modalities: int, dimension: int) -> Embeddings:
    """Random unit vectors of ``items`` instances that have every modality; they have no tokens."""
    generator = torch.Generator().manual_seed(0)
    names = [f"modality {number}" for number in range(modalities)]
    vectors = {name: normalize(torch.randn(items, dimension, generator=generator), dim=1) for name in names}
    everything = torch.ones(items, dtype=torch.bool)
    heads = Heads(names, names[0], NetworkSettings(dimension=dimension))
    lengths = dict.fromkeys(names, torch.zeros(items, dtype=torch.int64))
    return Embeddings(vectors, {}, dict.fromkeys(names, everything), lengths, names[0], heads)


def task(queries: int, items: int, modalities: int, dimension: int) -> Direction:
    """The first ``queries`` items' anchors against the other modalities of all ``items``."""
    embeddings = random_embeddings(items, modalities, dimension)
    anchor, others = embeddings.select((embeddings.anchor,)), embeddings.select(embeddings.others)
    own = torch.arange(items)
    return Direction(
        embeddings.anchor, OTHERS, anchor.rows(slice(queries)), others, own[:queries], own, own[:queries], own
    )


def resident_bytes() -> int:
    """The largest resident set of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@torch.no_grad()
def measure(name: str, queries: int, items: int, modalities: int, dimension: int) -> dict[str, object]:
    """Seconds, and bytes of the process before and at its peak; run it in a process of its own."""
    torch.set_num_threads(1)
    values = {"score": "singular_value"} if name == SINGULAR_VALUE else {}
    method = build_method(name.partition(",")[0], values)
    given = task(queries, items, modalities, dimension)
    names = (*given.query_side.modalities, *given.gallery_side.modalities)
    shapes = dict.fromkeys(names, Shape(1, (1, 1)))
    method.setup(Sizes(names, names[0], shapes, NetworkSettings(dimension=dimension), items, 1), None)
    before, start = resident_bytes(), time.perf_counter()
    ranked(given, "own", checked(method), shortlist=True)
    seconds = time.perf_counter() - start
    sizes = {"queries": queries, "items": items, "modalities": modalities, "dimension": dimension}
    return {"score of": name, **sizes, "seconds": seconds, "bytes before": before, "peak bytes": resident_bytes()}


def main() -> None:
    """Measure every method and write the table to the folder ``--output``."""
    parser = argparse.ArgumentParser(description="Measure time and memory of retrieval for the score of every method.")
    parser.add_argument("--output", type=Path, required=True, help="folder for the table")
    parser.add_argument("--queries", type=int, default=1_000, help="number of queries")
    parser.add_argument("--items", type=int, default=100_000, help="number of gallery items")
    parser.add_argument("--modalities", type=int, default=4)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--methods", nargs="+", default=[*method_files(), SINGULAR_VALUE], help="by default all")
    options = parser.parse_args()
    sizes = options.queries, options.items, options.modalities, options.dimension
    rows = []
    for name in progress(options.methods, "methods"):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            rows.append(pool.submit(measure, name, *sizes).result())
    table = pd.DataFrame(rows).assign(processor=processor(), torch=torch.__version__)
    with replacing(options.output / "evaluation.csv") as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
    print(table.to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    main()
