"""The subjects of ABIDE: read for real where the files are, and never with the diagnosis in a modality."""

import numpy as np
import pandas as pd
import pytest
from example_data import SHARED

from pmrl.data import registry, store
from pmrl.data.sources import abide
from pmrl.errors import UserError

FOLDER = SHARED / "data" / "abide"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    if not (FOLDER / "anatomy.csv").is_file():
        pytest.skip("the files of ABIDE are not in ../shared/data/abide; see docs/datasets.md for where to get them")
    return store.load(registry.prepare("abide", tmp_path_factory.mktemp("stores"), folder=FOLDER))


@pytest.fixture
def kit(tmp_path):
    """Forty invented subjects of ten sites in the layout of the challenge kit."""
    generator = np.random.default_rng(0)
    subjects = [str(10**9 + row) for row in range(40)]
    anatomy = {
        f"lh_region{row}_{kind}": generator.normal(2, 1, 40) for row in range(70) for kind in ("area", "thickness")
    }
    anatomy |= {f"volume{row}": generator.normal(5, 1, 40) for row in range(67)}
    tables = {
        "participants": {
            "site": np.repeat(np.arange(10), 4),
            "sex": generator.choice(["M", "F"], 40),
            "age": generator.uniform(6, 40, 40),
            "asd": np.tile([0, 1], 20),
        },
        "anatomy": anatomy,
        "anatomy_qc": {"select": [0] + [1] * 39},
        "fmri_qc": {"select": [1, 0] + [1] * 38},
    }
    for name, columns in tables.items():
        pd.DataFrame({"subject_id": subjects, **columns}).to_csv(tmp_path / f"{name}.csv", index=False)
    for subject in subjects:
        path = tmp_path / abide.MOTIONS.format(subject=subject)
        path.parent.mkdir(parents=True)
        np.savetxt(path, generator.normal(size=(20, 6)).cumsum(axis=0))
    return tmp_path


def test_all_subjects_are_there(dataset):
    assert len(dataset.items) == 1150
    assert dataset.items["label"].value_counts().to_dict() == {"control": 601, "autism": 549}
    assert dataset.items["group"].nunique() == 34
    assert [dataset.pooled[name].shape[1] for name in ("thickness", "area", "phenotype")] == [70, 70, 2]


def test_sites_do_not_straddle_and_splits_are_of_both_diagnoses(dataset):
    assert (dataset.items.groupby("group")["split"].nunique() == 1).all()
    assert 300 <= len(dataset.indices("test")) <= 1000
    autism = (dataset.items["label"] == "autism").groupby(dataset.items["split"]).mean()
    assert autism.between(0.35, 0.65).all()


def test_rejected_scans_are_absent(dataset):
    assert dataset.present["phenotype"].all()
    assert (~dataset.present["motion"]).sum() == 121
    assert (~dataset.present["thickness"]).sum() == 1


def test_no_single_feature_gives_the_diagnosis_away(dataset):
    """In the field every view is weak (AUC near .6): one feature that separates would be a leak."""
    autism = (dataset.items["label"] == "autism").to_numpy()
    for name in dataset.modalities:
        mask = dataset.present[name]
        for column in dataset.pooled[name][mask].T:
            order = pd.Series(column).rank().to_numpy()
            positive = autism[mask]
            area = (order[positive].mean() - (positive.sum() + 1) / 2) / (~positive).sum()
            assert abs(area - 0.5) < 0.2


def test_the_diagnosis_is_not_read_into_any_modality(kit):
    """Turning every diagnosis around changes the labels and nothing else."""
    before = abide.build(kit, kit)
    table = pd.read_csv(kit / "participants.csv").assign(asd=lambda frame: 1 - frame["asd"])
    table.to_csv(kit / "participants.csv", index=False)
    after = abide.build(kit, kit)
    assert (before.items["label"] != after.items["label"]).all()
    for name in before.modalities:
        np.testing.assert_array_equal(before.pooled[name], after.pooled[name])
        np.testing.assert_array_equal(before.tokens[name], after.tokens[name])


