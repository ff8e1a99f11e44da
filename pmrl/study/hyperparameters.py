"""Names of a method's hyper-parameters, read from its files without importing them, so that planning is fast."""

import ast
from pathlib import Path

from pmrl import provenance
from pmrl.discovery import method_file
from pmrl.errors import UserError

SUFFIX = "Hyperparameters"


def hyperparameter_names(method: str) -> list[str]:
    """The fields of the classes named ``…Hyperparameters`` in all files that a method depends on, its own last.

    Raises:
        UserError: a file is not Python.
    """
    own = method_file(method)
    inherited = [path for path in provenance.sources(own) if path != own]
    return list(dict.fromkeys(name for path in [*inherited, own] for name in _fields(method, path)))


def _fields(method: str, path: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UserError(f"Method {method!r}: {path.name}, line {error.lineno}: not valid Python.") from error
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name.endswith(SUFFIX)]
    assigned = [part for node in classes for part in node.body if isinstance(part, ast.AnnAssign)]
    return [part.target.id for part in assigned if isinstance(part.target, ast.Name)]
