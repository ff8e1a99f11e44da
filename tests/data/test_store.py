"""What a feature store promises: what was saved comes back, and nothing broken is ever accepted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data_examples import card, dataset, items
from safetensors.numpy import load_file, save_file

from pmrl.data import store
from pmrl.data.dataset import NoisyFeatures
from pmrl.errors import UserError


@pytest.fixture
def folder(tmp_path):
    store.save(dataset(), tmp_path / "tiny")
    return tmp_path / "tiny"


def test_what_is_saved_comes_back(folder):
    original, copy = dataset(), store.load(folder)
    assert copy.modalities == ("sound", "word") and copy.anchor == "word"
    pd.testing.assert_frame_equal(copy.items, original.items, check_dtype=False)
    for name in original.modalities:
        assert copy.pooled[name].dtype == np.float32 and copy.tokens[name].dtype == np.float16
        np.testing.assert_array_equal(copy.pooled[name], original.pooled[name])
        np.testing.assert_array_equal(copy.tokens[name], original.tokens[name])
        assert copy.present[name].dtype == bool and copy.present[name].all()
    assert copy.views == original.views
    assert [modality.kind for modality in copy.card.modalities.values()] == ["audio", "text"]


def noisy(**changes):
    values = {"kind": "sound_noise", "level": 20.0, "modality": "sound"}
    shapes = {"pooled": np.ones((12, 6), np.float32), "tokens": np.ones((12, 2, 3), np.float16)}
    return NoisyFeatures(**{**values, **shapes, **changes})


def test_noisy_features_of_the_test_items_come_back_in_the_types_of_the_clean_ones(tmp_path):
    levels = [
        noisy(level=level, pooled=np.full((12, 6), level), tokens=np.full((12, 2, 3), level)) for level in (5, 0.5)
    ]
    store.save(replace(dataset(), noisy=levels), tmp_path / "tiny")
    found = store.load(tmp_path / "tiny").noisy
    assert [(features.kind, features.level, features.modality) for features in found] == [
        ("sound_noise", level, "sound") for level in (0.5, 5.0)
    ]
    for features in found:
        assert (features.pooled == features.level).all() and features.pooled.dtype == np.float32
        assert (features.tokens == features.level).all() and features.tokens.dtype == np.float16


def test_a_store_without_noisy_features_is_valid(folder):
    """Data of a user's own, and stores of an earlier version, have none."""
    assert not any(name.startswith(store.NOISY) for name in load_file(folder / store.FEATURES))
    assert not store.load(folder).noisy


def test_noisy_features_are_zero_where_the_modality_is_absent(tmp_path):
    data = dataset()
    data.present["sound"][data.indices("test")[3]] = False
    store.save(replace(data, noisy=[noisy()]), tmp_path / "tiny")
    (features,) = store.load(tmp_path / "tiny").noisy
    for values in (features.pooled, features.tokens):
        assert (values[3] == 0).all() and (np.delete(values, 3, axis=0) == 1).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "rain"}, "unknown kind of noise; expected one of blur, sound_noise"),
        ({"modality": "smell"}, "'smell', sound_noise at level 20: there is no such modality; choose from sound, word"),
        ({"pooled": np.ones((80, 6))}, r"pooled: found the shape \(80, 6\), expected \(12, 6\)"),
        ({"pooled": np.ones((12, 5))}, r"pooled: found the shape \(12, 5\), expected \(12, 6\)"),
        ({"tokens": np.ones((12, 3, 2))}, r"tokens: found the shape \(12, 3, 2\), expected \(12, 2, 3\)"),
        ({"pooled": np.full((12, 6), np.nan)}, "item 'item-17-0', column 0: found nan, expected a finite number"),
    ],
)
def test_noisy_features_that_do_not_fit_are_refused(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        store.save(replace(dataset(), noisy=[noisy(**changes)]), tmp_path / "tiny")


def test_views_are_read_by_modality(folder):
    original = dataset()
    for name in original.modalities:
        assert store.read_views(folder, name) == original.views[name]
    assert store.read_views(folder, "smell") == {}


def test_without_views_there_is_no_file_of_them_and_an_older_one_goes(folder):
    assert (folder / store.VIEWS).is_file()
    (folder / "pictures.parquet").write_bytes(b"of an older version")
    store.save(replace(dataset(), views={"word": {}}), folder)
    assert not (folder / store.VIEWS).exists() and not (folder / "pictures.parquet").exists()
    assert store.load(folder).views == {} == store.read_views(folder, "word")


def test_a_damaged_file_of_views_is_named(folder):
    (folder / store.VIEWS).write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"views\.parquet: cannot be read"):
        store.read_views(folder, "word")


