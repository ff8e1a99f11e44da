"""Throughput and memory of the media pipeline, on generated clips.

Run ``python -m benchmarks.media --output results/benchmarks``. It writes

- ``media.csv``: items per second of the pipeline, of decoding alone and of encoding alone, for each kind of signal, and
  the share of the slower of the two that the pipeline reaches;
- ``media_memory.csv``: the largest resident set of a process that encodes few and many clips.
"""

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from tqdm import tqdm

from pmrl.data.media import shards
from pmrl.data.media.encoders.base import Encoder
from pmrl.data.media.encoders.named import encoder
from pmrl.data.media.signals import Sampling, Signals
from pmrl.data.pictures import png
from pmrl.errors import UserError
from pmrl.experiments.memory import keep_freed_memory
from pmrl.files import replacing
from pmrl.records import AUDIO, PICTURE, TEXT, VIDEO

SHARE, GROWTH = 0.85, 1.10
FEW, MANY = 200, 2000
SECONDS, FRAME_RATE, SOUND_RATE = 2, 12, 22050
ENCODERS = {
    VIDEO: ("efficientnet_lite0",),
    PICTURE: ("efficientnet_lite0",),
    AUDIO: ("log_mel", "whisper"),
    TEXT: ("minilm",),
}


def write_clip(path: Path, seed: int) -> None:
    """A clip of moving noise with a tone, 160 × 120 pixels."""
    import av

    generator = np.random.default_rng(seed)
    scene = generator.integers(0, 255, (120, 320, 3), dtype=np.uint8)
    time_of = np.arange(SECONDS * SOUND_RATE) / SOUND_RATE
    tone = 0.5 * np.sin(2 * np.pi * generator.uniform(200, 2000) * time_of)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FRAME_RATE, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        sound = container.add_stream("aac", rate=SOUND_RATE, layout="mono")
        for place in range(SECONDS * FRAME_RATE):
            pixels = np.ascontiguousarray(scene[:, 4 * place : 4 * place + 160])
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(video.encode(None))
        heard = av.AudioFrame.from_ndarray(tone[np.newaxis].astype(np.float32), format="fltp", layout="mono")
        heard.sample_rate = SOUND_RATE
        container.mux(sound.encode(heard))
        container.mux(sound.encode(None))


def signals(kind: str, folder: Path, count: int) -> Signals:
    """The first ``count`` items of a kind; of few files there are copies by name."""
    if kind == TEXT:
        return Signals(
            kind, [f"clip number {place} of a moving pattern with a tone" for place in range(count)], Sampling()
        )
    endings = {VIDEO: "mp4", AUDIO: "mp4", PICTURE: "png"}
    return Signals(kind, [folder / f"{place:05d}.{endings[kind]}" for place in range(count)], Sampling())


def generate(folder: Path, count: int, different: int = 50) -> None:
    """Clips and pictures, of which ``different`` are different and the others link to them."""
    for place in tqdm(range(count), desc="clips written", disable=None):
        for ending in ("mp4", "png"):
            path = folder / f"{place:05d}.{ending}"
            if place >= different:
                path.symlink_to(folder / f"{place % different:05d}.{ending}")
            elif ending == "mp4":
                write_clip(path, place)
            else:
                pixels = np.random.default_rng(place).integers(0, 255, (240, 320, 3), dtype=np.uint8)
                path.write_bytes(png(pixels))


def measure_throughput(folder: Path, count: int) -> pd.DataFrame:
    """One row per kind and encoder: items per second of both parts and of the pipeline."""
    rows = []
    for kind, names in tqdm(ENCODERS.items(), desc="kinds", disable=None):
        about = signals(kind, folder, count)
        for name in names:
            reads = encoder(name, kind, folder)
            reads.encode(_read(about, reads, 2))  # loads the weights
            rates = {
                "decoding": count / _seconds(lambda about=about, reads=reads: _drain(about, reads)),
                "encoding": count / _encoding_seconds(about, reads, count),
                "both": count / _seconds(lambda about=about, reads=reads, n=name: _pipeline(about, reads, folder / n)),
            }
            share = rates["both"] / min(rates["decoding"], rates["encoding"])
            rows.append(
                {"kind": kind, "encoder": name}
                | {f"{part} items per second": rate for part, rate in rates.items()}
                | {"of the slower": share, "target": f"≥ {SHARE:g}", "verdict": _verdict(share >= SHARE)}
            )
    return pd.DataFrame(rows)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _drain(about: Signals, reads: Encoder) -> None:
    for _ in shards.read_ahead(about, reads, range(len(about))):
        pass


def _read(about: Signals, reads: Encoder, count: int) -> list:
    return [piece for row in range(count) for piece in about.read(row, reads).pieces]


def _encoding_seconds(about: Signals, reads: Encoder, count: int) -> float:
    """Time of encoding signals that are in memory, a batch at a time."""
    pieces = _read(about, reads, min(count, 4 * shards.BATCH))
    batches = [pieces[start : start + shards.BATCH] for start in range(0, len(pieces), shards.BATCH)]
    return count / len(pieces) * _seconds(lambda: [reads.encode(batch) for batch in batches])


def _pipeline(about: Signals, reads: Encoder, folder: Path) -> None:
    shards.encode(about, reads, folder, "benchmark")


def resident_bytes(folder: Path, count: int) -> int:
    """The largest resident set of a process of its own that encodes ``count`` clips."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_encode_and_look, (folder, count))


def _encode_and_look(folder: Path, count: int) -> int:
    reads = encoder("efficientnet_lite0", VIDEO, folder)
    _pipeline(signals(VIDEO, folder, count), reads, folder / f"memory_{count}")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure_memory(folder: Path) -> pd.DataFrame:
    """One row per number of clips."""
    peaks = {count: resident_bytes(folder, count) / 1e6 for count in (FEW, MANY)}
    growth = peaks[MANY] / peaks[FEW]
    return pd.DataFrame(
        [
            {
                "clips": count,
                "peak megabytes": peak,
                "of the few": peak / peaks[FEW],
                "target": f"≤ {GROWTH:g}" if count == MANY else "",
                "verdict": _verdict(growth <= GROWTH) if count == MANY else "",
            }
            for count, peak in peaks.items()
        ]
    )


def _verdict(met: bool) -> str:
    return "pass" if met else "miss"


def main() -> None:
    """Run everything and write it to the folder ``--output``."""
    parser = argparse.ArgumentParser(description="Throughput and memory of the media pipeline.")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")
    parser.add_argument("--items", type=int, default=FEW, help="items of each kind for the throughput")
    arguments = parser.parse_args()
    if arguments.items < shards.BATCH:
        raise UserError(f"--items is {arguments.items}, expected at least one batch of {shards.BATCH}.")
    keep_freed_memory()
    with TemporaryDirectory() as work:
        folder = Path(work)
        generate(folder, max(MANY, arguments.items))
        for name, measure in {
            "media_memory": lambda: measure_memory(folder),
            "media": lambda: measure_throughput(folder, arguments.items),
        }.items():
            table = measure()
            print(table.to_string(index=False, na_rep="", float_format="{:.4g}".format))
            with replacing(arguments.output / f"{name}.csv") as temporary:
                table.to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
