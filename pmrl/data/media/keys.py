"""The keys by which a card names raw media: a file for each item, or a column of texts.

See docs/adding_a_dataset.md. Nothing here reads a file, since planning a study needs the keys only.
"""

from typing import Any

from pmrl.records import AUDIO, PICTURE, TEXT, VIDEO

ID = "{id}"  # stands for the item's id in the name of a file
ABSENT, REFUSE = "absent", "refuse"
FROM, COLUMN = "from", "column"
KEYS: dict[str, Any] = {
    FROM: {"type": "string", "minLength": 1},
    COLUMN: {"type": "string", "minLength": 1},
    "frames": {"type": "integer", "minimum": 1, "maximum": 256},
    "frame_rate": {"type": "number", "exclusiveMinimum": 0},
    "size": {"type": ["integer", "null"], "minimum": 1},
    "seconds": {"type": "number", "exclusiveMinimum": 0},
    "windows": {"type": "integer", "minimum": 1, "maximum": 64},
    "channels": {"enum": [1, 2]},
    "batch": {"type": "integer", "minimum": 1},
    "device": {"type": "string", "pattern": "^(cpu|cuda(:[0-9]+)?)$"},
    "unreadable": {"enum": [ABSENT, REFUSE]},
}
OF_KIND: dict[str, set[str]] = {
    VIDEO: {"frames", "frame_rate", "size"},
    PICTURE: {"size"},
    AUDIO: {"seconds", "windows", "channels"},
    TEXT: set(),
}


def is_raw(entry: dict[str, Any]) -> bool:
    """Whether a modality of a card names raw media."""
    return FROM in entry or COLUMN in entry


def problem(name: str, entry: dict[str, Any]) -> str:
    """What is wrong with a modality of a card that names raw media; empty if nothing."""
    kind = entry.get("kind")
    if kind not in OF_KIND:
        return f"modalities.{name}.kind: found {kind!r}, expected {', '.join(OF_KIND)}, since it is made from media"
    if "file" in entry or (FROM in entry) == (COLUMN in entry):
        return f"modalities.{name}: expected one of `file`, `{FROM}` and `{COLUMN}`"
    if COLUMN in entry and kind != TEXT:
        return f"modalities.{name}.{COLUMN}: a column holds texts; found kind {kind!r}"
    if FROM in entry and ID not in entry[FROM]:
        return f"modalities.{name}.{FROM}: found {entry[FROM]!r}, expected a file name with {ID} for the item's id"
    known = {key for keys in OF_KIND.values() for key in keys}
    foreign = sorted((known & entry.keys()) - OF_KIND[kind])
    if foreign:
        return f"modalities.{name}.{foreign[0]}: has no meaning for kind {kind!r}; remove it"
    return ""
