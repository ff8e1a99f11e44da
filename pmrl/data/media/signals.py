"""Signals of items: what an encoder reads of each one's file or text, and what is wrong where there is nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pmrl.data.media import decode
from pmrl.data.media.decode import Unreadable
from pmrl.data.media.encoders.base import Encoder
from pmrl.data.media.frames import fitted, thumbnail
from pmrl.data.pictures import filmstrip, png
from pmrl.data.pictures import sound as sound_picture
from pmrl.records import AUDIO, PICTURE, TEXT, VIDEO

VIEW = 72  # pixels, the height of what figures show
SHORTEST = 0.05  # seconds of sound; what is shorter holds nothing that an encoder could read


@dataclass(frozen=True)
class Sampling:
    """Which parts of a file are read.

    Attributes:
        frames: of a video, the middles of that many equal spans.
        frame_rate: if given, frames per second instead, at most ``frames`` of them from the beginning.
        size: pixels of the square that frames and pictures are fitted to; None leaves them as they are.
        seconds: length of a window of sound.
        windows: of sound, spread evenly over its length; a sound that is shorter than one is read whole.
        channels: of the sound, 1 or 2.
    """

    frames: int = 4
    frame_rate: float | None = None
    size: int | None = 224
    seconds: float = 10.0
    windows: int = 1
    channels: int = 1


@dataclass(frozen=True)
class Signal:
    """What is read of one item.

    Attributes:
        pieces: what the encoder reads one by one: the video, the picture, the text, or the windows of the sound.
        view: what figures show, a PNG or a text.
        seconds: length of the file.
    """

    pieces: list[Any]
    view: bytes | str
    seconds: float = 0.0


@dataclass(frozen=True)
class Signals:
    """The items of one modality.

    Attributes:
        kind: video, audio, picture or text.
        sources: the file of each item, or its text; None where an item has neither.
        sampling: which parts are read.
    """

    kind: str
    sources: Sequence[Path | str | None]
    sampling: Sampling

    def __len__(self) -> int:
        return len(self.sources)

    def about(self, row: int) -> list[Any]:
        """What an item's features depend on beside the encoder: its text, or name, size and time of its file."""
        source = self.sources[row]
        if isinstance(source, Path) and source.is_file():
            state = source.stat()
            return [source.name, state.st_size, state.st_mtime_ns]
        return [str(source)]

    def settings(self) -> dict[str, Any]:
        """The kind and the sampling, for a fingerprint."""
        return {"kind": self.kind, **asdict(self.sampling)}

    def read(self, row: int, encoder: Encoder) -> Signal:
        """The signal of an item.

        Raises:
            Unreadable: there is none, or its file does not hold what is asked of it.
        """
        source = self.sources[row]
        if source is None:
            raise Unreadable("has no file")
        if self.kind == TEXT:
            return _text(source)
        if not isinstance(source, Path):
            raise Unreadable(f"{source!r} is no file")
        readers = {VIDEO: _video, PICTURE: _picture, AUDIO: _audio}
        return readers[self.kind](source, self.sampling, encoder)


def _text(source: Path | str) -> Signal:
    """A text as it stands in a table, or in a file in UTF-8."""
    if isinstance(source, Path):
        try:
            source = source.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise Unreadable(f"{source}: cannot be read ({error.strerror}).") from error
        except UnicodeDecodeError as error:
            raise Unreadable(f"{source}: not text in UTF-8 ({error.reason}).") from error
    text = " ".join(source.split())
    if not text:
        raise Unreadable("the text is empty")
    return Signal([text], text)


def _picture(path: Path, sampling: Sampling, _: Encoder) -> Signal:
    pixels = decode.read_picture(path)
    return Signal([pixels if sampling.size is None else fitted(pixels, sampling.size)], png(thumbnail(pixels, VIEW)))


def _video(path: Path, sampling: Sampling, encoder: Encoder) -> Signal:
    seconds = decode.facts(path).seconds
    count = encoder.frames or sampling.frames
    times: int | list[float] = count
    if sampling.frame_rate is not None:
        # the last time lies within the video, if only by rounding
        count = max(1, min(count, int(seconds * sampling.frame_rate)))
        times = [(place + 0.5) / sampling.frame_rate for place in range(count)] if seconds else 1
    frames = decode.read_frames(path, times)
    view = filmstrip(frames, VIEW)
    if sampling.size is not None:
        frames = np.stack([fitted(frame, sampling.size) for frame in frames])
    return Signal([frames], view, seconds)


def _audio(path: Path, sampling: Sampling, encoder: Encoder) -> Signal:
    facts = decode.facts(path)
    if not facts.rate:
        raise Unreadable(f"{path}: has no sound.")
    rest = facts.seconds - sampling.seconds * sampling.windows
    starts = [0.0]
    if rest > 0 or sampling.windows > 1:
        starts = [max(0.0, middle - sampling.seconds / 2) for middle in decode.middles(facts.seconds, sampling.windows)]
    windows = [decode.read_sound(path, encoder.rate, sampling.channels, start, sampling.seconds) for start in starts]
    if all(decode.is_silent(window) for window in windows):
        raise Unreadable(f"{path}: its sound is silent.")
    if max(len(window) for window in windows) < SHORTEST * encoder.rate:
        raise Unreadable(f"{path}: its sound is shorter than {SHORTEST} s.")
    heard = np.concatenate(windows).mean(axis=1)
    return Signal(windows, sound_picture(heard, levels(heard, encoder.rate)), facts.seconds)


def levels(wave: np.ndarray, rate: int, columns: int = 96, bands: int = 48) -> np.ndarray:
    """What a picture shows of a sound, (bands, columns): log10 of the power in bands of equal width in octaves.

    Each column is one short window, so that a long sound costs no more than a short one.

    Args:
        wave: mono, in [-1, 1].
        rate: samples per second.
        columns: windows, spread evenly.
        bands: between 60 Hz and 8 kHz, or half of the rate.
    """
    length = 1 << round(np.log2(0.05 * rate))
    padded = np.pad(wave, (0, max(0, length - len(wave))))
    starts = np.linspace(0, len(padded) - length, columns).astype(int)
    windows = padded[starts[:, np.newaxis] + np.arange(length)] * np.hanning(length)
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2
    edges = np.geomspace(60, min(8000, rate / 2), bands + 1) * length / rate
    first = np.minimum(edges[:-1].astype(int), power.shape[1] - 1)
    count = np.maximum(np.diff(np.append(first, int(edges[-1]) + 1)), 1)
    sums = np.add.reduceat(power, first, axis=1)
    return np.log10(sums / count + 1e-6).T
