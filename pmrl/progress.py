"""Progress of long work: a bar on a terminal, a line now and then where the output goes to a file."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
EVERY = 20.0  # seconds between two lines


def progress(items: Iterable[Item], title: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items and show on the error stream how many are done, and about how long the rest takes.

    Args:
        items: what is worked on.
        title: what the work is.
        total: how many items there are, if they cannot tell it themselves.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=title, leave=False)
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    began = last = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - last >= EVERY:
            last = now
            print(line(title, done, total, now - began), file=sys.stderr, flush=True)
        yield item


def line(title: str, done: int, total: int | None, seconds: float) -> str:
    """``digits continued 0: 40 of 100, 21 s, about 32 s left``."""
    if not total or not done:
        return f"{title}: {done}, {seconds:.0f} s"
    return f"{title}: {done} of {total}, {seconds:.0f} s, about {estimate(done, total, seconds):.0f} s left"


def estimate(done: int, total: int, seconds: float) -> float:
    """Seconds that the rest takes if it goes on as before; ``done`` is at least 1."""
    return seconds * (total - done) / done
