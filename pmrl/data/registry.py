"""Find a data set by its name and build it: the built-in sources, and the user's own cards.

A module of ``pmrl/data/sources`` defines ``PACKAGES`` and ``build(cache)``; its file name is the data set's name. A
folder ``datasets/NAME`` with a ``card.yaml`` is a data set of the user's own, see docs/adding_a_dataset.md.
Importing this module or a source loads no heavy package.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from pmrl import provenance
from pmrl.discovery import OWN_DATA, ROOT, built_in_data_sets, data_sets
from pmrl.errors import UserError
from pmrl.files import read_yaml, replacing, sha256

if TYPE_CHECKING:
    from pmrl.data.dataset import Dataset

PACKAGE_CACHE = ".packages"
MEDIA_CACHE = ".media"  # features of the user's own clips, so that an encoding that is cut off goes on


@dataclass(frozen=True)
class _Source:
    """How a store is made: the code, the packages and the files; ``build`` returns a checked data set."""

    name: str
    module: str
    versions: dict[str, str]
    files: list[Path]
    build: Callable[[Path], Dataset]


def absence(name: str, folder: Path | None = None) -> str:
    """Why a data set cannot be prepared: the user's files are missing, or this machine cannot; empty if it can.

    Raises:
        UserError: there is no such data set.
    """
    if card_path(name) is not None:
        return ""
    module = _module(name)
    if hasattr(module, "absence"):
        return str(module.absence())
    if not hasattr(module, "inputs"):
        return ""
    try:
        module.inputs(folder)
    except UserError as error:
        return str(error)
    return ""


def prepare(name: str | Path, root: Path, folder: Path | None = None) -> Path:
    """Build the feature store below ``root`` unless an intact one of the same recipe is there.

    Args:
        name: a name from `pmrl.discovery.data_sets`, or the path of a card of the user's own.
        root: where the stores are.
        folder: where the user keeps the files of a source that no package carries (``abide``).

    Returns:
        The folder of the store, which also has the table of `pmrl.data.learnability`. A file beside it has the
        checksum of its content, so that a store that is rebuilt with equal content makes nothing run again.

    Raises:
        UserError: the name is unknown, a package or a file is missing, or a source has unexpected content.
    """
    from pmrl.data import learnability, store

    source = _find(name, folder)
    target = Path(root) / source.name
    if not store.is_current(target, _recipe(source)):
        dataset = source.build(Path(root) / PACKAGE_CACHE)
        card = replace(dataset.card, versions=source.versions, recipe=_recipe(source))
        (target / learnability.FILE).unlink(missing_ok=True)
        store.write(replace(dataset, card=card), target)
        del dataset  # so that it is not in memory twice
    if not (target / learnability.FILE).is_file():
        learnability.save(store.load(target), target)
    with replacing(target.with_name(f"{target.name}.checksum")) as temporary:
        temporary.write_text(store.read_card(target).checksum + "\n", encoding="utf-8")
    return target


def is_current(name: str, root: Path, folder: Path | None = None) -> bool:
    """Whether the store of a data set below ``root`` was made by today's recipe: code, versions, files by content."""
    card = read_yaml(Path(root) / name / "card.yaml") or {}
    return isinstance(card, dict) and card.get("recipe") == _recipe(_find(name, folder))


def code(name: str) -> str:
    """Digest of the code that decides what the store of a data set contains."""
    return _digest("own" if card_path(name) else name)


def input_files(name: str, folder: Path | None = None) -> list[Path]:
    """The user's own files that the store of a data set is built from; none for one that comes from packages.

    Raises:
        UserError: the data set is unknown, or a file is missing.
    """
    return _find(name, folder).files


def package_versions(name: str, folder: Path | None = None) -> dict[str, str]:
    """The installed versions of the packages that a data set is built from and encoded by."""
    return _find(name, folder).versions


def card_path(name: str | Path) -> Path | None:
    """The card of a data set of the user's own, given by its path or by its name; None for others."""
    if Path(name).suffix in (".yaml", ".yml"):
        return Path(name)
    path = OWN_DATA / name / "card.yaml"
    return path if path.is_file() else None


def _find(name: str | Path, folder: Path | None) -> _Source:
    card = card_path(name)
    if card is not None:
        from pmrl.data import own_card

        if folder is not None:
            raise UserError(f"{name}: the files of your own data set are beside its card; it takes no folder.")
        files = own_card.inputs(card)
        return _Source(own_card.name_of(card), "own", {}, files, partial(_build_own, card))
    module = _module(name)
    versions = {package: _version(package) for package in module.PACKAGES}
    build, files = module.build, []
    if hasattr(module, "inputs"):
        build, files = partial(module.build, folder=folder), module.inputs(folder)
    elif folder is not None:
        raise UserError(f"{name}: this data set comes from packages; it takes no folder.")
    return _Source(str(name), str(name), versions, files, lambda cache: _checked(build(cache)))


def _build_own(card: Path, cache: Path) -> Dataset:
    """The user's own data set; like a source, what builds it is loaded only here."""
    dataset: Dataset = importlib.import_module("pmrl.data.own").build(card, cache.parent / MEDIA_CACHE)
    return dataset


def _checked(dataset: Dataset) -> Dataset:
    from pmrl.data import store

    return store.completed(dataset)


def _module(name: str | Path) -> ModuleType:
    """The module of a built-in data set."""
    if name not in built_in_data_sets():
        raise UserError(f"Unknown data set {str(name)!r}; the data sets are {', '.join(data_sets())}.")
    return importlib.import_module(f"pmrl.data.sources.{name}")


def _recipe(source: _Source) -> str:
    """A digest of everything that decides the content of a store: code, versions of packages, the user's files."""
    versions = [f"{package}=={version}" for package, version in source.versions.items()]
    return provenance.text_digest(_digest(source.module), *versions, sha256(*source.files))


def _digest(module: str) -> str:
    """Digest of the code of a source, or of ``own``, and of the store."""
    folder = ROOT / "pmrl" / "data"
    file = folder / "own.py" if module == "own" else folder / "sources" / f"{module}.py"
    return provenance.code(file, folder / "store.py")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError as error:
        raise UserError(
            f'The package {package} is missing; install what the study needs by `pip install -e ".[study]"`.'
        ) from error
