"""Encoders from local folders: small models of every family, with random weights, written by save_pretrained."""

import json

import numpy as np
import pytest
import torch
import transformers as tf
from clips import tone

from pmrl.data.media.encoders.local import TOKENS
from pmrl.data.media.encoders.named import encoder
from pmrl.errors import UserError

VISION = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
          "image_size": 32, "patch_size": 8}  # fmt: skip
TEXT = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 40,
        "max_position_embeddings": 32, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}  # fmt: skip
CLIPS = {**VISION, "num_frames": 4, "tubelet_size": 2}


def save(model, folder, *others):
    torch.manual_seed(0)
    for part in (model, *others):
        part.save_pretrained(folder)
    return f"transformers:{folder}"


def words(folder):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "large", "small", "bird", "."]
    file = folder / "words.txt"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(vocabulary), encoding="utf-8")
    return tf.BertTokenizer(str(file))


def pictures(count=3, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 255, (40, 50, 3), dtype=np.uint8) for _ in range(count)]


def videos(frames):
    return [np.stack(pictures(frames, seed)) for seed in range(3)]


def sounds(rate):
    return [tone(0.8, rate, channels=1, volume=volume) for volume in (0.2, 0.4, 0.9)]


def without_fusion():
    """The extractor of a CLAP that reads a long sound by a part of it."""
    return tf.ClapFeatureExtractor(truncation="rand_trunc")


def clip_model():
    return tf.CLIPModel(tf.CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=16))


SEEN = {
    "clip": (clip_model, 16),
    "siglip2": (lambda: tf.SiglipModel(tf.SiglipConfig(text_config=TEXT, vision_config=VISION)), 32),
    "dinov2": (
        lambda: tf.Dinov2Model(tf.Dinov2Config(**{k: v for k, v in VISION.items() if k != "intermediate_size"})),
        32,
    ),
    "vit": (lambda: tf.ViTModel(tf.ViTConfig(**VISION)), 32),
}
WATCHED = {
    "videomae": (lambda: tf.VideoMAEModel(tf.VideoMAEConfig(**CLIPS)), 32),
    "xclip": (lambda: tf.XCLIPModel(tf.XCLIPConfig(
        text_config={**TEXT}, projection_dim=16, prompt_num_attention_heads=2, vision_config={
            **VISION, "num_frames": 4, "mit_hidden_size": 16, "mit_intermediate_size": 16, "mit_num_hidden_layers": 1,
            "mit_num_attention_heads": 2})), 16),
    "vjepa2": (lambda: tf.VJEPA2Model(tf.VJEPA2Config(
        crop_size=32, frames_per_clip=4, patch_size=8, hidden_size=48, num_hidden_layers=1, num_attention_heads=2,
        pred_hidden_size=24, pred_num_attention_heads=2, pred_num_hidden_layers=1)), 48),
}  # fmt: skip
HEARD = {
    "whisper": (lambda: tf.WhisperModel(tf.WhisperConfig(
        d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=32, decoder_ffn_dim=32, vocab_size=60, max_source_positions=1500, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=1)), tf.WhisperFeatureExtractor, 32),
    "ast": (lambda: tf.ASTModel(tf.ASTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                                             intermediate_size=32)), tf.ASTFeatureExtractor, 32),
    "wavlm": (lambda: tf.WavLMModel(tf.WavLMConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                                                   intermediate_size=32)), tf.Wav2Vec2FeatureExtractor, 32),
    "clap": (lambda: tf.ClapModel(tf.ClapConfig(
        text_config={**TEXT, "projection_dim": 16}, projection_dim=16, audio_config={
            "hidden_size": 64, "depths": [1, 1], "num_attention_heads": [2, 2], "patch_embeds_hidden_size": 32,
            "projection_dim": 16, "num_hidden_layers": 2})), without_fusion, 16),
}  # fmt: skip


