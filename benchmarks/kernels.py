"""Time and memory of the kernels, of the formulations that they replace and of a contrastive loss, in one run.

Run ``python -m benchmarks.kernels --output results/benchmarks``. It writes

- ``measures.csv``: every ratio with its target and whether it is met;
- ``run.csv``: what computed;
- ``scaling.csv``, ``scaling.pdf``, ``scaling.png``: time and memory against batch, modalities and dimension.
"""

import argparse
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from baselines.gram import Gram
from baselines.pairwise import Pairwise
from benchmarks.cases import (
    DIRECT_RECALL,
    DIRECT_SPECTRAL,
    DIRECT_VOLUME,
    PAIRWISE,
    PRODUCTS,
    RECALL,
    SPECTRAL,
    VOLUME,
    Shape,
    rank_many_items,
    recall_calls,
    training_calls,
)
from pmrl.data.threads import threads
from pmrl.experiments.memory import keep_freed_memory
from pmrl.experiments.stopwatch import median_seconds, peak_bytes
from pmrl.experiments.writing import processor
from pmrl.files import replacing
from pmrl.objective import Pmrl
from pmrl.reporting import style

SCALES = {
    "batch": [Shape(batch=batch) for batch in (32, 64, 128, 256, 512, 1024)],
    "modalities": [Shape(modalities=modalities) for modalities in (2, 3, 4, 6, 8)],
    "dimension": [Shape(dimension=dimension) for dimension in (64, 128, 256, 512, 1024, 2048)],
}
LOOKS = {
    SPECTRAL: {"color": Pmrl.color, "marker": "o", "linestyle": "-"},
    DIRECT_SPECTRAL: {"color": Pmrl.color, "marker": "o", "linestyle": "--", "markerfacecolor": "white"},
    VOLUME: {"color": Gram.color, "marker": "s", "linestyle": "-"},
    DIRECT_VOLUME: {"color": Gram.color, "marker": "s", "linestyle": "--", "markerfacecolor": "white"},
    PAIRWISE: {"color": Pairwise.color, "marker": "D", "linestyle": ":"},
}


class Comparison(NamedTuple):
    """Two kernels, the quantity that is compared, and the target for its ratio."""

    kernel: str
    reference: str
    quantity: str  # seconds or bytes
    saving: bool  # if true, reference/kernel must reach the target; else kernel/reference must not exceed it
    target: float | None = None


COMPARISONS = (
    Comparison(SPECTRAL, DIRECT_SPECTRAL, "seconds", True, 50),
    Comparison(SPECTRAL, PAIRWISE, "seconds", False, 1.5),
    Comparison(VOLUME, DIRECT_VOLUME, "seconds", True, 6),
    Comparison(VOLUME, PAIRWISE, "seconds", False, 2),
    Comparison(PRODUCTS, DIRECT_VOLUME, "seconds", True),
    Comparison(VOLUME, DIRECT_VOLUME, "bytes", True, 4),
    Comparison(RECALL, DIRECT_RECALL, "seconds", True, 40),
)
RECALL_SIZE = 5_000
MANY_ITEMS, MANY_DIMENSION, MANY_BYTES = 100_000, 128, 1.5e9


def compare(values: Mapping[str, Mapping[str, float]], thread_count: int) -> pd.DataFrame:
    """One row per comparison.

    Args:
        values: quantity → kernel → value, in seconds or bytes.
        thread_count: number of threads; the targets are stated for one.
    """
    rows = []
    for kernel, reference, quantity, saving, target in COMPARISONS:
        kernel_value, reference_value = values[quantity][kernel], values[quantity][reference]
        ratio = reference_value / kernel_value if saving else kernel_value / reference_value
        rows.append(
            {
                "kernel": kernel,
                "reference": reference,
                "quantity": quantity,
                "threads": thread_count,
                "kernel value": kernel_value,
                "reference value": reference_value,
                "ratio": ratio,
                "ratio of": "reference/kernel" if saving else "kernel/reference",
            }
        )
        if target is not None and thread_count == 1:
            met = ratio >= target if saving else ratio <= target
            rows[-1] |= {"target": f"{'≥' if saving else '≤'} {target:g}", "verdict": _verdict(met)}
    return pd.DataFrame(rows)


def measure_targets(thread_counts: Sequence[int]) -> pd.DataFrame:
    """All comparisons at the shape that the targets are stated for, with every number of threads."""
    calls = training_calls(Shape()) | recall_calls(RECALL_SIZE)
    memory = {name: peak_bytes(call) for name, call in training_calls(Shape()).items()}
    tables = []
    for count in tqdm(thread_counts, desc="targets", unit="thread count", disable=None):
        with threads(count):
            tables.append(compare({"seconds": median_seconds(calls, rounds=7), "bytes": memory}, count))
    return pd.concat(tables, ignore_index=True)


