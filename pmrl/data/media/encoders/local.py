"""Encoders from a local folder that transformers can load: nothing is fetched, and no code from the folder runs.

Pictures and frames by CLIP, SigLIP, DINO and other vision models; clips by VideoMAE, X-CLIP, V-JEPA 2; sound by
Whisper, AST, CLAP, WavLM; text by BERT, MiniLM, E5 and the text towers of CLIP, SigLIP and CLAP. Pooled is what the
model calls its embedding, else the mean of its last states; tokens are means of equal parts of the states.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pmrl.data.media.encoders.base import Encoded, Encoder, channel_by_channel, frame_by_frame
from pmrl.data.media.frames import fitted
from pmrl.errors import UserError
from pmrl.records import AUDIO, PICTURE, TEXT, VIDEO

if TYPE_CHECKING:
    import torch

FOLDER = "transformers:"  # begins the name of an encoder that is a folder
TOKENS = 8
BATCH = 16
CLIPS = {"videomae": 16, "xclip": 8, "vjepa2": 64, "timesformer": 8, "vivit": 32}  # models of clips: frames by default
# What a model that says nothing expects: the mean and deviation of ImageNet, 224 pixels.
MEAN, DEVIATION, SIZE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224


def from_folder(folder: Path, kind: str, device: str = "cpu") -> Encoder:
    """The encoder in a folder, for a kind of signal.

    Raises:
        UserError: there is no such folder, it has no config or weights, or the model does not read this kind.
    """
    model = _model(folder, device)
    family = model.config.model_type
    readers = {PICTURE: _pictures, VIDEO: _videos, AUDIO: _sounds, TEXT: _texts}
    encode, rate, frames = readers[kind](folder, model)
    return Encoder(
        f"{FOLDER}{folder}",
        f"{family} from {folder.name}; tokens: means of equal parts of the states",
        _saying_when_memory_is_short(encode, folder),
        rate=rate,
        frames=frames,
        packages=("torch", "transformers"),
    )


def _model(folder: Path, device: str) -> Any:
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    if not (folder / "config.json").is_file():
        found = "has no config.json" if folder.is_dir() else "there is no such folder"
        raise UserError(f"Encoder {FOLDER}{folder}: {found}; expected a folder that save_pretrained wrote.")
    logging.disable_progress_bar()
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    try:
        model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=dtype)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"Encoder {FOLDER}{folder}: the model cannot be loaded ({reason}).") from error
    return model.eval().to(device)


Reader = tuple[Callable[[Sequence[Any]], Encoded], int, int]


def _pictures(folder: Path, model: Any) -> Reader:
    return lambda pictures: _joined(pictures, lambda batch: _seen(model, _pixels(batch, folder, model))), 0, 0


def _videos(folder: Path, model: Any) -> Reader:
    family = model.config.model_type
    if family not in CLIPS:  # a model of pictures reads frames
        return lambda videos: frame_by_frame(videos, lambda frames: _pictures(folder, model)[0](frames)[0]), 0, 0
    vision = getattr(model.config, "vision_config", model.config)
    count = next((value for name in ("num_frames", "frames_per_clip") if (value := getattr(vision, name, None))), None)

    def encode(videos: Sequence[np.ndarray]) -> Encoded:
        return _joined(videos, lambda batch: _watched(model, [_pixels(video, folder, model) for video in batch]), 4)

    return encode, 0, count or CLIPS[family]


def _sounds(folder: Path, model: Any) -> Reader:
    from transformers import AutoFeatureExtractor

    try:
        extractor = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
        rate = int(extractor.sampling_rate)
    except (OSError, ValueError, AttributeError) as error:
        raise _not_of_kind(folder, model, AUDIO) from error

    def heard(waves: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = extractor([*waves], sampling_rate=rate, return_tensors="pt")
        return _heard(model, {name: values.to(model.device) for name, values in inputs.items()})

    return lambda sounds: channel_by_channel(sounds, lambda waves: _joined(waves, heard)), rate, 0


def _texts(folder: Path, model: Any) -> Reader:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise _not_of_kind(folder, model, TEXT) from error
    text = getattr(model.config, "text_config", model.config)
    most = min(getattr(text, "max_position_embeddings", 512), 512)

    def read(texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        words = tokenizer([*texts], padding=True, truncation=True, max_length=most, return_tensors="pt")
        return _read(model, {name: values.to(model.device) for name, values in words.items()})

    return lambda texts: _joined(texts, read), 0, 0


def _seen(model: Any, pixels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings and states of pictures (pictures, channels, height, width)."""
    tower = getattr(model, "vision_model", model)
    states = tower(pixel_values=_tensor(model, pixels))
    if hasattr(model, "get_image_features"):
        return _vectors(model.get_image_features(pixel_values=_tensor(model, pixels))), states.last_hidden_state
    return _pooled(states), states.last_hidden_state


