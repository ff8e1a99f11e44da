"""Small pictures of items for figures, and pictures as arrays for the encoder."""

import io

import numpy as np


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of uint8 pixels, (height, width) grey or (height, width, 3)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def decode(data: bytes, size: int) -> np.ndarray:
    """A picture file as uint8 pixels (size, size, 3), on white where transparent, resized if needed."""
    from PIL import Image

    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    picture = white.convert("RGB")
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def is_png(data: bytes) -> bool:
    """Whether ``data`` is a complete PNG file that can be decoded."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True


VIEW_FRAMES = 4  # side by side in the picture of a video


def filmstrip(frames: np.ndarray, height: int) -> bytes:
    """A PNG of VIEW_FRAMES frames of a video in a row, evenly chosen.

    Args:
        frames: uint8 (frames, height, width, 3).
        height: of the picture, in pixels.
    """
    from PIL import Image

    chosen = [frames[int((place + 0.5) * len(frames) / VIEW_FRAMES)] for place in range(VIEW_FRAMES)]
    size = max(1, round(frames.shape[2] * height / frames.shape[1])), height
    return png(np.concatenate([np.asarray(Image.fromarray(frame).resize(size)) for frame in chosen], axis=1))


def middle_frame(strip: np.ndarray) -> np.ndarray:
    """The frame after the middle of a `filmstrip`'s pixels."""
    width = strip.shape[1] // VIEW_FRAMES
    start = VIEW_FRAMES // 2 * width
    return strip[:, start : start + width]


def sound(wave: np.ndarray, levels: np.ndarray, size: tuple[int, int] = (96, 24)) -> bytes:
    """A PNG of a sound: its waveform above its spectrogram, see `spectrogram`.

    Args:
        wave: mono, in [-1, 1].
        levels: (bands, frames), log10 of the power.
        size: width and height of the waveform, in pixels.
    """
    width, height = size
    parts = np.array_split(wave, width)
    loudest = [float(np.abs(part).max()) if len(part) else 0.0 for part in parts]
    rows = np.abs(np.arange(height) - (height - 1) / 2)[:, np.newaxis] / (height / 2)
    pixels = np.where(rows <= np.maximum(loudest, 1 / height), 90, 255).astype(np.uint8)
    return png(np.concatenate([pixels, _spectrogram_pixels(levels, (width, 2 * height))]))


def spectrogram(levels: np.ndarray, size: tuple[int, int] = (96, 48)) -> bytes:
    """A PNG of a log-mel spectrogram: time from left to right, pitch upwards, louder is darker.

    Args:
        levels: (bands, frames), log10 of the power, the lowest band first.
        size: width and height in pixels, the same for every utterance, whatever its length.
    """
    return png(_spectrogram_pixels(levels, size))


def _spectrogram_pixels(levels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    # Relative to the loudest point, so that the picture does not depend on the volume; 50 dB below it is white.
    loudness = np.clip((levels - levels.max()) / 5 + 1, 0, 1)
    pixels = np.round(255 * (1 - loudness[::-1])).astype(np.uint8)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def cells(amounts: np.ndarray, columns: int) -> bytes:
    """A PNG of amounts ≥ 0, row by row in a grid with that many ``columns``: 0 is white, more is darker."""
    pixels = np.round(255 * np.exp(-1.2 * amounts)).astype(np.uint8)
    return png(pixels.reshape(-1, columns))


def lines(curves: list[np.ndarray], size: int) -> bytes:
    """A PNG of curves as ink on white, later curves paler.

    Args:
        curves: points (count, 2), x to the right and y downwards, in [0, 1].
        size: width and height in pixels.
    """
    from PIL import Image, ImageDraw

    fine = 4 * size  # drawn large and scaled down, which smooths the edges
    picture = Image.new("L", (fine, fine), 255)
    pen = ImageDraw.Draw(picture)
    for place, curve in enumerate(curves):
        ink = round(150 * place / max(1, len(curves) - 1))
        pen.line([tuple(point) for point in curve * fine], fill=ink, width=round(0.035 * fine), joint="curve")
    return png(np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS)))
