"""Signals become features in shards: in order, whatever is absent, and the same when a run was cut off."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from clips import tone, write_clip, write_sound
from safetensors.numpy import load_file

from pmrl.data.encoders import encode_speech
from pmrl.data.media import shards
from pmrl.data.media.encoders.base import Encoder, channel_by_channel, frame_by_frame
from pmrl.data.media.encoders.named import encoder
from pmrl.data.media.frames import fitted
from pmrl.data.media.signals import Sampling, Signals, levels
from pmrl.errors import UserError


def reads_brightness(calls=None, frames=0):
    """An encoder whose features say what a frame's corner says; tokens: each frame's."""

    def encode(videos):
        if calls is not None:
            calls.append(len(videos))
        return frame_by_frame(videos, lambda shown: np.stack([[frame[-1, -1, 0], 1.0] for frame in shown]))

    return Encoder("brightness", "brightness", encode, frames=frames)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Five clips that begin at different brightness; the third is no video, and the last does not exist."""
    folder = tmp_path_factory.mktemp("clips")
    paths = [write_clip(folder / f"{place}.mp4", count=8, first=4 * place) for place in range(4)]
    paths[2].write_text("no video")
    return [*paths, folder / "4.mp4"]


def signals(clips, **sampling):
    return Signals("video", clips, Sampling(**{"frames": 4, "size": None, **sampling}))


def test_features_stand_at_their_items_and_problems_at_theirs(clips, tmp_path):
    features = shards.encode(signals(clips), reads_brightness(), tmp_path, "clips")
    assert list(features.present) == [True, True, False, True, False]
    corners = [np.mean([20 + 5 * (4 * place + shown) for shown in (1, 3, 5, 7)]) for place in (0, 1, 3)]
    np.testing.assert_allclose(features.pooled[features.present, 0], corners, atol=3)
    assert features.tokens.shape == (5, 4, 2) and list(features.lengths) == [4, 4, 0, 4, 0]
    assert not features.pooled[[2, 4]].any() and not features.tokens[[2, 4]].any()
    assert set(features.problems) == {2, 4} and "2.mp4" in features.problems[2]
    assert "does not exist" in features.problems[4]
    assert set(features.views) == {0, 1, 3} and features.views[0].startswith(b"\x89PNG")


def test_small_shards_and_batches_give_the_same(clips, tmp_path, monkeypatch):
    whole = shards.encode(signals(clips), reads_brightness(), tmp_path / "whole", "clips")
    monkeypatch.setattr(shards, "SHARD", 2)
    parts = shards.encode(signals(clips), reads_brightness(), tmp_path / "parts", "clips", batch=1)
    for name in ("pooled", "tokens", "lengths", "present"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    assert whole.problems == parts.problems and whole.views == parts.views


def test_what_is_done_is_not_done_again_and_what_has_changed_is(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 2)
    calls = []
    first = shards.encode(signals(clips), reads_brightness(calls), tmp_path, "clips")
    assert calls == [2, 1]  # the last shard holds nothing that can be read
    shards.encode(signals(clips), reads_brightness(calls), tmp_path, "clips")
    assert calls == [2, 1]
    (tmp_path / "shard_0000002.safetensors").write_bytes(b"damaged")
    again = shards.encode(signals(clips), reads_brightness(calls), tmp_path, "clips")
    assert calls == [2, 1, 1]
    np.testing.assert_array_equal(first.pooled, again.pooled)
    shards.encode(signals(clips, frames=2), reads_brightness(calls), tmp_path, "clips")
    assert calls == [2, 1, 1, 2, 1]
    os.utime(clips[0], (1, 1))
    shards.encode(signals(clips, frames=2), reads_brightness(calls), tmp_path, "clips")
    assert calls == [2, 1, 1, 2, 1, 2]


KILLED = """
import sys, time
from pathlib import Path
from pmrl.data.media import shards
from pmrl.data.media.encoders.named import encoder
from pmrl.data.media.signals import Sampling, Signals, levels
shards.SHARD = 2
paths = sorted(Path(sys.argv[1]).glob("*.wav"))
reads = encoder("log_mel", "audio", Path(sys.argv[2]))
shards.encode(Signals("audio", paths, Sampling(seconds=1.0)), reads, Path(sys.argv[2]), "sounds", batch=2)
"""


def test_a_run_that_is_killed_goes_on_and_ends_with_the_same_bits(tmp_path):
    sounds = tmp_path / "sounds"
    for place in range(24):
        write_sound(sounds / f"{place:02d}.wav", tone(1.0, volume=0.1 + 0.03 * place), 22050, "pcm_s16le")
    command = [sys.executable, "-c", KILLED, str(sounds)]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    target = tmp_path / "killed"
    process = subprocess.Popen([*command, str(target)], stderr=subprocess.DEVNULL)
    while process.poll() is None and len(list(target.glob("shard_*"))) < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in target.glob("shard_*")}
    assert len(kept) < 12, "the run ended before it was killed"
    subprocess.run([*command, str(target)], check=True, capture_output=True)
    for path in (tmp_path / "whole").glob("shard_*"):
        one, other = load_file(path), load_file(target / path.name)
        assert all(np.array_equal(one[name], other[name]) for name in one)
    assert all((target / name).stat().st_mtime_ns == changed for name, changed in kept.items())


