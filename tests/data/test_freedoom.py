"""Clips of the game: the same seeds give the same files, and captions say what happens and nothing else."""

import hashlib
import os
import subprocess
import sys
import wave
from dataclasses import replace
from fractions import Fraction
from importlib import util

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmrl.data.freedoom import engine, files, player, scene, words
from pmrl.data.freedoom.captions import COUNT, captions
from pmrl.data.freedoom.player import Clip, Sighting
from pmrl.data.freedoom.scene import Scene, Subject
from pmrl.errors import UserError
from pmrl.seeds import derived_seed

needs_engine = pytest.mark.skipif(bool(engine.absence()), reason=engine.absence())
GENERATE = (
    "import sys; from pathlib import Path; from pmrl.data.freedoom import files\n"
    "if __name__ == '__main__': files.generate(Path(sys.argv[1]), ('MAP01', 'E1M1'), per_map=2)"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return in_own_process(tmp_path_factory.mktemp("clips"))


def in_own_process(folder):
    script = folder / "generate.py"
    script.write_text(GENERATE)
    subprocess.run([sys.executable, str(script), str(folder / "freedoom")], check=True, env=environment())
    return folder / "freedoom"


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def digests(folder):
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


@needs_engine
def test_two_processes_write_the_same_files(folder, tmp_path):
    again = digests(in_own_process(tmp_path))
    assert len(again) == 4 * 4 + 2
    assert again == digests(folder)


@needs_engine
def test_other_seeds_play_other_clips(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(files, "derived_seed", lambda *purpose: derived_seed("another", *purpose))
    for name in ("clips", "sounds", "depth", "telemetry"):
        (tmp_path / name).mkdir()
    files.play_map(tmp_path, "MAP01", per_map=1)
    clip = "sounds/MAP01-00.wav"
    assert (tmp_path / clip).read_bytes() != (folder / clip).read_bytes()


@needs_engine
def test_picture_sound_depth_and_telemetry_are_of_one_length(folder):
    import av

    items = pd.read_csv(folder / files.ITEMS)
    assert list(items["group"]) == ["MAP01"] * 2 + ["E1M1"] * 2
    for key in items["id"]:
        lengths = []
        for pattern in (files.VIDEOS, files.DEPTHS):
            with av.open(str(folder / pattern.format(id=key))) as container:
                stream = container.streams.video[0]
                frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
                assert stream.average_rate == Fraction(35, 2) and frames[0].shape == (120, 160, 3)
                lengths.append(len(frames) / stream.average_rate)
                assert np.stack(frames).std() > 1
        with wave.open(str(folder / files.SOUNDS.format(id=key))) as file:
            assert (file.getnchannels(), file.getframerate()) == (2, 22050)
            lengths.append(Fraction(file.getnframes(), file.getframerate()))
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
        assert np.abs(samples.astype(int)).max() >= scene.AUDIBLE
        lengths.append(len(pd.read_csv(folder / files.TELEMETRY.format(id=key))) / Fraction(35, 2))
        assert len(set(lengths)) == 1


@needs_engine
def test_five_wordings_of_every_clip(folder):
    items, wordings = (pd.read_csv(folder / name) for name in (files.ITEMS, files.CAPTIONS))
    assert (wordings.groupby("id")["caption"].nunique() == COUNT).all()
    assert (wordings.groupby("id", sort=False)["caption"].first().to_numpy() == items["caption"]).all()


@needs_engine
def test_a_shot_is_heard_and_uses_one_round():
    with engine.start("MAP01", seed=0) as game:
        before = engine.variables(game)["SELECTED_WEAPON_AMMO"]
        quiet = np.abs(engine.step(game).audio_buffer.astype(int)).max()
        heard = [np.abs(engine.step(game, ATTACK=1).audio_buffer.astype(int)).max() for _ in range(10)]
        assert engine.variables(game)["SELECTED_WEAPON_AMMO"] == before - 1
    assert max(heard) > 1000 > quiet


@needs_engine
def test_silent_sound_is_an_error(monkeypatch):
    if any(util.find_spec("cyal") is None for _ in "x") or has_system_openal():
        pytest.skip("another OpenAL is installed, so sound cannot be silent here")
    monkeypatch.setattr(engine, "openal_folder", lambda: None)
    with pytest.raises(UserError, match="silent.*OpenAL.*cyal"):
        engine.require_sound()


def has_system_openal():
    import ctypes.util

    return ctypes.util.find_library("openal") is not None


@needs_engine
def test_an_engine_that_does_not_start_is_a_message(monkeypatch):
    monkeypatch.setitem(engine.MAPS, "MAP01", "missing.wad")
    with pytest.raises(UserError, match="does not run on this machine.*missing.wad"), engine.start("MAP01", 0):
        pass


@pytest.mark.parametrize(
    ("platform", "missing", "message"),
    [("darwin", "", "Linux only"), ("linux", "vizdoom", "vizdoom missing"), ("linux", "cyal", "cyal missing")],
)
def test_what_a_machine_lacks_is_said(monkeypatch, platform, missing, message):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(engine, "find_spec", lambda name: None if name == missing else util.find_spec("json"))
    assert message in engine.absence()
