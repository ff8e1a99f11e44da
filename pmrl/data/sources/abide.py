"""Autism and control subjects of ABIDE, as prepared for the IMPAC challenge: brain anatomy, motion, phenotype.

The files are not on a package registry. Their folder is given by the environment variable PMRL_ABIDE or by the
study's config. The diagnosis is the label and is used for nothing else: it is in no modality.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from pmrl.data.arrays import cut, varying
from pmrl.data.dataset import Card, Dataset, Modality
from pmrl.data.splits import split_by_group
from pmrl.errors import UserError
from pmrl.progress import progress
from pmrl.records import PRETRAIN, TEST, TRAIN, VALIDATION

PACKAGES = ()
VARIABLE = "PMRL_ABIDE"
TABLES = ("participants.csv", "anatomy.csv", "anatomy_qc.csv", "fmri_qc.csv")
MOTIONS = "fmri/motions/{subject}/run_1/motions.txt"

SHARES = {PRETRAIN: 0.45, TRAIN: 0.15, VALIDATION: 0.12, TEST: 0.28}
# Two sites sent subjects with autism only, so the site reveals the diagnosis.
ONE_DIAGNOSIS = {"site 6": PRETRAIN, "site 18": PRETRAIN}


def build(cache: Path, folder: Path | None = None) -> Dataset:
    """Read every subject of the challenge kit.

    Args:
        cache: not needed.
        folder: the folder that holds anatomy.csv; PMRL_ABIDE by default.

    Raises:
        UserError: the folder or a file is missing, or a table has unexpected content.
    """
    folder = locate(folder)
    participants, anatomy, anatomy_rating, scan_rating = (_read(folder / name) for name in TABLES)
    subjects = participants.index
    for name, table in zip(TABLES[1:], (anatomy, anatomy_rating, scan_rating), strict=True):
        if set(table.index) != set(subjects):
            raise UserError(f"{folder}: {name} and participants.csv list different subjects; expected the same.")
    _require_numbers(folder / "participants.csv", participants, ["site", "age", "asd"])
    _require_numbers(folder / "anatomy.csv", anatomy, list(anatomy))
    if not set(participants["asd"]) <= {0, 1} or not set(participants.get("sex", [""])) <= {"F", "M"}:
        raise UserError(f"{folder / 'participants.csv'}: expected 0 or 1 in the column asd, and F or M in sex.")
    views = anatomical_views(anatomy.loc[subjects])
    views["motion"] = np.stack(
        [describe_motion(folder / MOTIONS.format(subject=subject)) for subject in progress(subjects, "motion")]
    )
    views["phenotype"] = np.stack([participants["age"], participants["sex"] == "F"], axis=1).astype(np.float64)
    # A rating of 0 means that the raters rejected the scan.
    anatomy_usable = (anatomy_rating.loc[subjects, "select"] > 0).to_numpy()
    scan_usable = (scan_rating.loc[subjects, "select"] > 0).to_numpy()
    everyone = np.ones(len(subjects), dtype=bool)
    present = {**dict.fromkeys(views, anatomy_usable), "motion": scan_usable, "phenotype": everyone}
    return Dataset(
        card=CARD,
        items=items(participants),
        pooled={name: varying(values, present[name]) for name, values in views.items()},
        tokens={name: cut(values, TOKENS[name]) for name, values in views.items()},
        present=present,
    )


def inputs(folder: Path | None = None) -> list[Path]:
    """The files that the store is made from.

    Raises:
        UserError: the folder is unknown or incomplete.
    """
    folder = locate(folder)
    return [*(folder / name for name in TABLES), *sorted(folder.glob(MOTIONS.format(subject="*")))]


def locate(folder: Path | None = None) -> Path:
    """The folder of the challenge kit.

    Raises:
        UserError: neither ``folder`` nor PMRL_ABIDE is given, or a table is missing there.
    """
    location = folder or os.environ.get(VARIABLE)
    if not location:
        raise UserError(
            f"abide: the folder of its files is not given. Get the IMPAC challenge kit (non-commercial research), and "
            f"set {VARIABLE} to the folder that has {TABLES[0]}."
        )
    for name in TABLES:
        if not (Path(location) / name).is_file():
            raise UserError(f"abide: {Path(location) / name} is missing; expected the files of the IMPAC kit.")
    return Path(location)


def anatomical_views(anatomy: pd.DataFrame) -> dict[str, np.ndarray]:
    """Cortical thickness (mm) and area (cm²) of 70 regions, and volumes (cm³), from the table of FreeSurfer."""
    kinds = {
        "thickness": [name for name in anatomy if name.endswith("_thickness")],
        "area": [name for name in anatomy if name.endswith("_area")],
    }
    kinds["volumes"] = [name for name in anatomy if name not in {*kinds["thickness"], *kinds["area"]}]
    return {kind: anatomy[names].to_numpy(dtype=np.float64) / UNIT[kind] for kind, names in kinds.items()}


def describe_motion(path: Path) -> np.ndarray:
    """Summary of head motion from one volume to the next.

    Args:
        path: text file with six numbers per volume: three rotations and three translations.

    Returns:
        For each of the six, the logarithm of: standard deviation, and mean, 95th percentile and maximum of the
        absolute step; (24,).

    Raises:
        UserError: the file is missing or holds something else.
    """
    try:
        values = np.array([line.split() for line in path.read_text(encoding="utf-8").splitlines()], dtype=float)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as motion parameters ({error}).") from error
    if values.ndim != 2 or values.shape[1] != 6 or len(values) < 3 or not np.isfinite(values).all():
        raise UserError(f"{path}: found a table of {values.shape}, expected six finite numbers per volume.")
    steps = np.abs(np.diff(values, axis=0))
    summary = [values.std(axis=0), steps.mean(axis=0), np.percentile(steps, 95, axis=0), steps.max(axis=0)]
    return np.log(1e-4 + np.stack(summary, axis=1)).ravel()


def items(participants: pd.DataFrame) -> pd.DataFrame:
    """The table of items: the site is the group, the diagnosis the label."""
    sites = [f"site {site}" for site in participants["site"]]
    return pd.DataFrame(
        {
            "id": participants.index,
            "group": sites,
            "label": participants["asd"].map({0: "control", 1: "autism"}).to_numpy(),
            "split": split_by_group(sites, SHARES, ONE_DIAGNOSIS),
            "caption": [
                f"{'female' if sex == 'F' else 'male'}, {age:.0f} years, {site}"
                for sex, age, site in zip(participants["sex"], participants["age"], sites, strict=True)
            ],
        }
    )


def _read(path: Path) -> pd.DataFrame:
    """A table of the kit by subject.

    Raises:
        UserError: it is not a table, has no subjects, or has a subject twice.
    """
    try:
        table = pd.read_csv(path, dtype={"subject_id": str}).set_index("subject_id")
    except (ValueError, KeyError, OSError) as error:
        raise UserError(f"{path}: cannot be read as a table with a column subject_id ({error}).") from error
    if not table.index.is_unique:
        duplicate = table.index[table.index.duplicated()][0]
        raise UserError(f"{path}: subject {duplicate} appears twice; expected one row per subject.")
    return table


def _require_numbers(path: Path, table: pd.DataFrame, columns: list[str]) -> None:
    for name in columns:
        if name not in table.columns or not pd.api.types.is_numeric_dtype(table[name]):
            raise UserError(f"{path}: the column {name!r} is missing or holds something else than numbers.")


# FreeSurfer gives mm, mm² and mm³; areas in cm² and volumes in cm³ stay within the range of the tokens' type.
UNIT = {"thickness": 1.0, "area": 100.0, "volumes": 1000.0}
TOKENS = {"thickness": (2, 35), "area": (2, 35), "volumes": (7, 10), "motion": (6, 4), "phenotype": (2, 1)}

CARD = Card(
    name="abide",
    title="ABIDE: brain anatomy, head motion and phenotype of autism and control subjects",
    anchor="thickness",
    modalities={
        "thickness": Modality("cortical thickness of 70 regions, mm", "FreeSurfer"),
        "area": Modality("cortical area of 70 regions, cm²", "FreeSurfer"),
        "volumes": Modality("volumes of brain structures, cm³, with ratios and counts of defects", "FreeSurfer"),
        "motion": Modality("head motion in the scanner", "log spread and steps of six motion parameters"),
        "phenotype": Modality("age in years, sex", "as recorded"),
    },
    origin="files of the IMPAC challenge kit, given by the user",
    license="non-commercial research, terms of ABIDE and of the challenge",
    citation=(
        "A. Di Martino et al., The autism brain imaging data exchange, Molecular Psychiatry 19, 2014; IMPAC, "
        "Imaging-Psychiatry Challenge, 2018"
    ),
    split_rule="by site: largest first, then by hash, about 45/15/12/28 % of the subjects",
    flaws=[
        "the site is a confound of scanner, age and diagnosis: report folds that leave sites out",
        "two sites sent subjects with autism only; they are kept in the pre-training part",
        "four of five subjects are male",
        "anatomy is absent where raters rejected the scan, motion where they rejected the functional scan",
    ],
)
