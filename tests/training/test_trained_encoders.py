"""Encoders that are trained from raw clips: they start as the frozen ones and learn, each at its own rate."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import transformers as tf
import yaml
from clips import tone, write_clip

from pmrl.data import raw_clips, registry, store
from pmrl.errors import UserError
from pmrl.method.base import build_method
from pmrl.method.batch import Batch
from pmrl.method.networks import Network, embed
from pmrl.method.sizes import NetworkSettings
from pmrl.study.config import check_config
from pmrl.training.loop import train_stage
from pmrl.training.stage import Stage

CPU = torch.device("cpu")
SIZES = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
VISION = {**SIZES, "image_size": 32, "patch_size": 8}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "clip", "number", "dark", "bright", *map(str, range(24))]
COUNT = 24


def models(folder):
    """Small models with random weights: of pictures, of clips, of sound and of text."""
    torch.manual_seed(0)
    vocabulary = folder / "words.txt"
    vocabulary.write_text("\n".join(WORDS), encoding="utf-8")
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    made = {
        "vit": [tf.ViTModel(tf.ViTConfig(**VISION))],
        "videomae": [tf.VideoMAEModel(tf.VideoMAEConfig(**VISION, num_frames=4, tubelet_size=2))],
        "bert": [tf.BertModel(tf.BertConfig(**SIZES, **no_dropout, vocab_size=40)), tf.BertTokenizer(str(vocabulary))],
        "whisper": [
            tf.WhisperModel(
                tf.WhisperConfig(
                    d_model=32, encoder_layers=3, encoder_attention_heads=2, encoder_ffn_dim=32, num_mel_bins=80,
                    decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=32, vocab_size=60, pad_token_id=0,
                    bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
                )
            ),
            tf.WhisperFeatureExtractor(),
        ],
    }  # fmt: skip
    for name, parts in made.items():
        for part in parts:
            part.save_pretrained(folder / name)
    return {name: f"transformers:{folder / name}" for name in made}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data set of 24 clips, of which two have no sound, encoded by these models; and its store."""
    root = tmp_path_factory.mktemp("clips")
    folder = root / "datasets" / "mine"
    for place in range(COUNT):
        sound = None if place in (1, 2) else tone(0.5, 16000, 1, volume=0.1 + 0.03 * place)
        write_clip(folder / "clips" / f"{place}.mp4", count=5, first=2 * place, sound=sound, sound_rate=16000)
    names = models(root)
    splits = ["pretrain"] * 12 + ["train"] * 4 + ["validation"] * 4 + ["test"] * 4
    words = [f"clip number {place} {'bright' if place > 11 else 'dark'}" for place in range(COUNT)]
    table = pd.DataFrame({"id": map(str, range(COUNT)), "split": splits, "words": words})
    table.to_csv(folder / "items.csv", index=False)
    card = {
        "name": "mine", "anchor": "text", "items": "items.csv",
        "modalities": {
            "video": {"from": "clips/{id}.mp4", "kind": "video", "frames": 2, "size": 32, "encoder": names["vit"]},
            "clip": {"from": "clips/{id}.mp4", "kind": "video", "size": 32, "encoder": names["videomae"]},
            "sound": {"from": "clips/{id}.mp4", "kind": "audio", "encoder": names["whisper"]},
            "text": {"column": "words", "kind": "text", "encoder": names["bert"]},
        },
    }  # fmt: skip
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return folder, store.load(registry.prepare(folder / "card.yaml", root / "data"))


ALL = ("video", "clip", "sound", "text")
SETTINGS = NetworkSettings(dimension=16, hidden=16, width=8, attention_heads=2)


@pytest.fixture
def dataset(prepared, monkeypatch):
    folder, stored = prepared
    monkeypatch.setattr(registry, "OWN_DATA", folder.parent)
    return raw_clips.with_raw(stored, ALL, folder.parent.parent / "data")


def network_of(dataset, **trained):
    torch.manual_seed(0)
    return Network(dataset, replace(SETTINGS, trained_encoders=trained))


def test_before_training_they_give_the_features_of_the_store(dataset):
    network = network_of(dataset, **{name: {} for name in ALL})
    frozen = replace(dataset, raw={})
    rows = np.arange(COUNT)
    stored, made = (Batch.from_dataset(data, rows, CPU) for data in (frozen, dataset))
    trained = embed(network, made)
    network.trained = torch.nn.ModuleDict()
    expected = embed(network, stored)
    for name in ALL:
        torch.testing.assert_close(trained.vectors[name], expected.vectors[name], atol=5e-3, rtol=0, msg=name)
        torch.testing.assert_close(trained.tokens[name], expected.tokens[name], atol=3e-2, rtol=0, msg=name)
    assert not trained.vectors["sound"][[1, 2]].any()


