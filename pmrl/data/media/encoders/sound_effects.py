"""Sound effects by the network of Ma and Lerch (2022), trained on libraries of recorded and designed sounds.

Weights: package aisfx, CC BY 4.0, read out of its wheel, which is not installed since it asks for old versions of others.
"""

from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from pmrl.data.packages import wheel
from pmrl.progress import progress

PACKAGE, VERSION = "aisfx", "0.1.2"
DIGEST = "bfe219950715af179e9a1653e7117cc1852baef267cd6596c42cad74afe1d194"
MEMBER = "aisfx/models/checkpoint.pth"
PACKAGES = ("scipy", "torch", "transformers")
RATE, WINDOW, HOP, BANDS, FRAMES = 44100, 2048, 1024, 96, 100
LARGEST = 9.457798957824707  # of all spectrograms that the network was trained on


def network(checkpoint: Path) -> "torch.nn.Module":
    """Four blocks of two convolutions each, 64 to 512 channels; mean over pitch and maximum over time."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, inputs, outputs, pool):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.pool = pool

        def forward(self, x):
            x = torch.relu_(self.bn1(self.conv1(x)))
            x = torch.relu_(self.bn2(self.conv2(x)))
            return nn.functional.max_pool2d(x, self.pool)

    net = nn.Sequential(*(Block(a, b, p) for a, b, p in ((1, 64, 2), (64, 128, 2), (128, 256, 2), (256, 512, 1))))
    with torch.serialization.safe_globals([(np._core.multiarray.scalar, "numpy.core.multiarray.scalar"), np.dtype, np.dtypes.Int64DType]):
        state, _ = torch.load(checkpoint, map_location="cpu", weights_only=True)
    own = {}
    for name, values in state.items():
        if name.startswith("embedding_net.conv_block"):
            number, rest = name.removeprefix("embedding_net.conv_block").split(".", 1)
            own[f"{int(number) - 1}.{rest}"] = values
    net.load_state_dict(own)
    return net.eval()


def log_mel(wave, rate):
    from scipy.signal import resample_poly
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function
    d = int(np.gcd(rate, RATE))
    y = resample_poly(wave, RATE // d, rate // d)
    filters = mel_filter_bank(WINDOW // 2 + 1, BANDS, 0.0, RATE / 2, RATE, norm=None, mel_scale="htk", triangularize_in_mel_space=True)
    filters = filters / filters.sum(axis=0, keepdims=True)
    s = spectrogram(y, window_function(WINDOW, "hann"), WINDOW, HOP, WINDOW, power=2.0, mel_filters=filters)
    return np.log10(1e4 * s + 1).T / LARGEST
