"""The card of the user's own data: its keys, and the files that it names.

See docs/adding_a_dataset.md. Nothing here reads features or media, since planning a study needs the names only.
"""

import unicodedata
from pathlib import Path
from typing import Any

import jsonschema

from pmrl.data.media import keys
from pmrl.data.own_items import CAPTIONS, LAYOUT, Items, beside, files_of_items, read_items
from pmrl.discovery import OWN_DATA, built_in_data_sets
from pmrl.errors import UserError
from pmrl.files import read_yaml
from pmrl.records import KINDS, OTHERS

ZEROS = "zeros"
_NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
_TEXT = {"type": "string", "minLength": 1}
_MODALITY = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": [key]} for key in ("file", keys.FROM, keys.COLUMN)],
    "properties": {
        "file": _TEXT,
        **keys.KEYS,
        "description": _TEXT,
        "encoder": _TEXT,
        "kind": {"enum": list(KINDS)},
        "view": _TEXT,
        "tokens": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2},
        "gaps": {"type": "boolean"},
        "absent": {"anyOf": [{"const": ZEROS}, {"type": "number"}]},
        "padding": {"const": ZEROS},
        "noise": {"type": "number", "minimum": 0},
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
        "items": {"anyOf": [_TEXT, LAYOUT]},
        "captions": {"anyOf": [_TEXT, CAPTIONS]},
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


def inputs(path: Path) -> list[Path]:
    """The card and all files that it names, including the views that exist.

    Raises:
        UserError: the card is not valid, or a file that it names is missing.
    """
    card = read_card(path)
    named = [*files_of_items(card), *(entry["file"] for entry in card["modalities"].values() if "file" in entry)]
    patterns = [entry[key] for entry in card["modalities"].values() for key in ("view", keys.FROM) if key in entry]
    if patterns:
        items = read_items(path, card)
        views = [view_name(path, pattern, items, row) for pattern in patterns for row in range(len(items.clips))]
        named += [name for name in views if (Path(path).parent / name).is_file()]
    return [Path(path), *(beside(path, name) for name in named)]


def name_of(path: Path) -> str:
    """The name of the data set that a card describes."""
    return read_card(path)["name"]


def read_card(path: Path) -> dict[str, Any]:
    """The content of a card, checked against the schema.

    Raises:
        UserError: the card is missing, is not YAML, or has an unexpected or repeated key, or an unexpected value.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: there is no such card.")
    card = read_yaml(path)
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
        if keys.is_raw(entry) and keys.problem(name, entry):
            raise UserError(f"{path}: {keys.problem(name, entry)}. See docs/adding_a_dataset.md for all keys.")
        pattern = entry.get("view", f"{ID}.txt")
        if ID not in pattern or Path(pattern).suffix not in (".png", ".txt"):
            raise UserError(
                f"{path}: modalities.{name}.view: found {pattern!r}, expected the name of a .png or .txt file with "
                f"{ID} where the item's id stands, such as photos/{ID}.png."
            )
    return card


def view_name(card: Path, pattern: str, items: Items, row: int) -> str:
    """The file that shows one item; its name may have the id as tidied, as written, or with decomposed letters."""
    key = items.clips[row]
    names = [pattern.replace(ID, form) for form in (key, items.spelled[row], unicodedata.normalize("NFD", key))]
    return next((name for name in names if (Path(card).parent / name).is_file()), names[0])
