"""The items of the user's own data: a table, or the annotation of a published collection, and captions of clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pmrl.data.checks import check_given, check_items, given_columns
from pmrl.data.media import layouts
from pmrl.data.media.keys import COLUMN
from pmrl.data.readers import tidy_ids
from pmrl.data.splits import FRACTIONS, split_by_group
from pmrl.data.tables import read_texts, tidy
from pmrl.errors import UserError
from pmrl.records import ITEM_COLUMNS, OPTIONAL_ITEM_COLUMNS, SPLITS

ALL, FIRST = "all", "first"
_TEXT = {"type": "string", "minLength": 1}
LAYOUT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["layout", "files"],
    "properties": {
        "layout": {"enum": [*layouts.READERS]},
        "files": {"anyOf": [_TEXT, {"type": "object", "minProperties": 1, "additionalProperties": _TEXT}]},
        "list": _TEXT,
        "captions": {"enum": [ALL, FIRST]},
    },
}
CAPTIONS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["file"],
    "properties": {"file": _TEXT, "use": {"enum": [ALL, FIRST]}},
}


@dataclass(frozen=True)
class Items:
    """The items of a data set, and the clips that they are captions of; without captions every item is its own clip.

    Attributes:
        table: all columns of `pmrl.records.ITEM_COLUMNS`, and optional ones that the user gave.
        clips: ids of the clips, to which features and files belong.
        spelled: the same as the user wrote them, before they were made tidy.
        clip: (items,) the row of each item's clip.
        texts: other columns of the tables, by item.
        split_rule: where the splits come from.
    """

    table: pd.DataFrame
    clips: list[str]
    spelled: list[str]
    clip: np.ndarray
    texts: dict[str, list[str]]
    split_rule: str


def read_items(path: Path, card: Mapping[str, Any]) -> Items:
    """The items of a card.

    Args:
        path: of the card.
        card: its content.

    Raises:
        UserError: a file is missing, or a column or value is not as expected.
    """
    where, clips, captions = _tables(path, card)
    texts = {entry[COLUMN] for entry in card["modalities"].values() if COLUMN in entry}
    if "id" not in clips.columns:
        raise UserError(
            f"{where}: there is no column 'id'; found {', '.join(map(str, clips.columns[:5]))}. A .csv file has commas "
            "between its columns."
        )
    known = [*ITEM_COLUMNS, *OPTIONAL_ITEM_COLUMNS]
    unknown = [column for column in clips.columns if column not in known and column not in texts]
    if unknown:
        raise UserError(
            f"{where}: found the column {unknown[0]!r}, expected only {', '.join(known)}; "
            "rename it to one of these, or remove it."
        )
    check_given(str(where), clips)
    spelled = [str(key) for key in clips["id"]]
    clips = clips.assign(id=tidy_ids(where, spelled))
    for column in (name for name in known if name in clips and name not in ("id", "caption")):
        clips[column] = [tidy(value) if isinstance(value, str) else value for value in clips[column]]
    table, clip = _with_captions(where, clips, captions)
    found = {column: [str(value) for value in table[column]] for column in sorted(texts) if column in table}
    table = table.drop(columns=[column for column in found if column not in known])
    defaults = {"group": table["instance" if "instance" in table else "id"], "label": "", "caption": table["id"]}
    table = table.assign(**{key: value for key, value in defaults.items() if key not in table.columns})
    split_rule = "as given in the table of items"
    if "split" not in table.columns:
        shares = "/".join(f"{100 * share:.0f}" for share in FRACTIONS.values())
        split_rule = f"by group, largest first, then by hash, aiming at {shares} % of the items"
        table["split"] = split_by_group([str(group) for group in table["group"]])
    table = table[given_columns(table)]
    check_items(str(where), table)
    for split in SPLITS:
        if (table["split"] == split).sum() < 2:
            raise UserError(f"{where}: split {split!r} has fewer than 2 items; put more items or groups into it.")
    return Items(table, [str(key) for key in clips["id"]], spelled, clip, found, split_rule)


def files_of_items(card: Mapping[str, Any]) -> list[str]:
    """The names of the files that `read_items` reads."""
    named, captions = card["items"], card.get("captions")
    names = [named] if isinstance(named, str) else [*_files(named).values(), *filter(None, [named.get("list")])]
    if captions is not None:
        names.append(captions if isinstance(captions, str) else captions["file"])
    return names


def beside(card: Path, name: str) -> Path:
    """A file named by the card; it must exist within the card's folder."""
    folder = Path(card).parent
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{card}: the file {name!r} lies outside the folder of the card; move it into that folder.")
    if not path.is_file():
        raise UserError(f"{card}: the file {name!r} does not exist; expected {path}.")
    return path


