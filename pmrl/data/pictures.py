"""Small raw pictures for figures, and the arrays that the picture encoder reads."""

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
