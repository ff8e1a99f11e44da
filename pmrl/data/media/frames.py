"""Pictures in other sizes."""

import numpy as np


def fitted(picture: np.ndarray, size: int) -> np.ndarray:
    """The middle square of a picture, uint8 (size, size, 3): its shorter side is scaled to ``size``.

    Args:
        picture: uint8 (height, width, 3), of any size from 1 × 1 on.
        size: pixels.
    """
    from PIL import Image

    height, width = picture.shape[:2]
    scale = size / min(height, width)
    wide, high = (max(size, round(side * scale)) for side in (width, height))
    scaled = Image.fromarray(picture).resize((wide, high), Image.Resampling.BICUBIC, reducing_gap=3)
    left, top = (wide - size) // 2, (high - size) // 2
    return np.asarray(scaled.crop((left, top, left + size, top + size)))


def thumbnail(picture: np.ndarray, height: int) -> np.ndarray:
    """A picture scaled to a height in pixels, with its proportions."""
    from PIL import Image

    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3))
