"""Clips of the game: the same seeds give the same files, and captions say what happens and nothing else."""

import ctypes.util
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
from pmrl.data.freedoom.features import depth_grid, motion_and_state
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
                assert stream.average_rate == Fraction(35, 3) and frames[0].shape == (120, 160, 3)
                lengths.append(len(frames) / stream.average_rate)
                assert np.stack(frames).std() > 1
        with wave.open(str(folder / files.SOUNDS.format(id=key))) as file:
            assert (file.getnchannels(), file.getframerate()) == (2, 22050)
            lengths.append(Fraction(file.getnframes(), file.getframerate()))
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
        assert np.abs(samples.astype(int)).max() >= scene.AUDIBLE
        lengths.append(len(pd.read_csv(folder / files.TELEMETRY.format(id=key))) / Fraction(35, 3))
        assert len(set(lengths)) == 1


@needs_engine
def test_five_wordings_of_every_clip(folder):
    items, wordings = (pd.read_csv(folder / name) for name in (files.ITEMS, files.CAPTIONS))
    assert (wordings.groupby("id")["caption"].nunique() == COUNT).all()
    assert (wordings.groupby("id", sort=False)["caption"].first().to_numpy() == items["caption"]).all()


@needs_engine
def test_a_shot_is_heard_when_a_round_is_used():
    rounds, peaks = [], []
    with engine.start("MAP01", seed=0) as game:
        for _ in range(40):
            state = engine.step(game, {"ATTACK": 1})
            rounds.append(engine.variables(game)["SELECTED_WEAPON_AMMO"])
            peaks.append(np.abs(state.audio_buffer.astype(int)).max())
    first = next(tic for tic, left in enumerate(rounds) if left < rounds[0])
    assert rounds[first] == rounds[0] - 1
    assert max(peaks[: first - 1]) < 100 and max(peaks[first - 1 : first + 3]) > 1000


@needs_engine
def test_silent_sound_is_an_error(monkeypatch):
    if ctypes.util.find_library("openal") is not None:
        pytest.skip("another OpenAL is installed, so sound cannot be silent here")
    monkeypatch.setattr(engine, "openal_folder", lambda: None)
    with pytest.raises(UserError, match=r"silent.*OpenAL.*cyal"):
        engine.require_sound()


@needs_engine
def test_an_engine_that_does_not_start_is_a_message(monkeypatch):
    monkeypatch.setitem(engine.MAPS, "MAP01", "missing.wad")
    with pytest.raises(UserError, match=r"does not run on this machine.*missing\.wad"), engine.start("MAP01", 0):
        pass


@pytest.mark.parametrize(
    ("platform", "missing", "message"),
    [("darwin", "", "Linux only"), ("linux", "vizdoom", "vizdoom missing"), ("linux", "cyal", "cyal missing")],
)
def test_what_a_machine_lacks_is_said(monkeypatch, platform, missing, message):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(engine, "find_spec", lambda name: None if name == missing else util.find_spec("json"))
    assert message in engine.absence()


def clip(**changes):
    """Two seconds of standing still in a grey room, with a monster in the middle and one loud sample."""
    frames = player.FRAMES
    telemetry = pd.DataFrame({name: np.zeros(frames) for name in (*engine.VARIABLES, "SHOTS")})
    monster = Sighting("DoomImp", "Monster", 7, x=75, y=40, width=10, height=30)
    sound = np.zeros((frames * player.TICS_PER_FRAME * 630, 2), dtype=np.int16)
    sound[1000, 0] = 5000
    parts = {
        "weapon": "shotgun",
        "frames": np.full((frames, 120, 160, 3), 60, dtype=np.uint8),
        "depth": np.full((frames, 120, 160), 15, dtype=np.uint8),
        "sound": sound,
        "telemetry": telemetry.assign(ANGLE=0.0, SHOTS=[1] + [0] * (frames - 1)),
        "sightings": [[monster]] * frames,
        "messages": [],
    }
    return Clip(**{**parts, **changes})


def is_eventful(recorded):
    return scene.is_eventful(recorded, scene.describe(recorded))


def test_silence_darkness_and_an_empty_view_are_no_events():
    assert is_eventful(clip())
    assert not is_eventful(clip(sound=np.zeros((45360, 2), dtype=np.int16)))
    assert not is_eventful(clip(frames=np.zeros((player.FRAMES, 120, 160, 3), dtype=np.uint8)))
    assert not is_eventful(clip(sightings=[[]] * player.FRAMES))
    assert not is_eventful(clip(telemetry=clip().telemetry.assign(SHOTS=0)))


@pytest.mark.parametrize(
    ("x", "y", "movement"),
    [
        (100, 0, "forward"),
        (-100, 0, "backward"),
        (0, 100, "sideways to the left"),
        (0, -100, "sideways to the right"),
        (5, 5, "still"),
    ],
)
def test_movement_is_told_from_the_player_who_looks_along_x(x, y, movement):
    way = np.linspace(0, 1, player.FRAMES)
    moved = clip().telemetry.assign(POSITION_X=x * way, POSITION_Y=y * way)
    assert scene.describe(clip(telemetry=moved)).movement == movement


@pytest.mark.parametrize(("start", "end", "turn"), [(350, 50, "left"), (10, 300, "right"), (0, 10, "")])
def test_a_turn_across_north_is_the_short_way_round(start, end, turn):
    short = (end - start + 180) % 360 - 180
    angles = (start + short * np.linspace(0, 1, player.FRAMES)) % 360
    assert scene.describe(clip(telemetry=clip().telemetry.assign(ANGLE=angles))).turn == turn