def test_windows_of_a_sound_are_spread_over_it_and_become_one_item(tmp_path):
    loud = np.concatenate([tone(2.0, volume=volume, channels=1) for volume in (0.1, 0.4, 0.9)])
    path = write_sound(tmp_path / "sound.wav", loud, 22050, "pcm_s16le")

    def loudness(sounds):
        levels = np.array([[np.abs(sound).max()] for sound in sounds], dtype=np.float32)
        return levels, levels[:, np.newaxis].astype(np.float16)

    reads = Encoder("loudness", "loudness", loudness, rate=16000)
    about = Signals("audio", [path], Sampling(windows=3, seconds=1.0))
    features = shards.encode(about, reads, tmp_path / "shards", "sounds")
    np.testing.assert_allclose(features.tokens[0, :, 0], [0.1, 0.4, 0.9], atol=0.03)
    assert features.pooled[0, 0] == pytest.approx(np.mean([0.1, 0.4, 0.9]), abs=0.03)


def test_silence_a_click_and_a_missing_track_count_as_absent(tmp_path):
    paths = [
        write_sound(tmp_path / "silent.wav", np.zeros((22050, 1), np.float32), 22050, "pcm_s16le"),
        write_sound(tmp_path / "click.wav", tone(0.02), 22050, "pcm_s16le"),
        write_clip(tmp_path / "mute.mp4"),
        write_sound(tmp_path / "heard.wav", tone(0.5), 22050, "pcm_s16le"),
    ]
    reads = encoder("log_mel", "audio", tmp_path)
    features = shards.encode(Signals("audio", paths, Sampling()), reads, tmp_path / "shards", "sounds")
    assert list(features.present) == [False, False, False, True]
    for row, words in enumerate(("silent", "shorter than", "has no sound")):
        assert words in features.problems[row]


def test_frames_by_rate_give_as_many_tokens_as_there_are(tmp_path):
    paths = [write_clip(tmp_path / "short.mp4", count=10), write_clip(tmp_path / "long.mp4", count=40)]
    about = Signals("video", paths, Sampling(frames=3, frame_rate=1.0, size=None))
    features = shards.encode(about, reads_brightness(), tmp_path / "shards", "clips")
    assert list(features.lengths) == [1, 3] and features.tokens.shape == (2, 3, 2)
    np.testing.assert_allclose(features.tokens[1, :, 0], [20 + 5 * place for place in (5, 15, 25)], atol=3)


