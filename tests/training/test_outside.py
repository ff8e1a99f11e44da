"""Weights from outside: a checkpoint with the names of the released ones, from encoders that we know."""

import json

import numpy as np
import pytest
import torch
import yaml
from example_data import synthetic_dataset
from safetensors.torch import save_file

from pmrl.data.store import save
from pmrl.discovery import ROOT
from pmrl.errors import UserError
from pmrl.experiments.foundation import run_foundation
from pmrl.experiments.run import Run
from pmrl.experiments.train import run_method
from pmrl.method.base import build_method
from pmrl.method.batch import Batch
from pmrl.method.heads import NetworkSettings
from pmrl.method.networks import Network, embed
from pmrl.study.config import check_config
from pmrl.study.plan import foundation_settings, run_settings
from pmrl.training.outside import load_outside, read_mapping

CPU = torch.device("cpu")
SMALL = NetworkSettings(dimension=16, width=8, attention_heads=2)
LETTERS = {"alpha": "t", "beta": "v", "gamma": "a"}
RELEASED = yaml.safe_load((ROOT / "config" / "checkpoints" / "vast.yaml").read_text())


@pytest.fixture
def dataset():
    """Three modalities that show the same hidden vector, each in coordinates, units and offsets of its own."""
    return synthetic_dataset(modalities=3)


def projections(dataset):
    """Maps of the features as they are, fitted so that the vectors of an item agree: ridge to the anchor's features."""
    rows = dataset.indices("pretrain")
    target = dataset.pooled["alpha"][rows]
    target = (target - target.mean(axis=0)) @ np.random.default_rng(0).normal(size=(target.shape[1], 16))
    maps = {}
    for name in dataset.modalities:
        x = dataset.pooled[name][rows].astype(np.float64)
        maps[name] = np.linalg.solve(x.T @ x + 1e-3 * np.eye(x.shape[1]), x.T @ target).T
    return maps


def released(dataset):
    """The tensors of a checkpoint as VAST names them, those of the encoders among them."""
    weights = {
        f"contra_head_{LETTERS[name]}.linear.weight": torch.from_numpy(value).float().contiguous()
        for name, value in projections(dataset).items()
    }
    others = {
        "contra_temp": torch.tensor(0.05),
        "itm_head.linear1.weight": torch.zeros(2, 2),
        "contra_head_va.weight": torch.zeros(2, 2),
        "multimodal_encoder.bert.embeddings.word_embeddings.weight": torch.zeros(3, 2),
        "vision_encoder.visual.cls_token": torch.zeros(1, 2),
        "vision_frame_embedding": torch.zeros(1, 2),
    }
    return weights | others


def mapping_for(dataset, folder, **changes):
    """The mapping file of the released checkpoints, with the modalities of the data set."""
    content = dict(RELEASED)
    content["take"] = {
        f"contra_head_{LETTERS[name]}.linear.weight": {
            "to": f"network.encoders.first.{name}.weight", "as": "projection",
        }
        for name in dataset.modalities
    } | {"contra_temp": RELEASED["take"]["contra_temp"]}  # fmt: skip
    path = folder / "mapping.yaml"
    path.write_text(yaml.safe_dump({**content, **changes}))
    return path


def untrained(dataset):
    torch.manual_seed(0)
    return Network(dataset, SMALL), build_method("vast", {})


@pytest.fixture
def files(dataset, tmp_path):
    checkpoint = tmp_path / "released.safetensors"
    save_file(released(dataset), checkpoint)
    return checkpoint, mapping_for(dataset, tmp_path)


def test_vectors_are_the_checkpoints_maps_of_the_features_as_they_are(dataset, files):
    network, method = untrained(dataset)
    load_outside(*files, network, method)
    rows = dataset.indices("test")
    embeddings = embed(network, Batch.from_dataset(dataset, rows, CPU))
    for name, weight in projections(dataset).items():
        expected = dataset.pooled[name][rows].astype(np.float64) @ weight.T
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(embeddings.vectors[name].numpy(), expected, atol=2e-4)
    assert method.temperature().item() == pytest.approx(0.05)


@pytest.mark.parametrize("under", ["", "model"])
def test_a_file_of_torch_save_is_read_without_running_code(dataset, files, tmp_path, under):
    tensors = {f"module.{name}": value for name, value in released(dataset).items()}
    path = tmp_path / "released.pt"
    torch.save({under: tensors, "step": 7} if under else tensors, path)
    network, method = untrained(dataset)
    load_outside(path, mapping_for(dataset, tmp_path, under=under, prefix="module."), network, method)
    assert method.temperature().item() == pytest.approx(0.05)


