"""The emoji: four ways to one meaning, and no near-duplicate on both sides of a split."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pmrl.data import encoders, speech
from pmrl.data.pictures import decode, spectrogram
from pmrl.data.sources import emoji
from pmrl.errors import UserError


@pytest.fixture(scope="module")
def table():
    return emoji.read_table()


@pytest.fixture(scope="module")
def by_name(table):
    return table.set_index("caption")


def test_base_forms_with_all_four_modalities(table):
    assert len(table) == 1914
    assert table["id"].is_unique and table["symbol"].is_unique
    assert (table["spanish"].str.len() > 0).all()
    assert table["label"].nunique() == 9


def test_no_skin_tone_is_among_the_base_forms(table):
    assert not any(emoji.SKIN.intersection(symbol) for symbol in table["symbol"])


def test_no_group_is_in_two_splits(table):
    assert (table.groupby("group")["split"].nunique() == 1).all()


def test_split_sizes(table):
    shares = table["split"].value_counts(normalize=True)
    for split, share in {"pretrain": 0.5, "train": 0.2, "validation": 0.1, "test": 0.2}.items():
        assert shares[split] == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    "family",
    [
        ("man running", "woman running facing right", "person running"),
        ("one o’clock", "eight-thirty"),
        ("Spain", "rainbow flag", "Scotland"),
        ("red heart", "light blue heart"),
        ("family man man boy", "woman and man holding hands", "couple with heart"),
        ("man red hair", "woman blond hair", "person bald"),
        ("keycap 1", "keycap #"),
        ("magnifying glass tilted left", "magnifying glass tilted right"),
    ],
)
def test_near_duplicates_share_a_group(by_name, family):
    assert by_name.loc[list(family), "group"].nunique() == 1


@pytest.mark.parametrize("pair", [("dog", "cat"), ("pizza", "hamburger"), ("heart suit", "spade suit")])
def test_different_things_are_different_groups(by_name, pair):
    assert by_name.loc[pair[0], "group"] != by_name.loc[pair[1], "group"]


def test_every_category_entered_by_hand_is_needed_and_known(table):
    assert set(emoji.YOUNG) <= set(table["caption"])
    assert set(emoji.YOUNG.values()) <= set(table["label"])


def test_a_drawing_is_ink_on_white(by_name):
    pixels = decode(emoji.draw(by_name.loc["red heart", "symbol"], 64), 64)
    assert pixels.shape == (64, 64, 3) and pixels.dtype == np.uint8
    assert (pixels[0, 0] == 255).all()
    red, green, blue = pixels[32, 32]
    assert red > 150 and green < 100 and blue < 100


def test_longer_words_take_longer_to_say():
    (short, long), rate = speech.synthesise(["sol", "el sol sale por la mañana temprano"], "es")
    assert rate == 22050
    assert len(long) > 2 * len(short)
    assert 0.01 < np.abs(short).max() <= 1


def test_every_fresh_process_hears_the_same():
    code = (
        "from pmrl.data import speech; import hashlib\n"
        "waves, _ = speech.synthesise(['corazón rojo', 'sol'], 'es')\n"
        "print(*(hashlib.sha256(wave.tobytes()).hexdigest() for wave in waves))"
    )
    first, second = (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert first == second and len(first.split()) == 2


def test_an_unknown_voice_is_named():
    with pytest.raises(UserError, match="no voice 'zz-nowhere'"):
        speech.synthesise(["hola"], "zz-nowhere")


def test_a_low_tone_and_a_high_tone_fill_different_bands():
    rate = 22050
    time = np.arange(rate) / rate
    waves = [np.sin(2 * np.pi * pitch * time).astype(np.float32) for pitch in (200, 4000)]
    _, tokens = encoders.encode_speech(waves, rate)
    low, high = tokens[:, :, :40].astype(float).mean(axis=1).argmax(axis=1)
    assert low < 8 and high > 25


@pytest.mark.parametrize("pitch", [200, 1000, 4000])
def test_the_spectrogram_of_a_tone_is_one_dark_band_at_its_pitch(pitch):
    rate = 22050
    wave = 0.3 * np.sin(2 * np.pi * pitch * np.arange(rate) / rate)
    levels = encoders.log_mel(wave, rate)
    assert levels.shape[0] == 40
    shown = decode(spectrogram(levels), 96)[:, :, 0].astype(float)
    dark = np.flatnonzero((shown < 128).mean(axis=1) > 0.9)
    assert 0 < len(dark) < 24 and (np.diff(dark) == 1).all()
    # Low is at the bottom: the middle of the band is where the mel scale puts the tone.
    height = 1 - dark.mean() / 96
    assert height == pytest.approx((levels.mean(axis=1).argmax() + 0.5) / 40, abs=0.05)


def test_a_spectrogram_does_not_depend_on_the_volume():
    wave = np.random.default_rng(0).normal(size=22050) * np.linspace(0, 0.3, 22050)
    loud, soft = (decode(spectrogram(encoders.log_mel(volume * wave, 22050)), 96).astype(int) for volume in (1, 0.5))
    assert np.abs(loud - soft).max() < 40 and np.abs(loud - soft).mean() < 2
    assert loud[:, :20].mean() > loud[:, -20:].mean() + 50


def test_emoji_show_what_their_modalities_hold(by_name):
    table = by_name.loc[["red heart", "pizza"]].reset_index()
    waves, rate = speech.synthesise(list(table["spanish"]), "es")
    views = emoji.views(table, waves, rate)
    assert list(views) == list(emoji.CARD.modalities)
    heart, pizza = table["id"]
    assert views["subtitle"] == {heart: "corazón rojo", pizza: "pizza"}
    assert views["text"][heart] == "red heart"
    assert views["picture"][heart] == emoji.draw(table["symbol"][0], emoji.PICTURE_SIZE)
    with Image.open(io.BytesIO(views["speech"][heart])) as picture:
        assert picture.format == "PNG" and picture.size == (96, 48)
    assert views["speech"][heart] != views["speech"][pizza]
    kinds = {name: modality.kind for name, modality in emoji.CARD.modalities.items()}
    assert kinds == {"picture": "picture", "text": "text", "speech": "audio", "subtitle": "text"}


def test_a_picture_means_the_same_in_any_company():
    generator = np.random.default_rng(0)
    pictures = list(generator.integers(0, 256, (5, 64, 64, 3), dtype=np.uint8))
    pooled, tokens = encoders.encode_pictures(pictures, batch=2)
    assert pooled.shape == (5, 1280) and tokens.shape == (5, 4, 1280)
    alone, _ = encoders.encode_pictures(pictures[3:4])
    np.testing.assert_allclose(pooled[3], alone[0], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(tokens.mean(axis=1), pooled, rtol=0.02, atol=0.02)


def test_meaning_is_closer_than_spelling():
    pooled, tokens = encoders.encode_texts(["red car", "crimson automobile", "red card", "a"])
    unit = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > unit[0] @ unit[2]
    assert tokens.shape == (4, 8, 384)
    assert not tokens[3, 3:].any() and tokens[3, :3].any()


def test_characters_of_any_script_tell_strings_apart():
    words = ["heart", "сердце", "心", "قلب", "hearts"]
    pooled, tokens = encoders.encode_characters(words)
    np.testing.assert_allclose(np.linalg.norm(pooled, axis=1), 1, rtol=1e-6)
    likeness = pooled @ pooled.T
    assert likeness[0, 4] > 0.6
    assert np.abs(likeness[:4, :4] - np.eye(4)).max() < 0.5
    assert tokens.shape == (5, 4, 128)