def test_the_environment_names_the_folder(kit, monkeypatch):
    monkeypatch.delenv(abide.VARIABLE, raising=False)
    assert "PMRL_ABIDE" in registry.absence("abide")
    monkeypatch.setenv(abide.VARIABLE, str(kit))
    assert registry.absence("abide") == ""
    assert len(abide.inputs()) == 44


def test_other_sets_are_never_absent():
    assert registry.absence("digits") == ""


def test_without_its_files_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv(abide.VARIABLE, raising=False)
    with pytest.raises(UserError, match=r"IMPAC challenge kit.*PMRL_ABIDE"):
        registry.prepare("abide", tmp_path)
    with pytest.raises(UserError, match=r"participants\.csv is missing"):
        registry.prepare("abide", tmp_path, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_still_head_does_not_move(tmp_path):
    path = tmp_path / "motions.txt"
    np.savetxt(path, np.ones((10, 6)))
    np.testing.assert_allclose(abide.describe_motion(path), np.log(1e-4))


def test_measurements_are_drawn_from_their_features(kit):
    built = abide.build(kit, kit)
    assert {modality.kind for modality in built.card.modalities.values()} == {"measurement"}
    assert not built.views


def test_a_steady_drift_has_equal_steps(tmp_path):
    path = tmp_path / "motions.txt"
    np.savetxt(path, np.outer(np.arange(10), np.arange(1, 7)) * 0.5)
    _, mean, percentile, largest = np.exp(abide.describe_motion(path).reshape(6, 4)).T - 1e-4
    for steps in (mean, percentile, largest):
        np.testing.assert_allclose(steps, 0.5 * np.arange(1, 7), rtol=1e-9)


@pytest.mark.parametrize("content", ["", "1 2 3\n4 5 6\n7 8 9\n", "a b c d e f\n", "1 2 3 4 5 6\n", "nan " * 6 + "\n"])
def test_a_file_that_is_no_motion_is_named(kit, content):
    path = sorted(kit.glob(abide.MOTIONS.format(subject="*")))[3]
    path.write_text(content)
    with pytest.raises(UserError, match=rf"{path.parent.parent.name}.*motions\.txt"):
        abide.build(kit, kit)


def test_tables_of_other_subjects_are_named(kit):
    table = pd.read_csv(kit / "fmri_qc.csv")
    table[1:].to_csv(kit / "fmri_qc.csv", index=False)
    with pytest.raises(UserError, match=r"fmri_qc\.csv and participants\.csv list different subjects"):
        abide.build(kit, kit)


def test_a_subject_twice_is_named(kit):
    table = pd.read_csv(kit / "anatomy.csv")
    pd.concat([table, table[:1]]).to_csv(kit / "anatomy.csv", index=False)
    with pytest.raises(UserError, match=r"anatomy\.csv: subject 1000000000 appears twice"):
        abide.build(kit, kit)


def test_a_table_without_subjects_is_named(kit):
    (kit / "anatomy.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"anatomy\.csv: .*subject_id"):
        abide.build(kit, kit)


@pytest.mark.parametrize(
    ("table", "column", "value", "message"),
    [
        ("participants", "age", "old", "'age' is missing or holds something else"),
        ("participants", "asd", 2, "0 or 1 in the column asd"),
        ("participants", "sex", "x", "F or M in sex"),
        ("anatomy", "volume3", "large", "'volume3' is missing or holds something else"),
        ("anatomy", "volume3", np.nan, "'volumes'.*item '1000000004'.*found nan"),
    ],
)
def test_a_wrong_value_is_named(kit, tmp_path, table, column, value, message):
    frame = pd.read_csv(kit / f"{table}.csv").astype(object)
    frame.loc[4, column] = value
    frame.to_csv(kit / f"{table}.csv", index=False)
    with pytest.raises(UserError, match=message):
        registry.prepare("abide", tmp_path / "stores", folder=kit)
    assert not (tmp_path / "stores").exists()
