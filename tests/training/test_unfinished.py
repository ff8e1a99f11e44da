"""A training that is stopped, at whatever moment, ends with the weights of an undisturbed one."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import killed_run
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pmrl.discovery import ROOT
from pmrl.errors import UserError
from pmrl.experiments import resume
from pmrl.training import unfinished
from pmrl.training.loop import Training
from pmrl.training.unfinished import Stopped

SUPPORT = ROOT / "tests" / "support"


@pytest.fixture
def store(make_store, tmp_path, one_thread):
    make_store()
    return next(path.parent for path in tmp_path.rglob("card.yaml"))


def weights(results: Path) -> dict[str, torch.Tensor]:
    (path,) = results.rglob("scratch.safetensors")
    return load_file(path)


def left_over(results: Path) -> list[Path]:
    return [path for path in results.rglob("*") if "unfinished" in path.name or "alive" in path.name]


def stop_after(monkeypatch, steps: int) -> None:
    """From now on a training is asked to stop after so many steps."""
    step = Training.step

    def asked(training, index):
        step(training, index)
        if training.done == steps:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Training, "step", asked)


def test_killed_at_ten_random_moments_it_ends_with_the_same_weights(store, tmp_path):
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    killed_run.trained(store, undisturbed)
    command = [sys.executable, SUPPORT / "killed.py", store, disturbed, "10", "5"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(SUPPORT)])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 5
    before, after = weights(undisturbed), weights(disturbed)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert not left_over(disturbed)


@pytest.mark.parametrize("method", ["pmrl", "calmrl", "hypergram"])
def test_asked_to_stop_it_saves_says_so_and_goes_on(store, tmp_path, monkeypatch, method):
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    whole = killed_run.trained(store, undisturbed, method=method)
    with monkeypatch.context() as patch:
        stop_after(patch, 37)
        with pytest.raises(Stopped, match=r"stop after step 37 of 120 of .* goes on from there"):
            killed_run.trained(store, disturbed, method=method)
        assert [path.name for path in left_over(disturbed)] == ["scratch.unfinished"]
    again = killed_run.trained(store, disturbed, method=method)
    before, after = weights(undisturbed), weights(disturbed)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert again.curves.rows == whole.curves.rows
    assert not left_over(disturbed)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.fixture
def stopped(store, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_after(patch, 5)
        with pytest.raises(Stopped):
            killed_run.trained(store, tmp_path / "results")
    (path,) = left_over(tmp_path / "results")
    return path


def changed_config(monkeypatch, **training):
    monkeypatch.setitem(killed_run.CONFIG, "training", {**killed_run.CONFIG["training"], **training})


def test_other_settings_are_named_and_refused(stopped, store, tmp_path, monkeypatch):
    changed_config(monkeypatch, scratch_steps=90)
    with pytest.raises(UserError, match=r"stage\.steps was 120 and is 90.*Delete .*scratch\.unfinished"):
        killed_run.trained(store, tmp_path / "results")
    assert stopped.exists() and not list((tmp_path / "results").rglob("scratch.safetensors"))


def test_another_number_of_processes_is_refused(stopped):
    with pytest.raises(UserError, match="processes was 1 and is 2"):
        resume.Unfinished(stopped.with_suffix(".safetensors"), _about(stopped) | {"processes": 2}, 1)._check(
            unfinished.read_metadata(stopped)
        )


def _about(path):
    return json.loads(unfinished.read_metadata(path)["about"])


def test_another_version_of_the_file_is_refused(stopped, store, tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished, "FORMAT", "2")
    with pytest.raises(UserError, match=r"made by another version.*Delete"):
        killed_run.trained(store, tmp_path / "results")


def test_a_damaged_file_is_refused(stopped, store, tmp_path):
    stopped.write_bytes(stopped.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"scratch\.unfinished: the checkpoint cannot be read.*Delete it"):
        killed_run.trained(store, tmp_path / "results")


def test_without_space_it_says_so_and_keeps_the_former_state(stopped, store, tmp_path, monkeypatch):
    before = stopped.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pmrl.training.checkpoints.save_file", full)
    with pytest.raises(UserError, match=r"scratch\.unfinished: could not be written \(No space left on device\)"):
        killed_run.trained(store, tmp_path / "results", every_step=True)
    assert stopped.read_bytes() == before


def test_the_disk_holds_one_state_at_a_time_and_a_sign_of_life(store, tmp_path, monkeypatch):
    seen, after_step = set(), unfinished.Unfinished.after_step

    def watched(self, training):
        after_step(self, training)
        seen.add(tuple(sorted(path.name for path in left_over(tmp_path / "results"))))
        if training.done == 50:
            sign = json.loads(self.sign.read_text())
            assert sign["done"] <= 50 and sign["steps"] == 120 and sign["seconds_left"] >= 0

    monkeypatch.setattr(unfinished.Unfinished, "after_step", watched)
    killed_run.trained(store, tmp_path / "results", every_step=True)
    assert seen == {("scratch.alive.json", "scratch.unfinished")}


def test_the_state_of_curves_is_exact(stopped):
    tensors = load_file(stopped)
    assert tensors["curves.values"].dtype == torch.float64 and len(tensors["curves.values"]) >= 5
    assert np.isfinite(tensors["curves.values"].numpy()).all()