def test_views_change_nothing_but_themselves(tmp_path):
    for name, views in {"with": dataset().views, "without": {}}.items():
        store.save(replace(dataset(), views=views), tmp_path / name)
    for name in (store.ITEMS, store.FEATURES):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()


def test_an_edited_kind_is_refused(folder):
    text = (folder / store.CARD).read_text()
    (folder / store.CARD).write_text(text.replace("kind: audio", "kind: smell"))
    with pytest.raises(UserError, match="'sound': found the kind 'smell', expected one of text, audio, picture"):
        store.load(folder)


def test_the_card_tells_sizes_and_counts(folder):
    found = store.read_card(folder)
    assert found.counts == {"pretrain": 40, "train": 20, "validation": 8, "test": 12}
    assert found.modalities["sound"].dimension == 6
    assert found.modalities["sound"].tokens == (2, 3)


def test_splits_partition_the_items(folder):
    loaded = store.load(folder)
    rows = np.concatenate([loaded.indices(split) for split in store.SPLITS])
    assert sorted(rows) == list(range(len(loaded.items)))
    assert loaded.indices("test").dtype == np.int64


def test_saving_twice_gives_the_same_bytes(tmp_path):
    first, second = (store.save(dataset(), tmp_path / name) for name in ("first", "second"))
    assert first.card.checksum == second.card.checksum


def test_an_absent_modality_is_zero_whatever_was_measured(tmp_path):
    data = dataset()
    data.present["sound"][3] = False
    data.pooled["sound"][3] = np.nan
    loaded = store.load(store_folder(data, tmp_path))
    assert not loaded.present["sound"][3] and loaded.present["word"][3]
    assert not loaded.pooled["sound"][3].any() and not loaded.tokens["sound"][3].any()


def store_folder(data, tmp_path) -> Path:
    store.save(data, tmp_path / "store")
    return tmp_path / "store"


@pytest.mark.parametrize("name", [store.ITEMS, store.FEATURES, store.VIEWS])
def test_a_changed_file_is_noticed(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match="checksum"):
        store.load(folder)
    assert not store.is_current(folder, "")


def test_an_array_replaced_by_a_valid_one_is_noticed(folder):
    arrays = load_file(folder / store.FEATURES)
    save_file({**arrays, "sound": arrays["sound"] + 1}, folder / store.FEATURES)
    with pytest.raises(UserError, match="checksum"):
        store.load(folder)


@pytest.mark.parametrize("name", [store.ITEMS, store.FEATURES, store.CARD])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=name):
        store.load(folder)


def test_a_truncated_array_file_without_verification_is_still_an_error_for_people(folder):
    content = (folder / store.FEATURES).read_bytes()
    (folder / store.FEATURES).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="cannot be read"):
        store.load(folder, verify=False)


@pytest.mark.parametrize("text", ["[1, 2]", "name: tiny\ncolour: red\n", "name: [", "name: tiny\n"])
def test_a_card_that_is_none_is_refused(folder, text):
    (folder / store.CARD).write_text(text)
    with pytest.raises(UserError, match="not a card"):
        store.read_card(folder)


def test_a_card_cannot_run_code(folder, tmp_path):
    victim = tmp_path / "victim"
    (folder / store.CARD).write_text(f"!!python/object/apply:pathlib.Path.touch [{victim}]")
    with pytest.raises(UserError):
        store.read_card(folder)
    assert not victim.exists()


