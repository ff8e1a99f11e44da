"""One seed for every source of random numbers that a method may draw from, and the state of these sources."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from pmrl.seeds import derived_seed


def seed_draws(*purpose: object) -> None:
    """Seed torch, and the generators that NumPy and Python share, by the purpose of the draws that follow."""
    seed = derived_seed(*purpose)
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def random_state(device: torch.device) -> list[Tensor]:
    """The state of torch's generators on the CPU and on the device."""
    if device.type == "cuda":
        return [torch.get_rng_state(), torch.cuda.get_rng_state(device)]
    return [torch.get_rng_state()]


def set_random_state(state: list[Tensor], device: torch.device) -> None:
    """Set what :func:`random_state` has returned."""
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)


@contextmanager
def drawing_again(state: list[Tensor], device: torch.device) -> Iterator[None]:
    """Draw from an earlier ``state`` for a while; draws afterwards go on as if nothing had been drawn."""
    before = random_state(device)
    set_random_state(state, device)
    try:
        yield
    finally:
        set_random_state(before, device)
