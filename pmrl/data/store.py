"""The feature store: one folder per data set with a card, a table of items and the arrays of its modalities.

`card.yaml` is written last and carries a checksum over the other files, so a half-written or edited store is
never taken for a valid one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from pmrl.data.checks import SPLITS, check, check_shapes
from pmrl.errors import UserError
from pmrl.files import replacing, sha256

__all__ = ["SPLITS", "Card", "Dataset", "Modality", "load", "read_card", "save"]

ITEMS, FEATURES, PICTURES, CARD = "items.parquet", "features.safetensors", "pictures.parquet", "card.yaml"


@dataclass(frozen=True)
class Modality:
    """What one modality is: ``dimension`` of its pooled vector, ``tokens`` as (number, width)."""

    description: str
    encoder: str
    dimension: int = 0
    tokens: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Card:
    """Where a data set comes from and how it was made.

    ``counts``, ``checksum`` and the sizes within ``modalities`` are filled in by `save`.
    """

    name: str
    title: str
    anchor: str
    modalities: dict[str, Modality]
    origin: str
    license: str
    citation: str
    split_rule: str
    flaws: list[str]
    versions: dict[str, str] = field(default_factory=dict)
    recipe: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    checksum: str = ""


@dataclass(frozen=True)
class Dataset:
    """All instances of a data set, row by row.

    Attributes:
        card: what the data set is.
        items: columns id, group, label, split, caption (all text); one row per instance.
        pooled: per modality float32 (instances, dimension); zeros where the modality is absent.
        tokens: per modality float16 (instances, tokens, width); zeros where it is absent.
        present: per modality bool (instances,).
        pictures: small PNG pictures by item id, for figures only.
    """

    card: Card
    items: pd.DataFrame
    pooled: dict[str, np.ndarray]
    tokens: dict[str, np.ndarray]
    present: dict[str, np.ndarray]
    pictures: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities in the card's order."""
        return tuple(self.card.modalities)

    @property
    def anchor(self) -> str:
        """Name of the modality that anchored methods are built on."""
        return self.card.anchor

    def indices(self, split: str) -> np.ndarray:
        """Rows of one split, ascending, int64.

        Raises:
            UserError: there is no such split, or it is empty.
        """
        if split not in SPLITS:
            raise UserError(f"{self.card.name}: no split {split!r}; the splits are {', '.join(SPLITS)}.")
        rows = np.flatnonzero(self.items["split"].to_numpy() == split).astype(np.int64)
        if not rows.size:
            raise UserError(f"{self.card.name}: split {split!r} is empty; give it items in the items table.")
        return rows


def save(dataset: Dataset, folder: Path) -> Dataset:
    """Check ``dataset`` and write it to ``folder``; return it with the card completed.

    Raises:
        UserError: the data set breaks a rule of `pmrl.data.checks.check`, or the folder cannot be written.
    """
    dataset = completed(dataset)
    folder = Path(folder)
    # While files are being exchanged there is no card, hence no store.
    (folder / CARD).unlink(missing_ok=True)
    with replacing(folder / ITEMS) as path:
        dataset.items.to_parquet(path, index=False)
    with replacing(folder / FEATURES) as path:
        save_file(_arrays(dataset), path)
    if dataset.pictures:
        table = pd.DataFrame({"id": list(dataset.pictures), "png": list(dataset.pictures.values())})
        with replacing(folder / PICTURES) as path:
            table.to_parquet(path, index=False)
    else:
        (folder / PICTURES).unlink(missing_ok=True)
    card = replace(dataset.card, checksum=sha256(*_content(folder)))
    with replacing(folder / CARD) as path:
        path.write_text(yaml.safe_dump(_plain(card), sort_keys=False, allow_unicode=True), encoding="utf-8")
    return replace(dataset, card=card)


