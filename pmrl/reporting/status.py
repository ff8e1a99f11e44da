"""``pmrl status``: what of a study has finished, what is running and how far, and how long the rest may take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pmrl.errors import UserError
from pmrl.files import read_json
from pmrl.records import DESCRIPTION, SIGN_OF_LIFE, UNFINISHED
from pmrl.reporting.report import finished_runs
from pmrl.study.plan import run_folders

SILENT = 120.0  # seconds after which a training that has given no sign of life is taken for stopped


class Stage(NamedTuple):
    """A stage of training that has begun.

    Attributes:
        run: the run's path below ``runs/``.
        title: what it calls itself.
        done: steps.
        steps: of the stage.
        seconds_left: as it estimated last; None before it had done a step, or after it was stopped.
        silent: seconds since it last gave a sign of life; None where it was stopped and is saved.
    """

    run: str
    title: str
    done: int
    steps: int
    seconds_left: float | None
    silent: float | None

    @property
    def runs(self) -> bool:
        """Whether it is training now."""
        return self.silent is not None and self.silent < SILENT

    def __str__(self) -> str:
        if self.runs:
            left = "" if self.seconds_left is None else f", about {duration(self.seconds_left)} left in this stage"
            return f"{self.run}: {self.title}, step {self.done} of {self.steps}{left}"
        since = "" if self.silent is None else f" {duration(self.silent)} ago, after step {self.done} of {self.steps}"
        return f"{self.run}: {self.title} stopped{since}; snakemake goes on from its last checkpoint"


def status(config: Mapping[str, Any], now: float | None = None) -> str:
    """Lines about a study, for people."""
    planned = run_folders(dict(config))
    folders = {Path(config["results"], "runs", run): run for run in planned}
    finished = [folder for folder in finished_runs(dict(config)) if folder in folders]
    rest = {folder: run for folder, run in folders.items() if folder not in set(finished)}
    begun = [stage for folder, run in rest.items() for stage in stages(folder, run, now or time.time())]
    running = sum(stage.runs for stage in begun)
    lines = [f"{len(finished)} of {len(planned)} runs have finished, {running} training now."]
    lines += [str(stage) for stage in begun]
    seconds = expected(finished, rest.values(), Path(config["results"]))
    if rest and seconds is not None:
        at_once = max(1, running)
        lines.append(
            f"About {duration(seconds / at_once)} to go with {at_once} at a time, if each run takes as long as those "
            "of its data set and method did."
        )
    return "\n".join(lines)


def stages(folder: Path, run: str, now: float) -> list[Stage]:
    """The stages of a run that have begun and not ended."""
    signs = {path.name.removesuffix(SIGN_OF_LIFE): path for path in folder.glob(f"*{SIGN_OF_LIFE}")}
    saved = {path.stem for path in folder.glob(f"*{UNFINISHED}")}
    found = []
    for name in sorted({*signs, *saved}):
        try:
            sign, silent = read_json(signs[name]), max(0.0, now - signs[name].stat().st_mtime)
            found.append(Stage(run, sign["title"], sign["done"], sign["steps"], sign["seconds_left"], silent))
        except (KeyError, OSError, UserError):  # none, or removed while we look
            found.append(Stage(run, name, 0, 0, None, None))
    return found


def expected(finished: Iterable[Path], rest: Iterable[str], results: Path) -> float | None:
    """Seconds of training and evaluation that the ``rest`` takes in sequence; None before any run has finished."""
    seconds: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for folder in finished:
        dataset, method, *_ = folder.relative_to(results / "runs").parts
        busy = read_json(folder / DESCRIPTION)["busy_seconds"]
        for key in ((dataset, method), (method,), ()):
            seconds[key].append(busy)
    if not seconds:
        return None
    means = {key: sum(values) / len(values) for key, values in seconds.items()}
    total = 0.0
    for run in rest:
        dataset, method, *_ = run.split("/")
        total += next(means[key] for key in ((dataset, method), (method,), ()) if key in means)
    return total


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3 h 20 min``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
