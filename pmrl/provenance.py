"""The code of the project that a number depends on, computed from imports instead of written in a list.

A module depends on itself and on every module of the project that it imports, directly or indirectly. The digest of
that code ignores comments, docstrings and layout, so that runs are repeated only if a number could change.
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
    """The content of one file.

    Attributes:
        imports: pairs of a module's or package's file and the name imported from it ("" for the whole file), in order.
        constants: for a file that only assigns constants, each name's code and the names that it refers to; else None.
        code: the file's code without comments, docstrings and layout.
    """

    imports: tuple[tuple[Path, str], ...]
    constants: dict[str, tuple[str, frozenset[str]]] | None
    code: str


def sources(*paths: Path | str) -> list[Path]:
    """The modules at ``paths`` (below the project's folder) and all modules of the project that they depend on, sorted.

    All import statements count, wherever they are, except those for type checkers alone. Nothing is imported.
    """
    files: set[Path] = set()
    waiting = [ROOT / path for path in paths]
    while waiting:
        path = waiting.pop()
        if path not in files:
            files.add(path)
            waiting += [file for file, _ in _read(path).imports]
    return sorted(files)


def code(*paths: Path | str) -> str:
    """Digest of all code that the modules at ``paths`` depend on.

    Of a module of constants, such as ``pmrl.records``, only the imported constants count.
    """
    files = sources(*paths)
    imported_names: dict[Path, set[str]] = {}
    for path in files:
        for file, name in _read(path).imports:
            imported_names.setdefault(file, set()).add(name)
    roots = {ROOT / path for path in paths}
    return text_digest(
        *(
            f"{path.relative_to(ROOT)}\n{_relevant(_read(path), imported_names.get(path, set()), path in roots)}"
            for path in files
        )
    )


def text_digest(*texts: str) -> str:
    """Hexadecimal SHA-256 of some texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _relevant(module: Module, names: set[str], whole: bool) -> str:
    """The module's code; for a module of constants, unless ``whole``, only what the imported ``names`` depend on."""
    if whole or module.constants is None or not names <= module.constants.keys():
        return module.code
    needed: set[str] = set()
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [other for other in module.constants[name][1] if other in module.constants]
    return "\n".join(module.constants[name][0] for name in sorted(needed))


def _read(path: Path) -> Module:
    status = path.stat()
    return _parse(path, status.st_mtime_ns, status.st_size)


@cache
def _parse(path: Path, modified: int, size: int) -> Module:
    """The file at ``path``. A file that is not valid Python has no imports here; the job that runs it fails."""
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
    """The files of the modules that belong to the project, from pairs of module and imported name."""
    for module, name in names:
        first, *rest = module.split(".")
        place = ROOT.joinpath(first, *rest)
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if first in PACKAGES and file.is_file():
                yield file, name


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes except those under ``if TYPE_CHECKING:``."""
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
    constants: dict[str, tuple[str, frozenset[str]]] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign):
            return None
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        targets = {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
        for name in targets:
            if name in constants:
                return None
            constants[name] = (ast.dump(node), frozenset(names - {name}))
    return constants
