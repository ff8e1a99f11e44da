"""The user's own data: one YAML card, one file per modality, and a table of items.

See docs/adding_a_dataset.md.
"""

from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import yaml

from pmrl.data import learnability, store
from pmrl.data.arrays import cut
from pmrl.data.checks import check_items, check_modality, view_problem
from pmrl.data.dataset import Card, Dataset, Modality
from pmrl.data.pictures import is_png
from pmrl.data.readers import Features, read_features, read_table
from pmrl.data.splits import FRACTIONS, split_by_group
from pmrl.discovery import OWN_DATA, built_in_data_sets
from pmrl.errors import UserError
from pmrl.records import ITEM_COLUMNS, KINDS, MEASUREMENT, OTHERS, PRETRAIN, SPLITS, TRAIN

_NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
_TEXT = {"type": "string", "minLength": 1}
_MODALITY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["file"],
    "properties": {
        "file": _TEXT,
        "description": _TEXT,
        "encoder": _TEXT,
        "kind": {"enum": list(KINDS)},
        "view": _TEXT,
        "tokens": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2},
        "gaps": {"type": "boolean"},
    },
}
# The placeholder of the item's id in the file name of a view.
ID = "{id}"
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "anchor", "items", "modalities"],
    "properties": {
        "name": _NAME,
        "title": _TEXT,
        "anchor": _TEXT,
        "items": _TEXT,
        # Tables of results write "others" for all modalities but the anchor.
        "modalities": {
            "type": "object",
            "minProperties": 2,
            "propertyNames": {**_NAME, "not": {"const": OTHERS}},
            "additionalProperties": _MODALITY,
        },
        "origin": _TEXT,
        "license": _TEXT,
        "citation": _TEXT,
        "split_rule": _TEXT,
        "flaws": {"type": "array", "items": _TEXT},
    },
}


def read(path: Path) -> Dataset:
    """Read and check the data set that a card describes.

    Args:
        path: the card.

    Raises:
        UserError: the first problem, naming the file, the row or column, what was found and what was expected.
    """
    card = read_card(path)
    items_path = _beside(path, card["items"])
    items, split_rule = _items(items_path)
    ids = items["id"].to_numpy()
    modalities, pooled, tokens, present, views = {}, {}, {}, {}, {}
    for name, entry in card["modalities"].items():
        file = _beside(path, entry["file"])
        given = read_features(file, list(ids), entry.get("gaps", False))
        pooled[name], tokens[name] = _vectors(file, given, entry.get("tokens"))
        present[name] = given.present
        check_modality(str(file), pooled[name], tokens[name], given.present, items)
        if "view" in entry:
            views[name] = {key: _view(path, entry["view"], key) for key in ids[given.present]}
        modalities[name] = Modality(
            entry.get("description", name), entry.get("encoder", "as given"), kind=entry.get("kind", MEASUREMENT)
        )
    sources = {key: card.get(key, "not stated") for key in ("origin", "license", "citation")}
    return store.completed(
        Dataset(
            card=Card(
                name=card["name"],
                title=card.get("title", card["name"]),
                anchor=card["anchor"],
                modalities=modalities,
                split_rule=card.get("split_rule", split_rule),
                flaws=card.get("flaws", []),
                **sources,
            ),
            items=items,
            pooled=pooled,
            tokens=tokens,
            present=present,
            views=views,
        )
    )


def check(path: Path, batch_size: int) -> str:
    """Validate a card and all its files, and describe what they hold; nothing is written.

    Args:
        path: the card.
        batch_size: the batch size of training; a note says which splits are smaller.

    Returns:
        The description, several lines.

    Raises:
        UserError: see `read`.
    """
    dataset = read(Path(path))
    items, card = dataset.items, dataset.card
    counts = ", ".join(f"{split} {card.counts[split]}" for split in SPLITS)
    lines = [
        f"{card.name}: {card.title}",
        f"{len(items)} items in {items['group'].nunique()} groups, {items['label'].nunique()} labels: {counts}",
        *_small_splits(card.counts, batch_size),
        "",
    ]
    for name, modality in card.modalities.items():
        anchor = ", the anchor" if name == card.anchor else ""
        lines.append(
            f"{name} ({modality.kind}{anchor}): {modality.description}; {modality.dimension} features, "
            f"{modality.tokens[0]} tokens of {modality.tokens[1]}, present for "
            f"{100 * dataset.present[name].mean():.0f} % of the items"
        )
    lines += ["", "Recall@1 on the test part by linear canonical correlation, in percent (chance):"]
    lines += [
        f"{row.query} → {row.gallery}: {row.recall:.1f} ({row.chance:.1f})"
        for row in learnability.measure(dataset).rename(columns={"recall@1": "recall"}).itertuples()
    ]
    return "\n".join(lines)


def _small_splits(counts: dict[str, int], batch_size: int) -> list[str]:
    """A note if a training split is smaller than a batch, with the batch size that would fit."""
    small = {split: counts[split] for split in (PRETRAIN, TRAIN) if counts[split] < batch_size}
    if not small:
        return []
    sizes = ", ".join(f"{split} has {count} items" for split, count in small.items())
    return [
        f"Note: {sizes}, fewer than the default training.batch_size, {batch_size}; "
        f"to train, set it to {min(small.values())} or less in the config."
    ]


