"""Checkpoints: safetensors files with a fingerprint of everything that they depend on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pmrl.errors import UserError
from pmrl.files import replacing
from pmrl.method import Method, Network


def save_checkpoint(path: Path, network: nn.Module, method: nn.Module, fingerprint: str) -> None:
    """Write both modules' tensors, with the fingerprint as metadata."""
    modules = {"network": network, "method": method}
    tensors = {
        f"{prefix}.{name}": tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for prefix, module in modules.items()
        for name, tensor in module.state_dict().items()
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"fingerprint": fingerprint})


def read_fingerprint(path: Path) -> str | None:
    """The fingerprint of a checkpoint, or None if there is no readable checkpoint."""
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get("fingerprint")
    except (OSError, SafetensorError):
        return None


def load_checkpoint(path: Path, network: nn.Module, method: nn.Module, device: torch.device) -> None:
    """Load a checkpoint strictly: it must hold every tensor of the modules and no other.

    Raises:
        UserError: the file is missing, damaged, or belongs to another network.
    """
    for prefix, module in {"network": network, "method": method}.items():
        with _fitting(path, prefix):
            module.load_state_dict(_tensors(path, prefix, device))


def start_network(path: Path, network: Network, method: Method, device: torch.device) -> None:
    """Let a method start its network from the network of another method's checkpoint.

    Raises:
        UserError: the file is missing or damaged, or its weights do not fit.
    """
    with _fitting(path, "network"):
        method.start_from(network, _tensors(path, "network", device))


def _tensors(path: Path, prefix: str, device: torch.device) -> dict[str, Tensor]:
    """The tensors of one module of a checkpoint."""
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            names = [key for key in file.keys() if key.startswith(f"{prefix}.")]  # noqa: SIM118
            return {name.removeprefix(f"{prefix}."): file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: the checkpoint cannot be read ({error}). Delete it and train again.") from error


@contextmanager
def _fitting(path: Path, prefix: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise UserError(f"{path}: the checkpoint does not fit the {prefix}: {error}") from error
