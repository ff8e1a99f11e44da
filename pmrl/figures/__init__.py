"""One module per figure, with ``draw(results, **options) -> Figure``; none of them imports torch."""

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from pmrl.errors import UserError

SHARED = {"__init__", "style"}


def available() -> list[str]:
    """Names of all figures: the file names in this folder."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in SHARED)


def write(
    name: str,
    results: Path,
    output: Path,
    study: Mapping[str, Any] | None = None,
    data: Path | None = None,
    **options: str,
) -> list[Path]:
    """Draw one figure and write it as PDF and PNG.

    Args:
        name: a name from ``available()``.
        results: folder with ``records.parquet`` and the other files that ``pmrl.results`` describes.
        output: folder for ``<name>.pdf`` and ``<name>.png``.
        study: the configuration of the study; read for ``datasets`` (names).
        data: the folder of the feature stores; ``data`` in the results folder by default.
        **options: keyword arguments of the figure's ``draw``, such as ``rival="vast"``; they are added to the
            file name, so that a variant never takes the place of the default figure.

    Returns:
        The two paths.

    Raises:
        UserError: unknown name, an option that the figure does not take, or a file is missing or malformed.
    """
    if name not in available():
        raise UserError(f"Unknown figure {name!r}. Valid figures: {', '.join(available())}.")
    from pmrl.figures import style
    from pmrl.results import Results

    draw, source = import_module(f"pmrl.figures.{name}").draw, Results(results, study, data)
    for option, value in options.items():
        if option not in signature(draw).parameters:
            raise UserError(f"Figure {name!r} takes no option {option!r}.")
        if option == "rival" and value not in source.methods:
            raise UserError(f"No records of the method {value!r}. Methods with records: {', '.join(source.methods)}.")
    with style.applied():
        figure = draw(source, **options)
        return style.save(figure, Path(output) / "-".join([name, *options.values()]))