def changes(network, dataset, stage, method="pairwise", **values):
    """The largest change of each parameter in a stage."""
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    train_stage(network, build_method(method, values), dataset, stage, 0, CPU)
    return {name: (x.detach() - before[name]).abs().max().item() for name, x in network.named_parameters()}


ONE_STEP = Stage("continued", "pretrain", 1, 12, weight_decay=0.0)


def test_each_learns_at_its_own_rate(dataset):
    network = network_of(dataset, video={"learning_rate": 0.01}, text={"learning_rate": 0.1})
    found = changes(network, dataset, ONE_STEP, learning_rate=1e-2)
    largest = {
        kind: max(change for name, change in found.items() if name.startswith(kind))
        for kind in ("trained.video", "trained.text", "encoders.first")
    }
    # the first step of Adam changes every parameter with a gradient by its learning rate
    assert largest["encoders.first"] == pytest.approx(1e-2, rel=0.01)
    assert largest["trained.video"] == pytest.approx(1e-4, rel=0.01)
    assert largest["trained.text"] == pytest.approx(1e-3, rel=0.01)


def test_frozen_layers_stay_and_the_others_learn(dataset):
    network = network_of(dataset, video={"frozen_layers": 2})
    found = {name: x for name, x in changes(network, dataset, ONE_STEP).items() if name.startswith("trained.video")}
    stay = [name for name in found if "embeddings" in name or ".0." in name or ".1." in name]
    assert stay and all(found[name] == 0 for name in stay)
    assert all(found[name] > 0 for name in found if ".2." in name and name.endswith("weight") and "norm" not in name)


def test_more_frozen_layers_than_there_are_are_refused(dataset):
    with pytest.raises(UserError, match="frozen_layers: found 4, expected at most 3, the layers of vit"):
        network_of(dataset, video={"frozen_layers": 4})


@pytest.mark.parametrize("settings", [{"embedded_at_once": 5}, {}], ids=["in parts", "with checkpointing"])
def test_less_memory_gives_the_same_weights(settings, dataset):
    stage = replace(ONE_STEP, steps=3, batch_size=10)
    about = {name: {"checkpointing": not settings} for name in ("video", "text")}
    plain, spared = network_of(dataset, video={}, text={}), network_of(dataset, **about)
    train_stage(plain, build_method("pmrl", {}), dataset, stage, 0, CPU)
    train_stage(spared, build_method("pmrl", {}), dataset, replace(stage, **settings), 0, CPU)
    for (name, expected), found in zip(plain.state_dict().items(), spared.state_dict().values(), strict=True):
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=1e-3, msg=name)


def test_training_from_clips_finds_them_again(dataset):
    network = network_of(dataset, **{name: {"learning_rate": 0.1} for name in ("video", "text")})
    train_stage(network, build_method("pairwise", {}), dataset, Stage("continued", "pretrain", 40, 12), 0, CPU)
    embeddings = embed(network, Batch.from_dataset(dataset, dataset.indices("pretrain"), CPU))
    scores = embeddings.vectors["text"] @ embeddings.vectors["video"].T
    assert (scores.argmax(dim=1) == torch.arange(12)).float().mean() > 0.7


def test_a_clip_that_is_gone_is_named(prepared, dataset):
    folder, _ = prepared
    clip = folder / "clips" / "3.mp4"
    moved = clip.rename(folder / "elsewhere.mp4")
    try:
        with pytest.raises(UserError, match=r"video: item '3'.*restore the file, or run `pmrl prepare` again"):
            train_stage(network_of(dataset, video={}), build_method("pmrl", {}), dataset, ONE_STEP, 0, CPU)
    finally:
        moved.rename(clip)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("smell", {}, "'mine' has no such modality that is made from media"),
        (
            "video",
            {"encoder": "efficientnet_lite0"},
            "is read by 'efficientnet_lite0'; expected `encoder: transformers:",
        ),
        ("sound", {"windows": 2}, "expected one window, one channel"),
    ],
)
def test_what_cannot_be_trained_is_refused(name, change, message, prepared, monkeypatch, tmp_path):
    folder, stored = prepared
    card = yaml.safe_load((folder / "card.yaml").read_text())
    card["modalities"].get(name, {}).update(change)
    changed = tmp_path / "mine"
    changed.mkdir()
    (changed / "card.yaml").write_text(yaml.safe_dump(card))
    for file in ("items.csv", "clips"):
        (changed / file).symlink_to(folder / file)
    monkeypatch.setattr(registry, "OWN_DATA", tmp_path)
    with pytest.raises(UserError, match=message):
        raw_clips.with_raw(stored, [name], tmp_path)


def test_noise_on_features_that_are_made_anew_is_refused():
    config = {"network": {"trained_encoders": {"video": {}}}, "corruption": {"gaussian": [1.0]}}
    with pytest.raises(UserError, match=r"corruption\.gaussian.*network\.trained_encoders.*remove one"):
        check_config(config, "config")
