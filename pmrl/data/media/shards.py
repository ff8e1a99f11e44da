"""From signals to features, a shard of items at a time.

While a shard is encoded, the next signals are decoded. A shard that is done stays as a file, so that a run that is cut
off goes on where it was and ends with the same features, and no more than a few signals are in memory at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pmrl import provenance
from pmrl.data import large
from pmrl.data.media.decode import Unreadable
from pmrl.data.media.encoders.base import Encoder
from pmrl.data.media.signals import Signal, Signals
from pmrl.files import replacing
from pmrl.progress import progress

SHARD, BATCH, READERS = 64, 16, 2
CODE = ("pmrl/data/media/shards.py", "pmrl/data/media/signals.py")


@dataclass
class Features:
    """What became of the items of one modality, in their order.

    Attributes:
        pooled: float32 (items, dimension), zeros where absent.
        tokens: float16 (items, tokens, width), zeros where absent and after the last one.
        lengths: (items,) how many tokens are real.
        present: (items,) booleans.
        views: {row: PNG or text}.
        problems: {row: why the item is absent}.
    """

    pooled: np.ndarray
    tokens: np.ndarray
    lengths: np.ndarray
    present: np.ndarray
    views: dict[int, bytes | str] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)


def encode(signals: Signals, encoder: Encoder, folder: Path, title: str, batch: int = BATCH) -> Features:
    """Encode all items, or what of them is not yet done.

    Args:
        signals: the items.
        encoder: what reads them.
        folder: where the shards are kept.
        title: of the progress.
        batch: items that are encoded at a time.
    """
    starts = range(0, len(signals), SHARD)
    for start in progress(starts, f"{title}, shards of {SHARD}"):
        rows = range(start, min(start + SHARD, len(signals)))
        path, expected = _path(folder, start), fingerprint(signals, encoder, rows, batch)
        if not is_current(path, expected):
            _write(path, expected, _encoded(signals, encoder, rows, batch))
    return _joined([_path(folder, start) for start in starts])


def fingerprint(signals: Signals, encoder: Encoder, rows: Sequence[int], batch: int) -> str:
    """Digest of what the features of some rows depend on."""
    about = [encoder.name, encoder.packages, signals.settings(), batch, [signals.about(row) for row in rows]]
    return provenance.text_digest(json.dumps(about), provenance.code(*CODE))


def is_current(path: Path, expected: str) -> bool:
    """Whether a shard is there, whole, and made from the same."""
    try:
        with safe_open(path, "numpy") as file:
            return bool((file.metadata() or {}).get("fingerprint") == expected)
    except (OSError, SafetensorError):
        return False


def read_ahead(signals: Signals, encoder: Encoder, rows: Sequence[int]) -> Iterator[tuple[int, Signal | Unreadable]]:
    """Each row with its signal, or with what is wrong with it, in order; a few are decoded ahead."""

    def attempt(row: int) -> Signal | Unreadable:
        try:
            return signals.read(row, encoder)
        except Unreadable as error:
            return error

    with ThreadPoolExecutor(READERS) as pool:
        remaining = iter(rows)
        waiting: list[tuple[int, Future[Signal | Unreadable]]] = []
        for row in islice(remaining, 2 * BATCH):
            waiting.append((row, pool.submit(attempt, row)))
        while waiting:
            row, future = waiting.pop(0)
            found = future.result()
            following = next(remaining, None)
            if following is not None:
                waiting.append((following, pool.submit(attempt, following)))
            yield row, found


def _encoded(signals: Signals, encoder: Encoder, rows: Sequence[int], batch: int) -> Features:
    """The features of some rows."""
    encoded: list[tuple[np.ndarray, np.ndarray]] = []
    found: dict[int, Signal] = {}
    problems: dict[int, str] = {}
    views: dict[int, bytes | str] = {}

    def flush() -> None:
        if found:
            encoded.extend(_of_items(encoder, [signal.pieces for signal in found.values()]))
            found.clear()

    for row, signal in read_ahead(signals, encoder, rows):
        if isinstance(signal, Unreadable):
            problems[row - rows[0]] = str(signal)
            continue
        found[row], views[row - rows[0]] = signal, signal.view
        if len(found) == batch:
            flush()
    flush()
    return _scattered(encoded, len(rows), views, problems)


def _of_items(encoder: Encoder, items: Sequence[Sequence[Any]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pooled vector and tokens of each item: the mean and the tokens of all its pieces."""
    ends = np.cumsum([len(pieces) for pieces in items])
    pooled, tokens = encoder.encode([piece for pieces in items for piece in pieces])
    return [
        (pooled[start:end].mean(axis=0), tokens[start:end].reshape(-1, tokens.shape[2]))
        for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]


