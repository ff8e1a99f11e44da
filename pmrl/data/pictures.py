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


def spectrogram(levels: np.ndarray, size: tuple[int, int] = (96, 48)) -> bytes:
    """A PNG of a log-mel spectrogram: time from left to right, pitch upwards, louder is darker.

    Args:
        levels: (bands, frames), log10 of the power, the lowest band first.
        size: width and height in pixels, the same for every utterance, whatever its length.
    """
    from PIL import Image

    # Relative to the loudest point, so that the picture does not depend on the volume; 50 dB below it is white.
    loudness = np.clip((levels - levels.max()) / 5 + 1, 0, 1)
    pixels = np.round(255 * (1 - loudness[::-1])).astype(np.uint8)
    return png(np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)))


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
