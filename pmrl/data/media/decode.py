"""From media files to arrays: frames, sound and pictures, in a memory that does not grow with the file.

Video and sound are decoded by FFmpeg (PyAV), pictures by Pillow. Whatever is wrong with a file is `Unreadable`, which
says what, so that a caller can count the item as absent or refuse it, but never take something else in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pmrl.errors import UserError

if TYPE_CHECKING:
    from av.container import InputContainer
    from PIL.Image import Image

ANIMATED = (".gif", ".webp")  # pictures that can hold several frames; FFmpeg does not read all of them
LONG = 60.0  # seconds from which on a place in a file is sought instead of decoded up to
SILENT = 1e-4  # of full scale: a sound that is never louder is silence


class Unreadable(UserError):
    """A media file that does not hold what is asked of it."""


@dataclass(frozen=True)
class Facts:
    """What a file says about itself.

    Attributes:
        seconds: its length; 0 for a picture.
        width: of its pictures, in pixels; 0 without any.
        height: of its pictures, in pixels; 0 without any.
        frame_rate: mean frames per second; 0 without moving pictures.
        rate: samples of sound per second; 0 without sound.
        channels: of the sound; 0 without sound.
    """

    seconds: float = 0.0
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    rate: int = 0
    channels: int = 0


def facts(path: Path) -> Facts:
    """What a video, sound or picture says about itself, without decoding it.

    Raises:
        Unreadable: it cannot be opened.
    """
    if Path(path).suffix.lower() in ANIMATED:
        with _picture(path) as picture:
            seconds = _seconds_of_frames(picture)[-1]
            rate = getattr(picture, "n_frames", 1) / seconds if seconds else 0.0
            return Facts(seconds, picture.width, picture.height, rate)
    with _opened(path) as container:
        video, sound = (_first(streams) for streams in (container.streams.video, container.streams.audio))
        return Facts(
            _seconds(container, video or sound),
            video.width if video else 0,
            video.height if video else 0,
            float(video.average_rate or 0) if video else 0.0,
            sound.rate if sound else 0,
            sound.channels if sound else 0,
        )


def read_frames(path: Path, times: Sequence[float] | int) -> np.ndarray:
    """The frames that are on the screen at some times, uint8 (frames, height, width, 3), upright.

    Frames go by their own times, so that a variable frame rate is no matter.

    Args:
        path: a video, or an animated picture.
        times: in seconds, ascending; or a number of frames, the middles of that many equal spans of the file's length.

    Raises:
        Unreadable: no moving picture, or it ends before one of the times.
    """
    if Path(path).suffix.lower() in ANIMATED:
        return _frames_of_picture(path, times)
    with _opened(path) as container:
        stream = _first(container.streams.video)
        if stream is None:
            raise Unreadable(f"{path}: has no video.")
        stream.thread_type = "AUTO"
        length = _seconds(container, stream)
        wanted = middles(length, times) if isinstance(times, int) else list(times)
        chosen = _on_screen(container, stream, wanted, seek=length > LONG)
        if len(chosen) < len(wanted):
            ends = f"ends before {wanted[len(chosen)]:.2f} s" if chosen else "has no frame that can be decoded"
            raise Unreadable(f"{path}: {ends}; it says that it is {length:.2f} s long. It may have been cut off.")
        return np.stack(chosen)


def middles(seconds: float, count: int) -> list[float]:
    """The middles of ``count`` equal spans of a length."""
    return [(span + 0.5) * seconds / count for span in range(count)]


def read_sound(
    path: Path, rate: int, channels: int = 1, start: float = 0.0, seconds: float | None = None
) -> np.ndarray:
    """A part of a sound, resampled and mixed, float32 (samples, channels) in [-1, 1].

    Args:
        path: a sound, or a video with a sound track.
        rate: samples per second of the result.
        channels: 1, the mean of two, or 2; more are mixed down, and one becomes two equal ones.
        start: seconds from the beginning.
        seconds: how much of it; None means all that follows.

    Raises:
        Unreadable: no sound, or nothing at ``start``.
    """
    import av

    if channels not in (1, 2):
        raise UserError(f"{path}: {channels} channels asked for, expected 1 or 2.")
    most = None if seconds is None else round(seconds * rate)
    parts: list[np.ndarray] = []
    with _opened(path) as container:
        stream = _first(container.streams.audio)
        if stream is None:
            raise Unreadable(f"{path}: has no sound.")
        layout = "mono" if stream.channels == 1 else "stereo"
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        if start > LONG:
            container.seek(int(start / stream.time_base), stream=stream)
        before: int | None = None  # samples that come before the start
        count = 0
        for frame in _decoded(container, stream):
            if before is None:
                before = max(0, round((start - _time(frame, stream, 0.0)) * rate))
            for piece in resampler.resample(frame):
                samples = piece.to_ndarray()
                parts.append(samples[:, before:])
                before = max(0, before - samples.shape[1])
                count += parts[-1].shape[1]
            if most is not None and count >= most:
                break
        else:
            parts += [piece.to_ndarray()[:, before or 0 :] for piece in resampler.resample(None)]
    sound = np.concatenate(parts, axis=1)[:, :most].T if parts else np.zeros((0, 1), dtype=np.float32)
    if not len(sound):
        raise Unreadable(f"{path}: has no sound at {start:.2f} s.")
    if channels == 1:
        sound = sound.mean(axis=1, keepdims=True)
    elif sound.shape[1] == 1:
        sound = np.repeat(sound, 2, axis=1)
    return np.ascontiguousarray(sound, dtype=np.float32).clip(-1, 1)


def is_silent(sound: np.ndarray) -> bool:
    """Whether a sound in [-1, 1] is silence."""
    return not len(sound) or float(np.abs(sound).max()) < SILENT


def read_picture(path: Path) -> np.ndarray:
    """uint8 (height, width, 3) of a picture, upright as its camera held it; the first frame of an animated one.

    Raises:
        Unreadable: it is no picture, or damaged.
    """
    with _picture(path) as picture:
        return _upright(picture)


def _upright(picture: Image) -> np.ndarray:
    """Pixels turned as the camera was held, on white where they are transparent."""
    from PIL import Image, ImageOps

    turned = ImageOps.exif_transpose(picture)
    if "A" in turned.getbands() or "transparency" in turned.info:
        layers = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers)
    return np.asarray(turned.convert("RGB"))


@contextmanager
def _picture(path: Path) -> Iterator[Image]:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            yield picture
    except FileNotFoundError as error:
        raise Unreadable(f"{path}: does not exist.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Unreadable(f"{path}: not a picture that can be read ({error}).") from error


def _frames_of_picture(path: Path, times: Sequence[float] | int) -> np.ndarray:
    with _picture(path) as picture:
        ends = _seconds_of_frames(picture)
        wanted = middles(ends[-1], times) if isinstance(times, int) else list(times)
        if wanted and wanted[-1] > ends[-1]:
            raise Unreadable(f"{path}: ends before {wanted[-1]:.2f} s; it is {ends[-1]:.2f} s long.")
        chosen = []
        for time in wanted:
            picture.seek(int(np.searchsorted(ends, time, side="right").clip(max=len(ends) - 1)))
            chosen.append(_upright(picture))
        return np.stack(chosen)


def _seconds_of_frames(picture: Image) -> np.ndarray:
    """When each frame of a picture ends; a frame without a duration counts a tenth of a second, a still one none."""
    count, durations = getattr(picture, "n_frames", 1), []
    for number in range(count):
        picture.seek(number)
        picture.load()  # some formats say how long a frame lasts only then
        durations.append(picture.info.get("duration", 0) / 1000 or 0.1 * (count > 1))
    return np.cumsum(durations)


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    import av

    try:
        with av.open(str(path), metadata_errors="replace") as container:
            yield container
    except FileNotFoundError as error:
        raise Unreadable(f"{path}: does not exist.") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise Unreadable(f"{path}: not a file that can be decoded ({_reason(error)}).") from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _first(streams: Sequence[Any]) -> Any:
    """The first stream, or None; the cover of a sound file is no video."""
    return next((stream for stream in streams if not _is_cover(stream)), None)


def _is_cover(stream: Any) -> bool:
    return stream.type == "video" and bool(stream.disposition & type(stream.disposition).attached_pic)


def _seconds(container: InputContainer, stream: Any) -> float:
    """The length of a stream, as it or its container says; 0 where neither does."""
    if stream is not None and stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    tagged = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", (stream.metadata if stream else {}).get("DURATION", ""))
    if tagged:  # Matroska's way to give the length of one stream
        hours, minutes, seconds = map(float, tagged.groups())
        return 3600 * hours + 60 * minutes + seconds
    return container.duration / 1_000_000 if container.duration else 0.0


def _on_screen(container: InputContainer, stream: Any, wanted: Sequence[float], seek: bool) -> list[np.ndarray]:
    """The upright frames that are on the screen at ascending times, as many as there are."""
    chosen: list[np.ndarray] = []
    if seek:
        for time in wanted:
            container.seek(int(time / stream.time_base), stream=stream)
            found = _shown(container, stream, [time])
            if not found:
                break
            chosen += found
        return chosen
    return _shown(container, stream, wanted)


def _shown(container: InputContainer, stream: Any, wanted: Sequence[float]) -> list[np.ndarray]:
    chosen: list[np.ndarray] = []
    last, end = None, 0.0
    for frame in _decoded(container, stream):
        time = _time(frame, stream, end)
        # a frame stays until the next one begins; before the first one there is nothing else to show
        while last is not None and len(chosen) < len(wanted) and wanted[len(chosen)] < time:
            chosen.append(_pixels(last))
        if len(chosen) == len(wanted):
            return chosen
        last, end = frame, time + _duration(frame, stream)
    while last is not None and len(chosen) < len(wanted) and wanted[len(chosen)] <= end:
        chosen.append(_pixels(last))
    return chosen


def _decoded(container: InputContainer, stream: Any) -> Iterator[Any]:
    """Frames of a stream up to its end, or to where it is damaged."""
    import av

    frames = container.decode(stream)
    while True:
        try:
            yield next(frames)
        except (StopIteration, av.FFmpegError):
            return


def _time(frame: Any, stream: Any, otherwise: float) -> float:
    """When a frame begins, in seconds from the beginning of its stream."""
    if frame.pts is None or frame.time_base is None:
        return otherwise
    return float((frame.pts - (stream.start_time or 0)) * frame.time_base)


def _duration(frame: Any, stream: Any) -> float:
    if frame.duration and frame.time_base:
        return float(frame.duration * frame.time_base)
    return 1 / float(stream.average_rate) if stream.average_rate else 0.0


def _pixels(frame: Any) -> np.ndarray:
    """RGB pixels, turned as the file says."""
    pixels = frame.to_ndarray(format="rgb24")
    return np.rot90(pixels, round(frame.rotation / 90) % 4) if frame.rotation else pixels
