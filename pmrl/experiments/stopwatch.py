"""Stopwatch and memory gauge."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.profiler import ProfilerActivity, profile

# The profiler announces every start and stop on the error stream unless told otherwise.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute with ``count`` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def median_seconds(calls: dict[str, Callable[[], object]], rounds: int, share: float = 0.1) -> dict[str, float]:
    """Median time of every call.

    The calls take turns, so that a disturbance of the machine meets all of them alike.

    Args:
        calls: what to run, by name.
        rounds: number of turns of every call, after one to warm up.
        share: seconds that a call repeats itself within a turn; a slower one runs once.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    repetitions = {name: max(1, round(share / _seconds(call))) for name, call in calls.items()}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name] += [_seconds(call) for _ in range(repetitions[name])]
    return {name: statistics.median(values) for name, values in times.items()}


def peak_bytes(call: Callable[[], object]) -> int:
    """Most bytes alive at a time among the tensors that ``call`` makes, its results included.

    PyTorch's profiler reports every allocation, so the figure is the same in every run; workspace inside LAPACK
    and BLAS is not seen.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        call()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    alive = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    return peak


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