@pytest.mark.parametrize("failing", [store.ITEMS, store.FEATURES, store.VIEWS, store.CARD])
def test_a_full_disk_leaves_no_store(folder, monkeypatch, failing):
    """Every file in turn finds the disk full while a valid store is written anew."""
    rename = Path.replace

    def full(self, target):
        if Path(target).name == failing:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UserError, match="No space left on device"):
        store.save(dataset(seed=1), folder)
    monkeypatch.undo()
    with pytest.raises(UserError):
        store.load(folder)
    assert not list(folder.glob(".*partial"))


def test_an_unknown_split_is_refused_with_the_valid_ones(folder):
    with pytest.raises(UserError, match="pretrain, train, validation, test"):
        store.load(folder).indices("dev")


def test_an_empty_split_says_so(tmp_path):
    table = items()
    table.loc[table["split"] == "validation", "split"] = "test"
    loaded = store.load(store_folder(replace(dataset(), items=table), tmp_path))
    with pytest.raises(UserError, match="'validation' is empty"):
        loaded.indices("validation")


def changed_items(column, value):
    table = items().astype(object)
    table.loc[5, column] = value
    return replace(dataset(), items=table)


def changed_array(value, row=5):
    data = dataset()
    data.pooled["sound"][row, 2] = value
    return data


def label_code():
    data = dataset()
    data.pooled["sound"][:, 1] = data.items["label"].str[-1].astype(float)
    return data


def one_hot_label():
    data = dataset()
    data.pooled["sound"][:, 1] = data.items["label"] == "label-2"
    return data


def label_in_tokens():
    data = dataset()
    data.tokens["word"][:, 1, 1] = data.items["label"] == "label-1"
    return data


def row_number():
    data = dataset()
    data.pooled["word"][:, 4] = np.arange(len(data.items))
    return data


def constant_column():
    data = dataset()
    data.pooled["word"][:, 3] = 7
    return data


def with_array(kind, change):
    data = dataset()
    array = getattr(data, kind)
    array["sound"] = change(array["sound"])
    return data


def nothing_present():
    data = dataset()
    for name in data.modalities:
        data.present[name][9] = False
    return data


def absent_in(modality, split):
    data = dataset()
    data.present[modality][data.items["split"] == split] = False
    return data


def of_kind(kind):
    described = card()
    sound = replace(described.modalities["sound"], kind=kind)
    return replace(dataset(), card=replace(described, modalities={**described.modalities, "sound": sound}))


def with_view(view, modality="word", key="item-0-0"):
    return replace(dataset(), views={modality: {key: view}})


