"""The user's own data: what is right is read whatever its file type, what is wrong is named and refused."""

import pickle
import shutil
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import yaml
from data_examples import items
from safetensors.numpy import save_file

from pmrl import cli, discovery
from pmrl.data import own, registry, store
from pmrl.data.pictures import png
from pmrl.errors import UserError

COLUMNS = [f"f{number}" for number in range(6)]


def views():
    generator = np.random.default_rng(0)
    latent = generator.normal(size=(len(items()), 4))
    return [latent @ generator.normal(size=(4, 6)) for _ in range(2)]


def table(values, ids=None):
    frame = pd.DataFrame(values, columns=COLUMNS)
    frame.insert(0, "id", list(items()["id"]) if ids is None else ids)
    return frame


@pytest.fixture
def card(tmp_path):
    """A valid data set of 80 items: sound.csv and word.npy."""
    folder = tmp_path / "datasets" / "birds"
    folder.mkdir(parents=True)
    sound, word = views()
    items().to_csv(folder / "items.csv", index=False)
    table(sound).to_csv(folder / "sound.csv", index=False)
    np.save(folder / "word.npy", word)
    content = {
        "name": "birds",
        "anchor": "word",
        "items": "items.csv",
        "modalities": {"sound": {"file": "sound.csv"}, "word": {"file": "word.npy"}},
    }
    path = folder / "card.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def edit(card, **changes):
    content = yaml.safe_load(card.read_text())
    card.write_text(yaml.safe_dump({**content, **changes}))


def write(path, values):
    """The features of all items in the type that the file's name asks for."""
    if path.suffix == ".csv":
        table(values).to_csv(path, index=False)
    elif path.suffix == ".parquet":
        table(values).to_parquet(path)
    elif path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez(path, features=values)
    else:
        save_file({"features": values}, path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".parquet", ".csv"])
def test_every_file_type_gives_the_same_numbers(card, suffix):
    sound, _ = views()
    write(card.parent / f"sound{suffix}", sound)
    edit(card, modalities={"sound": {"file": f"sound{suffix}"}, "word": {"file": "word.npy"}})
    dataset = own.read(card)
    np.testing.assert_allclose(dataset.pooled["sound"], sound, rtol=1e-6)
    assert dataset.present["sound"].all()
    assert list(dataset.items["id"]) == list(items()["id"])


def test_rows_are_matched_by_id_not_by_place(card):
    sound, _ = views()
    table(sound)[::-1].to_csv(card.parent / "sound.csv", index=False)
    np.testing.assert_allclose(own.read(card).pooled["sound"], sound, rtol=1e-6)
    reverse = np.array(items()["id"], dtype=str)[::-1]
    np.savez(card.parent / "sound.npz", features=sound[::-1], ids=reverse)
    edit(card, modalities={"sound": {"file": "sound.npz"}, "word": {"file": "word.npy"}})
    np.testing.assert_allclose(own.read(card).pooled["sound"], sound, rtol=1e-6)


def test_gaps_in_a_table_are_absent_modalities(card):
    sound, _ = views()
    table(sound).drop(index=[3, 70]).to_csv(card.parent / "sound.csv", index=False)
    edit(card, modalities={"sound": {"file": "sound.csv", "gaps": True}, "word": {"file": "word.npy"}})
    dataset = own.read(card)
    assert list(np.flatnonzero(~dataset.present["sound"])) == [3, 70]
    assert not dataset.pooled["sound"][[3, 70]].any() and dataset.present["word"].all()


def test_absent_rows_of_an_array_need_no_numbers(card):
    sound, _ = views()
    present = np.ones(len(sound), dtype=bool)
    present[5], sound[5] = False, np.nan
    save_file({"features": sound, "present": present.astype(np.uint8)}, card.parent / "sound.safetensors")
    edit(card, modalities={"sound": {"file": "sound.safetensors"}, "word": {"file": "word.npy"}})
    dataset = own.read(card)
    assert list(np.flatnonzero(~dataset.present["sound"])) == [5]