def _scattered(
    encoded: list[tuple[np.ndarray, np.ndarray]], count: int, views: dict[int, bytes | str], problems: dict[int, str]
) -> Features:
    """Features of ``count`` items, of which those with a view are present."""
    present = np.zeros(count, dtype=bool)
    present[[*views]] = True
    width = encoded[0][1].shape[1] if encoded else 0
    features = Features(
        np.zeros((count, encoded[0][0].shape[0] if encoded else 0), dtype=np.float32),
        np.zeros((count, max((len(tokens) for _, tokens in encoded), default=0), width), dtype=np.float16),
        np.zeros(count, dtype=np.int32),
        present,
        views,
        problems,
    )
    for row, (pooled, tokens) in zip(np.flatnonzero(present), encoded, strict=True):
        real = int(np.flatnonzero(tokens.any(axis=1)).max(initial=0)) + 1
        features.pooled[row], features.tokens[row, : len(tokens)], features.lengths[row] = pooled, tokens, real
    return features


def _path(folder: Path, start: int) -> Path:
    return Path(folder) / f"shard_{start:07d}.safetensors"


def _write(path: Path, expected: str, features: Features) -> None:
    shown = [features.views[row] for row in sorted(features.views)]
    blobs = [view.encode() if isinstance(view, str) else view for view in shown]
    arrays = {
        "pooled": features.pooled,
        "tokens": features.tokens,
        "lengths": features.lengths,
        "present": features.present.astype(np.uint8),
        "views": np.frombuffer(b"".join(blobs), dtype=np.uint8),
        "view_sizes": np.array([len(blob) for blob in blobs], dtype=np.int64),
    }
    about = {
        "fingerprint": expected,
        "problems": json.dumps(features.problems),
        "texts": json.dumps(any(isinstance(view, str) for view in shown)),
    }
    with replacing(path) as temporary:
        save_file(arrays, temporary, metadata=about)


def _read(path: Path) -> Features:
    with safe_open(path, "numpy") as file:
        about = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    present = arrays["present"].astype(bool)
    ends = np.cumsum(arrays["view_sizes"])
    blobs = [arrays["views"][end - size : end].tobytes() for end, size in zip(ends, arrays["view_sizes"], strict=True)]
    views = [blob.decode() if json.loads(about["texts"]) else blob for blob in blobs]
    return Features(
        arrays["pooled"],
        arrays["tokens"],
        arrays["lengths"],
        present,
        dict(zip(map(int, np.flatnonzero(present)), views, strict=True)),
        {int(row): reason for row, reason in json.loads(about["problems"]).items()},
    )


def _joined(paths: Sequence[Path]) -> Features:
    """All shards one after the other; one without any present item takes the sizes of the others."""
    sizes = [_sizes(path) for path in paths]
    offsets = np.cumsum([0, *(items for items, *_ in sizes)])
    dimension, count, width = (max(size) for size in list(zip(*sizes, strict=True))[1:])
    pooled = large.empty((offsets[-1], dimension), np.float32)
    tokens = large.empty((offsets[-1], count, width), np.float16)
    rest = []
    for path, start, end in zip(paths, offsets, offsets[1:], strict=False):
        part = _read(path)
        pooled[start:end] = part.pooled if part.pooled.shape[1] else 0
        tokens[start:end] = 0
        tokens[start:end, : part.tokens.shape[1], : part.tokens.shape[2]] = part.tokens
        large.forget(pooled)
        large.forget(tokens)
        rest.append((part.lengths, part.present, part.views, part.problems))
    lengths, present, views, problems = zip(*rest, strict=True)
    return Features(
        pooled, tokens, np.concatenate(lengths), np.concatenate(present), _at(offsets, views), _at(offsets, problems)
    )


def _sizes(path: Path) -> tuple[int, int, int, int]:
    """Items, dimension, tokens and width of a shard."""
    with safe_open(path, "numpy") as file:
        items, dimension = file.get_slice("pooled").get_shape()
        _, count, width = file.get_slice("tokens").get_shape()
    return items, dimension, count, width


def _at(offsets: np.ndarray, parts: Iterable[dict[int, Any]]) -> dict[int, Any]:
    """What is known of rows of several parts, each of which begins at an offset."""
    return {int(start) + row: known for start, part in zip(offsets, parts, strict=False) for row, known in part.items()}
