"""What is kept of an unfinished stage, so that a training that was stopped goes on as if nothing had happened.

One file holds everything that the rest of the stage depends on: the tensors of network and method, the optimiser's
state and schedule, the random state, how many steps are done (batches follow from their seed and this number), and what
was logged. It is replaced as a whole, now and then, and when the process is asked to stop (SIGTERM, as by SLURM before
a job is preempted or out of time).
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pmrl.errors import UserError
from pmrl.files import write_json
from pmrl.progress import estimate
from pmrl.records import SIGN_OF_LIFE, UNFINISHED
from pmrl.training import processes
from pmrl.training.checkpoints import load_module, module_tensors, read_metadata, read_tensors, save_tensors
from pmrl.training.loop import Training
from pmrl.training.seeding import random_state, set_random_state

SIGNS_EVERY = 5.0  # seconds between two signs of life
FORMAT = "1"  # of the file


class Stopped(UserError):
    """The process was asked to stop, and has saved its training."""


class Unfinished:
    """Keeps one stage of training while it is under way.

    Args:
        checkpoint: the path of the finished stage's weights; the files stand beside it.
        about: all that the weights depend on, as JSON; the training goes on under the same only.
        minutes: between two saves.
    """

    def __init__(self, checkpoint: Path, about: dict[str, Any], minutes: float) -> None:
        self.path, self.sign = checkpoint.with_suffix(UNFINISHED), checkpoint.with_suffix(SIGN_OF_LIFE)
        self.about, self.minutes = about, minutes
        self.began = self.saved = time.monotonic()
        self.first_step, self.signed, self.asked_to_stop = 0, -np.inf, False

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Listen for the request to stop; at the end of the stage delete what was kept of it."""
        if threading.current_thread() is not threading.main_thread():
            yield
        else:
            before = signal.signal(signal.SIGTERM, self._stop)
            try:
                yield
            finally:
                signal.signal(signal.SIGTERM, before)
        if processes.leads():
            self.sign.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)

    def _stop(self, *_: object) -> None:
        self.asked_to_stop = True

    def resume(self, training: Training) -> None:
        """Bring a training that has not begun to where it was saved, if it was.

        Raises:
            UserError: the file is damaged, or is that of a training with other data, settings or code.
        """
        self.began = self.saved = time.monotonic()
        if self.path.exists():
            self._check(read_metadata(self.path))
            restore(training, self.path)
            self.first_step = training.done

    def _check(self, metadata: dict[str, str]) -> None:
        delete = f"Delete {self.path} to train this stage from its beginning, or run again as before."
        if metadata.get("format") != FORMAT:
            raise UserError(f"{self.path}: made by another version of this project. {delete}")
        before, now = flat(json.loads(metadata["about"])), flat(json.loads(json.dumps(self.about)))
        other = [
            f"{name} was {shown(before.get(name))} and is {shown(now.get(name))}"
            for name in sorted({*before, *now})
            if before.get(name) != now.get(name)
        ]
        if other:
            raise UserError(f"{self.path}: an unfinished training of another kind: {'; '.join(other)}. {delete}")

    def after_step(self, training: Training) -> None:
        """Save the training if it is time or the process is asked to stop; show that it is alive.

        Raises:
            Stopped: the process was asked to stop.
            UserError: the file cannot be written.
        """
        if not processes.leads():
            return
        now = time.monotonic()
        if self.asked_to_stop or now - self.saved >= 60 * self.minutes:
            save(training, self.path, {"format": FORMAT, "about": json.dumps(self.about)})
            self.saved = now
        if self.asked_to_stop:
            self.sign.unlink(missing_ok=True)
            raise Stopped(
                f"Asked to stop after step {training.done} of {training.stage.steps} of {training.title}. It is saved; "
                "the same command goes on from there."
            )
        if now - self.signed >= SIGNS_EVERY:
            left = estimate(training.done - self.first_step, training.stage.steps - self.first_step, now - self.began)
            sign = {"title": training.title, "done": training.done, "steps": training.stage.steps, "seconds_left": left}
            write_json(self.sign, sign)
            self.signed = now


def flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values inside nested objects by their path, such as ``stage.steps``."""
    values: dict[str, Any] = {}
    for name, value in content.items():
        values |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return values


def shown(value: Any) -> str:
    """A value in a message; of a long one the beginning."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def save(training: Training, path: Path, metadata: dict[str, str]) -> None:
    """Write all that the rest of a training depends on."""
    optimizer = training.optimizer
    content = optimizer.inner.state_dict()
    values = {
        f"optimizer.{place}.{name}": value for place, own in content["state"].items() for name, value in own.items()
    }
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    tensors |= {f"random.{place}": state for place, state in enumerate(random_state(training.device))}
    rows = training.curves.rows
    quantities = sorted({name for _, name, _ in rows})
    number = {name: place for place, name in enumerate(quantities)}
    tensors["curves.places"] = torch.tensor([(step, number[name]) for step, name, _ in rows]).reshape(-1, 2)
    tensors["curves.values"] = torch.tensor([value for *_, value in rows], dtype=torch.float64)
    state = {
        "done": training.done,
        "numbers": {name: value for name, value in values.items() if name not in tensors},
        "groups": content["param_groups"],
        "schedule": optimizer.schedule.state_dict(),
        "scaler": optimizer.scaler.state_dict(),
        "quantities": quantities,
    }
    tensors |= module_tensors({"network": training.network, "method": training.method})
    save_tensors(path, tensors, {**metadata, "state": json.dumps(state)})


def restore(training: Training, path: Path) -> None:
    """Bring a training to where it was when ``path`` was written.

    Raises:
        UserError: the file is damaged or does not fit.
    """
    state = json.loads(read_metadata(path)["state"])
    load_module(path, "network", training.network, training.device)
    load_module(path, "method", training.method, training.device)
    optimizer, inner = training.optimizer, defaultdict[int, dict[str, Any]](dict)
    saved = read_tensors(path, "optimizer", training.device) | {
        name.removeprefix("optimizer."): value for name, value in state["numbers"].items()
    }
    for name, value in saved.items():
        place, _, key = name.partition(".")
        inner[int(place)][key] = value
    optimizer.inner.load_state_dict({"state": dict(inner), "param_groups": state["groups"]})
    optimizer.schedule.load_state_dict(state["schedule"])
    optimizer.scaler.load_state_dict(state["scaler"])
    curves = read_tensors(path, "curves", torch.device("cpu"))
    training.curves.rows = [
        (step, state["quantities"][number], value)
        for (step, number), value in zip(curves["places"].tolist(), curves["values"].tolist(), strict=True)
    ]
    training.done = state["done"]
    random = read_tensors(path, "random", torch.device("cpu"))
    set_random_state([random[name] for name in sorted(random)], training.device)
