"""Freed memory stays with the process: page faults are counted by the system, in a process of their own."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from pmrl.experiments.memory import keep_freed_memory
torch.set_num_threads(1)
def faults():
    x = torch.randn(512, 1024)  # 2 MiB
    def step():
        first = -x
        second = -first
        return first + second
    for _ in range(5):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        step()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20
print(faults(), keep_freed_memory(), faults())
"""


def test_a_step_asks_the_system_for_no_memory():
    process = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, kept, after = process.stdout.split()
    if kept == "False":
        pytest.skip("the C library has no such setting")
    assert float(after) < 20 and float(after) <= float(before)


def test_other_c_libraries_are_left_alone(monkeypatch):
    from pmrl.experiments import memory

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert memory.keep_freed_memory() is False
