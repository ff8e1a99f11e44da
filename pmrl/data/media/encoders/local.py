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
from pmrl.records import AUDIO, TEXT, VIDEO

if TYPE_CHECKING:
    import torch

FOLDER = "transformers:"  # begins the name of an encoder that is a folder
TOKENS = 8
BATCH = 16
CLIPS = {"videomae": 16, "xclip": 8, "vjepa2": 64, "timesformer": 8, "vivit": 32}  # models of clips: frames by default
# What a model that says nothing expects: the mean and deviation of ImageNet, 224 pixels.
MEAN, DEVIATION, SIZE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224


def from_folder(folder: Path, kind: str, device: str = "cpu") -> Encoder:
    """The encoder in a folder, for a kind of signal; its weights stay as they are.

    Raises:
        UserError: there is no such folder, it has no config or weights, or the model does not read this kind.
    """
    found = Tower.from_folder(folder, kind, device)

    def encode(signals: Sequence[Any]) -> Encoded:
        return _joined(signals, lambda batch: found(found.inputs(batch)), 4 if found.frames else BATCH)

    def of_kind(signals: Sequence[Any]) -> Encoded:
        if kind == AUDIO:
            return channel_by_channel(signals, encode)
        if kind == VIDEO and not found.frames:  # a model of pictures reads frames
            return frame_by_frame(signals, lambda frames: encode(frames)[0])
        return encode(signals)

    return Encoder(
        f"{FOLDER}{folder}",
        f"{found.family} from {folder.name}; tokens: means of equal parts of the states",
        _saying_when_memory_is_short(of_kind, folder),
        rate=found.rate,
        frames=found.frames,
        packages=("torch", "transformers"),
    )


class Tower:
    """A model that reads one kind of signal: what it makes of signals, and the embeddings and states of these.

    Attributes:
        model: with its weights.
        family: its name in transformers.
        rate: samples per second of the sound that it reads.
        frames: of the clips that it reads; 0 for a model of pictures.
    """

    def __init__(self, folder: Path, model: Any, kind: str) -> None:
        self.folder, self.model, self.kind, self.family = folder, model, kind, model.config.model_type
        self.rate, self.frames = 0, 0
        self.preprocess: Any = None
        if kind == AUDIO:
            self.preprocess = _extractor(folder, model)
            self.rate = int(self.preprocess.sampling_rate)
        elif kind == TEXT:
            self.preprocess = _tokenizer(folder, model)
        elif kind == VIDEO and self.family in CLIPS:
            vision = getattr(model.config, "vision_config", model.config)
            counts = (getattr(vision, name, None) for name in ("num_frames", "frames_per_clip"))
            self.frames = next(filter(None, counts), CLIPS[self.family])

    @classmethod
    def from_folder(cls, folder: Path, kind: str, device: str = "cpu") -> Tower:
        """See :func:`from_folder`."""
        return cls(folder, _model(folder, device), kind)

    def inputs(self, signals: Sequence[Any]) -> dict[str, torch.Tensor]:
        """What the model reads of some pictures, clips, mono sounds or texts."""
        import torch

        if self.kind == AUDIO:
            found: dict[str, torch.Tensor] = self.preprocess([*signals], sampling_rate=self.rate, return_tensors="pt")
            return dict(found)
        if self.kind == TEXT:
            text = getattr(self.model.config, "text_config", self.model.config)
            most = min(getattr(text, "max_position_embeddings", 512), 512)
            return dict(
                self.preprocess([*signals], padding=True, truncation=True, max_length=most, return_tensors="pt")
            )
        if self.frames:
            pixels = np.stack([_pixels(video, self.folder, self.model) for video in signals])
        else:
            pixels = _pixels(signals, self.folder, self.model)
        return {"pixel_values": torch.from_numpy(np.ascontiguousarray(pixels))}

    def __call__(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings (signals, dimension) and states (signals, places, width), with gradient."""
        model = self.model
        given = {name: values.to(model.device) for name, values in inputs.items()}
        if self.kind == AUDIO:
            return _heard(model, given)
        if self.kind == TEXT:
            return _read(model, given)
        pixels = given["pixel_values"].to(model.dtype)
        return _watched(model, pixels) if self.frames else _seen(model, pixels)


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


def _extractor(folder: Path, model: Any) -> Any:
    from transformers import AutoFeatureExtractor

    try:
        extractor = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
        int(extractor.sampling_rate)
    except (OSError, ValueError, AttributeError) as error:
        raise _not_of_kind(folder, model, AUDIO) from error
    return extractor


def _tokenizer(folder: Path, model: Any) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise _not_of_kind(folder, model, TEXT) from error


def _seen(model: Any, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings and states of pictures (pictures, channels, height, width)."""
    tower = getattr(model, "vision_model", model)
    states = tower(pixel_values=pixels)
    if hasattr(model, "get_image_features"):
        return _vectors(model.get_image_features(pixel_values=pixels)), states.last_hidden_state
    return _pooled(states), states.last_hidden_state


def _watched(model: Any, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings and states of clips (clips, frames, channels, height, width)."""
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
            tokens.append(part_means(states.float()).cpu().numpy().astype(np.float16))
    widest = max(part.shape[1] for part in tokens)
    tokens = [np.pad(part, ((0, 0), (0, widest - part.shape[1]), (0, 0))) for part in tokens]
    return np.concatenate(pooled), np.concatenate(tokens)


def part_means(states: torch.Tensor) -> torch.Tensor:
    """(signals, at most ``TOKENS``, width): the means of equal parts of states (signals, places, width)."""
    import torch

    parts = states.tensor_split(min(TOKENS, states.shape[1]), dim=1)
    return torch.stack([part.mean(dim=1) for part in parts], dim=1)


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
