"""Measurement of time and memory."""

import os
import statistics
import time
from collections.abc import Callable, Mapping

from torch.profiler import ProfilerActivity, profile

# Without this setting, the profiler prints every start and stop to the error stream.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")


def median_seconds(calls: Mapping[str, Callable[[], object]], rounds: int, share: float = 0.1) -> dict[str, float]:
    """Median time of every call.

    The calls take turns, so that a disturbance of the machine affects all of them alike.

    Args:
        calls: what to run, by name.
        rounds: number of turns of every call, after one to warm up.
        share: seconds for which a call is repeated within a turn; a slower call runs once.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    repetitions = {name: max(1, round(share / _seconds(call))) for name, call in calls.items()}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name] += [_seconds(call) for _ in range(repetitions[name])]
    return {name: statistics.median(values) for name, values in times.items()}


def peak_bytes(call: Callable[[], object]) -> int:
    """Largest number of bytes at any time in the tensors that ``call`` allocates, including its results.

    PyTorch's profiler reports every allocation, so the number is the same in every run; the workspace of LAPACK and
    BLAS does not count.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        call()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    total = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        total += event.nbytes()
        peak = max(peak, total)
    return peak


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
