"""What can be played of items whose store has only features and pictures: clips, and speech that is spoken again.

No number depends on it. Clips are played from the files that were encoded, where they are still there. The synthesiser
varies its voice a little from one utterance to the next, so what is heard is the same text in the same voice, though
not the same samples as were encoded.
"""

import io
import wave
from collections.abc import Collection
from pathlib import Path

import numpy as np

from pmrl.data import speech
from pmrl.data.store import read_views

# {(data set, modality): its files below the folder of fetched and made things, beside the stores}
RECORDED = {
    ("freedoom", "video"): "freedoom/clips/{id}.mp4",
    ("freedoom", "sound"): "freedoom/sounds/{id}.wav",
}
CACHE = ".packages"
# {(data set, modality): (the modality whose text is spoken, the voice)}
SPOKEN = {("emoji", "speech"): ("subtitle", "es")}


def recordings(folder: Path, modality: str, ids: Collection[str]) -> dict[str, bytes]:
    """{item id: a WAV or MP4 file} of those items that can be played in a modality; empty where none can.

    Args:
        folder: the feature store, named after its data set.
        modality: the modality's name.
        ids: the wanted items.

    Raises:
        UserError: the store's views are damaged, or eSpeak NG cannot be started.
        ModuleNotFoundError: the package of eSpeak NG is not installed.
    """
    if (folder.name, modality) in RECORDED:
        pattern = RECORDED[folder.name, modality]
        paths = {key: folder.parent / CACHE / pattern.format(id=key) for key in ids}
        return {key: path.read_bytes() for key, path in paths.items() if path.is_file()}
    if (folder.name, modality) not in SPOKEN:
        return {}
    source, voice = SPOKEN[folder.name, modality]
    texts = {key: text for key, text in read_views(folder, source).items() if key in ids and isinstance(text, str)}
    if not texts:
        return {}
    waves, rate = speech.synthesise(list(texts.values()), voice)
    return {key: wav(halved(signal), rate // 2) for key, signal in zip(texts, waves, strict=True)}


def halved(signal: np.ndarray) -> np.ndarray:
    """Means of neighbouring samples, (samples // 2,): half the sampling rate, at which speech is still understood."""
    return signal[: len(signal) // 2 * 2].reshape(-1, 2).mean(axis=1)


def wav(signal: np.ndarray, rate: int) -> bytes:
    """A WAV file, mono, 16 bits.

    Args:
        signal: (samples,) in [-1, 1]; what lies outside is clipped.
        rate: samples per second.
    """
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(signal, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()