BROKEN = {
    "unknown kind": (lambda: of_kind("smell"), "'sound': found the kind 'smell', expected one of text, audio"),
    "views of another modality": (lambda: with_view("dog", "smell"), "'smell': there is no such modality.*sound, word"),
    "a view of another item": (lambda: with_view("dog", key="item-x"), "'word': item 'item-x' is not in the items"),
    "a view that is no picture": (lambda: with_view(b"GIF89a"), "'word': item 'item-0-0': found b'GIF89a', expected a"),
    "a view that is neither": (lambda: with_view(3), "'item-0-0': found int, expected a PNG picture or a text"),
    "an empty text": (lambda: with_view(" "), "'item-0-0': found an empty text"),
    "group in two splits": (lambda: changed_items("split", "test"), "group-1'.*more than one split"),
    "id twice": (lambda: changed_items("id", "item-0-0"), "item-0-0.*twice"),
    "unknown split": (lambda: changed_items("split", "dev"), "unknown split 'dev'"),
    "number as label": (lambda: changed_items("label", 3), "column 'label'.*row 5.*expected text"),
    "missing caption": (lambda: changed_items("caption", None), "column 'caption'.*row 5"),
    "no group column": (lambda: replace(dataset(), items=items().drop(columns="group")), "no column 'group'"),
    "not a number": (
        lambda: changed_array(np.nan),
        "item 'item-1-1', column 2: found (nan|inf), expected a finite number",
    ),
    "infinite": (lambda: changed_array(np.inf), "item 'item-1-1', column 2: found (nan|inf), expected a finite number"),
    "label as a code": (label_code, "column 1.*label in disguise"),
    "label as an indicator": (one_hot_label, "column 1.*'label-2'.*label in disguise"),
    "row number": (row_number, "'word'.*column 4.*row number"),
    "falling row number": (
        lambda: with_array("pooled", lambda rows: np.column_stack([rows[:, 1:], -np.arange(len(rows))])),
        "'sound'.*column 5 rises or falls",
    ),
    "label in the tokens": (label_in_tokens, "'word', tokens: column 4 .*label in disguise"),
    "row number in the tokens": (
        lambda: with_array("tokens", lambda x: np.concatenate([x, np.arange(len(x))[:, None, None] * [[[1], [1]]]], 2)),
        "'sound', tokens: column 3 rises or falls",
    ),
    "no columns": (lambda: with_array("pooled", lambda rows: rows[:, :0]), r"pooled: found the shape \(80, 0\)"),
    "tokens without width": (
        lambda: with_array("tokens", lambda x: x[:, :, :0]),
        r"tokens: found the shape \(80, 2, 0\)",
    ),
    "constant": (constant_column, "'word'.*column 3 is constant"),
    "wrong anchor": (lambda: replace(dataset(), card=card(anchor="smell")), "'smell' is not a modality"),
    "one modality": (lambda: dataset(("sound",)), "at least 2"),
    "one row less": (
        lambda: with_array("pooled", lambda rows: rows[1:]),
        "pooled: found 79 rows, expected 80",
    ),
    "tokens of another length": (lambda: with_array("tokens", lambda rows: rows[:7]), "tokens: found 7 rows"),
    "mask of another length": (lambda: with_array("present", lambda rows: rows[:7]), "present: found 7 rows"),
    "three dimensions": (
        lambda: with_array("pooled", lambda rows: rows[:, :, None]),
        "3 dimensions, expected 2",
    ),
    "item without anything": (nothing_present, "item-2-1.*no modality at all"),
    "a modality that pre-training lacks": (
        lambda: absent_in("sound", "pretrain"),
        "tiny: modality 'sound': no item of the split 'pretrain' has it",
    ),
    "a split without pairs": (
        lambda: absent_in("sound", "test"),
        "tiny: no item of the split 'test' has two modalities",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_data_is_refused_before_anything_is_written(case, tmp_path):
    build, message = BROKEN[case]
    with pytest.raises(UserError, match=message):
        store.save(build(), tmp_path / "store")
    assert not (tmp_path / "store").exists()


def with_class_names(**changes):
    """The tiny data set with a name for each of its three labels, in the form of its anchor ``word``."""
    names = np.eye(3, 6, dtype=np.float32), np.ones((3, 2, 3), np.float16)
    return replace(dataset(), **{"class_names": names, **changes})


def test_names_of_classes_come_back_in_the_order_of_the_labels(tmp_path):
    data = with_class_names()
    loaded = store.load(store_folder(data, tmp_path))
    assert list(loaded.classes) == ["label-0", "label-1", "label-2"]
    for found, given in zip(loaded.class_names, data.class_names, strict=True):
        assert found.dtype == given.dtype and (found == given).all()
    assert store.load(store_folder(dataset(), tmp_path)).class_names is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_names": (np.eye(2, 6), np.ones((3, 2, 3)))}, r"found the shape \(2, 6\), expected \(3, 6\)"),
        ({"class_names": (np.eye(3, 6), np.ones((3, 2, 4)))}, r"found the shape \(3, 2, 4\), expected \(3, 2, 3\)"),
        ({"class_names": (np.full((3, 6), np.nan), np.ones((3, 2, 3)))}, "not finite"),
        ({"card": replace(card(), anchor="sound")}, "the anchor 'sound' is of the kind 'audio'; expected 'text'"),
    ],
)
def test_names_of_classes_are_as_many_as_labels_and_as_the_anchor(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        store.save(with_class_names(**change), tmp_path / "store")
