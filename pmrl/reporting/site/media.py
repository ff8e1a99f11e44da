"""Items of a data set as a page shows them: pictures, clips and sounds as files, texts, or features as bars."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from pmrl.data.playback import recordings
from pmrl.errors import UserError
from pmrl.reporting.shelf import DEVIATIONS, Shelf
from pmrl.reporting.site.shown import Shown

# How files begin: {the first bytes, at their place: (what a page makes of it, the ending of its name)}.
SIGNATURES = {
    (0, b"\x89PNG"): ("picture", "png"),
    (0, b"\xff\xd8\xff"): ("picture", "jpg"),
    (0, b"GIF8"): ("picture", "gif"),
    (8, b"WEBP"): ("picture", "webp"),
    (4, b"ftyp"): ("clip", "mp4"),
    (0, b"\x1aE\xdf\xa3"): ("clip", "webm"),
    (8, b"WAVE"): ("sound", "wav"),
    (0, b"OggS"): ("sound", "ogg"),
    (0, b"fLaC"): ("sound", "flac"),
    (0, b"ID3"): ("sound", "mp3"),
    (0, b"\xff\xfb"): ("sound", "mp3"),
}


def kind_of(content: bytes) -> tuple[str, str]:
    """What a page makes of a file, "picture", "clip" or "sound", and the ending of its name.

    Raises:
        UserError: it is of no known kind.
    """
    for (place, begin), kind in SIGNATURES.items():
        if content[place : place + len(begin)] == begin:
            return kind
    raise UserError(f"A view begins with {content[:8]!r}, which is no picture, clip or sound that a browser shows.")


def items(shown: Shown, dataset: str, wanted: Mapping[str, Collection[str]]) -> dict[str, dict[str, Any]]:
    """{item id: {modality: a text, paths of files by kind, or its features}} for a page; files are written beside it.

    Args:
        shown: the study.
        dataset: the data set's name.
        wanted: {modality: the ids of the items to show in it}.

    Raises:
        UserError: the store is missing or damaged.
    """
    shelf = Shelf(shown.results, dataset)
    found: dict[str, dict[str, Any]] = {}
    rows = {key: row for row, key in enumerate(shelf.items["id"])}
    for number, modality in enumerate(name for name in shelf.modalities if wanted.get(name)):
        views, played = shelf.views(modality), recordings(shown.results.store(dataset), modality, wanted[modality])
        features = None if views else shelf.features(modality)
        for key in wanted[modality]:
            stem = f"media/{dataset}/{number}_{rows[key]}"
            about: Any = _view(shown, stem, views.get(key))
            if key in played:
                kind, ending = kind_of(played[key])
                about = {**(about or {}), kind: shown.write(f"{stem}.{ending}", played[key])}
            if about is None and features is not None and not np.isnan(features[rows[key]]).any():
                about = {
                    "bars": [round(float(value), 1) for value in np.clip(features[rows[key]], -DEVIATIONS, DEVIATIONS)]
                }
            found.setdefault(key, {})[modality] = about
    return found


def _view(shown: Shown, stem: str, view: bytes | str | None) -> Any:
    """A text, or the path of a file by its kind; None without a view."""
    if not isinstance(view, bytes):
        return view
    kind, ending = kind_of(view)
    return {kind: shown.write(f"{stem}.{ending}", view)}
