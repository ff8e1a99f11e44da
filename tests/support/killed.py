"""Trains a run in children that are killed at random moments, until one gets to the end; prints how many it took.

Run as ``python killed.py STORE RESULTS KILLS SEED [STEPS]``; a child that is not killed in time ends the training.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from killed_run import trained

KILLS = int(sys.argv[3])


def attempt(results: Path, seconds: float | None) -> bool:
    """Whether a child that trains for so long, without end for None, gets to the end."""
    child = os.fork()
    if not child:
        torch.set_num_threads(1)
        trained(Path(sys.argv[1]), results, every_step=True)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] == 0


results, draw = Path(sys.argv[2]), random.Random(int(sys.argv[4]))
killed = sum(not attempt(results, draw.uniform(0.02, 0.4)) for _ in range(KILLS))
assert attempt(results, None)
print(killed)
