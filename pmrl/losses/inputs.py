"""What all losses check of their inputs, and in which type they compute."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

import torch
from torch import Tensor

from pmrl.errors import ArgumentError
from pmrl.losses.spectral import widen

P = ParamSpec("P")


def full_precision(function: Callable[Concatenate[Tensor, P], Tensor]) -> Callable[Concatenate[Tensor, P], Tensor]:
    """Let a loss or score compute in the type of its input, float32 at least, even under autocast."""

    @functools.wraps(function)
    def computed(first: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        with torch.autocast(first.device.type, enabled=False):
            return function(first, *args, **kwargs)

    return computed


def check_vectors(z: Tensor, mask: Tensor | None, name: str, least: int = 1) -> tuple[Tensor, Tensor | None]:
    """Modality vectors in float32 or float64, zero where absent, and the mask as booleans.

    Args:
        z: (batch, modalities, dimension), any floating type.
        mask: (batch, modalities), true where a modality is present; None means that all are.
        name: of the function, for the message.
        least: how many modalities it needs.

    Raises:
        ArgumentError: a shape or type is wrong.
    """
    if z.dim() != 3 or not z.is_floating_point() or z.shape[1] < least or z.shape[2] == 0:
        raise ArgumentError(
            f"{name}: z has shape {tuple(z.shape)} and type {z.dtype}, expected a floating (batch, modalities, "
            f"dimension) with at least {least} modalities. Stack the unit vectors of every instance along axis 1."
        )
    if mask is None:
        return widen(z), None
    if mask.shape != z.shape[:2]:
        raise ArgumentError(
            f"{name}: mask has shape {tuple(mask.shape)}, expected {tuple(z.shape[:2])}, one entry per instance and "
            "modality of z."
        )
    present = mask.bool()
    return widen(z).masked_fill(~present[..., None], 0), present


def all_present(shape: torch.Size, device: torch.device) -> Tensor:
    """A mask in which nothing is absent."""
    return torch.ones(shape, dtype=torch.bool, device=device)
