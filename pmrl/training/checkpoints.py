"""Checkpoints: safetensors files with a fingerprint of everything that they depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    save_tensors(path, module_tensors({"network": network, "method": method}), {"fingerprint": fingerprint})


def module_tensors(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """The tensors of some modules; the names begin with that of their module."""
    return {
        f"{prefix}.{name}": tensor for prefix, module in modules.items() for name, tensor in module.state_dict().items()
    }


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors and metadata, whole or not at all."""
    content = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    with replacing(path) as temporary:
        save_file(content, temporary, metadata=metadata)


def read_fingerprint(path: Path) -> str | None:
    """The fingerprint of a checkpoint, or None if there is no readable checkpoint."""
    try:
        return read_metadata(path).get("fingerprint")
    except UserError:
        return None


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a file of tensors.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def load_checkpoint(path: Path, network: nn.Module, method: nn.Module, device: torch.device) -> None:
    """Load a checkpoint strictly: it must hold every tensor of the modules and no other.

    Raises:
        UserError: the file is missing, damaged, or belongs to another network.
    """
    load_module(path, "network", network, device)
    load_module(path, "method", method, device)


def load_module(path: Path, prefix: str, module: nn.Module, device: torch.device) -> None:
    """Load one module of a checkpoint strictly.

    Raises:
        UserError: the file is missing, damaged, or belongs to another network.
    """
    with _fitting(path, prefix):
        module.load_state_dict(read_tensors(path, prefix, device))


def start_network(path: Path, network: Network, method: Method, device: torch.device) -> None:
    """Let a method start its network from the network of another method's checkpoint.

    Raises:
        UserError: the file is missing or damaged, or its weights do not fit.
    """
    with _fitting(path, "network"):
        method.start_from(network, read_tensors(path, "network", device))


def read_tensors(path: Path, prefix: str, device: torch.device) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix`` and a dot.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            names = [key for key in file.keys() if key.startswith(f"{prefix}.")]  # noqa: SIM118
            return {name.removeprefix(f"{prefix}."): file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: the checkpoint cannot be read ({error}). Delete it and train again.")


@contextmanager
def _fitting(path: Path, prefix: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise UserError(f"{path}: the checkpoint does not fit the {prefix}: {error}") from error
