"""Write one table by its name.

A table is a module of ``pmrl/tables`` with TITLE, CAPTION, READS, ``build(results)`` (the numbers) and
``show(frame, results)`` (their layout); for READS see ``pmrl.discovery.reads``.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from pmrl.discovery import tables
from pmrl.errors import UserError
from pmrl.reporting import render
from pmrl.reporting.results import Results


def write_table(
    name: str, results: Path, output: Path, study: Mapping[str, Any] | None = None, data: Path | None = None
) -> list[Path]:
    """Build one table and write it as CSV, Markdown, LaTeX and HTML.

    Args:
        name: a name from ``pmrl.discovery.tables()``.
        results: folder with ``records.parquet`` and the other files that ``pmrl.records`` describes.
        output: folder for ``<name>.csv``, ``.md``, ``.tex`` and ``.html``.
        study: the settings of ``pmrl.study.plan.study_settings``.
        data: the folder of the feature stores; ``data`` in the results folder by default.

    Returns:
        The four paths.

    Raises:
        UserError: unknown name, or a file is missing or malformed.
    """
    if name not in tables():
        raise UserError(f"Unknown table {name!r}. Valid tables: {', '.join(tables())}.")
    module = import_module(f"pmrl.tables.{name}")
    source = Results(results, study, data, module.READS)
    frame = module.build(source)
    shown = module.show(frame, source)
    shown.attrs["notes"] = [*shown.attrs.get("notes", []), *absences(source.study)]
    return render.write(Path(output) / name, module.TITLE, module.CAPTION, frame, shown)


def absences(study: Mapping[str, Any]) -> list[str]:
    """One line for each data set of the study whose files are missing."""
    return [f"Without {name}: {reason}" for name, reason in study.get("absent", {}).items()]
