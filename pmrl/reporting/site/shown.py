"""A results folder as the pages of the site see it: its tables, its runs, and the files that pages write."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from pmrl.discovery import tables
from pmrl.errors import UserError
from pmrl.files import read_json
from pmrl.records import DESCRIPTION, FOUNDATION, MAIN, TIME
from pmrl.reporting.results import Results

POINTS = 40  # of a curve, at most


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: below ``<results>/runs``, such as ``digits/pmrl/main/seed_0``.
        about: the content of its ``run.json``.
        finished: when that file was written, in seconds since 1970.
    """

    folder: str
    about: Mapping[str, Any]
    finished: float


class Shown:
    """A results folder, and the folder of pages that is made of it.

    Args:
        folder: the results folder.
        pages: where the pages are written, for mkdocs.
        files: where what they load and link to is written, in the same places as mkdocs puts the pages.
        study: the settings of ``pmrl.study.plan.site_settings``; empty for a folder that is shown without its config.
        data: the folder of the feature stores; ``data`` in the results folder by default.
        name: what the site calls the folder.
        inside: whether the pages have a folder of their own within the site.
    """

    def __init__(
        self,
        folder: Path,
        pages: Path,
        files: Path,
        study: Mapping[str, Any],
        data: Path | None,
        name: str,
        inside: bool = False,
    ) -> None:
        self.folder, self.pages, self.files = Path(folder), Path(pages), Path(files)
        self.study, self.name, self.inside = study, name, inside
        self.results = Results(folder, study, data)
        self._tables: dict[str, pd.DataFrame | str] = {}

    def table(self, name: str) -> pd.DataFrame:
        """The numbers of a table: as the study wrote them, or else made from the records.

        Raises:
            UserError: the records that the table needs are missing; the message says which.
        """
        if name not in self._tables:
            self._tables[name] = self._written(name)
        found = self._tables[name]
        if isinstance(found, str):
            raise UserError(found)
        return found

    def _written(self, name: str) -> pd.DataFrame | str:
        path = self.folder / "tables" / f"{name}.csv"
        try:
            if path.exists():
                return pd.read_csv(path, keep_default_na=False, na_values=[""])
            if name not in tables():
                return f"There is no table {name!r}."
            built: pd.DataFrame = self.module(name).build(self.results)
            return built
        except UserError as error:
            return str(error)
        except (ValueError, OSError) as error:
            return f"{path}: cannot be read ({error})."

    @staticmethod
    def module(name: str) -> ModuleType:
        """The module of a table, for its title, caption, notes and headers."""
        return import_module(f"pmrl.tables.{name}")

    def label(self, method: str, variant: str = MAIN) -> str:
        """The name of a method, or of one of its variants."""
        return self.results.label(method, variant)

    @property
    def methods(self) -> list[str]:
        """The methods that are compared, PMRL first."""
        return [name for name in self.results.methods if name != FOUNDATION]

    @cached_property
    def runs(self) -> list[Run]:
        """Every finished run, sorted by its folder.

        Raises:
            UserError: the description of a run is damaged.
        """
        root = self.folder / "runs"
        paths = sorted(root.rglob(DESCRIPTION))
        return [Run(path.parent.relative_to(root).as_posix(), read_json(path), path.stat().st_mtime) for path in paths]

    @property
    def planned(self) -> list[str]:
        """The folders of all runs of the study; those that have finished where no config says what is planned."""
        return list(self.study.get("planned") or [run.folder for run in self.runs])

    @property
    def unfinished(self) -> list[str]:
        """The folders of the planned runs that have not finished."""
        finished = {run.folder for run in self.runs}
        return [folder for folder in self.planned if folder not in finished]

    @property
    def time(self) -> Mapping[str, Any]:
        """Seconds and cores of the call that made all runs; empty if there were several."""
        path = self.folder / TIME
        content: Mapping[str, Any] = read_json(path) if path.exists() else {}
        return content

    def script(self, name: str, content: Any) -> str:
        """Write data that a page loads when they are needed, also from a folder without a server.

        Args:
            name: of the data, unique in this folder.
            content: what JSON can hold; numbers that are NaN become null.

        Returns:
            The path of the script, relative to the page.
        """
        text = json.dumps(plain(content), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        self.write(f"data/{name}.js", f"pmrl.receive({json.dumps(name)},{text});\n".encode())
        return f"data/{name}.js"

    def write(self, name: str, content: bytes) -> str:
        """Write a file beside the pages, and return ``name``, its path relative to them."""
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name


def plain(content: Any) -> Any:
    """``content`` in the types of JSON: numbers of numpy as Python's, NaN as None."""
    if isinstance(content, Mapping):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple | np.ndarray):
        return [plain(value) for value in content]
    if isinstance(content, np.generic):
        content = content.item()
    return None if isinstance(content, float) and not np.isfinite(content) else content


def seconds_left(shown: Shown) -> float | None:
    """About how long the unfinished runs will take, in seconds; None before the first has finished.

    The work that is left is the training time of finished runs like those that are missing (of the same data set and
    method, else of the same data set, else of all); the work that is done took the time from the first run's begin to
    the last one's end.
    """
    done = [run for run in shown.runs if run.folder in set(shown.planned)]
    if not done:
        return None
    frame = pd.DataFrame(
        [(*run.folder.split("/")[:2], float(run.about["busy_seconds"])) for run in done],
        columns=["dataset", "method", "s"],
    )
    first = min(done, key=lambda run: run.finished)
    elapsed = max(run.finished for run in done) - first.finished + first.about["busy_seconds"]
    return sum(_typical(frame, folder) for folder in shown.unfinished) * elapsed / frame["s"].sum()


def _typical(frame: pd.DataFrame, folder: str) -> float:
    """Mean seconds of the finished runs that are most like the one in ``folder``."""
    dataset, method = folder.split("/")[:2]
    same_data = frame[frame["dataset"].eq(dataset)]
    for part in (same_data[same_data["method"].eq(method)], same_data):
        if len(part):
            return float(part["s"].mean())
    return float(frame["s"].mean())


def thinned(curve: pd.DataFrame) -> pd.DataFrame:
    """The rows of some steps, see `kept_steps`."""
    return curve[curve["step"].isin(kept_steps(set(curve["step"])))]


def kept_steps(steps: Collection[int]) -> set[int]:
    """At most POINTS of the steps, evenly spread, with the first and the last."""
    ordered = sorted(steps)
    return {ordered[round(place * (len(ordered) - 1) / (POINTS - 1))] for place in range(POINTS)} if ordered else set()


def each(shown: Shown, parts: list[Callable[[Shown], str]]) -> Iterator[str]:
    """The text of each part of a page; for a part whose records are missing, a dash and the reason."""
    for part in parts:
        try:
            yield part(shown)
        except UserError as error:
            yield f"– {escape(str(error))}"