@pytest.mark.parametrize(
    ("colour", "name"),
    [((90, 90, 90), "grey"), ((120, 90, 60), "brown"), ((120, 40, 40), "red"), ((40, 40, 120), "blue")],
)
def test_colours_by_name(colour, name):
    assert scene.colour(np.full((4, 8, 8, 3), colour, dtype=np.uint8)) == name


def test_things_are_counted_at_one_time_and_placed_by_their_middle():
    left, right = (Sighting("Zombieman", "Monster", number, x, 50, 10, 20) for number, x in ((1, 20), (2, 130)))
    (subject,) = scene.describe(clip(sightings=[[left, right], [left]] * (player.FRAMES // 2))).subjects
    assert subject.count == 2 and subject.name == "zombie"
    (subject,) = scene.describe(clip(sightings=[[right]] * player.FRAMES)).subjects
    assert (subject.side, subject.count) == ("right", 1)


def test_the_label_is_the_weapon_that_fires_else_what_is_in_view():
    shooting = scene.describe(clip())
    assert scene.label(shooting) == "shotgun"
    assert scene.label(replace(shooting, shots=0)) == "monster"
    torch = replace(shooting.subjects[0], category="LightSource")
    assert scene.label(replace(shooting, shots=0, subjects=(torch,))) == words.SCENERY


SCENES = st.builds(
    Scene,
    weapon=st.sampled_from([name for name, _ in words.WEAPONS.values()]),
    shots=st.integers(0, 5),
    kills=st.integers(0, 3),
    wounds=st.sampled_from([0, 10, 40]),
    found=st.sampled_from([(), ("Armor boosted!",), ("Got the minigun!",), ("Blue passcard secured!",)]),
    movement=st.sampled_from(["forward", "backward", "sideways to the left", "still"]),
    turn=st.sampled_from(["left", "right", ""]),
    light=st.sampled_from(["dark", "dim", "bright"]),
    colour=st.sampled_from(["grey", "brown", "red"]),
    space=st.sampled_from(["narrow", "middling", "open"]),
    subjects=st.lists(
        st.builds(
            Subject,
            name=st.sampled_from(["zombie", "box of shells", "torch tree", "gory remains"]),
            category=st.sampled_from(["Monster", "Ammo"]),
            count=st.integers(1, 8),
            side=st.sampled_from(["left", "ahead", "right"]),
            distance=st.sampled_from(["near", "halfway", "far"]),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
)


def worded(of_scene, seed=0):
    return captions(of_scene, np.random.default_rng(seed))


@given(SCENES, st.integers(0, 100))
def test_five_different_sentences_that_the_same_dice_word_alike(of_scene, seed):
    sentences = worded(of_scene, seed)
    assert sentences == worded(of_scene, seed)
    assert len(set(sentences)) == COUNT == len(sentences)
    for sentence in sentences:
        assert sentence[0].isupper() and sentence.endswith(".")
        assert "  " not in sentence and ", ," not in sentence and " ." not in sentence and ",." not in sentence


@given(SCENES, st.sampled_from(["weapon", "movement", "turn", "light", "colour", "space"]), st.data())
def test_the_first_caption_says_every_difference(of_scene, name, data):
    other = data.draw(SCENES.filter(lambda drawn: getattr(drawn, name) != getattr(of_scene, name)))
    assert worded(of_scene)[0] != worded(replace(of_scene, **{name: getattr(other, name)}))[0]


@given(SCENES)
def test_who_does_not_shoot_kill_or_find_is_not_said_to(of_scene):
    quiet = " ".join(worded(replace(of_scene, shots=0, kills=0, found=(), wounds=0)))
    assert not any(word in quiet for word in ("fires", "swings", "killing", "picks up", "hurt", "Shooting", "Firing"))


@pytest.mark.parametrize(
    ("name", "count", "text"),
    [
        ("zombie", 1, "a zombie"),
        ("explosive barrel", 1, "an explosive barrel"),
        ("box of shells", 2, "two boxes of shells"),
        ("tech lamp", 30, "several tech lamps"),
        ("gory remains", 3, "gory remains"),
    ],
)
def test_counted_things(name, count, text):
    assert words.counted(name, count) == text


def test_names_of_the_engine_become_words():
    named = {name: words.thing(name) for name in ("DeadDoomImp", "TechLamp2", "ShortRedTorch", "HangTSkull", "BFG9000")}
    assert list(named.values()) == [
        "dead serpentipede", "tech lamp", "short red torch", "hanging body", "big energy weapon",
    ]  # fmt: skip


def test_telemetry_says_nothing_about_the_place_on_the_map():
    generator = np.random.default_rng(0)
    table = clip().telemetry
    table = table.assign(
        POSITION_X=generator.normal(size=len(table)).cumsum(),
        POSITION_Y=generator.normal(size=len(table)).cumsum(),
        ANGLE=np.linspace(300, 420, len(table)) % 360,
        VELOCITY_X=generator.normal(size=len(table)),
    )
    turned = np.radians(90)
    x, y = table["POSITION_X"], table["POSITION_Y"]
    elsewhere = table.assign(
        POSITION_X=1000 + x * np.cos(turned) - y * np.sin(turned),
        POSITION_Y=-500 + x * np.sin(turned) + y * np.cos(turned),
        ANGLE=(table["ANGLE"] + 90) % 360,
    )
    np.testing.assert_allclose(motion_and_state(table), motion_and_state(elsewhere), atol=1e-3)


def test_a_depth_grid_has_the_mean_of_each_cell():
    frame = np.zeros((1, 16, 24), dtype=np.uint8)
    frame[0, 8:, 16:] = 255
    np.testing.assert_allclose(depth_grid(frame), [[0, 0, 0, 0, 0, np.log(256)]], rtol=1e-6)
