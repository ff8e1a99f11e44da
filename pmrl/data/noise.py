"""Noise on pictures and sound before their encoder, for the test items of a data set.

The levels are those of the field (Luo et al. 2026: blur of video, white noise on sound, one modality at a time), and 40
and 30 dB, since features of clean synthesised speech are lost at 20 dB already. Draws depend on data set, modality and
item only, so that they are the same for every method, seed and level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pmrl.data.dataset import NoisyFeatures
from pmrl.data.encoders import Encoded
from pmrl.records import BLUR, SOUND_NOISE
from pmrl.seeds import derived_seed

PACKAGES = ("scipy",)  # computes the blur

BLUR_LEVELS = (1.0, 2.0, 4.0)  # standard deviation in pixels
SOUND_LEVELS = (40.0, 30.0, 20.0, 10.0, 5.0, 0.0)  # ratio of signal to noise in dB


def blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur, in the type of the picture; beyond the border the outermost pixels continue.

    Args:
        picture: (height, width) or (height, width, channels); whole numbers are rounded to whole numbers.
        sigma: standard deviation in pixels.
    """
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(picture.astype(np.float64), sigma, mode="nearest", axes=(0, 1))
    return (np.round(smooth) if picture.dtype.kind in "iu" else smooth).astype(picture.dtype)


def with_white_noise(wave: np.ndarray, decibels: float, seed: int) -> np.ndarray:
    """A signal (samples,) or (samples, channels) with white Gaussian noise, at exactly the given ratio of mean powers.

    The same seed gives the same noise, louder or softer. Silence stays as it is.
    """
    noise = np.random.default_rng(seed).standard_normal(wave.shape)
    equal_power = np.sqrt(np.mean(np.square(wave, dtype=np.float64)) / np.mean(noise**2))
    return (wave + 10 ** (-decibels / 20) * equal_power * noise).astype(wave.dtype)


def blurred(
    modality: str,
    pictures: Sequence[np.ndarray],
    encode: Callable[[list[np.ndarray]], Encoded],
    columns: np.ndarray,
) -> list[NoisyFeatures]:
    """The features of blurred pictures, for each of ``BLUR_LEVELS``.

    Args:
        modality: what the pictures show.
        pictures: of the test items, as the encoder reads them.
        encode: the encoder: pooled vectors and tokens of a list of pictures.
        columns: (dimension,) bool; the columns of the pooled vectors that the data set keeps.
    """
    levels = {sigma: encode([blur(picture, sigma) for picture in pictures]) for sigma in BLUR_LEVELS}
    return [
        NoisyFeatures(BLUR, sigma, modality, pooled[:, columns], tokens) for sigma, (pooled, tokens) in levels.items()
    ]


def with_sound_noise(
    dataset: str,
    modality: str,
    waves: dict[str, np.ndarray],
    encode: Callable[[list[np.ndarray]], Encoded],
    columns: np.ndarray,
) -> list[NoisyFeatures]:
    """The features of sounds with white noise, for each of ``SOUND_LEVELS``.

    Args:
        dataset: name of the data set, for the seeds.
        modality: what the sounds are.
        waves: {id of a test item: its signal}, in the order of the items.
        encode: the encoder: pooled vectors and tokens of a list of signals.
        columns: (dimension,) bool; the columns of the pooled vectors that the data set keeps.
    """
    seeds = {item: derived_seed("noise", dataset, modality, item) for item in waves}
    noisy = []
    for decibels in SOUND_LEVELS:
        pooled, tokens = encode([with_white_noise(wave, decibels, seeds[item]) for item, wave in waves.items()])
        noisy.append(NoisyFeatures(SOUND_NOISE, decibels, modality, pooled[:, columns], tokens))
    return noisy
