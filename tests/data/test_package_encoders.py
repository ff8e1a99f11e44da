"""Encoders whose weights lie inside packages: the published weights, no network, and what they understand."""

import os
import struct
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from pmrl.data import speech
from pmrl.data.media.encoders import multilingual_e5, sound_effects, use_multilingual, whisper
from pmrl.data.media.encoders.parts import in_parts, split
from pmrl.errors import UserError

READERS = {"USE": use_multilingual, "E5": multilingual_e5}
OFFLINE = """
import socket
def refuse(*address, **options):
    raise RuntimeError("an encoder asks for the network")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
import numpy as np
from pmrl.data.media.encoders import multilingual_e5, use_multilingual, whisper
print(use_multilingual.encode_texts(["red heart"])[0].shape, multilingual_e5.encode_texts(["red heart"])[0].shape,
      whisper.encode_speech([np.ones(16000, np.float32)], 16000)[0].shape)
"""


def test_encoders_need_no_network():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "(1, 512) (1, 384) (1, 384)", done.stderr


@pytest.mark.parametrize("module", [use_multilingual, multilingual_e5, whisper])
def test_weights_are_those_that_were_published(module):
    assert module.WEIGHTS.verify().is_file()
    with pytest.raises(
        UserError, match=f"SHA-256 is {module.WEIGHTS.sha256[:12]}…, expected 000.*{module.WEIGHTS.package}"
    ):
        replace(module.WEIGHTS, sha256="0" * 64).verify()
    with pytest.raises(UserError, match="package no-such-package is missing"):
        replace(module.WEIGHTS, package="no-such-package").verify()


@pytest.mark.parametrize("name", READERS)
def test_a_translation_is_nearer_than_another_thing(name):
    pairs = [
        ("red heart", "corazón rojo"),
        ("pizza slice", "Pizzastück"),
        ("dog face", "犬の顔"),
        ("umbrella", "зонтик"),
    ]
    english, foreign = zip(*pairs, strict=True)
    likeness = READERS[name].encode_texts(english)[0] @ READERS[name].encode_texts(foreign)[0].T
    assert (likeness.argmax(axis=1) == np.arange(len(pairs))).all()


@pytest.mark.parametrize("name", READERS)
def test_vectors_have_unit_length_and_an_empty_text_is_zero(name):
    pooled, tokens = READERS[name].encode_texts(["two words", "", "心"], tokens=3)
    np.testing.assert_allclose(np.linalg.norm(pooled, axis=1), [1, 0, 1], atol=1e-5)
    assert list((tokens != 0).any(axis=2).sum(axis=1)) == [2, 0, 1]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one two three", ["one two", "three"]),
        ("word", ["word"]),
        ("赤いハート", ["赤いハ", "ート"]),
        ("  ", []),
    ],
)
def test_parts_of_a_text(text, parts):
    assert split(text, 2) == parts


def test_parts_together_are_the_text_and_each_string_is_encoded_once():
    asked = []

    def encode(texts):
        asked.extend(texts)
        return np.array([[len(text)] for text in texts], dtype=np.float32)

    pooled, tokens = in_parts(["red red car", "red", "car"], 4, 1, encode)
    assert sorted(asked) == ["car", "red", "red red car"]
    np.testing.assert_array_equal(pooled[:, 0], [11, 3, 3])
    np.testing.assert_array_equal(tokens[:, :, 0], [[3, 3, 3, 0], [3, 0, 0, 0], [3, 0, 0, 0]])


@pytest.fixture(scope="module")
def spoken():
    """Eight English words, by a British man and an American woman."""
    words = ["apple", "mountain", "seven", "yellow", "window", "computer", "garden", "thunder"]
    return [speech.synthesise(words, voice) for voice in ("en", "en-us+f2")]


def test_a_word_is_nearest_to_itself_by_another_voice(spoken):
    british, american = (whisper.encode_speech(waves, rate)[0] for waves, rate in spoken)
    both = np.concatenate([british, american])
    british, american = ((part - both.mean(axis=0)) / both.std(axis=0) for part in (british, american))
    likeness = british @ american.T
    assert (likeness.argmax(axis=1) == np.arange(len(british))).mean() >= 0.75


def test_speech_means_the_same_in_any_company_and_its_tokens_are_its_parts(spoken):
    waves, rate = spoken[0]
    pooled, tokens = whisper.encode_speech(waves, rate, segments=1)
    alone, _ = whisper.encode_speech(waves[3:4], rate, segments=1)
    np.testing.assert_allclose(pooled[3], alone[0], atol=1e-4)
    np.testing.assert_allclose(tokens[:, 0], pooled, atol=0.02)


def test_a_softer_voice_says_the_same_word(spoken):
    waves, rate = spoken[0]
    loud, soft = (whisper.encode_speech([volume * wave for wave in waves], rate)[0] for volume in (1, 0.5))
    distances = np.linalg.norm(loud[:, np.newaxis] - soft, axis=2)
    assert (distances.argmin(axis=1) == np.arange(len(waves))).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a complete model file"),
        (struct.pack("<I", 3), "format 3.*expected 6"),
        (b"\6\0\0\0\xff\xff", "not a complete"),
    ],
)
def test_a_damaged_model_file_is_named(tmp_path, content, message):
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"model.bin: .*{message}"):
        whisper.read(path)


def test_the_spectrogram_for_sound_effects_has_a_tone_at_its_pitch():
    """Mel bands of HTK: 2595 log10(1 + f / 700), equally wide from 0 to 22,050 Hz."""
    rate = 22050
    tone = np.sin(2 * np.pi * 3000 * np.arange(rate) / rate).astype(np.float32)
    levels = sound_effects.log_mel(tone, rate)
    mel = 2595 * np.log10(1 + np.array([3000, 22050]) / 700)
    assert levels.shape[1] == 96 and levels.min() >= 0 and levels.max() < 1.1
    assert levels[10:-10].mean(axis=0).argmax() == pytest.approx(97 * mel[0] / mel[1] - 1, abs=1.5)
