"""Pictures of one size."""

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
