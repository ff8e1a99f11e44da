"""Training by several processes, started by ``torchrun``: each embeds a part of every batch, all know the joint batch.

The vectors of all parts are gathered with their gradient, so that every method has the negatives, leading directions
and statistics of the joint batch. Each process computes the loss of the joint batch (of instance matching only its
share), and the loss of the batch is the mean of theirs. So the gradients, averaged over the processes, are those of one
process with the joint batch. What is drawn at random for the loss is the same everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from pmrl.errors import UserError
from pmrl.method.batch import Batch, Lazy
from pmrl.method.embeddings import Embeddings, Joint
from pmrl.seeds import derived_seed
from pmrl.training.seeding import drawing_again, random_state

LARGE = 1 << 18  # numbers of a gradient that is sent by itself
PATIENCE = timedelta(hours=12)  # the others wait while one prepares or writes files


def start(device: torch.device) -> torch.device:
    """Join the other processes if ``torchrun`` has started this one; return the device of this process.

    Raises:
        UserError: this machine has fewer GPUs than processes.
    """
    if not dist.is_torchelastic_launched() or dist.is_initialized():
        return device
    if device.type == "cuda":
        place, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if place >= there:
            raise UserError(
                f"Process {place + 1} on this machine finds {there} GPUs; every process needs one of its own. Set "
                f"training.processes to {there} or less, or request more GPUs."
            )
        device = torch.device("cuda", place)
        torch.cuda.set_device(device)
    with waiting():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    return device


def count() -> int:
    """How many processes train together; 1 without ``torchrun``."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def place() -> int:
    """Which of them this one is, from 0."""
    return dist.get_rank() if count() > 1 else 0


def leads() -> bool:
    """Whether this process is the one that writes files."""
    return place() == 0


@contextmanager
def waiting() -> Iterator[None]:
    """What happens between processes; when one of them has stopped, the others say so and stop too.

    Raises:
        UserError: another process has stopped.
    """
    try:
        yield
    except RuntimeError as error:  # torch.distributed has no narrower class for gloo
        raise UserError(
            f"Another process of this training has stopped ({str(error).splitlines()[0]}). Its own message says why; "
            "the same command goes on from the last checkpoint."
        ) from error


def check_share(batch_size: int) -> None:
    """Check that every process has an instance of each batch.

    Raises:
        UserError: there are more processes than instances.
    """
    if count() > batch_size:
        raise UserError(
            f"{count()} processes share a batch of {batch_size} instances, and each needs one. Set training.batch_size "
            f"to {count()} or more, or training.processes to {batch_size} or less."
        )


def parts(size: int) -> list[slice]:
    """Which rows of a batch each process embeds: consecutive ones, as equally many as possible."""
    pieces = np.array_split(np.arange(size), count())
    return [slice(int(piece[0]), int(piece[-1]) + 1) for piece in pieces]


def part(batch: Batch) -> Batch:
    """The instances of a batch that this process embeds."""
    return batch if count() == 1 else batch.rows(parts(len(batch))[place()])


@contextmanager
def own_draws(*purpose: object, device: torch.device) -> Iterator[None]:
    """Draw what the encoders need, such as dropout, differently in each process, without changing later draws."""
    if count() == 1:
        yield
        return
    with drawing_again(random_state(device), device):
        torch.manual_seed(derived_seed("process", place(), *purpose))
        yield


def joint(own: Embeddings, batch: Batch) -> Embeddings:
    """Embeddings of the joint ``batch``, of which this process has embedded its part; ``own`` itself if it is alone."""
    if count() == 1:
        return own
    sizes = [part.stop - part.start for part in parts(len(batch))]

    def gather(x: Tensor) -> Tensor:
        return gathered(x, sizes)

    vectors = dict(zip(own.vectors, gather(own.stack()).unbind(1), strict=True))
    tokens = Lazy(own.tokens, lambda _, x: gather(x))
    return replace(
        own,
        vectors=vectors,
        tokens=tokens,
        present=batch.present,
        lengths=batch.lengths,
        joint=Joint(own, place(), count(), gather),
    )


def gathered(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """The rows of all processes, in their order, with gradient.

    Args:
        x: (rows of this process, …).
        sizes: rows of each process.
    """
    if x.dtype == torch.bool:
        return gathered(x.to(torch.uint8), sizes).bool()
    apply: Callable[..., Tensor] = _Gather.apply
    return apply(x, sizes)


class _Gather(torch.autograd.Function):
    """Rows of all processes. The gradient of a row is the sum of those that the processes have for it."""

    @staticmethod
    def forward(context: Any, x: Tensor, sizes: Sequence[int]) -> Tensor:
        """Parts of unequal sizes are filled up, since all processes exchange equally large ones."""
        context.sizes = sizes
        filled = x.new_zeros((max(sizes), *x.shape[1:]))
        filled[: len(x)] = x
        received = [torch.empty_like(filled) for _ in sizes]
        with waiting():
            dist.all_gather(received, filled)
        return torch.cat([part[:size] for part, size in zip(received, sizes, strict=True)])

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The sum over the processes, of this process's rows."""
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        with waiting():
            dist.all_reduce(total)
        first = sum(context.sizes[: place()])
        return total[first : first + context.sizes[place()]], None


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace the gradients by their means over the processes."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if count() == 1 or not gradients:
        return
    # many small messages cost more than one, and a copy of a large tensor more than a message
    small = [gradient for gradient in gradients if gradient.numel() < LARGE]
    joined = torch.cat([gradient.flatten() for gradient in small]) if small else gradients[0].new_empty(0)
    large = [gradient for gradient in gradients if gradient.numel() >= LARGE]
    with waiting():
        for work in [dist.all_reduce(x, async_op=True) for x in (joined, *large)]:
            work.wait()
    for gradient, total in zip(small, joined.split([gradient.numel() for gradient in small]), strict=True):
        gradient.copy_(total.view_as(gradient))
    for gradient in gradients:
        gradient /= count()