def inputs(path: Path) -> list[Path]:
    """The card and all files that it names, including the views that exist.

    Raises:
        UserError: the card is not valid, or a file that it names is missing.
    """
    card = read_card(path)
    named = [card["items"], *(entry["file"] for entry in card["modalities"].values())]
    patterns = [entry["view"] for entry in card["modalities"].values() if "view" in entry]
    if patterns:
        ids = _items(_beside(path, card["items"]))[0]["id"]
        views = [pattern.replace(ID, key) for pattern in patterns for key in ids]
        named += [name for name in views if (Path(path).parent / name).is_file()]
    return [Path(path), *(_beside(path, name) for name in named)]


def name_of(path: Path) -> str:
    """The name of the data set that a card describes."""
    return read_card(path)["name"]


def read_card(path: Path) -> dict[str, Any]:
    """The content of a card, checked against the schema.

    Raises:
        UserError: the card is missing, is not YAML, or has an unexpected key or value.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: there is no such card.")
    try:
        card = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as YAML ({error}).") from error
    problem = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(SCHEMA).iter_errors(card))
    if problem is not None:
        place = ".".join(map(str, problem.absolute_path)) or "the card"
        raise UserError(f"{path}: {place}: {problem.message}. See docs/adding_a_dataset.md for all keys.")
    if card["name"] in built_in_data_sets():
        raise UserError(f"{path}: name: {card['name']!r} is a built-in data set; choose another name.")
    if path.parent.parent.name == OWN_DATA.name and path.parent.name != card["name"]:
        raise UserError(f"{path}: name: found {card['name']!r}, expected the folder's name {path.parent.name!r}.")
    if card["anchor"] not in card["modalities"]:
        raise UserError(
            f"{path}: anchor: {card['anchor']!r} is not a modality; choose one of {', '.join(card['modalities'])}."
        )
    for name, entry in card["modalities"].items():
        pattern = entry.get("view", f"{ID}.txt")
        if ID not in pattern or Path(pattern).suffix not in (".png", ".txt"):
            raise UserError(
                f"{path}: modalities.{name}.view: found {pattern!r}, expected the name of a .png or .txt file with "
                f"{ID} where the item's id stands, such as photos/{ID}.png."
            )
    return card


def _view(card: Path, pattern: str, key: str) -> bytes | str:
    """The picture or text that shows one item.

    Raises:
        UserError: the file is missing, lies outside the card's folder, or holds something else.
    """
    path = _beside(card, pattern.replace(ID, key))
    content: bytes | str = path.read_bytes()
    if path.suffix == ".txt":
        try:
            content = path.read_text(encoding="utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: cannot be read as text in UTF-8 ({error}).") from error
    problem = view_problem(content)
    if not problem and isinstance(content, bytes) and not is_png(content):
        problem = "the picture is damaged, expected a PNG that can be shown"
    if problem:
        raise UserError(f"{path}: {problem}.")
    return content


def _beside(card: Path, name: str) -> Path:
    """A file named by the card; it must exist within the card's folder."""
    folder = Path(card).parent
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{card}: the file {name!r} lies outside the folder of the card; move it into that folder.")
    if not path.is_file():
        raise UserError(f"{card}: the file {name!r} does not exist; expected {path}.")
    return path


def _items(path: Path) -> tuple[pd.DataFrame, str]:
    """The table of items with default values in the columns that it lacks, and the rule of its splits."""
    table = read_table(path)
    if "id" not in table.columns:
        raise UserError(f"{path}: there is no column 'id'; found {', '.join(map(str, table.columns[:5]))}.")
    unknown = [str(column) for column in table.columns if column not in ITEM_COLUMNS]
    if unknown:
        raise UserError(
            f"{path}: found the column {unknown[0]!r}, expected only {', '.join(ITEM_COLUMNS)}; "
            "rename it to one of these, or remove it."
        )
    defaults = {"group": table["id"], "label": "", "caption": table["id"]}
    table = table.assign(**{key: value for key, value in defaults.items() if key not in table.columns})
    split_rule = "as given in the table of items"
    if "split" not in table.columns:
        shares = "/".join(f"{100 * share:.0f}" for share in FRACTIONS.values())
        split_rule = f"by group, largest first, then by hash, aiming at {shares} % of the items"
        table["split"] = split_by_group([str(group) for group in table["group"]])
    table = table[list(ITEM_COLUMNS)]
    check_items(str(path), table)
    for split in SPLITS:
        if (table["split"] == split).sum() < 2:
            raise UserError(f"{path}: split {split!r} has fewer than 2 items; put more items or groups into it.")
    return table, split_rule


def _vectors(path: Path, given: Features, shape: list[int] | None) -> tuple[np.ndarray, np.ndarray]:
    """Pooled vectors and tokens: as given, cut from the vector, or the vector as the only token."""
    if given.features.ndim == 3:
        if shape is not None or given.tokens is not None:
            raise UserError(f"{path}: the features are already tokens; remove `tokens` from the card and the file.")
        return given.features.mean(axis=1), given.features
    if given.tokens is not None:
        if given.tokens.ndim != 3:
            raise UserError(f"{path}: tokens has {given.tokens.ndim} dimensions, expected (items, tokens, width).")
        return given.features, given.tokens
    columns = given.features.shape[1]
    shape = shape or [1, columns]
    if shape[0] * shape[1] < columns:
        raise UserError(f"{path}: {shape[0]} tokens of {shape[1]} cannot hold {columns} columns; give larger ones.")
    return given.features, cut(given.features, (shape[0], shape[1]))
