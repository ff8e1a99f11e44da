"""Checkpoints: safetensors files with a fingerprint of everything that they depend on."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from pmrl.errors import UserError
from pmrl.files import replacing


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


def load_checkpoint(path: Path, network: nn.Module, method: nn.Module | None, device: torch.device) -> None:
    """Load a checkpoint strictly: it must hold every tensor of the modules and no other.

    Raises:
        UserError: the file is missing, damaged, or belongs to another network.
    """
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: the checkpoint cannot be read ({error}). Delete it and train again.") from error
    for prefix, module in {"network": network, "method": method}.items():
        if module is None:
            continue
        state = {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}
        try:
            module.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise UserError(f"{path}: the checkpoint does not fit the {prefix}: {error}") from error
