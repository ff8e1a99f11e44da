"""The user's own data: one YAML card, one file per modality, and a table of items.

See docs/adding_a_dataset.md.
"""

from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import yaml

from pmrl.data import built_in, learnability, store
from pmrl.data.checks import ITEM_COLUMNS, check_items, check_modality
from pmrl.data.encoders import cut
from pmrl.data.readers import Features, read_features, read_table
from pmrl.data.splits import FRACTIONS, split_by_group
from pmrl.data.store import SPLITS, Card, Dataset, Modality
from pmrl.errors import UserError
from pmrl.settings import default_batch_size

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
        "tokens": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2},
        "gaps": {"type": "boolean"},
    },
}
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
            "propertyNames": {**_NAME, "not": {"const": "others"}},
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
        UserError: the first thing that is wrong, naming the file, the row or column, what was found and what
            was expected.
    """
    card = read_card(path)
    items_path = _beside(path, card["items"])
    items, split_rule = _items(items_path)
    ids = items["id"].to_numpy()
    modalities, pooled, tokens, present = {}, {}, {}, {}
    for name, entry in card["modalities"].items():
        file = _beside(path, entry["file"])
        given = read_features(file, list(ids), entry.get("gaps", False))
        pooled[name], tokens[name] = _vectors(file, given, entry.get("tokens"))
        present[name] = given.present
        check_modality(str(file), pooled[name], tokens[name], given.present, items)
        modalities[name] = Modality(entry.get("description", name), entry.get("encoder", "as given"))
    described = {key: card.get(key, "not stated") for key in ("origin", "license", "citation")}
    return store.completed(
        Dataset(
            card=Card(
                name=card["name"],
                title=card.get("title", card["name"]),
                anchor=card["anchor"],
                modalities=modalities,
                split_rule=card.get("split_rule", split_rule),
                flaws=card.get("flaws", []),
                **described,
            ),
            items=items,
            pooled=pooled,
            tokens=tokens,
            present=present,
        )
    )


def check(path: Path) -> str:
    """Validate a card and all its files, and describe what they hold; nothing is written.

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
        *_small_splits(card.counts),
        "",
    ]
    for name, modality in card.modalities.items():
        anchor = ", the anchor" if name == card.anchor else ""
        lines.append(
            f"{name}{anchor}: {modality.description}; {modality.dimension} features, {modality.tokens[0]} tokens of "
            f"{modality.tokens[1]}, present for {100 * dataset.present[name].mean():.0f} % of the items"
        )
    lines += ["", "Recall@1 on the test part by linear canonical correlation, in percent (chance):"]
    lines += [
        f"{row.query} → {row.gallery}: {row.recall:.1f} ({row.chance:.1f})"
        for row in learnability.measure(dataset).rename(columns={"recall@1": "recall"}).itertuples()
    ]
    return "\n".join(lines)


def _small_splits(counts: dict[str, int]) -> list[str]:
    """A line that tells which batch size the training splits ask for, if the default one is too large."""
    default = default_batch_size()
    small = {split: counts[split] for split in ("pretrain", "train") if counts[split] < default}
    if not small:
        return []
    found = ", ".join(f"{split} has {count} items" for split, count in small.items())
    return [
        f"Note: {found}, fewer than the default training.batch_size, {default}; "
        f"to train, set it to {min(small.values())} or less in the config."
    ]


def inputs(path: Path) -> list[Path]:
    """The card and all files that it names.

    Raises:
        UserError: the card is not valid, or a file is missing.
    """
    card = read_card(path)
    named = [card["items"], *(entry["file"] for entry in card["modalities"].values())]
    return [Path(path), *(_beside(path, name) for name in named)]


def name_of(path: Path) -> str:
    """The name of the data set that a card describes."""
    return read_card(path)["name"]


def read_card(path: Path) -> dict[str, Any]:
    """The content of a card, checked against the schema.

    Raises:
        UserError: the card is missing, is no YAML, or has a key or value that is not expected.
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
    if card["name"] in built_in():
        raise UserError(f"{path}: name: {card['name']!r} is a built-in data set; choose another name.")
    if path.parent.parent.name == "datasets" and path.parent.name != card["name"]:
        raise UserError(f"{path}: name: found {card['name']!r}, expected the folder's name {path.parent.name!r}.")
    if card["anchor"] not in card["modalities"]:
        raise UserError(
            f"{path}: anchor: {card['anchor']!r} is not a modality; choose one of {', '.join(card['modalities'])}."
        )
    return card


def _beside(card: Path, name: str) -> Path:
    """A file named by the card; it must exist within the card's folder."""
    folder = Path(card).parent
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{card}: the file {name!r} lies outside the folder of the card; move it there.")
    if not path.is_file():
        raise UserError(f"{card}: the file {name!r} does not exist; expected {path}.")
    return path


def _items(path: Path) -> tuple[pd.DataFrame, str]:
    """The table of items, columns that may be left out filled in, and where its splits come from."""
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
    """Pooled vectors and tokens: given ones, the vector cut into pieces, or the vector as the only token."""
    if given.features.ndim == 3:
        if shape is not None or given.tokens is not None:
            raise UserError(f"{path}: features are tokens already; remove `tokens` from the card and the file.")
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
