"""The feature store: one folder per data set with a card, a table of items and the arrays of its modalities.

`card.yaml` is written last and has a checksum over the other files, so an incomplete or edited store is never taken
for a valid one.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import yaml
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from pmrl.data import large
from pmrl.data.arrays import half_suffices, zero_where_absent
from pmrl.data.checks import check, check_kinds, check_noisy, check_shapes
from pmrl.data.dataset import Card, Dataset, Modality, NoisyFeatures
from pmrl.errors import UserError
from pmrl.files import read_yaml, replacing, sha256
from pmrl.records import SPLITS, TEST

__all__ = ["SPLITS", "Card", "Dataset", "Modality", "completed", "load", "read_card", "save", "write"]

ITEMS, FEATURES, VIEWS, CARD = "items.parquet", "features.safetensors", "views.parquet", "card.yaml"
ARRAYS = "arrays"  # the folder of large arrays, a file for each, which is mapped instead of read
NOISY = "noisy/"  # begins the names of noisy features: noisy/<kind>/<level>/<modality>
CLASSES, CLASS_TOKENS = ".classes", ".classes.tokens"  # no modality has an empty name
FORMER = "pictures.parquet"  # an older store may still have it
# One row per view: either a PNG picture or a text.
VIEW_COLUMNS = pyarrow.schema(
    [("modality", pyarrow.string()), ("id", pyarrow.string()), ("png", pyarrow.binary()), ("text", pyarrow.string())]
)


def save(dataset: Dataset, folder: Path) -> Dataset:
    """Check ``dataset`` and write it to ``folder``; return it with the card completed.

    Raises:
        UserError: the data set breaks a rule of `pmrl.data.checks.check`, or the folder cannot be written.
    """
    return write(completed(dataset), folder)


def write(dataset: Dataset, folder: Path) -> Dataset:
    """Write a data set that `completed` has checked to ``folder``; return it with the checksum in its card.

    Raises:
        UserError: the folder cannot be written.
    """
    folder = Path(folder)
    # Without its card the folder is not a store while its files are replaced.
    (folder / CARD).unlink(missing_ok=True)
    with replacing(folder / ITEMS) as path:
        dataset.items.to_parquet(path, index=False)
    arrays = _arrays(dataset)
    in_files = {name: array for name, array in arrays.items() if large.is_large(array.shape, array.dtype)}
    with replacing(folder / FEATURES) as path:
        save_file({name: array for name, array in arrays.items() if name not in in_files}, path)
    for path in _array_files(folder):
        path.unlink()
    for name, array in in_files.items():
        large.write(array, folder / ARRAYS / f"{name}.npy")
    (folder / FORMER).unlink(missing_ok=True)
    if any(dataset.views.values()):
        with replacing(folder / VIEWS) as path:
            _view_table(dataset).to_parquet(path, index=False, schema=VIEW_COLUMNS)
    else:
        (folder / VIEWS).unlink(missing_ok=True)
    digests = {path.name: sha256(path) for path in _array_files(folder)}
    card = replace(dataset.card, arrays=digests, checksum=sha256(*_content(folder)))
    with replacing(folder / CARD) as path:
        path.write_text(yaml.safe_dump(_plain(card), sort_keys=False, allow_unicode=True), encoding="utf-8")
    return replace(dataset, card=card)


def load(folder: Path, verify: bool = True) -> Dataset:
    """Read a store; with ``verify``, also test its checksum. Its content was checked when it was written.

    Raises:
        UserError: the store is missing, incomplete, damaged, or was changed after it was written.
    """
    folder = Path(folder)
    card = read_card(folder)
    expected = [ITEMS, FEATURES, *(f"{ARRAYS}/{name}" for name in card.arrays)]
    missing = [name for name in expected if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder}: {' and '.join(missing)} missing; run `pmrl prepare {card.name}` again.")
    if verify:
        _verify(folder, card)
    try:
        arrays = load_file(folder / FEATURES) | {path.stem: large.opened(path) for path in _array_files(folder)}
        items = pd.read_parquet(folder / ITEMS)
        dataset = Dataset(
            card=card,
            items=items,
            pooled={name: arrays[name] for name in card.modalities},
            tokens={name: arrays[f"{name}.tokens"] for name in card.modalities},
            present={name: arrays[f"{name}.present"].astype(bool) for name in card.modalities},
            views=_read_views(folder),
            lengths={name: arrays[key] for name in card.modalities if (key := f"{name}.lengths") in arrays},
            noisy=_read_noisy(arrays),
            class_names=(arrays[CLASSES], arrays[CLASS_TOKENS]) if CLASSES in arrays else None,
        )
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise UserError(
            f"{folder}: the files cannot be read as a feature store ({error}); "
            f"run `pmrl prepare {card.name}` to build it again."
        ) from error
    check_kinds(dataset)
    check_shapes(dataset)
    check_noisy(dataset)
    return dataset


def _verify(folder: Path, card: Card) -> None:
    """Test the checksum of the store, and of each large array.

    Raises:
        UserError: naming the folder, or the file of the array.
    """
    pairs = [(folder, sha256(*_content(folder)), card.checksum)]
    pairs += [(path, sha256(path), card.arrays.get(path.name, "")) for path in _array_files(folder)]
    for path, found, expected in pairs:
        if found != expected:
            raise UserError(
                f"{path}: the checksum is {found[:12]}…, expected {expected[:12]}… as in {CARD}; the store was changed "
                f"or damaged. Run `pmrl prepare {card.name}` to build it again."
            )


def read_card(folder: Path) -> Card:
    """Read the card of a store.

    Raises:
        UserError: there is no card, or it is not a valid one.
    """
    path = Path(folder) / CARD
    if not path.is_file():
        raise UserError(f"{folder}: no feature store here ({CARD} is missing); run `pmrl prepare` first.")
    try:
        return _card(read_yaml(path))
    except (UserError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: not a card of a feature store ({error}).") from error


def read_views(folder: Path, modality: str) -> dict[str, bytes | str]:
    """{item id: a PNG picture or a text} of one modality, for figures; empty if it has no views.

    Raises:
        UserError: the file of views is damaged.
    """
    try:
        return _read_views(Path(folder), modality).get(modality, {})
    except (KeyError, ValueError, OSError) as error:
        raise UserError(f"{Path(folder) / VIEWS}: cannot be read ({error}); run `pmrl prepare` again.") from error


def is_current(folder: Path, recipe: str) -> bool:
    """Whether ``folder`` holds an intact store that was made by ``recipe``."""
    try:
        card = read_card(folder)
        if card.recipe != recipe:
            return False
        _verify(Path(folder), card)
        return sorted(card.arrays) == [path.name for path in _array_files(Path(folder))]
    except (UserError, OSError):
        return False


def completed(dataset: Dataset, files: Mapping[str, str] | None = None) -> Dataset:
    """The checked data set with sizes and counts in its card, exact number types, and zeros where absent.

    Args:
        dataset: what was read or computed.
        files: {modality: the file that its features come from}, for messages.

    Raises:
        UserError: the data set breaks a rule of `pmrl.data.checks.check`.
    """
    check_shapes(dataset)
    pooled, tokens, present, modalities = {}, {}, {}, {}
    for name, modality in dataset.card.modalities.items():
        mask = np.asarray(dataset.present[name], dtype=bool)
        pooled[name] = _of_type(zero_where_absent(dataset.pooled[name], mask), np.float32)
        values = zero_where_absent(dataset.tokens[name], mask)
        tokens[name] = _of_type(values, np.float16 if half_suffices(values, mask) else np.float32)
        present[name] = mask
        modalities[name] = replace(modality, dimension=pooled[name].shape[1], tokens=tuple(tokens[name].shape[1:]))
    counts = {split: int((dataset.items["split"] == split).sum()) for split in SPLITS}
    card = replace(dataset.card, modalities=modalities, counts=counts)
    dataset = replace(dataset, card=card, pooled=pooled, tokens=tokens, present=present)
    dataset = replace(dataset, noisy=[_completed_noisy(features, dataset) for features in dataset.noisy])
    check(dataset, files)
    return dataset


def _of_type(values: np.ndarray, kind: np.typing.DTypeLike) -> np.ndarray:
    if values.dtype == kind:
        return values
    return large.changed(values, np.arange(len(values)), lambda part, _: part.astype(kind))


def _completed_noisy(features: NoisyFeatures, dataset: Dataset) -> NoisyFeatures:
    """The features in the number types of the clean ones, and zeros where the modality is absent."""
    check_noisy(replace(dataset, noisy=[features]))
    mask = dataset.present[features.modality][dataset.indices(TEST)]
    clean = dataset.tokens[features.modality].dtype
    return replace(
        features,
        pooled=zero_where_absent(features.pooled, mask).astype(np.float32, copy=False),
        tokens=zero_where_absent(features.tokens, mask).astype(clean, copy=False),
    )


def _arrays(dataset: Dataset) -> dict[str, np.ndarray]:
    arrays = {}
    for name in dataset.modalities:
        arrays[name] = np.ascontiguousarray(dataset.pooled[name])
        arrays[f"{name}.tokens"] = np.ascontiguousarray(dataset.tokens[name])
        arrays[f"{name}.present"] = dataset.present[name].astype(np.uint8)
        if name in dataset.lengths:
            arrays[f"{name}.lengths"] = dataset.lengths[name].astype(np.int32)
    for features in dataset.noisy:
        name = f"{NOISY}{features.kind}/{features.level:g}/{features.modality}"
        arrays[name] = np.ascontiguousarray(features.pooled)
        arrays[f"{name}.tokens"] = np.ascontiguousarray(features.tokens)
    if dataset.class_names is not None:
        arrays[CLASSES], arrays[CLASS_TOKENS] = dataset.class_names
    return arrays


def _read_noisy(arrays: Mapping[str, np.ndarray]) -> list[NoisyFeatures]:
    """Noisy features in the order of kind, level and modality."""
    noisy = []
    for name in (name for name in arrays if name.startswith(NOISY) and not name.endswith(".tokens")):
        kind, level, modality = name.removeprefix(NOISY).split("/", 2)
        noisy.append(NoisyFeatures(kind, float(level), modality, arrays[name], arrays[f"{name}.tokens"]))
    return sorted(noisy, key=lambda features: (features.kind, features.level, features.modality))


def _content(folder: Path) -> list[Path]:
    optional = [folder / VIEWS] if (folder / VIEWS).is_file() else []
    return [folder / ITEMS, folder / FEATURES, *optional]


def _array_files(folder: Path) -> list[Path]:
    return sorted((folder / ARRAYS).glob("*.npy"))


def _view_table(dataset: Dataset) -> pd.DataFrame:
    rows = [
        (modality, key, *((view, None) if isinstance(view, bytes) else (None, view)))
        for modality in dataset.modalities
        for key, view in dataset.views.get(modality, {}).items()
    ]
    return pd.DataFrame(rows, columns=VIEW_COLUMNS.names, dtype=object)


def _read_views(folder: Path, modality: str | None = None) -> dict[str, dict[str, bytes | str]]:
    """The views of all modalities that have any, or of one."""
    if not (folder / VIEWS).is_file():
        return {}
    filters = None if modality is None else [("modality", "==", modality)]
    views: dict[str, dict[str, bytes | str]] = {}
    table = pd.read_parquet(folder / VIEWS, filters=filters)
    columns = (table[name] for name in VIEW_COLUMNS.names)
    for name, key, png, text in zip(*columns, strict=True):
        views.setdefault(name, {})[key] = png if isinstance(png, bytes) else text
    return views


def _plain(card: Card) -> dict[str, Any]:
    content = asdict(card)
    for modality in content["modalities"].values():
        modality["tokens"] = list(modality["tokens"])
        if not modality["noise"]:
            del modality["noise"]
    if not content["arrays"]:
        del content["arrays"]
    return content


def _card(content: dict[str, Any]) -> Card:
    unknown = set(content) - {entry.name for entry in fields(Card)}
    if unknown:
        raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}")
    modalities = {
        name: Modality(**{**entry, "tokens": tuple(entry["tokens"])}) for name, entry in content["modalities"].items()
    }
    return Card(**{**content, "modalities": modalities})