def _watched(model: Any, clips: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings and states of clips, each (frames, channels, height, width)."""
    values = _tensor(model, np.stack(clips))
    if hasattr(model, "get_video_features"):
        frames = values.flatten(0, 1)
        states = model.vision_model(pixel_values=frames).last_hidden_state.mean(dim=1).unflatten(0, values.shape[:2])
        return _vectors(model.get_video_features(pixel_values=values)), states
    name = "pixel_values_videos" if model.config.model_type == "vjepa2" else "pixel_values"
    extra = {"skip_predictor": True} if name == "pixel_values_videos" else {}
    states = model(**{name: values}, **extra).last_hidden_state
    return states.mean(dim=1), states


def _heard(model: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings and states of sounds, from what the model's extractor makes of them."""
    if hasattr(model, "get_audio_features"):
        inputs = {name: values for name, values in inputs.items() if name in ("input_features", "is_longer")}
        states = model.audio_model(**inputs).last_hidden_state
        return _vectors(model.get_audio_features(**inputs)), states.flatten(2).mT if states.dim() == 4 else states
    network = model.get_encoder() if model.config.is_encoder_decoder else model
    states = network(**inputs).last_hidden_state
    return states.mean(dim=1), states


def _read(model: Any, words: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings and states of texts; the mean over the words where the model has no embedding of its own."""
    mask = words.get("attention_mask")
    if hasattr(model, "get_text_features"):
        words = {name: values for name, values in words.items() if name != "token_type_ids"}
        return _vectors(model.get_text_features(**words)), model.text_model(**words).last_hidden_state
    states = model(**words).last_hidden_state
    weights = states.new_ones(states.shape[:2]) if mask is None else mask.to(states.dtype)
    return (states * weights.unsqueeze(-1)).sum(dim=1) / weights.sum(dim=1, keepdim=True), states


def _vectors(found: Any) -> torch.Tensor:
    """Embeddings, which some versions wrap together with other outputs."""
    vectors: torch.Tensor = found if hasattr(found, "shape") else found.pooler_output
    return vectors


def _pooled(states: Any) -> torch.Tensor:
    pooled = getattr(states, "pooler_output", None)
    vectors: torch.Tensor = states.last_hidden_state.mean(dim=1) if pooled is None else pooled
    return vectors


def _joined(
    signals: Sequence[Any], encode: Callable[[Sequence[Any]], tuple[torch.Tensor, torch.Tensor]], size: int = BATCH
) -> Encoded:
    """Encode signals in batches; the states of each become ``TOKENS`` means of equal parts."""
    import torch

    pooled, tokens = [], []
    with torch.inference_mode():
        for start in range(0, len(signals), size):
            vectors, states = encode(signals[start : start + size])
            pooled.append(vectors.float().cpu().numpy())
            parts = np.array_split(states.float().cpu().numpy(), min(TOKENS, states.shape[1]), axis=1)
            tokens.append(np.stack([part.mean(axis=1) for part in parts], axis=1).astype(np.float16))
    widest = max(part.shape[1] for part in tokens)
    tokens = [np.pad(part, ((0, 0), (0, widest - part.shape[1]), (0, 0))) for part in tokens]
    return np.concatenate(pooled), np.concatenate(tokens)


def _pixels(pictures: Sequence[np.ndarray], folder: Path, model: Any) -> np.ndarray:
    """Normalised pixels (pictures, channels, height, width) as the folder's preprocessor_config.json asks for."""
    path = folder / "preprocessor_config.json"
    about = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    vision = getattr(model.config, "vision_config", model.config)
    size = getattr(vision, "image_size", None) or getattr(vision, "crop_size", None) or SIZE
    mean, deviation = about.get("image_mean") or MEAN, about.get("image_std") or DEVIATION
    scaled = np.stack([fitted(picture, int(size)) for picture in pictures]).astype(np.float32) / 255
    normal = (scaled - np.asarray(mean, dtype=np.float32)) / np.asarray(deviation, dtype=np.float32)
    return normal.transpose(0, 3, 1, 2)


def _tensor(model: Any, values: np.ndarray) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(values)).to(model.device, model.dtype)


def _saying_when_memory_is_short(
    encode: Callable[[Sequence[Any]], Encoded], folder: Path
) -> Callable[[Sequence[Any]], Encoded]:
    import torch

    def encoding(signals: Sequence[Any]) -> Encoded:
        try:
            return encode(signals)
        except torch.OutOfMemoryError as error:
            half = max(1, len(signals) // 2)
            raise UserError(
                f"Encoder {FOLDER}{folder}: {len(signals)} items at a time do not fit in the memory of the GPU; set "
                f"`batch: {half}` for this modality."
            ) from error

    return encoding


def _not_of_kind(folder: Path, model: Any, kind: str) -> UserError:
    wanted = {AUDIO: "a preprocessor_config.json with a sampling rate", TEXT: "a tokenizer"}[kind]
    return UserError(
        f"Encoder {FOLDER}{folder}: the model {model.config.model_type} there does not read {kind}; expected {wanted} "
        "beside its weights."
    )
