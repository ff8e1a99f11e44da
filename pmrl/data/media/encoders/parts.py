"""Tokens of encoders that give one vector per text: the vectors of its parts."""

from collections.abc import Callable, Sequence

import numpy as np


def in_parts(
    texts: Sequence[str], tokens: int, dimension: int, encode: Callable[[list[str]], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Encode texts as wholes and in parts, each distinct string once.

    Args:
        texts: an empty text is encoded as zeros.
        tokens: the most parts of a text.
        dimension: that of the encoder.
        encode: strings to float32 (strings, dimension).

    Returns:
        Pooled float32 (instances, dimension) and tokens float16 (instances, tokens, dimension), zeros after the last.
    """
    parts = [split(text, tokens) for text in texts]
    wholes = [" ".join(text.split()) for text in texts]
    strings = sorted({text for text in wholes if text}.union(*parts), key=lambda text: (len(text), text))
    vectors = dict(zip(strings, encode(strings), strict=True)) if strings else {}
    pooled = np.zeros((len(texts), dimension), dtype=np.float32)
    states = np.zeros((len(texts), tokens, dimension), dtype=np.float16)
    for row, (whole, of_text) in enumerate(zip(wholes, parts, strict=True)):
        if whole:
            pooled[row] = vectors[whole]
        for place, part in enumerate(of_text):
            states[row, place] = vectors[part]
    return pooled, states


def split(text: str, count: int) -> list[str]:
    """A text in at most ``count`` parts of about equal numbers of words; of letters, for one word in another script."""
    words, joint = text.split(), " "
    if len(words) == 1 and not text.isascii():
        words, joint = list(words[0]), ""
    if not words:
        return []
    return [joint.join(part) for part in np.array_split(np.array(words, dtype=object), min(count, len(words)))]
