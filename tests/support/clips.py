"""Media files for tests: what they show and sound is computed, so that a test knows what must come out."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

LEFT, RIGHT = 440.0, 880.0  # Hz, of the two channels


def frame(place: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A grey picture whose brightness says its place, with a bright upper left corner."""
    pixels = np.full((height, width, 3), 20 + 5 * place % 200, dtype=np.uint8)
    pixels[: height // 4, : width // 4] = 255
    return pixels


def tone(seconds: float, rate: int = 22050, channels: int = 2, volume: float = 0.5) -> np.ndarray:
    """float32 (samples, channels): a tone of its own in each channel."""
    time = np.arange(round(seconds * rate)) / rate
    pitches = np.linspace(LEFT, RIGHT, channels) if channels > 1 else [LEFT]
    return (volume * np.stack([np.sin(2 * np.pi * pitch * time) for pitch in pitches], axis=1)).astype(np.float32)


def write_clip(
    path: Path,
    count: int = 20,
    rate: int = 10,
    sound: np.ndarray | None = None,
    sound_rate: int = 22050,
    times: list[int] | None = None,
    first: int = 0,
) -> Path:
    """A video of ``count`` frames, with a sound track if given.

    Args:
        path: .mp4, .mkv or .webm.
        count: of frames.
        rate: frames per second.
        sound: float32 (samples, channels).
        sound_rate: samples per second.
        times: when each frame begins, in units of 1/``rate``; one after the other by default.
        first: the place that the first frame shows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    webm = path.suffix == ".webm"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libvpx" if webm else "libx264", rate=rate)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        track = None
        if sound is not None:
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[sound.shape[1]]
            sound_rate = 48000 if webm else sound_rate
            track = container.add_stream("libopus" if webm else "aac", rate=sound_rate, layout=layout)
        for place in range(count):
            picture = av.VideoFrame.from_ndarray(frame(first + place), format="rgb24")
            picture.pts, picture.time_base = times[place] if times else place, Fraction(1, rate)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if track is not None and sound is not None:
            heard = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T), format="fltp", layout=layout)
            heard.sample_rate = sound_rate
            container.mux(track.encode(heard))
            container.mux(track.encode(None))
    return path


def write_sound(path: Path, sound: np.ndarray, rate: int, codec: str) -> Path:
    """A sound file with a codec of FFmpeg, such as pcm_s24le, libmp3lame, flac or libvorbis."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[sound.shape[1]]
        track = container.add_stream(codec, rate=rate, layout=layout)
        heard = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T), format="fltp", layout=layout)
        heard.sample_rate = rate
        resampler = av.AudioResampler(
            format=track.format, layout=layout, rate=rate, frame_size=track.frame_size or None
        )
        for piece in [*resampler.resample(heard), *resampler.resample(None)]:
            container.mux(track.encode(piece))
        container.mux(track.encode(None))
    return path
