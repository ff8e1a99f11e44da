"""Several processes that train together, for tests: gloo on this machine, without torchrun."""

import os
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import contextmanager

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing


def together(count: int, work: Callable, *arguments) -> list:
    """What ``work(*arguments)``, a function of a module, returns in each of ``count`` processes of one group."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    started = [
        context.Process(target=_member, args=(place, count, port, results, work, arguments)) for place in range(count)
    ]
    for process in started:
        process.start()
    received = dict(results.get(timeout=240) for _ in started)
    for process in started:
        process.join()
    failures = [str(result) for result in received.values() if isinstance(result, Failure)]
    if failures:
        raise AssertionError("\n".join(failures))
    return [received[place] for place in range(count)]


class Failure(str):
    """The traceback of a process that failed."""


def _member(place, count, port, results, work, arguments):
    try:
        with group(place, count, port):
            torch.set_num_threads(1)
            results.put((place, work(*arguments)))
    except BaseException:
        results.put((place, Failure(traceback.format_exc())))
        sys.exit(1)


@contextmanager
def group(place, count, port):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=place, world_size=count)
    yield
    dist.destroy_process_group()
