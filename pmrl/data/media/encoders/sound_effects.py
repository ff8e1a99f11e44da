"""Sound effects by the network of Ma and Lerch (ISMIR 2022), trained on libraries of recorded and designed sounds.

Weights: package aisfx, CC BY 4.0, read out of its wheel; it is not installed, since it asks for old versions of others.
"""

import functools
import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import numpy as np

from pmrl.data.packages import wheel
from pmrl.data.threads import threads
from pmrl.progress import progress

if TYPE_CHECKING:
    from torch import nn

PACKAGE, VERSION, LICENSE = "aisfx", "0.1.2", "CC BY 4.0"
DIGEST = "bfe219950715af179e9a1653e7117cc1852baef267cd6596c42cad74afe1d194"
CHECKPOINT = "aisfx/models/checkpoint.pth"
PACKAGES = ("scipy", "torch", "transformers")
DESCRIPTION = "network for sound effects of Ma and Lerch, maximum over time; tokens: maxima in equal time segments"

RATE, WINDOW, HOP, BANDS = 44100, 2048, 1024, 96
FRAMES = 100  # of a spectrogram, 2.3 seconds: what the network was trained on
LARGEST = 9.457798957824707  # value of the spectrograms on which the network was trained
CHANNELS = (1, 64, 128, 256, 512)
BATCH = 8


def encode_sounds(
    waves: Sequence[np.ndarray], rate: int, cache: Path, segments: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Encode the first 2.3 seconds of sounds; a shorter one is followed by silence.

    Args:
        waves: mono signals in [-1, 1].
        rate: samples per second.
        cache: folder in which the wheel with the weights is kept.
        segments: number of equal time segments, the tokens.

    Returns:
        Pooled float32 (instances, 512) and tokens float16 (instances, segments, 512).

    Raises:
        UserError: the wheel cannot be fetched, or is not the one that was published.
    """
    import torch

    # With the channels last in memory, convolutions are faster on a CPU.
    network = load(wheel(PACKAGE, VERSION, DIGEST, cache)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pooled, tokens = [], []
    with torch.inference_mode(), threads(1):
        for start in progress(range(0, len(waves), BATCH), "sounds"):
            levels = np.stack([_fitted(log_mel(wave, rate)) for wave in waves[start : start + BATCH]])
            pixels = torch.from_numpy(levels[:, np.newaxis]).to(memory_format=torch.channels_last)
            states = network(pixels).mean(dim=3).numpy()
            pooled.append(states.max(axis=2))
            spans = np.array_split(states, segments, axis=2)
            tokens.append(np.stack([span.max(axis=2) for span in spans], axis=1).astype(np.float16))
    return np.concatenate(pooled), np.concatenate(tokens)


def log_mel(wave: np.ndarray, rate: int) -> np.ndarray:
    """float32 (frames, 96), the spectrogram that the network reads: log10(1 + 10⁴ · power) in mel bands, scaled."""
    from scipy.signal import resample_poly
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    divisor = int(np.gcd(rate, RATE))
    filters = mel_filter_bank(
        WINDOW // 2 + 1, BANDS, 0.0, RATE / 2, RATE, norm=None, mel_scale="htk", triangularize_in_mel_space=True
    )
    power = spectrogram(
        resample_poly(wave, RATE // divisor, rate // divisor),
        window_function(WINDOW, "hann"),
        WINDOW,
        HOP,
        WINDOW,
        power=2.0,
        mel_filters=filters / filters.sum(axis=0),
    )
    return (np.log10(1e4 * power.T + 1) / LARGEST).astype(np.float32)


@functools.cache
def load(wheel_file: Path) -> "nn.Module":
    """The convolutions of the network with their weights: (batch, 1, frames, 96) to (batch, 512, frames / 8, 12)."""
    import torch
    from torch import nn

    with ZipFile(wheel_file) as archive:
        checkpoint = io.BytesIO(archive.read(CHECKPOINT))
    # Beside tensors, the file has counts of classes as numbers of NumPy, which are named here to be let in.
    scalar = np.int64(0).__reduce__()[0]
    numbers: list[Any] = [(scalar, "numpy.core.multiarray.scalar"), np.dtype, type(np.dtype(np.int64))]
    with torch.serialization.safe_globals(numbers):
        weights, _ = torch.load(checkpoint, map_location="cpu", weights_only=True)
    blocks = nn.Sequential()
    for number, (inputs, outputs) in enumerate(pairwise(CHANNELS), start=1):
        last = number == len(CHANNELS) - 1
        blocks.add_module(f"conv_block{number}", _block(inputs, outputs, pool=1 if last else 2))
    prefix = "embedding_net."
    blocks.load_state_dict(
        {name.removeprefix(prefix): values for name, values in weights.items() if name.startswith(prefix)}
    )
    return blocks.eval()


def _block(inputs: int, outputs: int, pool: int) -> "nn.Module":
    """Two convolutions with batch normalisation and rectifier, then the maximum of ``pool`` × ``pool`` places."""
    from torch import nn

    block = nn.Sequential()
    for number, channels in ((1, inputs), (2, outputs)):
        block.add_module(f"conv{number}", nn.Conv2d(channels, outputs, 3, padding=1, bias=False))
        block.add_module(f"bn{number}", nn.BatchNorm2d(outputs))
        block.add_module(f"relu{number}", nn.ReLU())
    block.add_module("pool", nn.MaxPool2d(pool))
    return block


def _fitted(levels: np.ndarray) -> np.ndarray:
    """Exactly ``FRAMES`` frames: cut, or followed by zeros."""
    return np.pad(levels[:FRAMES], ((0, max(0, FRAMES - len(levels))), (0, 0)))
