"""The batches of a stage, of which the next are read while one is trained on, where their features lie in files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pmrl.method.batch import Batch, Lazy, StoredBatch
from pmrl.training import processes

# Threads that read, since copying out of mapped files does not hold up Python, and batches that are read ahead.
READERS, AHEAD = 2, 4


class Drawn(NamedTuple):
    """A batch of standardised instances.

    Attributes:
        rows: (batch,) which of the stage's instances they are.
        batch: all of them.
        own: those that this process embeds.
    """

    rows: Tensor
    batch: Batch
    own: Batch


def drawn(examples: Batch, batches: Iterable[np.ndarray], device: torch.device) -> Iterator[Drawn]:
    """The instances of each batch, in order.

    Args:
        examples: all instances of the stage, standardised.
        batches: the indices of each batch.
        device: where the instances go.
    """
    if isinstance(examples, StoredBatch):
        yield from _read_ahead(examples, batches, device)
        return
    for index in batches:
        rows = torch.from_numpy(index).to(device)
        batch = examples.rows(rows)
        yield Drawn(rows, batch, processes.part(batch))


def _read_ahead(examples: StoredBatch, batches: Iterable[np.ndarray], device: torch.device) -> Iterator[Drawn]:
    tokens_are_read = False  # by the method, as its first steps show

    def read(index: np.ndarray) -> Drawn:
        rows = torch.from_numpy(index).to(device)
        batch = examples.rows(rows)
        own = batch.rows(processes.parts(len(batch))[processes.place()])
        return Drawn(rows, batch, own.read(tokens_are_read))

    with ThreadPoolExecutor(READERS) as pool:
        waiting: deque[Future[Drawn]] = deque()

        def finished() -> Iterator[Drawn]:
            nonlocal tokens_are_read
            one = waiting.popleft().result()
            yield one
            tokens_are_read |= isinstance(one.own.tokens, Lazy) and bool(one.own.tokens.computed)

        for index in batches:
            waiting.append(pool.submit(read, index))
            if len(waiting) > AHEAD:
                yield from finished()
        while waiting:
            yield from finished()
