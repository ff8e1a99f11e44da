"""One seed for every source of random numbers that a method may draw from."""

import random

import numpy as np
import torch

from pmrl.seeds import derived_seed


def seed_draws(*purpose: object) -> None:
    """Seed torch, and the generators that NumPy and Python share, by the purpose of the draws that follow."""
    seed = derived_seed(*purpose)
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
