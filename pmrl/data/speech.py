"""Synthesised speech by eSpeak NG, through its C interface.

The synthesiser varies its voice a little from one utterance to the next. In a fresh process the same texts in
the same order give the same samples.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pmrl.errors import UserError
from pmrl.progress import progress

PACKAGES = ("espeakng-loader",)

# From speak_lib.h: synthesis returns after all samples are delivered; errors never end the process.
_SYNCHRONOUS, _DO_NOT_EXIT, _UTF8 = 2, 0x8000, 1
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def synthesise(texts: Sequence[str], voice: str) -> tuple[list[np.ndarray], int]:
    """Speak every text.

    Args:
        texts: the texts.
        voice: language of the eSpeak NG voice, such as ``es``.

    Returns:
        One float32 signal in [-1, 1] per text, and the samples per second.

    Raises:
        UserError: eSpeak NG cannot be started or does not know the voice.
    """
    waves = []
    with _engine(voice) as (library, rate, chunks):
        for text in progress(texts, "speech"):
            chunks.clear()
            data = text.encode()
            library.espeak_Synth(data, len(data) + 1, 0, 0, 0, _UTF8, None, None)
            if not chunks:
                raise UserError(f"eSpeak NG gives no sound for {text!r} in voice {voice!r}.")
            waves.append(np.concatenate(chunks).astype(np.float32) / 32768)
    return waves, rate


@contextmanager
def _engine(voice: str) -> Iterator[tuple[ctypes.CDLL, int, list[np.ndarray]]]:
    """The library, its sampling rate, and the list into which it delivers samples."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
        ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    folder = str(Path(espeakng_loader.get_data_path()).parent).encode()
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, folder, _DO_NOT_EXIT)
    if rate <= 0:
        raise UserError(
            f"eSpeak NG cannot read its data in {folder.decode()}; reinstall espeakng-loader, "
            "and note that eSpeak NG cannot use a path of more than 150 characters."
        )
    chunks: list[np.ndarray] = []

    def receive(samples: "ctypes._Pointer", count: int, events: int | None) -> int:
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _Callback(receive)
    try:
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise UserError(f"eSpeak NG has no voice {voice!r}.")
        yield library, rate, chunks
    finally:
        library.espeak_Terminate()