def load(folder: Path, verify: bool = True) -> Dataset:
    """Read a store; with ``verify`` its checksum and every rule of a data set are tested first.

    Raises:
        UserError: the store is missing, incomplete, damaged, or was changed after it was written.
    """
    folder = Path(folder)
    card = read_card(folder)
    missing = [name for name in (ITEMS, FEATURES) if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder}: {' and '.join(missing)} missing; run `pmrl prepare {card.name}` again.")
    found = sha256(*_content(folder)) if verify else card.checksum
    if found != card.checksum:
        raise UserError(
            f"{folder}: the checksum of the files is {found[:12]}…, expected {card.checksum[:12]}… as in {CARD}; "
            f"the store was changed or damaged. Run `pmrl prepare {card.name}` to build it again."
        )
    try:
        arrays = load_file(folder / FEATURES)
        items = pd.read_parquet(folder / ITEMS)
        dataset = Dataset(
            card=card,
            items=items,
            pooled={name: arrays[name] for name in card.modalities},
            tokens={name: arrays[f"{name}.tokens"] for name in card.modalities},
            present={name: arrays[f"{name}.present"].astype(bool) for name in card.modalities},
            pictures=_read_pictures(folder),
        )
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise UserError(
            f"{folder}: the files cannot be read as a feature store ({error}); "
            f"run `pmrl prepare {card.name}` to build it again."
        ) from error
    if verify:
        check(dataset)
    return dataset


def read_card(folder: Path) -> Card:
    """Read the card of a store.

    Raises:
        UserError: there is no card, or it is not one.
    """
    path = Path(folder) / CARD
    if not path.is_file():
        raise UserError(f"{folder}: no feature store here ({CARD} is missing); run `pmrl prepare` first.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _card(content)
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: not a card of a feature store ({error}).") from error


def is_current(folder: Path, recipe: str) -> bool:
    """Whether ``folder`` holds an intact store that was made by ``recipe``."""
    try:
        card = read_card(folder)
        return card.recipe == recipe and sha256(*_content(Path(folder))) == card.checksum
    except (UserError, OSError):
        return False


def text_digest(*texts: str) -> str:
    """Hexadecimal SHA-256 of some texts, used to name recipes."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def completed(dataset: Dataset) -> Dataset:
    """The checked data set with sizes and counts in its card, exact number types, and zeros where absent.

    Raises:
        UserError: the data set breaks a rule of `pmrl.data.checks.check`.
    """
    check_shapes(dataset)
    pooled, tokens, present, modalities = {}, {}, {}, {}
    for name, modality in dataset.card.modalities.items():
        mask = np.asarray(dataset.present[name], dtype=bool)
        pooled[name] = np.where(mask[:, None], dataset.pooled[name], 0).astype(np.float32)
        tokens[name] = np.where(mask[:, None, None], dataset.tokens[name], 0).astype(np.float16)
        present[name] = mask
        modalities[name] = replace(modality, dimension=pooled[name].shape[1], tokens=tuple(tokens[name].shape[1:]))
    counts = {split: int((dataset.items["split"] == split).sum()) for split in SPLITS}
    card = replace(dataset.card, modalities=modalities, counts=counts)
    dataset = replace(dataset, card=card, pooled=pooled, tokens=tokens, present=present)
    check(dataset)
    return dataset


def _arrays(dataset: Dataset) -> dict[str, np.ndarray]:
    arrays = {}
    for name in dataset.modalities:
        arrays[name] = np.ascontiguousarray(dataset.pooled[name])
        arrays[f"{name}.tokens"] = np.ascontiguousarray(dataset.tokens[name])
        arrays[f"{name}.present"] = dataset.present[name].astype(np.uint8)
    return arrays


def _content(folder: Path) -> list[Path]:
    optional = [folder / PICTURES] if (folder / PICTURES).is_file() else []
    return [folder / ITEMS, folder / FEATURES, *optional]


def _read_pictures(folder: Path) -> dict[str, bytes]:
    if not (folder / PICTURES).is_file():
        return {}
    table = pd.read_parquet(folder / PICTURES)
    return dict(zip(table["id"], table["png"], strict=True))


def _plain(card: Card) -> dict[str, Any]:
    content = asdict(card)
    for modality in content["modalities"].values():
        modality["tokens"] = list(modality["tokens"])
    return content


def _card(content: dict[str, Any]) -> Card:
    unknown = set(content) - {entry.name for entry in fields(Card)}
    if unknown:
        raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}")
    modalities = {
        name: Modality(**{**entry, "tokens": tuple(entry["tokens"])}) for name, entry in content["modalities"].items()
    }
    return Card(**{**content, "modalities": modalities})
