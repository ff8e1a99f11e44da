"""A method's hyper-parameters, their types and ranges, read from its files without importing them: planning is fast."""

import ast
from contextlib import suppress
from pathlib import Path

from pmrl import provenance
from pmrl.discovery import method_file
from pmrl.errors import UserError
from pmrl.ranges import LIMIT_NAMES, Range

SUFFIX = "Hyperparameters"

Declaration = tuple[str, Range]
"""The name of a hyper-parameter's type, and its range."""


def hyperparameter_names(method: str) -> list[str]:
    """Names of the hyper-parameters that :func:`declarations` finds.

    Raises:
        UserError: a file is not Python.
    """
    return list(declarations(method))


def declarations(method: str) -> dict[str, Declaration]:
    """The fields of the classes named ``…Hyperparameters`` in all files that a method depends on, its own last.

    A limit that is no literal, such as the name of a constant, is left out here; it is checked before training.

    Raises:
        UserError: a file is not Python.
    """
    own = method_file(method)
    inherited = [path for path in provenance.sources(own) if path != own]
    found: dict[str, Declaration] = {}
    for path in [*inherited, own]:
        found |= _fields(method, path)
    return found


def _fields(method: str, path: Path) -> dict[str, Declaration]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UserError(f"Method {method!r}: {path.name}, line {error.lineno}: not valid Python.") from error
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name.endswith(SUFFIX)]
    assigned = [part for node in classes for part in node.body if isinstance(part, ast.AnnAssign)]
    return {
        part.target.id: (ast.unparse(part.annotation), _range(part.value))
        for part in assigned
        if isinstance(part.target, ast.Name)
    }


def _range(declared: ast.expr | None) -> Range:
    """The literal limits in a call such as ``searched(0.07, 0.1, above=0)``."""
    keywords = declared.keywords if isinstance(declared, ast.Call) else []
    limits = {}
    for keyword in keywords:
        if keyword.arg in LIMIT_NAMES:
            with suppress(ValueError):
                limits[keyword.arg] = ast.literal_eval(keyword.value)
    return Range(**limits)
