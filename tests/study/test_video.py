"""The config of the paper's own experiment: valid where the six data sets are there, and with the paper's values."""

import pytest
import yaml
from example_data import synthetic_dataset

from pmrl.data.own_card import read_card
from pmrl.discovery import ROOT
from pmrl.experiments.run import Run
from pmrl.study.config import load_config
from pmrl.study.plan import run_settings

SETS = ("msrvtt", "didemo", "activitynet", "vatex", "audiocaps", "clotho")


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The config, in a folder with a card for each data set."""
    for name in SETS:
        card = tmp_path / "datasets" / name / "card.yaml"
        card.parent.mkdir(parents=True)
        card.write_text(f"name: {name}\n")
    monkeypatch.chdir(tmp_path)
    return load_config(ROOT / "config" / "video.yaml")


@pytest.mark.parametrize("dataset", SETS)
def test_pmrl_has_the_values_of_the_release(dataset, config):
    settings = run_settings(config, dataset, "pmrl", "main")
    assert settings["hyperparameters"] == {
        "learning_rate": 2e-5, "alignment_temperature": 0.05, "instance_temperature": 0.1, "matching_weight": 0.1
    }  # fmt: skip
    assert settings["network"]["dimension"] == 512 and settings["training"]["batch_size"] == 64
    early = run_settings(config, dataset, "pmrl", "pretraining_temperature")["hyperparameters"]
    assert early["alignment_temperature"] == 0.01 and early["instance_temperature"] == 0.1
    assert run_settings(config, dataset, "vast", "main")["hyperparameters"] == {"learning_rate": 2e-5}


@pytest.mark.parametrize(("dataset", "epochs"), [*zip(SETS, (3.6, 40, 20, 2.5, 10, 10), strict=True)])
def test_each_set_is_fine_tuned_for_epochs_of_its_own(dataset, epochs, config, tmp_path):
    data = synthetic_dataset(per_split=640)
    settings = run_settings(config, dataset, "pmrl", "main")
    run = Run(data, "pmrl", "main", settings, 0, tmp_path, None)
    assert run.stage("fine_tuned").steps == round(epochs * 640 / 64)
    assert run.stage("continued").steps == 50
    assert run.stage("foundation").steps == settings["training"]["foundation_steps"]  # none are named for it
    assert run.stage("fine_tuned").precision == "float16"


def test_the_card_that_it_names_is_one(tmp_path):
    folder = tmp_path / "msrvtt"
    folder.mkdir()
    for file in ("MSRVTT_data.json", "MSRVTT_JSFUSION_test.csv"):
        (folder / file).write_text("")
    card = folder / "card.yaml"
    card.write_text((ROOT / "config" / "video" / "msrvtt_card.yaml").read_text())
    about = read_card(card)
    encoders = yaml.safe_load((ROOT / "config" / "video.yaml").read_text())["network"]["trained_encoders"]
    assert set(about["modalities"]) == set(encoders) and about["modalities"]["video"]["frames"] == 8
