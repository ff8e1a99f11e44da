"""Small pictures of items, which figures show, and the arrays that the picture encoder reads."""

import io

import numpy as np


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of uint8 pixels, (height, width) grey or (height, width, 3)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def decode(data: bytes, size: int) -> np.ndarray:
    """A picture file as uint8 pixels (size, size, 3), transparency on white, resized if need be."""
    from PIL import Image

    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    picture = white.convert("RGB")
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def is_png(data: bytes) -> bool:
    """Whether ``data`` is a whole PNG file that can be decoded."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True


def spectrogram(levels: np.ndarray, size: tuple[int, int] = (96, 48)) -> bytes:
    """A PNG of a log-mel spectrogram: time from left to right, pitch upwards, the louder the darker.

    Args:
        levels: (bands, frames), log10 of the power, the lowest band first.
        size: width and height in pixels; every utterance is as wide, however long it is.
    """
    from PIL import Image

    # What is 50 dB below the loudest place is silence, so that the picture does not depend on the volume.
    loudness = np.clip((levels - levels.max()) / 5 + 1, 0, 1)
    pixels = np.round(255 * (1 - loudness[::-1])).astype(np.uint8)
    return png(np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)))


def cells(amounts: np.ndarray, columns: int) -> bytes:
    """A PNG of a vector of amounts from 0 up, row by row in a grid: white is none, the more the darker."""
    pixels = np.round(255 * np.exp(-1.2 * amounts)).astype(np.uint8)
    return png(pixels.reshape(-1, columns))


def lines(curves: list[np.ndarray], size: int) -> bytes:
    """A PNG of curves as ink on white, the later the paler.

    Args:
        curves: points (count, 2), x to the right and y downwards, in [0, 1].
        size: width and height in pixels.
    """
    from PIL import Image, ImageDraw

    fine = 4 * size  # drawn large and made smaller, which smooths the edges
    picture = Image.new("L", (fine, fine), 255)
    pen = ImageDraw.Draw(picture)
    for place, curve in enumerate(curves):
        ink = round(150 * place / max(1, len(curves) - 1))
        pen.line([tuple(point) for point in curve * fine], fill=ink, width=round(0.035 * fine), joint="curve")
    return png(np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS)))
