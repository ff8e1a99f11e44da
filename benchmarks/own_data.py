"""Time and memory of `pmrl check` on a user's own data, in each type of file and with many labels.

`python -m benchmarks.own_data` makes data sets of random numbers in a temporary folder, checks each in a process of its
own on one core, and prints a row per data set. The limits are those of the project: a minute and four times the data.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import yaml
from pyarrow import csv, parquet
from safetensors.numpy import save_file

SUFFIXES = (".npy", ".npz", ".safetensors", ".parquet", ".csv")
CHECK = "import sys; from pmrl.cli import main; sys.exit(main(sys.argv[1:]))"
# Runs a command and prints the largest memory that it held, in kilobytes.
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


@dataclass(frozen=True)
class Cost:
    """What one check took.

    Attributes:
        seconds: wall time.
        megabytes: the largest memory of the process, with the libraries that it loads.
        data_megabytes: the features as float32.
    """

    seconds: float
    megabytes: float
    data_megabytes: float


def write(folder: Path, suffix: str, items: int, modalities: int, columns: int, labels: int = 0) -> Path:
    """Make a data set of normally distributed numbers, and return its card.

    Args:
        folder: a new folder.
        suffix: type of the files of features, one of ``SUFFIXES``.
        items: rows of every table.
        modalities: at least 2.
        columns: features of each modality.
        labels: classes of equal size; without labels if 0.
    """
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    ids = [f"item{number}" for number in range(items)]
    table = pd.DataFrame({"id": ids})
    if labels:
        table["label"] = [f"label{number % labels}" for number in range(items)]
    table.to_csv(folder / "items.csv", index=False)
    names = [f"sense{number}" for number in range(modalities)]
    for name in names:
        values = generator.standard_normal((items, columns), dtype=np.float32)
        write_features(folder / f"{name}{suffix}", ids, values)
    card = {
        "name": "senses",
        "anchor": names[0],
        "items": "items.csv",
        "modalities": {name: {"file": f"{name}{suffix}"} for name in names},
    }
    path = folder / "card.yaml"
    path.write_text(yaml.safe_dump(card), encoding="utf-8")
    return path


def write_features(path: Path, ids: list[str], values: np.ndarray) -> None:
    """Write float32 features (items, columns) in the type that the suffix asks for."""
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez(path, features=values)
    elif path.suffix == ".safetensors":
        save_file({"features": values}, path)
    else:
        table = pyarrow.table({"id": ids, **{f"f{place}": column for place, column in enumerate(values.T.copy())}})
        (csv.write_csv if path.suffix == ".csv" else parquet.write_table)(table, path)


def cost(card: Path, data_megabytes: float) -> Cost:
    """Check a card on one core, in a process of its own.

    Raises:
        CalledProcessError: the check failed.
    """
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS"), "1")
    command = [sys.executable, "-c", MEASURED, sys.executable, "-c", CHECK, "check", str(card)]
    start = time.perf_counter()
    process = subprocess.run(
        command, env={**os.environ, **threads}, check=True, capture_output=True, text=True, preexec_fn=_one_core
    )
    return Cost(time.perf_counter() - start, int(process.stdout) / 1024, data_megabytes)


def _one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def main() -> None:
    """Measure every type of file, and many labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000, help="items of each data set (%(default)s)")
    parser.add_argument("--columns", type=int, default=512, help="features of each modality (%(default)s)")
    parser.add_argument("--types", nargs="+", default=SUFFIXES, choices=SUFFIXES, help="types of files (all)")
    arguments = parser.parse_args()
    cases = [(suffix, arguments.items, 3, 0) for suffix in arguments.types]
    cases.append((".npy", arguments.items // 5, 2, max(2, arguments.items // 100)))
    print("type, items, modalities, labels: seconds, memory in MB (data in MB)")
    for suffix, items, modalities, labels in cases:
        with tempfile.TemporaryDirectory() as folder:
            card = write(Path(folder) / "senses", suffix, items, modalities, arguments.columns, labels)
            found = cost(card, 4e-6 * items * modalities * arguments.columns)
        print(
            f"{suffix}, {items}, {modalities}, {labels}: {found.seconds:.1f} s, {found.megabytes:.0f} MB "
            f"({found.data_megabytes:.0f} MB)",
            flush=True,
        )


if __name__ == "__main__":
    main()
