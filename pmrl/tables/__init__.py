"""One module per table, with TITLE, CAPTION, ``build`` (the numbers) and ``show`` (how they are laid out)."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from pmrl.errors import UserError

SHARED = {"__init__", "cells", "contrasts", "directions", "render"}


def available() -> list[str]:
    """Names of all tables: the file names in this folder."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in SHARED)


def write(
    name: str, results: Path, output: Path, study: Mapping[str, Any] | None = None, data: Path | None = None
) -> list[Path]:
    """Build one table and write it as CSV, Markdown, LaTeX and HTML.

    Args:
        name: a name from ``available()``.
        results: folder with ``records.parquet`` and the other files that ``pmrl.results`` describes.
        output: folder for ``<name>.csv``, ``.md``, ``.tex`` and ``.html``.
        study: the configuration of the study; read for ``datasets`` (names), ``absent`` ({name: why}) and ``claims``.
        data: the folder of the feature stores; ``data`` in the results folder by default.

    Returns:
        The four paths.

    Raises:
        UserError: unknown name, or a file is missing or malformed.
    """
    if name not in available():
        raise UserError(f"Unknown table {name!r}. Valid tables: {', '.join(available())}.")
    from pmrl.results import Results
    from pmrl.tables import render

    module = import_module(f"pmrl.tables.{name}")
    source = Results(results, study, data)
    frame = module.build(source)
    shown = module.show(frame, source)
    shown.attrs["notes"] = [*shown.attrs.get("notes", []), *absences(source.study)]
    return render.write(Path(output) / name, module.TITLE, module.CAPTION, frame, shown)


def absences(study: Mapping[str, Any]) -> list[str]:
    """One line for each data set that the study asks for and that is not here."""
    return [f"Without {name}: {reason}" for name, reason in study.get("absent", {}).items()]
