"""A folder of clips with a card becomes a data set, and whatever is wrong with a clip is counted and named."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from clips import tone, write_clip, write_sound
from PIL import Image

from pmrl.data import own, registry, store
from pmrl.errors import UserError

COUNT = 16


def card_of(folder, **changes):
    """Writes the card of the clips in ``folder``; ``video`` and ``sound`` change parts of these modalities."""
    modalities = {
        "video": {"from": "clips/{id}.mp4", "kind": "video", "frames": 2, "size": 64},
        "sound": {"from": "clips/{id}.mp4", "kind": "audio", "encoder": "log_mel", "seconds": 1.0},
        "text": {"column": "words", "kind": "text"},
    }
    for name in [name for name in changes if name in modalities]:
        modalities[name] = {**modalities[name], **changes.pop(name)}
    content = {"name": folder.name, "anchor": "text", "items": "items.csv", "modalities": modalities, **changes}
    path = folder / "card.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def ids():
    return [f"clip {place} “é”" for place in range(COUNT)]


@pytest.fixture
def folder(tmp_path):
    """Sixteen clips with pictures and tones of their own; names with spaces, quotes and letters beyond ASCII."""
    folder = tmp_path / "mine"
    for place, key in enumerate(ids()):
        write_clip(
            folder / "clips" / f"{key}.mp4", count=5, first=2 * place, sound=tone(0.6, volume=0.05 + 0.05 * place)
        )
    splits = ["pretrain"] * 8 + ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    words = [f"clip number {place} is {'bright' if place > 7 else 'dark'}" for place in range(COUNT)]
    pd.DataFrame({"id": ids(), "split": splits, "words": words}).to_csv(folder / "items.csv", index=False)
    return folder


def prepared(path, tmp_path):
    return store.load(registry.prepare(path, tmp_path / "data"))


def test_clips_become_a_data_set(folder, tmp_path):
    dataset = prepared(card_of(folder), tmp_path)
    assert list(dataset.items["id"]) == ids() and dataset.card.counts["test"] == 2
    assert {name: about.kind for name, about in dataset.card.modalities.items()} == {
        "video": "video", "sound": "audio", "text": "text"
    }  # fmt: skip
    assert all(present.all() for present in dataset.present.values())
    assert dataset.tokens["video"].shape == (COUNT, 2, 1280)
    assert "2 frames, evenly" in dataset.card.modalities["video"].encoder
    assert dataset.views["text"][ids()[0]] == "clip number 0 is dark"
    assert dataset.views["video"][ids()[0]].startswith(b"\x89PNG")


def test_a_clip_that_cannot_be_read_is_absent_and_listed(folder, tmp_path, capsys):
    (folder / "clips" / f"{ids()[3]}.mp4").write_text("no video")
    (folder / "clips" / f"{ids()[4]}.mp4").unlink()
    write_clip(folder / "clips" / f"{ids()[5]}.mp4", count=5)  # without sound
    dataset = prepared(card_of(folder), tmp_path)
    assert list(np.flatnonzero(~dataset.present["video"])) == [3, 4]
    assert list(np.flatnonzero(~dataset.present["sound"])) == [3, 4, 5]
    assert len(dataset.items) == COUNT  # the gallery does not shrink
    said = capsys.readouterr().err
    assert "video: 2 of 16 items cannot be read" in said and "sound: 3 of 16 items cannot be read" in said
    listed = pd.read_csv(tmp_path / "data" / ".media" / "mine" / "sound" / "unreadable.csv")
    assert list(listed["id"]) == [ids()[row] for row in (3, 4, 5)] and "has no sound" in listed["reason"].iloc[2]


def test_or_it_is_refused(folder, tmp_path):
    write_clip(folder / "clips" / f"{ids()[5]}.mp4", count=5)
    with pytest.raises(
        UserError, match=r"sound: item 'clip 5 “é”': .*has no sound\. The card says `unreadable: refuse`"
    ):
        prepared(card_of(folder, sound={"unreadable": "refuse"}), tmp_path)
    assert not (tmp_path / "data" / "mine").exists()


def test_check_says_what_it_found_before_anything_is_encoded(folder, monkeypatch):
    (folder / "clips" / f"{ids()[3]}.mp4").write_text("no video")
    write_clip(folder / "clips" / f"{ids()[5]}.mp4", count=5)
    silent = write_clip(folder / "clips" / f"{ids()[6]}.mp4", count=5, sound=np.zeros((22050, 2), np.float32))
    (folder / "clips" / f"{ids()[7]}.mp4").unlink()
    (folder / "clips" / f"{ids()[7]}.mp4").symlink_to(silent)
    monkeypatch.setattr("pmrl.data.encoders.encode_pictures", lambda *args, **kwargs: pytest.fail("encoded"))
    said = own.check(card_of(folder), 64)
    assert "16 items in 16 groups, 0 labels: pretrain 8, train 4, validation 2, test 2" in said
    assert "16 files for 16 items, 1 of them absent" in said and "16 files for 16 items, 4 of them absent" in said
    assert "frames per second: 10.0 (15)" in said and "channels: 2 (12)" in said
    assert "1 cannot be read: has no sound" in said and "2 cannot be read: its sound is silent" in said
    assert "lengths: 0.50 to" in said and "`pmrl prepare mine` encodes the files" in said


def test_equal_clips_are_no_modality(folder, tmp_path):
    for place, key in enumerate(ids()):
        write_clip(folder / "clips" / f"{key}.mp4", count=5, sound=tone(0.6, volume=0.05 + 0.05 * place))
    with pytest.raises(UserError, match=r"'video': all 16 items that have it are equal; remove it"):
        prepared(card_of(folder), tmp_path)


def test_captions_in_a_second_table_are_items_of_one_instance(folder, tmp_path):
    rows = [(key, f"caption {number} of {key}") for key in ids() for number in range(5)]
    captions = pd.DataFrame(rows[:-5], columns=["id", "words"])  # the last clip has none
    captions.to_csv(folder / "captions.csv", index=False)
    dataset = prepared(card_of(folder, captions="captions.csv"), tmp_path)
    assert len(dataset.items) == 15 * 5 + 1 and dataset.items["instance"].nunique() == COUNT
    assert list(dataset.items["id"])[:2] == [f"{ids()[0]}#1", f"{ids()[0]}#2"]
    np.testing.assert_array_equal(dataset.pooled["video"][0], dataset.pooled["video"][4])
    assert not np.array_equal(dataset.pooled["text"][0], dataset.pooled["text"][4])
    assert not dataset.present["text"][-1] and dataset.present["video"][-1]
    first = prepared(card_of(folder, captions={"file": "captions.csv", "use": "first"}), tmp_path)
    assert len(first.items) == COUNT and first.views["text"][ids()[1]] == f"caption 0 of {ids()[1]}"


def test_an_annotation_takes_the_place_of_the_table(folder, tmp_path):
    for name, rows in {"train": range(10), "val": range(10, 13), "test": range(13, COUNT)}.items():
        entries = [
            {"video_id": ids()[row], "desc": [f"a {row}", f"b {row}"], "subtitle": f"yes {row}" * (row % 2)}
            for row in rows
        ]
        (folder / f"{name}.json").write_text(json.dumps(entries), encoding="utf-8")
    files = {"train": "train.json", "validation": "val.json", "test": "test.json"}
    path = card_of(folder, items={"layout": "vast", "files": files}, text={"column": "caption"})
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["modalities"]["subtitle"] = {"column": "subtitle", "kind": "text"}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    dataset = prepared(path, tmp_path)
    assert len(dataset.items) == 2 * COUNT and dataset.card.counts["validation"] == 6
    assert dataset.present["subtitle"].mean() == pytest.approx(0.5)


@pytest.mark.parametrize(("changes", "message"), [
    ({"video": {"kind": "measurement"}}, r"video\.kind: found 'measurement', expected video, picture, audio"),
    ({"video": {"from": "clips/all.mp4"}}, r"expected a file name with \{id\}"),
    ({"video": {"file": "video.npy"}}, "expected one of `file`, `from` and `column`"),
    ({"video": {"seconds": 2.0}}, r"modalities\.video\.seconds: has no meaning for kind 'video'"),
    ({"video": {"frames": 0}}, r"modalities\.video\.frames: 0 is less than the minimum of 1"),
    ({"text": {"kind": "audio"}}, "a column holds texts"),
    ({"text": {"column": "wrds"}}, "found the column 'words', expected only"),
    ({"video": {"encoder": "clip"}}, "Encoder 'clip': there is no such encoder; for video, choose efficientnet_lite0"),
    ({"video": {"from": "../{id}.mp4"}}, "lies outside the folder of the card"),
    ({"items": {"layout": "youcook", "files": "a.json"}}, "is not valid under any of the given schemas|youcook"),
    ({"captions": "captions.csv"}, "the file 'captions.csv' does not exist"),
])  # fmt: skip
def test_a_card_that_is_wrong_is_refused(folder, changes, message):
    with pytest.raises(UserError, match=message):
        own.check(card_of(folder, **changes), 64)


def test_captions_of_no_clip_are_refused(folder):
    pd.DataFrame({"id": ["clip 99"], "words": ["none"]}).to_csv(folder / "captions.csv", index=False)
    with pytest.raises(UserError, match=r"there is no item 'clip 99', but it has captions"):
        own.check(card_of(folder, captions="captions.csv"), 64)


def test_pictures_of_every_kind_are_read(tmp_path):
    folder, generator = tmp_path / "pictures", np.random.default_rng(0)
    (folder / "seen").mkdir(parents=True)
    for place in range(COUNT):
        pixels = generator.integers(0, 255, (20, 30, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).convert("CMYK" if place % 2 else "RGB")
        picture.save(folder / "seen" / f"{place}.jpg", quality=95)
    table = pd.DataFrame({"id": range(COUNT), "words": [f"picture {place}" for place in range(COUNT)]})
    table["split"] = ["pretrain"] * 8 + ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    table.to_csv(folder / "items.csv", index=False)
    modalities = {
        "picture": {"from": "seen/{id}.jpg", "kind": "picture", "size": 32},
        "text": {"column": "words", "kind": "text"},
    }
    content = {"name": "pictures", "anchor": "text", "items": "items.csv", "modalities": modalities}
    (folder / "card.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    dataset = prepared(folder / "card.yaml", tmp_path)
    assert dataset.present["picture"].all() and dataset.tokens["picture"].shape == (COUNT, 4, 1280)


def test_no_sound_at_all_is_an_error_of_the_modality(folder, tmp_path):
    for key in ids():
        write_sound(folder / "clips" / f"{key}.wav", np.zeros((2000, 1), np.float32), 16000, "pcm_s16le")
    with pytest.raises(UserError, match=r"sound: no item can be read; the first is 'clip 0 “é”'.*silent"):
        prepared(card_of(folder, sound={"from": "clips/{id}.wav"}), tmp_path)