class Harmful:
    def __reduce__(self):
        return (print, ("code of the file ran",))


def test_a_file_that_holds_code_is_refused(dataset, files, tmp_path, capsys):
    path = tmp_path / "harmful.pt"
    torch.save({"contra_temp": Harmful()}, path)
    with pytest.raises(UserError, match=r"harmful\.pt: cannot be read as a checkpoint"):
        load_outside(path, files[1], *untrained(dataset))
    assert "ran" not in capsys.readouterr().out


def without(content, *names):
    return {name: value for name, value in content.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: without(tensors, "contra_temp"), "does not have: contra_temp"),
        (lambda tensors: tensors | {"contra_head_x.weight": torch.zeros(1)}, "does not mention: contra_head_x.weight"),
        (
            lambda tensors: tensors | {"contra_head_t.linear.weight": torch.zeros(16, 3)},
            r"contra_head_t.linear.weight gives .* the shape \(16, 3\)",
        ),
        (lambda tensors: tensors | {"contra_temp": torch.tensor(float("nan"))}, "contra_temp has values that are not"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(dataset, files, change, message):
    save_file(change(released(dataset)), files[0])
    network, method = untrained(dataset)
    with pytest.raises(UserError, match=message):
        load_outside(*files, network, method)


def test_a_tensor_of_ours_that_comes_from_nowhere_is_refused(dataset, files, tmp_path):
    anew = without(RELEASED["start_anew"], "network.heads.fused.*")
    mapping = mapping_for(dataset, tmp_path, start_anew=anew)
    with pytest.raises(UserError, match=r"does not say where these come from: network\.heads\.fused\.maps"):
        load_outside(files[0], mapping, *untrained(dataset))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("take: [1]", "expected the keys"),
        ("taken: {}", "expected the keys"),
        ("take: {a: {to: b, as: other}}", "as is 'other'; expected one of same, projection, logarithm"),
        ("take: {a: {as: same}}", "expected {to: NAME"),
    ],
)
def test_a_mapping_that_is_none_is_refused(tmp_path, text, message):
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_mapping(path)


def study(dataset, files, tmp_path):
    save(dataset, tmp_path / "data" / dataset.card.name)
    config = check_config(
        {
            "regimes": ["zero_shot"],
            "network": {"dimension": 16, "width": 8, "attention_heads": 2},
            "training": {"batch_size": 16, "continued_steps": 3, "foundation_steps": 3},
        },
        "config",
    )
    outside = {"checkpoint": str(files[0]), "mapping": str(files[1])}
    return {**config, "foundation_checkpoints": {dataset.card.name: outside}}


def foundation(dataset, files, tmp_path):
    config = study(dataset, files, tmp_path)
    settings = foundation_settings(config, dataset.card.name)
    return config, Run(dataset, "foundation", "main", settings, 0, tmp_path / "results", CPU)


def test_methods_continue_from_it(dataset, files, tmp_path, one_thread):
    config, run = foundation(dataset, files, tmp_path)
    run_foundation(run)
    settings = run_settings(config, dataset.card.name, "pmrl", "main")
    run_method(Run(dataset, "pmrl", "main", settings, 0, tmp_path / "results", CPU))
    assert json.loads((run.folder / "foundation.json").read_text()) == {"seconds": 0.0, "curves": []}


def test_another_checkpoint_is_noticed(dataset, files, tmp_path, one_thread):
    config, run = foundation(dataset, files, tmp_path)
    run_foundation(run)
    save_file(released(dataset) | {"contra_temp": torch.tensor(0.06)}, files[0])
    settings = run_settings(config, dataset.card.name, "pmrl", "main")
    with pytest.raises(UserError, match="the foundation is missing or was trained with other"):
        run_method(Run(dataset, "pmrl", "main", settings, 0, tmp_path / "results", CPU))


def test_weights_that_know_nothing_stop_the_run(dataset, files, tmp_path, one_thread):
    torch.manual_seed(3)
    noise = {
        name: torch.randn_like(value) if name.startswith("contra_head_") and "linear" in name else value
        for name, value in released(dataset).items()
    }
    save_file(noise, files[0])
    _, run = foundation(dataset, files, tmp_path)
    with pytest.raises(UserError, match=r"released\.safetensors: with these weights .* by chance .* would"):
        run_foundation(run)
    assert not list((tmp_path / "results").rglob("*.safetensors"))