def test_three_dimensions_are_tokens_and_their_mean_is_the_pooled_vector(card):
    tokens = np.random.default_rng(1).normal(size=(80, 5, 3))
    np.save(card.parent / "word.npy", tokens)
    dataset = own.read(card)
    np.testing.assert_allclose(dataset.pooled["word"], tokens.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(dataset.tokens["word"], tokens, rtol=2e-3, atol=1e-3)


def test_a_vector_can_be_cut_into_tokens(card):
    edit(card, modalities={"sound": {"file": "sound.csv", "tokens": [4, 2]}, "word": {"file": "word.npy"}})
    dataset = own.read(card)
    assert dataset.tokens["sound"].shape == (80, 4, 2)
    assert not dataset.tokens["sound"][:, 3].any()


def test_only_ids_are_needed_of_the_items(card):
    items()[["id"]].to_csv(card.parent / "items.csv", index=False)
    dataset = own.read(card)
    assert set(dataset.items["split"]) == set(store.SPLITS)
    assert (dataset.items["group"] == dataset.items["id"]).all()


def test_the_split_rule_tells_where_the_splits_come_from(card):
    assert own.read(card).card.split_rule == "as given in the table of items"
    items().drop(columns="split").to_csv(card.parent / "items.csv", index=False)
    assert (
        own.read(card).card.split_rule == "by group, largest first, then by hash, aiming at 50/20/10/20 % of the items"
    )
    edit(card, split_rule="by the year of the recording")
    assert own.read(card).card.split_rule == "by the year of the recording"


def test_its_name_is_all_it_takes(card, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "birds" in discovery.data_sets()
    folder = registry.prepare("birds", tmp_path / "stores")
    assert folder == tmp_path / "stores" / "birds"
    assert store.load(folder).card.counts["pretrain"] == 40
    assert (folder / "learnability.csv").is_file()


def test_its_path_does_as_well(card, tmp_path):
    assert registry.prepare(card, tmp_path / "stores") == registry.prepare(str(card), tmp_path / "stores")


def test_a_store_follows_its_files(card, tmp_path, monkeypatch):
    before = store.read_card(registry.prepare(card, tmp_path / "stores")).checksum
    with monkeypatch.context() as patch:
        patch.setattr(own, "read", lambda path: pytest.fail("built again"))
        registry.prepare(card, tmp_path / "stores")
    np.save(card.parent / "word.npy", 2 * views()[1])
    assert store.read_card(registry.prepare(card, tmp_path / "stores")).checksum != before


def test_its_files_are_inputs_of_the_workflow(card):
    names = [path.name for path in registry.input_files(str(card))]
    assert names == ["card.yaml", "items.csv", "sound.csv", "word.npy"]


def test_the_report_describes_the_data(card):
    report = own.check(card, 64)
    assert "80 items in 20 groups, 3 labels: pretrain 40, train 20, validation 8, test 12" in report
    assert "word (measurement, the anchor): word; 6 features, 1 tokens of 6, present for 100 %" in report
    # Both views are invertible images of one latent vector, so a linear method finds every partner.
    assert "sound → word: 100.0 (8.33)" in report


def test_the_report_tells_which_splits_a_batch_is_too_large_for(card):
    assert (
        "Note: pretrain has 40 items, train has 20 items, fewer than the default training.batch_size, 64; "
        "to train, set it to 20 or less in the config."
    ) in own.check(card, 64).splitlines()
    assert "Note: train has 20 items, fewer" in own.check(card, 40)
    assert "batch_size" not in own.check(card, 20)


def shown(card):
    """Give the sound a picture and the word a text for every item; return the folders of both."""
    spectra, texts = card.parent / "spectra", card.parent / "texts"
    for row, key in enumerate(items()["id"]):
        for folder in (spectra, texts):
            folder.mkdir(exist_ok=True)
        (spectra / f"{key}.png").write_bytes(png(np.full((4, 6), row, dtype=np.uint8)))
        (texts / f"{key}.txt").write_text(f"número {row}\n", encoding="utf-8")
    edit(
        card,
        modalities={
            "sound": {"file": "sound.csv", "kind": "audio", "view": "spectra/{id}.png"},
            "word": {"file": "word.npy", "kind": "text", "view": "texts/{id}.txt"},
        },
    )
    return spectra, texts


def test_a_modality_is_a_measurement_without_views_unless_the_card_says_more(card):
    dataset = own.read(card)
    assert {modality.kind for modality in dataset.card.modalities.values()} == {"measurement"}
    assert not dataset.views


def test_kinds_and_views_come_from_the_card(card, tmp_path):
    spectra, _ = shown(card)
    assert "sound (audio): sound; 6 features" in own.check(card, 64)
    folder = registry.prepare(card, tmp_path / "stores")
    assert store.read_card(folder).modalities["sound"].kind == "audio"
    pictures, texts = (store.read_views(folder, name) for name in ("sound", "word"))
    assert list(pictures) == list(texts) == list(items()["id"])
    assert pictures["item-1-2"] == (spectra / "item-1-2.png").read_bytes()
    assert texts["item-1-2"] == "número 6"


def test_views_change_no_feature(card):
    before = own.read(card)
    shown(card)
    after = own.read(card)
    for name in before.modalities:
        np.testing.assert_array_equal(before.pooled[name], after.pooled[name])
        np.testing.assert_array_equal(before.tokens[name], after.tokens[name])


def test_an_item_without_the_modality_needs_no_view(card):
    spectra, _ = shown(card)
    table(views()[0]).drop(index=3).to_csv(card.parent / "sound.csv", index=False)
    content = yaml.safe_load(card.read_text())
    content["modalities"]["sound"]["gaps"] = True
    edit(card, **content)
    (spectra / "item-0-3.png").unlink()
    assert "item-0-3" not in own.read(card).views["sound"]


def test_a_store_follows_its_views(card, tmp_path):
    _, texts = shown(card)
    assert texts / "item-1-2.txt" in registry.input_files(card)
    before = store.read_card(registry.prepare(card, tmp_path / "stores"))
    (texts / "item-1-2.txt").write_text("otra cosa")
    folder = registry.prepare(card, tmp_path / "stores")
    assert store.read_card(folder).checksum != before.checksum
    assert store.read_views(folder, "word")["item-1-2"] == "otra cosa"


def spoil_view(name, content):
    def spoil(card):
        shown(card)
        (card.parent / name).write_bytes(content)

    return spoil


def damaged_view(card):
    spectra, _ = shown(card)
    path = spectra / "item-1-2.png"
    path.write_bytes(path.read_bytes()[:45])


def without_a_view(card):
    spectra, _ = shown(card)
    (spectra / "item-1-2.png").unlink()


def view_outside(card):
    spectra, _ = shown(card)
    moved = card.parents[1] / "outside.png"
    shutil.move(spectra / "item-1-2.png", moved)
    (spectra / "item-1-2.png").symlink_to(moved)


def set_sound(**entries):
    return lambda card: edit(card, modalities={"sound": {"file": "sound.csv", **entries}, "word": {"file": "word.npy"}})


def sound_csv(card, change):
    frame = table(views()[0]).astype(object)
    changed = change(frame)
    (frame if changed is None else changed).to_csv(card.parent / "sound.csv", index=False)


def gaps_in_sound(card, split):
    absent = set(items()["id"][items()["split"] == split])
    sound_csv(card, lambda frame: frame[~frame["id"].isin(absent)])
    edit(card, modalities={"sound": {"file": "sound.csv", "gaps": True}, "word": {"file": "word.npy"}})


def put(row, column, value):
    def change(frame):
        frame.loc[row, column] = value

    return change


def change_items(card, change):
    frame = items().astype(object)
    changed = change(frame)
    (frame if changed is None else changed).to_csv(card.parent / "items.csv", index=False)


def sound_as(card, name, save):
    path = card.parent / name
    save(path)
    edit(card, modalities={"sound": {"file": name}, "word": {"file": "word.npy"}})


def zip_with_escape(path):
    np.savez(path, features=views()[0])
    with ZipFile(path, "a") as archive:
        archive.writestr("../outside.npy", b"")


class Explosive:
    """Unpickling this makes a file."""

    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def pickled_array(path):
    np.save(path, np.array([[Explosive()] * 2] * 80, dtype=object), allow_pickle=True)


def pickle_named_npy(path):
    path.write_bytes(pickle.dumps(Explosive()))


def object_archive(path):
    np.savez(path, features=np.array([[Explosive()] * 2] * 80, dtype=object))


def yaml_with_code(card):
    card.write_text("!!python/object/apply:pathlib.Path.touch [exploded]")


def outside_link(card):
    shutil.copy(card.parent / "word.npy", card.parents[2] / "word.npy")
    edit(card, modalities={"sound": {"file": "sound.csv"}, "word": {"file": "../../word.npy"}})


def outside_symlink(card):
    shutil.move(card.parent / "word.npy", card.parents[2] / "word.npy")
    (card.parent / "word.npy").symlink_to(card.parents[2] / "word.npy")


def label_as_feature(card):
    sound_csv(card, lambda frame: frame.assign(f2=(items()["label"] == "label-1").astype(float)))


def two_splits(frame):
    frame.loc[0, "split"] = "test"


def save_features(values, **others):
    return lambda path: np.savez(path, features=values, **others)


def damaged_archive(card):
    path = card.parent / "word.npz"
    np.savez_compressed(path, features=views()[1])
    raw = bytearray(path.read_bytes())
    raw[200:260] = bytes(60)
    path.write_bytes(raw)
    edit(card, modalities={"sound": {"file": "sound.csv"}, "word": {"file": "word.npz"}})


def huge_array(card):
    path = card.parent / "word.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (80, 10**12)})


def label_in_tokens(card):
    label = items()["label"].str[-1].astype(float).to_numpy()
    noise = np.random.default_rng(3).normal(size=(80, 2, 1))
    tokens = np.concatenate([np.tile(label[:, None, None], (1, 2, 1)), noise], axis=2)
    np.savez(card.parent / "word.npz", features=views()[1], tokens=tokens)
    edit(card, modalities={"sound": {"file": "sound.csv"}, "word": {"file": "word.npz"}})


BAD = {
    "an unknown kind": (
        set_sound(kind="sound"),
        r"card\.yaml: modalities\.sound\.kind: 'sound' is not one of \['text', 'audio', 'picture', 'video', 'measure",
    ),
    "views without the item": (
        set_sound(view="spectra/all.png"),
        r"modalities\.sound\.view: found 'spectra/all\.png', expected .*\{id\}",
    ),
    "views of another kind": (set_sound(view="photos/{id}.jpg"), r"found 'photos/\{id\}\.jpg', expected .*\.png or"),
    "a view that is not there": (without_a_view, r"card\.yaml: the file 'spectra/item-1-2\.png' does not exist"),
    "a view that is no picture": (
        spoil_view("spectra/item-1-2.png", b"GIF89a"),
        r"spectra/item-1-2\.png: found b'GIF89a', expected a PNG",
    ),
    "a damaged picture": (damaged_view, r"spectra/item-1-2\.png: the picture is damaged"),
    "a view that is no text": (
        spoil_view("texts/item-1-2.txt", b"\xff\xfe\xfa"),
        r"texts/item-1-2\.txt: cannot be read",
    ),
    "an empty text": (spoil_view("texts/item-1-2.txt", b" \n"), r"texts/item-1-2\.txt: found an empty text"),
    "a view outside the folder": (view_outside, r"'spectra/item-1-2\.png' lies outside the folder"),
    "one row less in an array": (
        lambda card: np.save(card.parent / "word.npy", views()[1][1:]),
        r"word\.npy: features has 79 rows, expected 80",
    ),
    "an item without a row": (
        lambda card: sound_csv(card, lambda frame: frame.drop(index=4)),
        r"sound\.csv: item 'item-1-0' has no row .*gaps: true",
    ),
    "a row without an item": (
        lambda card: sound_csv(card, put(4, "id", "item-x")),
        r"sound\.csv: id 'item-x' is not in the table of items",
    ),
    "a modality that pre-training lacks": (
        lambda card: gaps_in_sound(card, "pretrain"),
        r"birds: modality 'sound': no item of the split 'pretrain' has it",
    ),
    "an id twice in a modality": (
        lambda card: sound_csv(card, put(4, "id", "item-0-0")),
        r"sound\.csv: id 'item-0-0' appears twice",
    ),
    "an id twice in the items": (
        lambda card: change_items(card, put(4, "id", "item-0-0")),
        r"items\.csv: id 'item-0-0' appears twice",
    ),
    "not a number": (
        lambda card: sound_csv(card, put(4, "f2", "nan")),
        r"sound\.csv: item 'item-1-0', column 2: found nan, expected a finite number",
    ),
    "an infinite number": (
        lambda card: sound_csv(card, put(4, "f2", "inf")),
        r"sound\.csv: item 'item-1-0', column 2: found inf, expected a finite number",
    ),
    "an empty cell": (
        lambda card: sound_csv(card, put(4, "f2", "")),
        r"sound\.csv: column 'f2', row 4: found '', expected a number",
    ),
    "a word among numbers": (
        lambda card: sound_csv(card, put(4, "f2", "loud")),
        r"sound\.csv: column 'f2', row 4: found 'loud', expected a number",
    ),
    "a constant column": (
        lambda card: sound_csv(card, lambda frame: frame.assign(f3=1.5)),
        r"sound\.csv: column 3 is constant",
    ),
    "the label as a feature": (label_as_feature, r"sound\.csv: column 2 .*label in disguise"),
    "the row number as a feature": (
        lambda card: sound_csv(card, lambda frame: frame.assign(f1=range(80))),
        r"sound\.csv: column 1 .*row number",
    ),
    "a column twice in the header": (
        lambda card: sound_csv(card, lambda frame: frame.rename(columns={"f4": "f1"})),
        r"sound\.csv: column 'f1' appears 2 times in the header",
    ),
    "a damaged stream in an archive": (damaged_archive, r"word\.npz: cannot be read as arrays of numbers"),
    "an array that claims to be larger than any memory": (
        huge_array,
        r"word\.npy: cannot be read as an array of numbers",
    ),
    "an array without columns": (
        lambda card: np.save(card.parent / "word.npy", np.zeros((80, 0))),
        r"word\.npy: features has the shape \(80, 0\), expected at least one number",
    ),
    "the label in the tokens": (label_in_tokens, r"word\.npz.*tokens: column 0 .*label in disguise"),
    "no id column in a modality": (
        lambda card: sound_csv(card, lambda frame: frame.drop(columns="id")),
        r"sound\.csv: there is no column 'id'; found f0, f1",
    ),
    "no feature column": (
        lambda card: sound_csv(card, lambda frame: frame[["id"]]),
        r"sound\.csv: there is no column beside 'id'",
    ),
    "no id column in the items": (
        lambda card: change_items(card, lambda frame: frame.drop(columns="id")),
        r"items\.csv: there is no column 'id'",
    ),
    "a misspelt column of groups": (
        lambda card: change_items(card, lambda frame: frame.rename(columns={"group": "groups"})),
        r"items\.csv: found the column 'groups', expected only id, group, label, split, caption, instance; rename it",
    ),
    "a capital in a column of the items": (
        lambda card: change_items(card, lambda frame: frame.rename(columns={"label": "Label"})),
        r"items\.csv: found the column 'Label', expected only id, group, label",
    ),
    "an item without an id": (
        lambda card: change_items(card, put(4, "id", "")),
        r"items\.csv: column 'id' of the items table, row 4: found '', expected a name",
    ),
    "an item without a group": (
        lambda card: change_items(card, put(4, "group", "")),
        r"items\.csv: column 'group' of the items table, row 4: found '', expected a name; .* takes its id",
    ),
    "blank groups and no splits": (
        lambda card: change_items(card, lambda frame: frame.drop(columns="split").assign(group=" ")),
        r"items\.csv: column 'group' of the items table, row 0: found ' ', expected a name",
    ),
    "a group in two splits": (
        lambda card: change_items(card, two_splits),
        r"items\.csv: group 'group-0' appears in more than one split \(pretrain, test\)",
    ),
    "an unknown split": (
        lambda card: change_items(card, lambda frame: frame.replace("validation", "dev")),
        r"items\.csv: unknown split 'dev'",
    ),
    "an empty split": (
        lambda card: change_items(card, lambda frame: frame.replace("validation", "test")),
        r"items\.csv: split 'validation' has fewer than 2 items",
    ),
    "an object array": (lambda card: sound_as(card, "sound.npy", pickled_array), r"sound\.npy: cannot be read"),
    "a pickle called .npy": (lambda card: sound_as(card, "sound.npy", pickle_named_npy), r"sound\.npy: cannot be"),
    "an object array in an archive": (
        lambda card: sound_as(card, "sound.npz", object_archive),
        r"sound\.npz: cannot be read",
    ),
    "an archive that leads outside": (
        lambda card: sound_as(card, "sound.npz", zip_with_escape),
        r"sound\.npz: the archive holds the path '\.\./outside\.npy'",
    ),
    "a damaged archive": (
        lambda card: sound_as(card, "sound.npz", lambda path: path.write_bytes(b"PK\3\4 no archive")),
        r"sound\.npz: cannot be read",
    ),
    "an archive of other arrays": (
        lambda card: sound_as(card, "sound.npz", lambda path: np.savez(path, x=views()[0])),
        r"sound\.npz: found arrays x; expected features",
    ),
    "a damaged safetensors file": (
        lambda card: sound_as(card, "sound.safetensors", lambda path: path.write_bytes(b"\xff" * 20)),
        r"sound\.safetensors: cannot be read",
    ),
    "a damaged parquet file": (
        lambda card: sound_as(card, "sound.parquet", lambda path: path.write_bytes(b"PAR1")),
        r"sound\.parquet: cannot be read as a table",
    ),
    "lists in a parquet column": (
        lambda card: sound_as(
            card, "sound.parquet", lambda path: table(views()[0]).assign(f1=[[1.0]] * 80).to_parquet(path)
        ),
        r"sound\.parquet: column 'f1' has the type list<element: double>, expected numbers",
    ),
    "text in an array": (
        lambda card: sound_as(card, "sound.npz", save_features(np.full((80, 2), "a"))),
        r"sound\.npz: features has the type <U1, expected numbers",
    ),
    "complex numbers": (
        lambda card: np.save(card.parent / "word.npy", views()[1] + 1j),
        r"word\.npy: features has the type complex128, expected numbers",
    ),
    "one dimension": (
        lambda card: np.save(card.parent / "word.npy", np.arange(80.0)),
        r"word\.npy: features has the shape \(80,\), expected",
    ),
    "a mask that is none": (
        lambda card: sound_as(card, "sound.npz", save_features(views()[0], present=np.full(80, 2))),
        r"sound\.npz: present has other values than 0 and 1",
    ),
    "ids of other items": (
        lambda card: sound_as(card, "sound.npz", save_features(views()[0], ids=np.arange(80).astype(str))),
        r"sound\.npz: id '0' is not in the table of items \(80 such\)",
    ),
    "numbers beyond float32": (
        lambda card: np.save(card.parent / "word.npy", 1e60 * views()[1]),
        r"word\.npy: features: found -?\d\.\d+e\+\d\d, expected a number that float32 holds",
    ),
    "tokens too small for the columns": (
        lambda card: edit(
            card, modalities={"sound": {"file": "sound.csv", "tokens": [1, 2]}, "word": {"file": "word.npy"}}
        ),
        r"sound\.csv: 1 tokens of 2 cannot hold 6 columns",
    ),
    "another kind of file": (
        lambda card: sound_as(card, "sound.txt", lambda path: path.write_text("1 2 3")),
        r"sound\.txt: found the kind '\.txt', expected \.npy",
    ),
    "a file that is not there": (
        lambda card: (card.parent / "sound.csv").unlink(),
        r"card\.yaml: the file 'sound\.csv' does not exist",
    ),
    "a file outside the folder": (outside_link, r"'\.\./\.\./word\.npy' lies outside the folder"),
    "a link out of the folder": (outside_symlink, r"'word\.npy' lies outside the folder"),
    "an unknown key": (lambda card: edit(card, colour="red"), r"card\.yaml: the card: .*'colour' was unexpected"),
    "an unknown key of a modality": (
        lambda card: edit(card, modalities={"sound": {"file": "sound.csv", "dim": 6}, "word": {"file": "word.npy"}}),
        r"card\.yaml: modalities\.sound: .*'dim' was unexpected",
    ),
    "a wrong type in the card": (lambda card: edit(card, title=3), r"card\.yaml: title: 3 is not of type 'string'"),
    "one modality": (
        lambda card: edit(card, modalities={"word": {"file": "word.npy"}}),
        r"card\.yaml: modalities: .*(not have enough|too few) properties",
    ),
    "a name that is a path": (lambda card: edit(card, name="../birds"), r"card\.yaml: name: '\.\./birds' does not"),
    "a name that is taken": (lambda card: edit(card, name="digits"), r"'digits' is a built-in data set"),
    "another name than the folder": (lambda card: edit(card, name="bees"), r"found 'bees', expected .*'birds'"),
    "a reserved name": (
        lambda card: edit(card, modalities={"others": {"file": "sound.csv"}, "word": {"file": "word.npy"}}),
        r"card\.yaml: modalities: .*'others'",
    ),
    "an anchor that is no modality": (lambda card: edit(card, anchor="text"), r"'text' is not a modality"),
    "no YAML": (lambda card: card.write_text("name: ["), r"card\.yaml: not valid YAML"),
    "a list instead of a card": (lambda card: card.write_text("- 1"), r"card\.yaml: .*is not of type 'object'"),
    "code in the card": (yaml_with_code, r"card\.yaml: not valid YAML"),
    "no card": (lambda card: card.unlink(), r"card\.yaml: there is no such card"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_and_nothing_is_written(case, card, tmp_path, monkeypatch, capsys):
    spoil, message = BAD[case]
    spoil(card)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=message):
        own.check(card, 64)
    assert cli.main(["prepare", str(card), "--data", str(tmp_path / "stores")]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_the_valid_card_passes_the_command_line(card, tmp_path, capsys):
    assert cli.main(["check", str(card)]) == 0
    assert "80 items" in capsys.readouterr().out


def test_a_built_in_set_takes_no_folder(tmp_path):
    with pytest.raises(UserError, match="takes no folder"):
        registry.prepare("digits", tmp_path, folder=tmp_path)