def check(reads, signals, width):
    pooled, tokens = reads.encode(signals)
    assert pooled.shape == (len(signals), width) and pooled.dtype == np.float32
    assert tokens.shape[0] == len(signals) and 1 <= tokens.shape[1] <= max(TOKENS, 16) and tokens.dtype == np.float16
    assert np.isfinite(pooled).all() and len(np.unique(pooled.round(6), axis=0)) == len(signals)
    alone, _ = reads.encode(signals[:1])
    np.testing.assert_allclose(alone[0], pooled[0], atol=1e-4)


@pytest.mark.parametrize("family", SEEN)
def test_models_of_pictures_read_pictures_and_frames(family, tmp_path):
    model, width = SEEN[family]
    name = save(model(), tmp_path / family)
    check(encoder(name, "picture", tmp_path), pictures(), width)
    frames = encoder(name, "video", tmp_path)
    check(frames, videos(5), width)
    assert frames.frames == 0 and frames.encode(videos(5))[1].shape == (3, 5, width)


@pytest.mark.parametrize("family", WATCHED)
def test_models_of_clips_read_as_many_frames_as_they_were_made_for(family, tmp_path):
    model, width = WATCHED[family]
    reads = encoder(save(model(), tmp_path / family), "video", tmp_path)
    assert reads.frames == 4
    check(reads, videos(4), width)


@pytest.mark.parametrize("family", HEARD)
def test_models_of_sound_hear_at_their_rate(family, tmp_path):
    model, extractor, width = HEARD[family]
    reads = encoder(save(model(), tmp_path / family, extractor()), "audio", tmp_path)
    assert reads.rate == (48000 if family == "clap" else 16000)
    check(reads, sounds(reads.rate), width)


def test_models_of_text_read_words_and_not_padding(tmp_path):
    config = tf.BertConfig(**{key: value for key, value in TEXT.items() if "token" not in key})
    name = save(tf.BertModel(config), tmp_path / "bert", words(tmp_path / "bert"))
    check(encoder(name, "text", tmp_path), ["a large bird .", "a bird", "small"], 32)


def test_the_text_tower_of_clip_reads_text(tmp_path):
    name = save(clip_model(), tmp_path / "clip", words(tmp_path / "clip"))
    check(encoder(name, "text", tmp_path), ["a large bird .", "a bird", "small"], 16)


def test_a_folder_without_weights_or_of_another_kind_is_refused(tmp_path):
    name = save(tf.BertModel(tf.BertConfig(**TEXT)), tmp_path / "bert")
    with pytest.raises(UserError, match=r"does not read audio; expected a preprocessor_config\.json"):
        encoder(name, "audio", tmp_path)
    (tmp_path / "bert" / "model.safetensors").unlink()
    with pytest.raises(UserError, match="the model cannot be loaded"):
        encoder(name, "text", tmp_path)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.json").write_text(json.dumps({"model_type": "no such family"}), encoding="utf-8")
    with pytest.raises(UserError, match="the model cannot be loaded"):
        encoder(f"transformers:{tmp_path / 'odd'}", "picture", tmp_path)


def test_code_of_a_folder_never_runs(tmp_path):
    folder = tmp_path / "remote"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": {
        "AutoConfig": "own.Config", "AutoModel": "own.Model"}}), encoding="utf-8")  # fmt: skip
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')", encoding="utf-8")
    with pytest.raises(UserError, match="the model cannot be loaded"):
        encoder(f"transformers:{folder}", "picture", tmp_path)
    assert not (tmp_path / "ran").exists()


def test_too_little_memory_of_a_gpu_is_told_with_what_to_do(tmp_path, monkeypatch):
    reads = encoder(save(tf.ViTModel(tf.ViTConfig(**VISION)), tmp_path / "vit"), "picture", tmp_path)

    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(tf.ViTModel, "forward", full)
    with pytest.raises(UserError, match="8 items at a time do not fit in the memory of the GPU; set `batch: 4`"):
        reads.encode(pictures(8))
