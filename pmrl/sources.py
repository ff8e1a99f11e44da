"""Which files of the project a module rests on, so that a workflow reruns what a change affects, and only that."""

import ast
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

from pmrl.discovery import BASELINES, ROOT, method_file, method_files

PACKAGES = ("pmrl", "baselines")


def sources(path: Path) -> list[Path]:
    """The module at ``path`` and every module of the project that it imports, directly or not, sorted.

    Only import statements are read, so nothing is imported; package files (``__init__``) are left out.
    """
    found: set[Path] = set()
    waiting = [ROOT / path]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imported(module)
    return sorted(found)


def method_sources(name: str) -> list[Path]:
    """The file of the method ``name`` and those of ``baselines/`` and of PMRL that it imports, directly or not, sorted.

    Raises:
        UserError: no such method; the message lists the valid names.
    """
    proposed = method_files()["pmrl"]
    return [path for path in sources(method_file(name)) if path == proposed or path.is_relative_to(BASELINES)]


@cache
def _imported(path: Path) -> list[Path]:
    """Files of the modules that one file names in its imports; none if it is not Python, which its import will tell."""
    try:
        names = _imported_names(path)
    except (SyntaxError, ImportError):
        return []
    inside = [name.split(".") for name in names if name.split(".")[0] in PACKAGES]
    files = [ROOT.joinpath(*parts[:-1], f"{parts[-1]}.py") for parts in inside]
    return [file for file in files if file.is_file()]


def _imported_names(path: Path) -> list[str]:
    """Modules, and what is imported from them, by full names."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return names
