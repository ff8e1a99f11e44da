"""Noise on signals: the blur is a Gaussian, the noise has the stated power, and draws depend on the item only."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pmrl.data.noise import BLUR_LEVELS, SOUND_LEVELS, blur, blurred, with_sound_noise, with_white_noise


def blurred_by_sums(picture, sigma):
    """Each pixel is the mean of all others, weighed by a Gaussian of their distance; beyond the border as at it."""
    radius = int(4 * sigma + 0.5)
    padded = np.pad(picture, [(radius, radius)] * 2, mode="edge")
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * sigma**2))
    height, width = picture.shape
    return [
        [(weights * padded[y : y + len(offsets), x : x + len(offsets)]).sum() / weights.sum() for x in range(width)]
        for y in range(height)
    ]


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_the_blur_is_a_gaussian_mean_of_the_pixels_around(sigma):
    picture = np.random.default_rng(0).uniform(size=(9, 12))
    np.testing.assert_allclose(blur(picture, sigma), blurred_by_sums(picture, sigma), atol=1e-12)


def test_the_blur_spreads_a_point_by_its_sigma_and_does_not_mix_colours():
    point = np.zeros((81, 81, 3))
    point[40, 40] = (1, 2, 0)
    spread = blur(point, 4.0)
    place = np.arange(81) - 40
    for axis in (0, 1):
        profile = spread[:, :, 0].sum(axis=axis)
        assert np.sqrt((profile * place**2).sum() / profile.sum()) == pytest.approx(4.0, rel=0.01)
    assert spread.sum(axis=(0, 1)) == pytest.approx([1, 2, 0])
    assert (spread[:, :, 2] == 0).all()


def test_a_picture_of_whole_numbers_is_rounded_and_stays_one():
    picture = np.random.default_rng(0).integers(0, 256, size=(20, 30, 3)).astype(np.uint8)
    result = blur(picture, 2.0)
    assert result.dtype == np.uint8 and result.shape == picture.shape
    exact = ndimage.gaussian_filter(picture.astype(float), (2, 2, 0), mode="nearest")
    assert np.abs(result - exact).max() <= 0.5 + 1e-9
    plain = np.full((20, 30, 3), 255, dtype=np.uint8)
    assert (blur(plain, 4.0) == 255).all()


@given(decibels=st.floats(-20, 40), seed=st.integers(0, 2**32 - 1), volume=st.floats(0.01, 1))
@settings(max_examples=50, deadline=None)
def test_signal_and_noise_have_the_stated_ratio_of_powers(decibels, seed, volume):
    wave = volume * np.sin(np.arange(2000) / 7)
    noise = with_white_noise(wave, decibels, seed) - wave
    assert 10 * np.log10((wave**2).mean() / (noise**2).mean()) == pytest.approx(decibels, abs=1e-6)


def test_the_noise_is_white():
    """Equal power at all frequencies, here in tenths of the band, within four standard errors."""
    noise = with_white_noise(wave := np.sin(np.arange(50_000) / 7), 0, seed=0) - wave
    power = np.abs(np.fft.rfft(noise))[1:] ** 2
    bands = np.array([part.mean() for part in np.array_split(power, 10)]) / power.mean()
    assert np.abs(bands - 1).max() < 4 / np.sqrt(len(power) / 10)


def test_louder_noise_is_the_same_noise_and_silence_stays_silent():
    wave = np.sin(np.arange(2000) / 7).astype(np.float32)
    loud, soft = (with_white_noise(wave, decibels, seed=3) - wave for decibels in (0, 20))
    np.testing.assert_allclose(loud, 10 * soft, atol=1e-5)
    assert with_white_noise(wave, 5, seed=3).dtype == np.float32
    assert (with_white_noise(np.zeros(100), 0, seed=0) == 0).all()


def as_features(signals):
    """An encoder that gives the signals themselves."""
    flat = np.stack([signal.ravel() for signal in signals]).astype(np.float32)
    return flat, flat[:, None]


def test_every_level_keeps_the_columns_of_the_clean_features():
    pictures = [np.random.default_rng(row).uniform(size=(4, 5)) for row in range(3)]
    columns = np.arange(20) % 2 == 0
    levels = blurred("picture", pictures, as_features, columns)
    assert [(features.kind, features.level) for features in levels] == [("blur", level) for level in BLUR_LEVELS]
    for features in levels:
        whole = np.stack([ndimage.gaussian_filter(picture, features.level, mode="nearest") for picture in pictures])
        np.testing.assert_allclose(features.pooled, whole.reshape(3, 20)[:, ::2], rtol=1e-5)
        assert features.tokens.shape == (3, 1, 20)


def test_the_noise_of_an_item_depends_on_nothing_but_the_item():
    waves = {name: np.sin(np.arange(500) / 7) for name in "abc"}
    every = np.ones(500, dtype=bool)

    def noise(sounds):
        levels = with_sound_noise("set", "speech", sounds, as_features, every)
        assert [features.level for features in levels] == list(SOUND_LEVELS)
        return {item: levels[-1].pooled[row] - sounds[item] for row, item in enumerate(sounds)}

    first, others = noise(waves), noise({name: waves[name] for name in "cb"})
    for name in "bc":
        np.testing.assert_array_equal(first[name], others[name])
    assert np.abs(np.corrcoef(first["a"], first["b"])[0, 1]) < 0.2, "the noise of two items differs"
