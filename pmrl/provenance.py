"""Which code of the project a number rests on: computed from imports, never kept in a list.

A module rests on itself and on every module of the project that it imports, directly or not. The digest of that code
ignores comments, docstrings and layout, so that only a change that can change a number makes anything run again.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import NamedTuple

from pmrl.discovery import ROOT

PACKAGES = ("pmrl", "baselines")


class Module(NamedTuple):
    """What one file says.

    Attributes:
        imports: (module or package file, name imported from it; "" for the file as a whole), in order.
        constants: for a file that only assigns constants, each name's code and the names that it refers to; else None.
        code: the file's code without comments, docstrings and layout.
    """

    imports: tuple[tuple[Path, str], ...]
    constants: dict[str, tuple[str, frozenset[str]]] | None
    code: str


def sources(*paths: Path | str) -> list[Path]:
    """The modules at ``paths`` (below the project's folder) and every module of the project that they rest on, sorted.

    Only import statements are read, wherever they stand, but those for type checkers alone; nothing is imported.
    """
    found: set[Path] = set()
    waiting = [ROOT / path for path in paths]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [file for file, _ in _read(path).imports]
    return sorted(found)


def code(*paths: Path | str) -> str:
    """Digest of all code that the modules at ``paths`` rest on.

    Of a module of constants, such as ``pmrl.records``, only the constants that are imported count.
    """
    files = sources(*paths)
    wanted: dict[Path, set[str]] = {}
    for path in files:
        for file, name in _read(path).imports:
            wanted.setdefault(file, set()).add(name)
    asked = {ROOT / path for path in paths}
    return text_digest(
        *(
            f"{path.relative_to(ROOT)}\n{_relevant(_read(path), wanted.get(path, set()), path in asked)}"
            for path in files
        )
    )


def text_digest(*texts: str) -> str:
    """Hexadecimal SHA-256 of some texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _relevant(module: Module, names: set[str], whole: bool) -> str:
    """The module's code; of a module of constants those that ``names`` rest on."""
    if whole or module.constants is None or not names <= module.constants.keys():
        return module.code
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [other for other in module.constants[name][1] if other in module.constants]
    return "\n".join(module.constants[name][0] for name in sorted(found))


def _read(path: Path) -> Module:
    changed = path.stat()
    return _parse(path, changed.st_mtime_ns, changed.st_size)


@cache
def _parse(path: Path, changed: int, size: int) -> Module:
    """The file at ``path``; one that is not Python imports nothing, and its own job will say what is wrong with it."""
    text = path.read_text(encoding="utf-8")
    try:
        tree = ast.parse(text)
        imports = tuple(_imports(tree, path))
    except (SyntaxError, ImportError):
        return Module((), None, text)
    _strip_docstrings(tree)
    return Module(imports, _constants(tree), ast.dump(tree))


def _imports(tree: ast.Module, path: Path) -> Iterator[tuple[Path, str]]:
    package = ".".join(path.relative_to(ROOT).parent.parts)
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            yield from _files((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                submodule = [*_files([(f"{module}.{alias.name}", "")])]
                yield from submodule or _files([(module, alias.name)])


def _files(names: Iterable[tuple[str, str]]) -> Iterator[tuple[Path, str]]:
    """The files of those (module, imported name) that belong to the project."""
    for module, name in names:
        first, *rest = module.split(".")
        place = ROOT.joinpath(first, *rest)
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if first in PACKAGES and file.is_file():
                yield file, name


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under ``if TYPE_CHECKING:``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from _executed(node)


def _strip_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _constants(tree: ast.Module) -> dict[str, tuple[str, frozenset[str]]] | None:
    """Each assigned name with its code and the names in it; None if the module does anything but assign."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign):
            return None
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        targets = {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
        for name in targets:
            if name in found:
                return None
            found[name] = (ast.dump(node), frozenset(names - {name}))
    return found
