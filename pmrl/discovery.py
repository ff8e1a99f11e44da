"""Which methods exist: one file is one method. File names are enough, so nothing here imports torch."""

import ast
from pathlib import Path

from pmrl.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
BASELINES = ROOT / "baselines"
SKIPPED_PREFIXES = ("_", "template_")


def method_files() -> dict[str, Path]:
    """Every method's name and the file that defines it: PMRL first, then the baselines by name."""
    baselines = {
        path.stem: path for path in sorted(BASELINES.glob("*.py")) if not path.stem.startswith(SKIPPED_PREFIXES)
    }
    return {"pmrl": ROOT / "pmrl" / "objective.py", **baselines}


def method_file(name: str) -> Path:
    """The file that defines the method ``name``.

    Raises:
        UserError: no such method; the message lists the valid names.
    """
    files = method_files()
    if name not in files:
        raise UserError(f"Unknown method {name!r}. Valid methods: {', '.join(files)}.")
    return files[name]


def hyperparameter_names(method: str) -> list[str]:
    """Names of a method's hyper-parameters: the fields of the dataclasses in its file, and those that all methods have.

    The file is read, not imported.

    Raises:
        UserError: the file is not Python.
    """
    names = []
    for path in (ROOT / "pmrl" / "method.py", method_file(method)):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError as error:
            raise UserError(f"Method {method!r}: {path.name}, line {error.lineno}: not valid Python.") from error
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.decorator_list]
        names += [field.target.id for node in classes for field in node.body if isinstance(field, ast.AnnAssign)]
    return list(dict.fromkeys(names))
