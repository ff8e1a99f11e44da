"""The walk-through of docs/adding_a_dataset.md does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

from pmrl import cli, discovery
from pmrl.data import own_card, store
from pmrl.data.media import layouts
from pmrl.data.media.encoders.named import PACKAGED
from pmrl.data.sources import emoji, kanji, molecules
from pmrl.records import KINDS
from pmrl.study.config import default_batch_size

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding_a_dataset.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_example_works_word_for_word(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,), (card, *_), (command,), (report,) = (blocks(language) for language in ("python", "yaml", "sh", "text"))
    subprocess.run([sys.executable, "-c", code], check=True)
    Path("datasets/birds/card.yaml").write_text(card, encoding="utf-8")

    assert cli.main(command.split()[1:]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(report)
    assert "training.batch_size" not in printed
    assert not (tmp_path / "results").exists()

    assert "birds" in discovery.data_sets()
    assert cli.main(["prepare", "birds"]) == 0
    dataset = store.load(tmp_path / "results" / "data" / "birds")
    assert dataset.tokens["song"].shape == (400, 3, 4)
    assert (~dataset.present["description"]).sum() == 40
    assert {name: modality.kind for name, modality in dataset.card.modalities.items()} == {
        "song": "audio",
        "description": "text",
    }
    assert len(dataset.views["description"]) == 360
    assert min(dataset.card.counts[split] for split in ("pretrain", "train")) >= default_batch_size()


def test_the_page_tells_the_default_batch_size():
    assert f"`training.batch_size` items each: {default_batch_size()}," in PAGE.read_text(encoding="utf-8")


def test_every_key_of_the_card_is_explained():
    from pmrl.data.own_card import _MODALITY, SCHEMA

    page = PAGE.read_text(encoding="utf-8")
    for key in [*SCHEMA["properties"], *_MODALITY["properties"]]:
        assert f"`{key}`" in page
    for kind in KINDS:
        assert f"`{kind}`" in page


def test_the_cards_of_clips_are_valid_and_every_encoder_and_layout_is_named(tmp_path):
    _, clips, annotation = map(yaml.safe_load, blocks("yaml"))
    path = tmp_path / "datasets" / "cooking" / "card.yaml"
    path.parent.mkdir(parents=True)
    for content in (clips, {key: value for key, value in clips.items() if key != "captions"} | annotation):
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        assert own_card.read_card(path)["items"] == content["items"]
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in [*PACKAGED, *layouts.READERS])


def test_the_counts_on_the_page_are_those_of_the_data():
    """The page is written from this copy of the study's table; see tests/project/test_documents.py."""
    table = pd.read_csv(PAGE.parent / "results" / "default" / "datasets.csv").drop_duplicates("dataset")
    shown = table.set_index("dataset")
    for source in (emoji, kanji, molecules):
        counts = source.read_table()["split"].value_counts()
        assert {split: shown.loc[source.CARD.name, split] for split in store.SPLITS} == counts.to_dict()
