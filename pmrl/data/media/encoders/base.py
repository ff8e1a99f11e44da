"""What an encoder is: it reads a batch of signals of one kind and gives pooled vectors and tokens.

Frames are uint8 (frames, height, width, 3), pictures uint8 (height, width, 3), a sound is float32 (samples, channels)
at the encoder's rate, a text is a string.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Encoded = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Encoder:
    """What turns signals into features.

    Attributes:
        name: as a card gives it.
        description: for tables.
        encode: a batch of signals to float32 (signals, dimension) and float16 (signals, tokens, width).
        rate: samples per second of the sound that it reads.
        frames: how many frames it reads at once; 0 for any number.
        packages: that its result depends on.
    """

    name: str
    description: str
    encode: Callable[[Sequence[Any]], Encoded]
    rate: int = 0
    frames: int = 0
    packages: tuple[str, ...] = ()


def frame_by_frame(videos: Sequence[np.ndarray], encode: Callable[[list[np.ndarray]], np.ndarray]) -> Encoded:
    """Videos by an encoder of pictures: pooled is the mean over the frames, which are the tokens; zeros follow them."""
    frames = encode([frame for video in videos for frame in video])
    counts = [len(video) for video in videos]
    tokens = np.zeros((len(videos), max(counts), frames.shape[1]), dtype=np.float32)
    for row, of_video in enumerate(np.split(frames, np.cumsum(counts)[:-1])):
        tokens[row, : len(of_video)] = of_video
    return tokens.sum(axis=1) / np.array(counts, dtype=np.float32)[:, np.newaxis], tokens.astype(np.float16)


def channel_by_channel(sounds: Sequence[np.ndarray], encode: Callable[[list[np.ndarray]], Encoded]) -> Encoded:
    """Sounds (samples, channels) by an encoder of mono sounds: the features of both channels side by side."""
    sides = [encode([sound[:, side] for sound in sounds]) for side in range(sounds[0].shape[1])]
    pooled, tokens = zip(*sides, strict=True)
    return np.concatenate(pooled, axis=1), np.concatenate(tokens, axis=2)
