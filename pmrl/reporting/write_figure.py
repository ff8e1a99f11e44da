"""Draw one figure by its name.

A figure is a module of ``pmrl/figures`` with READS and ``draw(results, **options)``; for READS see
``pmrl.discovery.reads``.
"""

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from pmrl.discovery import figures
from pmrl.errors import UserError
from pmrl.reporting import style
from pmrl.reporting.results import Results


def write_figure(
    name: str,
    results: Path,
    output: Path,
    study: Mapping[str, Any] | None = None,
    data: Path | None = None,
    width: str | None = None,
    **options: str,
) -> list[Path]:
    """Draw one figure and write it as PDF and PNG.

    Args:
        name: a name from ``pmrl.discovery.figures()``.
        results: folder with ``records.parquet`` and the other files that ``pmrl.records`` describes.
        output: folder for ``<name>.pdf`` and ``<name>.png``.
        study: the settings of ``pmrl.study.plan.study_settings``.
        data: the folder of the feature stores; ``data`` in the results folder by default.
        width: "column" or "page", to fit the figure to a column of a paper or to both; as it was drawn by default. The
            proportions and the size of the letters stay. It is added to the file name.
        **options: keyword arguments of the figure's ``draw``, such as ``rival="vast"``; their values are added to the
            file name, so that the default figure is never overwritten.

    Returns:
        The two paths.

    Raises:
        UserError: unknown name, an option that the figure does not take, or a file is missing or malformed.
    """
    if name not in figures():
        raise UserError(f"Unknown figure {name!r}. Valid figures: {', '.join(figures())}.")
    module = import_module(f"pmrl.figures.{name}")
    source = Results(results, study, data, module.READS)
    for option, value in options.items():
        if option not in signature(module.draw).parameters:
            raise UserError(f"Figure {name!r} takes no option {option!r}.")
        if option == "rival" and value not in source.methods:
            raise UserError(f"No records of the method {value!r}. Methods with records: {', '.join(source.methods)}.")
    with style.applied():
        figure = module.draw(source, **options)
        if width:
            style.fit(figure, width)
        return style.save(figure, Path(output) / "-".join([name, *options.values(), *([width] if width else [])]))