def measure_many_items(thread_count: int) -> pd.DataFrame:
    """Time and largest resident set of a fresh process that ranks 100,000 queries against as many items."""
    with ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=torch.set_num_threads, initargs=(thread_count,)
    ) as pool:
        seconds, resident = pool.submit(rank_many_items, MANY_ITEMS, MANY_DIMENSION).result()
    common = {"kernel": f"ranking {MANY_ITEMS:,} × {MANY_ITEMS:,}, dimension {MANY_DIMENSION}", "threads": thread_count}
    return pd.DataFrame(
        [
            common | {"quantity": "seconds", "kernel value": seconds},
            common
            | {
                "quantity": "bytes",
                "kernel value": resident,
                "target": f"≤ {MANY_BYTES:g}",
                "verdict": _verdict(resident <= MANY_BYTES),
            },
        ]
    )


def measure_scaling(thread_counts: Sequence[int]) -> pd.DataFrame:
    """Milliseconds and peak megabytes of every loss along every axis; a row per axis, shape, loss and thread count."""
    shapes = list(dict.fromkeys(shape for axis in SCALES.values() for shape in axis))
    rows = []
    for shape in tqdm(shapes, desc="scaling", unit="shape", disable=None):
        calls = training_calls(shape)
        memory = {name: peak_bytes(call) for name, call in calls.items()}
        for count in thread_counts:
            with threads(count):
                seconds = median_seconds(calls, rounds=3)
            rows += [
                {
                    "axis": axis,
                    "kernel": name,
                    **shape._asdict(),
                    "threads": count,
                    "milliseconds": 1e3 * seconds[name],
                    "peak megabytes": memory[name] / 1e6,
                }
                for axis, members in SCALES.items()
                if shape in members
                for name in calls
            ]
    return pd.DataFrame(rows)


def draw_scaling(table: pd.DataFrame) -> Figure:
    """Rows: time with one thread, with all threads, peak memory; columns: batch, modalities, dimension."""
    most = table["threads"].max()
    panels = [
        ("milliseconds", 1, "time, 1 thread (ms)"),
        ("milliseconds", most, f"time, {most} threads (ms)"),
        ("peak megabytes", 1, "peak memory (MB)"),
    ]
    figure, grid = plt.subplots(3, 3, figsize=(style.FULL_WIDTH, 6.4), sharex="col", sharey="row")
    for axes_row, (quantity, count, label) in zip(grid, panels, strict=True):
        axes_row[0].set_ylabel(label)
        for axes, axis in zip(axes_row, SCALES, strict=True):
            part = table[(table["axis"] == axis) & (table["threads"] == count)].sort_values(axis)
            for kernel, look in LOOKS.items():
                line = part[part["kernel"] == kernel]
                axes.plot(line[axis], line[quantity], label=kernel, **look)
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_xticks(sorted(part[axis].unique()), labels=[f"{value:g}" for value in sorted(part[axis].unique())])
            axes.minorticks_off()
            axes.grid(axis="y", color="0.9", linewidth=0.5)
    for axes, axis in zip(grid[-1], SCALES, strict=True):
        axes.set_xlabel(axis)
    for axes, axis in zip(grid[0], SCALES, strict=True):
        fixed = [f"{name} {value}" for name, value in Shape()._asdict().items() if name != axis]
        axes.set_title(", ".join(fixed))
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def main() -> None:
    """Run everything and write it to the folder ``--output``."""
    parser = argparse.ArgumentParser(description="Compare the kernels with direct formulations, in time and memory.")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables and the figure")
    output = parser.parse_args().output
    keep_freed_memory()
    thread_counts = sorted({1, os.cpu_count() or 1})
    # measured first, because a child process inherits the largest resident set of its parent
    many = measure_many_items(thread_counts[-1])
    measures = pd.concat([measure_targets(thread_counts), many], ignore_index=True)
    _write(measures, output / "measures.csv")
    _write(pd.DataFrame([{"processor": processor(), "torch": torch.__version__}]), output / "run.csv")
    print(measures.to_string(index=False, na_rep="", float_format="{:.4g}".format))
    scaling = measure_scaling(thread_counts)
    _write(scaling, output / "scaling.csv")
    with style.applied():
        style.save(draw_scaling(scaling), output / "scaling")


def _verdict(met: bool) -> str:
    return "pass" if met else "miss"


def _write(table: pd.DataFrame, path: Path) -> None:
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
