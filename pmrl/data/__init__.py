"""Data sets: the feature-store format, the encoders, and one module per source.

A module of this package that defines `build(cache)` is a source; its file name is the data set's name.
Importing this package, or a source, loads none of the heavy packages.
"""

import ast
import importlib
from importlib import metadata
from pathlib import Path
from types import ModuleType

from pmrl.errors import UserError

_FOLDER = Path(__file__).parent
PACKAGE_CACHE = ".packages"


def available() -> list[str]:
    """Names of the data sets that can be prepared."""
    return [path.stem for path in sorted(_FOLDER.glob("*.py")) if "\ndef build(" in path.read_text(encoding="utf-8")]


def prepare(name: str, root: Path) -> Path:
    """Build the feature store ``root/name`` unless an intact one of the same recipe is there.

    Raises:
        UserError: the name is unknown, a package is missing, or a source is not what was expected.
    """
    from dataclasses import replace

    from pmrl.data import store

    source = _source(name)
    folder = Path(root) / name
    versions = {package: _version(package) for package in source.PACKAGES}
    recipe = store.text_digest(*_code(name), *(f"{key}=={value}" for key, value in versions.items()))
    if store.is_current(folder, recipe):
        return folder
    dataset = source.build(Path(root) / PACKAGE_CACHE)
    card = replace(dataset.card, versions=versions, recipe=recipe)
    store.save(replace(dataset, card=card), folder)
    return folder


def code_files(name: str) -> list[Path]:
    """The modules of this package whose code decides what the store ``name`` contains, sorted."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imported(_FOLDER / f"{module}.py")
    return [_FOLDER / f"{module}.py" for module in sorted(found)]


def _source(name: str) -> ModuleType:
    if name not in available():
        raise UserError(f"Unknown data set {name!r}; the data sets are {', '.join(available())}.")
    return importlib.import_module(f"pmrl.data.{name}")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError as error:
        raise UserError(
            f'The package {package} is missing; install what the study needs by `pip install -e ".[study]"`.'
        ) from error


def _imported(path: Path) -> list[str]:
    """Modules of this package that the file imports."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "pmrl.data":
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pmrl.data."):
            names.append(node.module.removeprefix("pmrl.data."))
    return names


def _code(name: str) -> list[str]:
    """The code behind a store without comments and layout, so that those never cause a rebuild."""
    return [ast.dump(ast.parse(path.read_text(encoding="utf-8"))) for path in code_files(name)]