def _files(named: Mapping[str, Any]) -> dict[str, str]:
    """The files of an annotation by split; of one file, it may say the splits itself."""
    return {"": named["files"]} if isinstance(named["files"], str) else dict(named["files"])


def _tables(path: Path, card: Mapping[str, Any]) -> tuple[Path, pd.DataFrame, pd.DataFrame | None]:
    """The file that messages name, the table of clips, and that of captions, if there is one."""
    named = card["items"]
    if not isinstance(named, str):
        if "captions" in card:
            raise UserError(
                f"{path}: captions: the layout {named['layout']!r} has captions of its own; remove the key."
            )
        files = {split: beside(path, name) for split, name in _files(named).items()}
        foreign = sorted(files.keys() - {"", *layouts.SPLITS})
        if foreign:
            raise UserError(f"{path}: items.files: unknown split {foreign[0]!r}, expected {', '.join(layouts.SPLITS)}.")
        listed = beside(path, named["list"]) if "list" in named else None
        clips, captions = layouts.read(named["layout"], files, listed).tables()
        return next(iter(files.values())), clips, _used(captions, named.get("captions", ALL))
    clips = read_texts(beside(path, named))
    if "captions" not in card:
        return beside(path, named), clips, None
    entry = card["captions"] if isinstance(card["captions"], dict) else {"file": card["captions"]}
    file = beside(path, entry["file"])
    captions = read_texts(file)
    if "id" not in captions or len(captions.columns) < 2:
        raise UserError(f"{file}: found the columns {', '.join(captions)}, expected 'id' and one with the captions.")
    captions["id"] = [tidy(str(key)) for key in captions["id"]]
    return beside(path, named), clips, _used(captions, entry.get("use", ALL))


def _used(captions: pd.DataFrame, use: str) -> pd.DataFrame:
    """All captions, or the first one of each clip."""
    return captions.drop_duplicates("id") if use == FIRST else captions


def _with_captions(where: Path, clips: pd.DataFrame, captions: pd.DataFrame | None) -> tuple[pd.DataFrame, np.ndarray]:
    """One row per caption, and the row of its clip; a clip without a caption keeps a row, with an empty one.

    Raises:
        UserError: a caption belongs to no clip, or the table has instances of its own.
    """
    if captions is None:
        return clips, np.arange(len(clips))
    if "instance" in clips:
        raise UserError(f"{where}: found the column 'instance', and captions, of which each is an item; remove one.")
    rows = {key: row for row, key in enumerate(clips["id"])}
    lost = [key for key in captions["id"] if key not in rows]
    if lost:
        raise UserError(f"{where}: there is no item {lost[0]!r}, but it has captions; {len(set(lost))} such items.")
    silent = [key for key in clips["id"] if key not in set(captions["id"])]
    columns = [name for name in captions if name != "id"]
    captions = pd.concat([captions, pd.DataFrame({"id": silent} | dict.fromkeys(columns, ""), dtype=object)])
    captions = captions.assign(clip=[rows[key] for key in captions["id"]]).sort_values("clip", kind="stable")
    clip = captions["clip"].to_numpy()
    table = clips.drop(columns=[name for name in columns if name in clips]).iloc[clip].reset_index(drop=True)
    table["instance"] = table["id"]
    table["id"] = _numbered(table["id"])
    for name in columns:
        table[name] = list(captions[name])
    return table, clip


def _numbered(clips: Sequence[str]) -> list[str]:
    """An id for each caption: that of its clip, with a number where it has several."""
    counts, seen, ids = pd.Series(clips).value_counts(), dict.fromkeys(clips, 0), []
    for clip in clips:
        seen[clip] += 1
        ids.append(f"{clip}#{seen[clip]}" if counts[clip] > 1 else clip)
    return ids
