"""Weights from outside the project, such as a released checkpoint, as a network's first weights.

A mapping file says which tensors are taken and how, which are left, and which of ours start anew; everything must be
said, so that a name that has changed does not go unnoticed. `config/checkpoints/vast.yaml` is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pmrl.errors import UserError
from pmrl.files import read_yaml
from pmrl.method import Method, Network
from pmrl.method.networks import Standardize

KEYS = {"under", "prefix", "take", "leave", "start_anew"}
SHOWN = 8  # names in a message


class Taken(NamedTuple):
    """Where a tensor of the checkpoint goes, and what becomes of it: "same", "projection" or "logarithm"."""

    to: str
    kind: str


class Mapped(NamedTuple):
    """A mapping file.

    Attributes:
        under: the entry of the file that holds the tensors; "" where they stand at its top.
        prefix: what their names begin with.
        take: the tensors that are taken, by their names without the prefix.
        leave: patterns of those that are left.
        start_anew: patterns of our tensors that the checkpoint does not give.
    """

    under: str
    prefix: str
    take: Mapping[str, Taken]
    leave: tuple[str, ...]
    start_anew: tuple[str, ...]


def load_outside(checkpoint: Path, mapping: Path, network: Network, method: Method) -> None:
    """Set the weights of a network and a method from a checkpoint, strictly.

    Raises:
        UserError: a file cannot be read, a tensor is missing, unexpected, of another shape or not finite.
    """
    mapped = read_mapping(mapping)
    tensors = read_checkpoint(checkpoint, mapped)
    ours = {
        f"{prefix}.{name}": value
        for prefix, module in (("network", network), ("method", method))
        for name, value in module.state_dict().items()
    }
    _check_complete(checkpoint, mapping, mapped, tensors, ours)
    for source, taken in mapped.take.items():
        for name, value in KINDS[taken.kind](network, taken.to, tensors[source].float()).items():
            if value.shape != ours[name].shape:
                raise UserError(
                    f"{checkpoint}: {source} gives {name} the shape {tuple(value.shape)}; this network has "
                    f"{tuple(ours[name].shape)}. Set network.dimension and the encoders of the data set to those that "
                    "the checkpoint was made with."
                )
            if not torch.isfinite(value).all():
                raise UserError(f"{checkpoint}: {source} has values that are not finite; the file is damaged.")
            ours[name].copy_(value)  # a state dictionary shares its tensors with the module


def read_mapping(path: Path) -> Mapped:
    """A mapping file.

    Raises:
        UserError: it cannot be read, or is none.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or content.keys() - KEYS or not isinstance(content.get("take"), dict):
        raise UserError(f"{path}: expected the keys {', '.join(sorted(KEYS))}; see config/checkpoints/vast.yaml.")
    take = {}
    for source, about in content["take"].items():
        about = {"to": about} if isinstance(about, str) else about
        if not isinstance(about, dict) or not isinstance(about.get("to"), str) or about.keys() - {"to", "as"}:
            raise UserError(f"{path}: take: {source}: expected {{to: NAME, as: {' | '.join(KINDS)}}}; found {about!r}.")
        if about.get("as", SAME) not in KINDS:
            raise UserError(f"{path}: take: {source}: as is {about['as']!r}; expected one of {', '.join(KINDS)}.")
        take[str(source)] = Taken(about["to"], about.get("as", SAME))
    patterns = (tuple(map(str, content.get(key) or ())) for key in ("leave", "start_anew"))
    return Mapped(str(content.get("under") or ""), str(content.get("prefix") or ""), take, *patterns)


def read_checkpoint(path: Path, mapped: Mapped) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of one that ``torch.save`` wrote, without running code from it.

    Raises:
        UserError: the file cannot be read, or holds something else than tensors.
    """
    try:
        if Path(path).suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, UnpicklingError, RuntimeError, EOFError) as error:
        raise UserError(
            f"{path}: cannot be read as a checkpoint ({str(error).splitlines()[0]}). Expected a .safetensors file, or "
            "tensors saved by torch.save; anything else in such a file could run code and is not loaded."
        ) from error
    if mapped.under:
        content = content.get(mapped.under) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        where = f" under {mapped.under!r}" if mapped.under else ""
        raise UserError(f"{path}: expected tensors by name{where}; see `under` in config/checkpoints/vast.yaml.")
    return {name.removeprefix(mapped.prefix): value for name, value in content.items()}


def _check_complete(
    checkpoint: Path, mapping: Path, mapped: Mapped, tensors: Mapping[str, Tensor], ours: Mapping[str, Tensor]
) -> None:
    """Check that the mapping speaks of every tensor on both sides, and of no other."""
    given = {name for taken in mapped.take.values() for name in (taken.to, *_with_bias(taken))}
    unexpected = [n for n in tensors if n not in mapped.take and not _matches(n, mapped.leave)]
    anew = [n for n in ours if n not in given and not _matches(n, (*mapped.start_anew, *STATISTICS))]
    problems = {
        f"{checkpoint} does not have": [name for name in mapped.take if name not in tensors],
        f"{checkpoint} also has, which {mapping} does not mention": unexpected,
        "this network and method do not have": sorted(given - ours.keys()),
        f"{mapping} does not say where these come from": anew,
    }
    found = [f"{problem}: {_some(names)}" for problem, names in problems.items() if names]
    if found:
        raise UserError(f"{'; '.join(found)}. Say in {mapping} what is taken, left, or starts anew.")


STATISTICS = ("network.pooled.*", "network.tokens.*")  # of the features of the data set


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _with_bias(taken: Taken) -> tuple[str, ...]:
    return (taken.to.removesuffix("weight") + "bias",) if taken.kind == PROJECTION else ()


def _same(_: Network, name: str, value: Tensor) -> dict[str, Tensor]:
    return {name: value}


def _logarithm(_: Network, name: str, value: Tensor) -> dict[str, Tensor]:
    return {name: value.log()}


def _projection(network: Network, name: str, weight: Tensor) -> dict[str, Tensor]:
    """With x = mean + deviation · s of standardised features s: W x = (W · deviation) s + W mean."""
    modality = name.split(".")[-2]
    statistics = cast(Standardize, network.pooled[modality])
    mean, deviation = statistics.mean.to(weight), statistics.deviation.to(weight)
    if weight.shape[-1] != len(mean):
        return {name: weight}  # the caller says that it does not fit
    bias = name.removesuffix("weight") + "bias"
    return {name: weight * deviation, bias: weight @ mean}


SAME, PROJECTION = "same", "projection"
KINDS: dict[str, Callable[[Network, str, Tensor], dict[str, Tensor]]] = {
    SAME: _same,
    PROJECTION: _projection,
    "logarithm": _logarithm,
}
