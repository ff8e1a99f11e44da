"""Arrays that memory should not hold: a store keeps them in files, and reads the same numbers from these."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from data_examples import dataset as example
from data_examples import items
from example_data import synthetic_dataset
from hypothesis import given
from hypothesis import strategies as st

from pmrl.data import large, own, store
from pmrl.data.arrays import column_range, deviations, moments, real_tokens, zero_where_absent
from pmrl.data.checks import check_leaks
from pmrl.errors import UserError


@pytest.fixture
def tiny(monkeypatch):
    """Everything is large, and blocks are of a few rows."""
    monkeypatch.setattr(large, "LARGE", 1)
    monkeypatch.setattr(large, "BLOCK", 300)


def in_file(values, folder, name="values"):
    large.write(values, folder / f"{name}.npy")
    return large.opened(folder / f"{name}.npy")


def test_a_store_reads_the_same_from_files_as_from_memory(tiny, tmp_path):
    dataset = synthetic_dataset(absent=0.3)
    saved = store.save(dataset, tmp_path / "files")
    read = store.load(tmp_path / "files")
    assert read.lies_in_files and read.card == saved.card
    assert set(read.card.arrays) == {path.name for path in (tmp_path / "files" / store.ARRAYS).iterdir()}
    for name in dataset.modalities:
        for part in ("pooled", "tokens"):
            values = getattr(read, part)[name]
            assert large.lies_in_file(values)
            expected = zero_where_absent(getattr(dataset, part)[name], dataset.present[name])
            np.testing.assert_array_equal(values, expected)
            assert values.dtype == expected.dtype


def test_a_small_store_has_no_such_files(tmp_path):
    store.save(synthetic_dataset(), tmp_path)
    assert not (tmp_path / store.ARRAYS).exists() and not store.load(tmp_path).lies_in_files
    assert "arrays" not in yaml.safe_load((tmp_path / store.CARD).read_text())


def test_a_store_that_becomes_small_loses_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr(large, "LARGE", 1)
    store.save(synthetic_dataset(), tmp_path)
    monkeypatch.undo()
    store.save(synthetic_dataset(), tmp_path)
    assert not list((tmp_path / store.ARRAYS).iterdir()) and not store.load(tmp_path).lies_in_files


@pytest.mark.parametrize("harm", ["missing", "changed", "cut off", "another type"])
def test_a_missing_or_changed_file_is_named(tiny, tmp_path, harm):
    store.save(synthetic_dataset(), tmp_path)
    path = tmp_path / store.ARRAYS / "beta.tokens.npy"
    content = path.read_bytes()
    if harm == "missing":
        path.unlink()
    elif harm == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif harm == "cut off":
        path.write_bytes(content[:-100])
    else:
        np.save(path, np.zeros((160, 2, 4)))
    recipe = store.read_card(tmp_path).recipe
    assert not store.is_current(tmp_path, recipe)
    with pytest.raises(UserError, match=r"beta\.tokens\.npy.*pmrl prepare synthetic"):
        store.load(tmp_path)
    if harm == "cut off":  # without a look at the checksum
        with pytest.raises(UserError, match="pmrl prepare synthetic"):
            store.load(tmp_path, verify=False)


@given(st.integers(2, 40), st.integers(1, 5), st.integers(1, 40), st.sampled_from([1e-6, 1.0, 1e6]))
def test_moments_of_parts_are_those_of_all_rows(rows, columns, step, offset):
    draw = np.random.default_rng(rows * 1000 + step)
    values = offset + draw.normal(size=(rows, columns))
    parts = [values[start : start + step] for start in range(0, rows, step)]
    mean, deviation = moments(parts)
    np.testing.assert_allclose(mean, values.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(deviation, deviations(values), rtol=1e-6)


def test_moments_of_one_part_are_exactly_those_of_numpy():
    values = np.random.default_rng(0).normal(3, 2, size=(50, 7))
    mean, deviation = moments([values])
    assert (mean == values.mean(axis=0)).all() and (deviation == values.std(axis=0)).all()


def test_what_goes_through_all_rows_gives_the_same_from_a_file(tiny, tmp_path):
    draw = np.random.default_rng(0)
    tokens = draw.normal(size=(50, 4, 3)).astype(np.float32)
    tokens[draw.random((50, 4)) < 0.5] = 0
    present, lying = draw.random(50) < 0.6, in_file(tokens, tmp_path)
    np.testing.assert_array_equal(real_tokens(lying), real_tokens(tokens))
    np.testing.assert_array_equal(zero_where_absent(lying, present), zero_where_absent(tokens, present))
    flat, there = tokens.reshape(50, -1), lying.reshape(50, -1)
    assert large.lies_in_file(there)
    np.testing.assert_array_equal(column_range(there, present), column_range(flat, present))
    rows = draw.permutation(50)[:20]
    np.testing.assert_array_equal(np.concatenate(list(large.parts(lying, rows))), tokens[rows])
    np.testing.assert_array_equal(
        large.changed(lying, rows, lambda part, at: part * at[:, None, None]),
        tokens[rows] * np.arange(20)[:, None, None],
    )


@pytest.mark.parametrize("rows", [300, 6000])  # 6,000 are more than the sample
def test_the_label_in_disguise_is_found_in_a_file_too(rows, tiny, tmp_path):
    draw = np.random.default_rng(0)
    table = items(rows // 4)
    values = draw.normal(size=(rows, 5)).astype(np.float32)
    present = np.ones(rows, dtype=bool)
    check_leaks("sound", in_file(values, tmp_path, "fine"), table, present)
    values[:, 3] = np.where(table["label"] == "label-1", 7, values[:, 3])
    with pytest.raises(UserError, match="sound: column 3 has one value for every item of label 'label-1'"):
        check_leaks("sound", in_file(values, tmp_path), table, present)
    values[np.flatnonzero(table["label"] == "label-0")[:3], 3] = 7  # elsewhere, too: perhaps not in the sample
    check_leaks("sound", in_file(values, tmp_path, "elsewhere"), table, present)


@pytest.mark.parametrize("given", ["vectors", "tokens", "float16 tokens", "with fillers"])
def test_own_features_in_a_large_file_make_the_same_data_set(given, tmp_path, monkeypatch):
    dataset = example()
    sound = (
        dataset.pooled["sound"] if given in ("vectors", "with fillers") else dataset.pooled["sound"].reshape(80, 2, 3)
    )
    sound = sound.astype(np.float16 if given == "float16 tokens" else np.float32)
    entry = {"file": "sound.npy"}
    if given == "with fillers":
        sound[5:9], entry["absent"] = -999, -999
    dataset.items.to_csv(tmp_path / "items.csv", index=False)
    np.save(tmp_path / "sound.npy", sound)
    np.save(tmp_path / "word.npy", dataset.pooled["word"])
    card = {
        "name": "tiny",
        "anchor": "word",
        "items": "items.csv",
        "modalities": {"sound": entry, "word": {"file": "word.npy"}},
    }
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card))
    small = own.read(tmp_path / "card.yaml")
    monkeypatch.setattr(large, "LARGE", 1)
    monkeypatch.setattr(large, "BLOCK", 300)
    lying = own.read(tmp_path / "card.yaml")
    assert large.lies_in_file(lying.tokens["sound"]) and not large.lies_in_file(small.tokens["sound"])
    for name in small.modalities:
        np.testing.assert_array_equal(lying.pooled[name], small.pooled[name])
        np.testing.assert_array_equal(lying.present[name], small.present[name])
        np.testing.assert_allclose(lying.tokens[name].astype(np.float32), small.tokens[name], rtol=1e-3)


def test_a_number_that_is_not_finite_is_named_by_its_row(tiny, tmp_path):
    dataset = synthetic_dataset()
    tokens = dataset.tokens["beta"].copy()
    tokens[150, 1, 2] = np.nan
    broken = replace(dataset, tokens={**dataset.tokens, "beta": in_file(tokens, tmp_path)})
    with pytest.raises(UserError, match="item 'item150', column 6: found nan"):
        store.save(broken, tmp_path / "store")
    assert not (tmp_path / "store" / store.CARD).exists()


def test_a_clip_beside_five_captions_does_not_make_its_label_a_large_class():
    """Two clips of a label, ten items: that they agree in a column says as little as two items would."""
    draw = np.random.default_rng(0)
    clips = items(15)  # 60 clips
    clips["label"] = ["rare" if row < 2 else f"label-{row % 2}" for row in range(len(clips))]
    table = clips.loc[clips.index.repeat(5)].reset_index(drop=True)
    values = draw.normal(size=(len(clips), 3)).astype(np.float32)
    values[:2, 1] = 7
    of_items = np.repeat(values, 5, axis=0)
    present = np.ones(len(table), dtype=bool)
    check_leaks("sound", of_items, table.assign(instance=np.repeat(clips["id"].to_numpy(), 5)), present)
    with pytest.raises(UserError, match="column 1 has one value for every item of label 'rare'"):
        check_leaks("sound", of_items, table, present)  # ten clips
