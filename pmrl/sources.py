"""Which files of the project a module rests on, so that a workflow reruns what a change affects, and only that."""

import ast
from pathlib import Path

from pmrl.discovery import ROOT

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


def _imported(path: Path) -> list[Path]:
    """Files of the modules that one file names in its imports."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    inside = [name.split(".") for name in names if name.split(".")[0] in PACKAGES]
    files = [ROOT.joinpath(*parts[:-1], f"{parts[-1]}.py") for parts in inside]
    return [file for file in files if file.is_file()]