def test_an_encoder_of_clips_says_how_many_frames_it_reads(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", count=20)
    features = shards.encode(signals([path], frames=2), reads_brightness(frames=5), tmp_path / "shards", "clips")
    assert features.tokens.shape == (1, 5, 2)


def test_texts_come_from_columns_and_files(tmp_path):
    (tmp_path / "a.txt").write_text("﻿a  large\nbird", encoding="utf-8")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00latin")
    reads = Encoder("length", "length", lambda texts: (np.array([[len(t), 1.0] for t in texts], np.float32),
                                                       np.ones((len(texts), 1, 1), np.float16)))  # fmt: skip
    about = Signals("text", [tmp_path / "a.txt", tmp_path / "b.txt", "", "one word"], Sampling())
    features = shards.encode(about, reads, tmp_path / "shards", "texts")
    assert list(features.present) == [True, False, False, True]
    assert features.views[0] == "a large bird" and list(features.pooled[:, 0]) == [12, 0, 0, 8]
    assert "UTF-8" in features.problems[1] and "empty" in features.problems[2]


def test_both_channels_stand_side_by_side():
    sounds = [tone(0.4, 16000), tone(0.3, 16000)]
    pooled, tokens = channel_by_channel(sounds, lambda waves: encode_speech(waves, 16000))
    for side in (0, 1):
        expected, of_side = encode_speech([sound[:, side] for sound in sounds], 16000)
        np.testing.assert_array_equal(np.split(pooled, 2, axis=1)[side], expected)
        np.testing.assert_array_equal(np.split(tokens, 2, axis=2)[side], of_side)


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (50, 40)])
def test_any_picture_fits_in_a_square(shape):
    pixels = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    assert fitted(pixels, 32).shape == (32, 32, 3)


def test_the_middle_of_a_picture_is_kept():
    pixels = np.zeros((20, 100, 3), dtype=np.uint8)
    pixels[:, 45:55] = 255
    assert fitted(pixels, 20)[:, 8:12].min() > 250 and fitted(pixels, 20)[:, :2].max() < 5


def test_names_of_encoders_are_checked(tmp_path):
    with pytest.raises(UserError, match=r"'clip': there is no such encoder; for audio, choose log_mel, whisper"):
        encoder("clip", "audio", tmp_path)
    with pytest.raises(UserError, match=r"'minilm': it reads text; for video, choose efficientnet_lite0"):
        encoder("minilm", "video", tmp_path)
    with pytest.raises(UserError, match="there is no such folder"):
        encoder(f"transformers:{tmp_path / 'nowhere'}", "text", tmp_path)
    with pytest.raises(UserError, match=r"has no config\.json"):
        encoder(f"transformers:{tmp_path}", "text", tmp_path)


@pytest.mark.parametrize(("name", "kind", "item"), [
    ("efficientnet_lite0", "picture", np.zeros((64, 64, 3), np.uint8)),
    ("efficientnet_lite0", "video", np.zeros((3, 64, 64, 3), np.uint8)),
    ("minilm", "text", "a bird"),
    ("log_mel", "audio", tone(0.5, 16000)),
])  # fmt: skip
def test_encoders_of_packages_read_what_they_say(name, kind, item):
    pooled, tokens = encoder(name, kind, Path()).encode([item, item])
    assert pooled.shape[0] == tokens.shape[0] == 2 and pooled.dtype == np.float32 and tokens.dtype == np.float16
    np.testing.assert_array_equal(pooled[0], pooled[1])


@pytest.mark.parametrize("pitch", [100.0, 440.0, 3000.0])
def test_the_picture_of_a_tone_is_a_line_at_its_pitch(pitch):
    time_of = np.arange(22050) / 22050
    shown = levels((0.5 * np.sin(2 * np.pi * pitch * time_of)).astype(np.float32), 22050)
    edges = np.geomspace(60, 8000, 49)
    loudest = shown.mean(axis=1).argmax()
    assert edges[max(0, loudest - 2)] <= pitch <= edges[loudest + 2]
    assert shown.shape == (48, 96) and np.ptp(shown[loudest]) < 0.5


def test_a_very_short_sound_has_a_picture_too():
    assert np.isfinite(levels(np.zeros(10, np.float32), 16000)).all()
