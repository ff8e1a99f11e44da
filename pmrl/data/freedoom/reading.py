"""Reading clips from their files."""

import wave
from pathlib import Path

import numpy as np


def read_frames(path: Path, count: int) -> np.ndarray:
    """uint8 (count, height, width, 3): frames of a video, the middles of that many equal spans of time."""
    import av

    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack([frames[int((span + 0.5) * len(frames) / count)] for span in range(count)])


def read_sound(path: Path) -> np.ndarray:
    """float32 (samples, channels) in [-1, 1] of a wav file of 16 bits."""
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
    return samples.astype(np.float32) / 32768
