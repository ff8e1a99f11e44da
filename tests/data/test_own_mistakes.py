"""Mistakes in a user's own files that leave them readable: each is refused, reported, or makes no difference."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest
import torch
import yaml
from data_examples import items
from pyarrow import parquet
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from pmrl import cli
from pmrl.data import own, own_card, registry, store
from pmrl.errors import UserError
from pmrl.files import read_yaml
from pmrl.method.networks import Standardize

COLUMNS = [f"f{number}" for number in range(6)]
COUNT = len(items())


def views(seed=0):
    generator = np.random.default_rng(seed)
    latent = generator.normal(size=(COUNT, 4))
    return [latent @ generator.normal(size=(4, 6)) for _ in range(2)]


SOUND, WORD = views()


def table(values, ids=None):
    frame = pd.DataFrame(values, columns=COLUMNS)
    frame.insert(0, "id", list(items()["id"]) if ids is None else ids)
    return frame


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "datasets" / "birds"


def card(folder, sound=SOUND, table_of_items=None, name="sound.npy", **keys):
    """A card of two modalities; the sound is written as ``name`` asks, and has these keys."""
    folder.mkdir(parents=True, exist_ok=True)
    (items() if table_of_items is None else table_of_items).to_csv(folder / "items.csv", index=False)
    np.save(folder / "word.npy", WORD)
    path = folder / name
    if isinstance(sound, bytes | str):
        path.write_bytes(sound if isinstance(sound, bytes) else sound.encode())
    elif isinstance(sound, dict):
        np.savez(path, **sound)
    elif path.suffix == ".npy":
        np.save(path, sound)
    elif path.suffix == ".csv":
        table(sound).to_csv(path, index=False)
    else:
        table(sound).to_parquet(path)
    content = {
        "name": "birds",
        "anchor": "word",
        "items": "items.csv",
        "modalities": {"sound": {"file": name, **keys}, "word": {"file": "word.npy"}},
    }
    (folder / "card.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder / "card.yaml"


def notes(path):
    return [line for line in own.check(path, 1).splitlines() if line.startswith("Note:")]


def test_sound_data_have_no_notes(folder):
    assert notes(card(folder)) == []


# Units


@pytest.mark.parametrize("unit", [1e-30, 1e-12, 1e-7, 1e7, 1e20])
@pytest.mark.parametrize("columns", [slice(None), slice(2, 4)])
def test_features_are_scaled_in_every_unit(unit, columns):
    examples = SOUND.copy()
    examples[:, columns] *= unit
    expected = Standardize([SOUND.astype(np.float32)])(torch.from_numpy(SOUND.astype(np.float32)))
    examples = examples.astype(np.float32)
    torch.testing.assert_close(Standardize([examples])(torch.from_numpy(examples)), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 1e-9, 7.0, 1e9])
def test_what_is_constant_up_to_rounding_is_only_centred(value):
    examples = np.full((50, 2), value, dtype=np.float32)
    examples[::2, 1] = np.nextafter(np.float32(value), np.float32(np.inf))
    if value:
        assert Standardize([examples])(torch.from_numpy(examples)).abs().max() <= 1e-6 * max(1, value)


def test_noise_of_an_encoder_is_only_centred():
    examples = 1e-8 * SOUND.astype(np.float32)
    assert Standardize([examples], noise=1e-6)(torch.from_numpy(examples)).abs().max() < 1e-6


@pytest.mark.parametrize(("offset", "unit"), [(30_000, 1), (0, 1e-7), (0, 1e-12), (1e6, 1000), (0, 1e6)])
def test_tokens_lose_nothing(folder, tmp_path, offset, unit):
    tokens = offset + unit * np.random.default_rng(0).normal(size=(COUNT, 5, 3))
    loaded = store.load(registry.prepare(card(folder, tokens), tmp_path / "stores")).tokens["sound"]
    assert loaded.dtype == np.float32
    assert np.abs(loaded - tokens).max() < 0.01 * unit


def test_ordinary_tokens_take_half_the_room(folder):
    assert own.read(card(folder)).tokens["sound"].dtype == np.float16


def test_columns_without_variation_in_pretraining_are_reported(folder):
    sound = SOUND.copy()
    sound[(items()["split"] == "pretrain").to_numpy(), 4] = 3
    assert "modality sound: 1 column is constant in the split pretrain and will not be scaled: 4 (counted" in str(
        notes(card(folder, sound))
    )


# Tables


def with_line(line, number=3):
    lines = table(SOUND).to_csv(index=False).splitlines()
    lines[number - 1] = line(lines[number - 1])
    return "\n".join(lines) + "\n"


WRONG_TABLES = {
    "an index": (
        table(SOUND).sample(frac=1, random_state=0).to_csv(),
        r"sound\.csv: column 0 \(counted from 0\) has no",
    ),
    "an index read again": (
        table(SOUND).rename_axis("Unnamed: 0").to_csv(),
        r"sound\.csv: column 0 \(counted from 0\) has the name 'Unnamed: 0': .*index=False",
    ),
    "a blank name": (
        table(SOUND).rename(columns={"f3": " "}).to_csv(index=False),
        r"column 4 \(counted from 0\) has no n",
    ),
    "a comma too many in each row": (
        table(SOUND).to_csv(index=False).replace("\n", ",\n").replace("f5,", "f5", 1),
        r"sound\.csv: line 2: found 8 fields, expected 7",
    ),
    "a comma too many everywhere": (
        table(SOUND).to_csv(index=False).replace("\n", ",\n"),
        r"sound\.csv: column 7 \(counted from 0\) has no name: .*comma too many",
    ),
    "a long row": (with_line(lambda line: line + ",1.5"), r"sound\.csv: line 3: found 8 fields, expected 7"),
    "a short row": (with_line(lambda line: line.rsplit(",", 1)[0]), r"sound\.csv: line 3: found 6 fields, expected 7"),
    "an open quotation": (with_line(lambda line: '"' + line), r"sound\.csv: line 3: cannot be read .*quotation mark"),
    "an open quotation in the header": (
        with_line(lambda line: line.replace("f2", '"f2'), 1),
        r"sound\.csv: line 1: cannot be read .*quotation mark",
    ),
    "an open quotation in a large file": (
        with_line(lambda line: line.replace("f2", '"f2'), 1) + "x" * 200_000,
        r"sound\.csv: line 1: cannot be read .*field larger",
    ),
    "semicolons": (table(SOUND).to_csv(index=False, sep=";"), r"sound\.csv: there is no column 'id'.*commas between"),
    "another encoding": (with_line(lambda line: line + "é").encode("latin-1"), r"sound\.csv: not text in UTF-8"),
    "nothing": ("", r"sound\.csv: the file is empty"),
    "a word": (
        with_line(lambda line: line.rsplit(",", 1)[0] + ",loud"),
        r"column 'f5', row 1: found 'loud', expected a",
    ),
    "a decimal comma": (
        with_line(lambda line: line.rsplit(",", 1)[0] + ',"1,5"'),
        r"column 'f5', row 1: found '1,5', expected a number \(rows are counted from 0\)",
    ),
}


@pytest.mark.parametrize("case", WRONG_TABLES)
def test_a_table_that_is_not_what_it_seems_is_refused(folder, case):
    content, message = WRONG_TABLES[case]
    with pytest.raises(UserError, match=message):
        own.check(card(folder, content, name="sound.csv"), 1)


@pytest.mark.parametrize("case", ["an index", "a blank name", "a comma too many in each row", "an open quotation"])
def test_a_table_of_items_is_read_as_strictly(folder, case):
    path = card(folder)
    rows = items().to_csv(index=case == "an index").splitlines()
    changes = {
        "a blank name": lambda row, line: line + ("," if row == 0 else ",x"),
        "a comma too many in each row": lambda row, line: line + "," * (row > 0),
        "an open quotation": lambda row, line: '"' * (row == 2) + line,
    }
    change = changes.get(case, lambda row, line: line)
    (folder / "items.csv").write_text("\n".join(change(*pair) for pair in enumerate(rows)))
    with pytest.raises(UserError, match=r"items\.csv: "):
        own.check(path, 1)


@pytest.mark.parametrize(
    "content",
    [
        table(SOUND).to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig"),
        table(SOUND).to_csv(index=False, quoting=1).encode(),
        table(SOUND).to_csv(index=False).replace(",", ", ").replace("\n", "\n\n").encode(),
        table(SOUND).to_csv(index=False).replace("item-0-0", '"item-0-0\n"').encode(),
    ],
)
def test_harmless_variants_of_a_table_are_read(folder, content):
    np.testing.assert_allclose(own.read(card(folder, content, name="sound.csv")).pooled["sound"], SOUND, rtol=1e-6)


def test_a_shuffled_frame_in_parquet_leaves_no_index(folder):
    path = card(folder, name="sound.parquet")
    table(SOUND).sample(frac=1, random_state=0).to_parquet(folder / "sound.parquet")
    np.testing.assert_allclose(own.read(path).pooled["sound"], SOUND, rtol=1e-6)
    table(SOUND).set_index("id").to_parquet(folder / "sound.parquet")
    np.testing.assert_allclose(own.read(path).pooled["sound"], SOUND, rtol=1e-6)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "string", "decimal128(20, 10)"])
def test_every_type_of_numbers_in_parquet_is_read(folder, kind):
    path = card(folder, name="sound.parquet")
    rounded = np.round(SOUND, 2)
    columns = {"id": list(items()["id"])}
    for place, name in enumerate(COLUMNS):
        column = pyarrow.array(rounded[:, place])
        if kind == "string":
            column = pyarrow.array([f"{number:.2f}" for number in rounded[:, place]])
        elif kind == "float16":
            column = pyarrow.array(rounded[:, place].astype(np.float16))
        elif kind != "float64":
            column = column.cast(pyarrow.decimal128(20, 10) if "decimal" in kind else kind, safe=False)
        columns[name] = column
    parquet.write_table(pyarrow.table(columns), folder / "sound.parquet")
    np.testing.assert_allclose(own.read(path).pooled["sound"], rounded, atol=1e-2 if kind == "float16" else 1e-6)


def test_a_parquet_table_of_items_may_have_numbers_and_gaps(folder):
    path = card(folder)
    numbered = items().assign(group=np.arange(COUNT) // 4, label=None)
    numbered.to_parquet(folder / "items.parquet")
    path.write_text(path.read_text().replace("items.csv", "items.parquet"))
    found = own.read(path).items
    assert set(found["label"]) == {""} and found["group"].iloc[5] == "1"


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: 2\na: 3\n",
        "top:\n  a: {x: 1}\n  b: 2\n  'a': {x: 2}\n",
        "top: [{a: 1, b: 2, a: 1}]\n",
    ],
)
def test_a_key_twice_is_refused_in_every_yaml(tmp_path, text):
    (tmp_path / "some.yaml").write_text(text)
    with pytest.raises(UserError, match=r"some\.yaml: .*line \d: the key 'a' is already in line \d"):
        read_yaml(tmp_path / "some.yaml")


def test_a_key_may_override_what_is_merged_into_its_place(tmp_path):
    (tmp_path / "some.yaml").write_text("a: &base {x: 1, y: 2}\nb: {<<: *base, x: 3}\n")
    assert read_yaml(tmp_path / "some.yaml")["b"] == {"x": 3, "y": 2}


@pytest.mark.parametrize("key", ["file: word.npy", "kind: text"])
def test_a_key_twice_in_a_card_is_refused(folder, key):
    path = card(folder)
    path.write_text(path.read_text().replace("file: sound.npy", f"file: sound.npy\n    kind: audio\n    {key}"))
    with pytest.raises(UserError, match=r"card\.yaml: .*line \d+: the key '(file|kind)' is already in line"):
        own.check(path, 1)


def test_whole_floats_are_numbers_of_tokens(folder):
    assert own.read(card(folder, tokens=[2.0, 3.0])).tokens["sound"].shape == (COUNT, 2, 3)
    with pytest.raises(UserError, match=r"modalities\.sound\.tokens\.0: 2\.5 is not of type 'integer'"):
        own.check(card(folder, tokens=[2.5, 3.0]), 1)


# Names and labels


@pytest.mark.parametrize("change", [" {}", "{} ", "{}\u00a0", "\t{}"])
@pytest.mark.parametrize("column", ["group", "label", "split"])
def test_white_space_makes_no_difference(folder, change, column):
    spaced = items()
    spaced.loc[::2, column] = [change.format(name) for name in spaced.loc[::2, column]]
    pd.testing.assert_frame_equal(own.read(card(folder, table_of_items=spaced)).items, items(), check_dtype=False)


@pytest.mark.parametrize("column", ["group", "label"])
def test_the_unicode_form_makes_no_difference(folder, column):
    composed, mixed = items(), items()
    composed[column] = "caf\u00e9 " + composed[column]
    mixed[column] = composed[column]
    mixed.loc[::2, column] = "cafe\u0301  " + items().loc[::2, column]
    pd.testing.assert_frame_equal(own.read(card(folder, table_of_items=mixed)).items, composed, check_dtype=False)


@pytest.mark.parametrize("name", ["sound.csv", "sound.parquet", "sound.npz"])
@pytest.mark.parametrize("where", ["items", "features"])
def test_ids_match_whatever_their_unicode_form_and_white_space(folder, name, where):
    one = ["caf\u00e9-" + key for key in items()["id"]]
    other = [" cafe\u0301-" + key for key in items()["id"]]
    of_items, of_features = (one, other) if where == "features" else (other, one)
    path = card(folder, {"features": SOUND, "ids": np.array(of_features)} if name == "sound.npz" else SOUND, name=name)
    items().assign(id=of_items).to_csv(folder / "items.csv", index=False)
    frame = table(SOUND, of_features)
    if name != "sound.npz":
        frame.to_csv(folder / name, index=False) if name == "sound.csv" else frame.to_parquet(folder / name)
    assert list(own.read(path).items["id"]) == one


def test_a_view_is_found_whatever_the_unicode_form_of_its_name(folder):
    spelled = items().assign(id=["e\u0301-" + key for key in items()["id"]])
    path = card(folder, table_of_items=spelled, view="texts/{id}.txt")
    (folder / "texts").mkdir()
    for key in spelled["id"]:
        (folder / "texts" / f"{key}.txt").write_text("a sound", encoding="utf-8")
    assert len(own.read(path).views["sound"]) == COUNT
    assert len(own_card.inputs(path)) == COUNT + 4


@pytest.mark.parametrize(("first", "second"), [("a", "a "), ("caf\u00e9", "cafe\u0301"), ("a b", "a  b")])
def test_ids_that_become_equal_are_refused_in_both_spellings(folder, first, second):
    same = items()
    same.loc[[3, 7], "id"] = [first, second]
    with pytest.raises(UserError) as caught:
        own.check(card(folder, table_of_items=same), 1)
    assert ascii(first) in str(caught.value) and ascii(second) in str(caught.value)
    assert "items.csv" in str(caught.value)


@pytest.mark.parametrize("column", ["group", "label", "id"])
def test_names_in_upper_and_lower_case_are_reported(folder, column, capsys, tmp_path):
    similar = items()
    similar.loc[4:7, column] = [f"Straße{row if column == 'id' else ''}" for row in range(4)]
    similar.loc[8:11, column] = [f"STRASSE{row if column == 'id' else ''}" for row in range(4)]
    path = card(folder, table_of_items=similar)
    (note,) = notes(path)
    assert f"column '{column}' has names that differ in upper and lower case only" in note
    assert "'Straße" in note and "'STRASSE" in note
    assert cli.main(["prepare", str(path), "--data", str(tmp_path / "stores")]) == 0
    assert note in capsys.readouterr().err


@pytest.mark.parametrize("empty", ["", " "])
def test_items_without_a_label_are_no_class(folder, empty):
    some = items()
    blank = some["group"].isin(["group-0", "group-3", "group-6", "group-9", "group-12"])
    some.loc[blank, "label"] = empty
    sound = SOUND.copy()
    sound[:, 2] = np.where(blank, 7, sound[:, 2])  # constant where there is no label, which reveals none
    path = card(folder, sound, table_of_items=some)
    assert "3 labels" in own.check(path, 1)
    sound[:, 2] = np.where(some["label"] == "label-1", 7, SOUND[:, 2])
    with pytest.raises(UserError, match="column 2 has one value for every item of label 'label-1'"):
        own.check(card(folder, sound, table_of_items=some), 1)


def test_a_label_with_noise_of_rounding_is_still_the_label(folder):
    sound = SOUND.copy()
    noise = 1 + 1e-7 * np.random.default_rng(0).normal(size=COUNT)
    sound[:, 2] = noise * items()["label"].map({"label-0": 0.1, "label-1": 0.2, "label-2": 0.3})
    with pytest.raises(UserError, match="column 2 has one value for every item of label"):
        own.check(card(folder, sound), 1)


# Fillers and padding


@pytest.mark.parametrize("name", ["sound.npy", "sound.csv", "sound.parquet"])
@pytest.mark.parametrize("filler", [0, -999, -1.5, 0.1])
def test_a_filler_is_reported_and_the_card_can_name_it(folder, name, filler):
    sound = SOUND.copy()
    sound[5:12] = filler
    key = "zeros" if filler == 0 else filler
    (note,) = notes(card(folder, sound, name=name))
    assert f"7 items of modality sound (9 %) share one vector, all {filler}; if" in note
    assert f"`absent: {key}`" in note
    path = card(folder, sound, name=name, absent=key)
    assert notes(path) == []
    dataset = own.read(path)
    assert list(np.flatnonzero(~dataset.present["sound"])) == list(range(5, 12))
    assert not dataset.pooled["sound"][5:12].any()


def test_a_filler_that_is_not_a_number_can_be_named(folder):
    sound = SOUND.copy()
    sound[5:12] = np.nan
    path = card(folder, sound, absent=float("nan"))
    assert list(np.flatnonzero(~own.read(path).present["sound"])) == list(range(5, 12))


def test_a_filler_may_be_the_number_zero_and_rows_with_some_zeros_stay(folder):
    sound = SOUND.copy()
    sound[3], sound[4, :5] = 0, 0
    assert list(np.flatnonzero(~own.read(card(folder, sound, absent=0)).present["sound"])) == [3]


@pytest.mark.parametrize("filler", [-999, "zeros"])
def test_a_filler_that_no_item_has_is_refused(folder, filler):
    with pytest.raises(UserError, match=rf"sound.npy.*`absent: {filler}`.*no item has this value"):
        own.read(card(folder, SOUND, absent=filler))


def test_a_mean_instead_of_a_missing_vector_is_reported(folder):
    sound = SOUND.copy()
    sound[5:12] = sound.mean(axis=0)
    (note,) = notes(card(folder, sound))
    assert "7 items of modality sound share their features with another item (largest group: 7 items, e.g." in note
    assert "missing modality" in note


def padded(filler=0.0):
    """Tokens of 1 to 5 frames, padded, their lengths, and the means of the frames."""
    generator = np.random.default_rng(2)
    lengths = generator.integers(1, 6, size=COUNT)
    lengths[0] = 5
    tokens = generator.normal(1, 1, size=(COUNT, 5, 3)).astype(np.float32)
    means = np.stack([tokens[row, :length].mean(axis=0) for row, length in enumerate(lengths)])
    tokens[np.arange(5) >= lengths[:, None]] = filler
    return tokens, lengths, means


@pytest.mark.parametrize("kind", ["padding", "lengths in npz", "lengths in safetensors", "lengths of another filler"])
def test_padding_does_not_enter_the_mean(folder, tmp_path, kind):
    tokens, lengths, means = padded(np.nan if "another" in kind else 0.0)
    if kind == "padding":
        path = card(folder, tokens, padding="zeros")
    elif "safetensors" in kind:
        path = card(folder, b"", name="sound.safetensors")
        save_file({"features": tokens, "lengths": lengths}, folder / "sound.safetensors")
    else:
        path = card(folder, {"features": tokens, "lengths": lengths}, name="sound.npz")
    assert notes(path) == []
    loaded = store.load(registry.prepare(path, tmp_path / "stores"))
    np.testing.assert_allclose(loaded.pooled["sound"], means, rtol=1e-5)
    np.testing.assert_array_equal(loaded.lengths["sound"], lengths)
    assert not loaded.tokens["sound"][np.arange(5) >= lengths[:, None]].any()


def test_padding_that_nobody_mentions_is_reported(folder):
    tokens, lengths, _ = padded()
    (note,) = notes(card(folder, tokens))
    share = 100 * (5 - lengths).sum() / (5 * COUNT)
    assert (
        f"{(lengths < 5).sum()} items of modality sound end with tokens of zeros ({share:.0f} % of all tokens)" in note
    )
    assert "`padding: zeros`" in note and "`lengths`" in note


def test_tokens_cut_from_a_vector_have_no_padding(folder):
    assert notes(card(folder, tokens=[4, 2])) == []


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (np.full(COUNT, 6), r"row 0 \(counted from 0\) has 6 tokens that are not padding, expected 1 to 5"),
        (np.full(COUNT, 0), r"row 0 \(counted from 0\) has 0 tokens"),
        (np.full(COUNT, 2.5), "lengths has the shape .* and the type float64, expected one whole number"),
        (np.full((COUNT, 1), 2), r"lengths has the shape \(80, 1\)"),
    ],
)
def test_wrong_lengths_are_refused(folder, lengths, message):
    with pytest.raises(UserError, match=rf"sound\.npz: .*{message}"):
        own.check(card(folder, {"features": padded()[0], "lengths": lengths}, name="sound.npz"), 1)


def test_padding_needs_tokens_and_one_source(folder):
    with pytest.raises(UserError, match=r"sound\.npy: found `padding` in the card but no tokens"):
        own.check(card(folder, padding="zeros"), 1)
    tokens, lengths, _ = padded()
    with pytest.raises(UserError, match=r"sound\.npz: has lengths, and the card has `padding`"):
        own.check(card(folder, {"features": tokens, "lengths": lengths}, name="sound.npz", padding="zeros"), 1)


@pytest.mark.parametrize("name", ["sound.npy", "sound.npz", "sound.safetensors"])
def test_an_axis_too_many_is_refused(folder, name):
    array = SOUND[:, :, None]
    path = card(
        folder, {"features": array} if name.endswith("npz") else array if name.endswith("npy") else b"", name=name
    )
    if name.endswith("safetensors"):
        save_file({"features": array.copy()}, folder / name)
    with pytest.raises(UserError, match=r"features has the shape \(80, 6, 1\), which is 6 tokens of one .*\(80, 6\)"):
        own.check(path, 1)


# Types and order


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_every_type_of_a_tensor_is_read(folder, dtype):
    path = card(folder, b"", name="sound.safetensors")
    present = torch.ones(COUNT, dtype=torch.uint8)
    save_torch({"present": present, "features": torch.from_numpy(SOUND).to(dtype)}, folder / "sound.safetensors")
    found = own.read(path).pooled["sound"]
    np.testing.assert_array_equal(found, torch.from_numpy(SOUND).to(dtype).float().numpy())


@pytest.mark.parametrize("measure", [np.sort(SOUND[:, 0]), -np.sort(SOUND[:, 1]), np.linspace(0, 1, COUNT) ** 2])
def test_items_may_be_sorted_by_a_measurement(folder, measure):
    sound = SOUND.copy()
    sound[:, 3] = measure
    assert own.read(card(folder, sound))


@pytest.mark.parametrize("number", [np.arange(COUNT), 7 - 3 * np.arange(COUNT), np.arange(COUNT) / COUNT - 50])
@pytest.mark.parametrize("gaps", [False, True])
def test_a_row_number_is_refused_in_every_unit(folder, number, gaps):
    sound = SOUND.copy()
    sound[:, 3] = number
    present = np.ones(COUNT, dtype=bool)
    present[7:13] = not gaps
    with pytest.raises(UserError, match=r"column 3 rises or falls by the same step.*row number .*counted from 0"):
        own.check(card(folder, {"features": sound, "present": present}, name="sound.npz"), 1)


# Instances


def captioned():
    """16 clips with five captions each: the sound is that of the clip."""
    clip = np.arange(COUNT) // 5
    splits = np.repeat(["pretrain"] * 8 + ["train"] * 3 + ["validation"] * 2 + ["test"] * 3, 5)
    frame = items().assign(instance=[f"clip{number}" for number in clip], split=splits).drop(columns=["group", "label"])
    return frame, SOUND[clip * 5]


def test_an_instance_is_a_group_and_reaches_the_store(folder, tmp_path):
    frame, sound = captioned()
    path = card(folder, sound, table_of_items=frame)
    assert "80 items of 16 instances in 16 groups" in own.check(path, 1)
    assert notes(path) == []
    # A batch holds an instance once.
    assert "Note: pretrain has 8 instances, train has 3 instances, fewer" in own.check(path, 10)
    loaded = store.load(registry.prepare(path, tmp_path / "stores"))
    assert list(loaded.instances) == list(loaded.items["group"]) == list(frame["instance"])


def test_copies_without_instances_are_reported(folder, capsys, tmp_path):
    frame, sound = captioned()
    path = card(folder, sound, table_of_items=frame.drop(columns="instance"))
    (note,) = notes(path)
    assert "80 items of modality sound share their features with another item (largest group: 5 items, e.g. ids" in note
    assert "say so in a column `instance`" in note
    registry.prepare(path, tmp_path / "stores")
    assert note in capsys.readouterr().err
    assert "instance" not in store.load(tmp_path / "stores" / "birds").items


@pytest.mark.parametrize("column", ["split", "group"])
def test_an_instance_belongs_to_one_split_and_one_group(folder, column):
    frame, sound = captioned()
    frame = frame.assign(group=frame["id" if column == "split" else "instance"])
    frame.loc[0, column] = "test" if column == "split" else "another"
    with pytest.raises(UserError, match=rf"items\.csv: instance 'clip0' appears in more than one {column} \("):
        own.check(card(folder, sound, table_of_items=frame), 1)


def test_an_item_without_an_instance_is_refused(folder):
    frame, sound = captioned()
    frame.loc[3, "instance"] = " "
    with pytest.raises(UserError, match=r"column 'instance' of the items table, row 3: found ' ', expected a name"):
        own.check(card(folder, sound, table_of_items=frame), 1)


# Locale


def test_files_are_read_as_utf_8_whatever_the_locale(folder, tmp_path):
    frame = items().assign(label=["größe"] * COUNT, caption=["鳥"] * COUNT)
    path = card(folder, table_of_items=frame)
    path.write_text(path.read_text() + "title: Vögel\n", encoding="utf-8")
    code = "import sys; from pmrl.cli import main; sys.exit(main(sys.argv[1:]))"
    subprocess.run(
        [sys.executable, "-c", code, "prepare", str(path), "--data", str(tmp_path / "stores")],
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        cwd=Path(__file__).parents[2],
        check=True,
    )
    loaded = store.load(tmp_path / "stores" / "birds")
    assert loaded.card.title == "Vögel" and loaded.items["label"][0] == "größe"
