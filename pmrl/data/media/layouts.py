"""Annotation files of published collections as they come: which clips there are, their captions and other texts.

| layout | file | captions of a clip |
|---|---|---|
| msrvtt | JSON with ``videos`` and ``sentences``; ``list``, a csv, fixes the test part | 20; 1 of 1k-A |
| vatex | JSON list with ``videoID`` and ``enCap`` | 10 |
| didemo | JSON list with ``video`` and ``description`` | its sentences as one paragraph |
| activitynet | JSON object by clip with ``sentences`` | its sentences as one paragraph |
| audiocaps | csv with ``youtube_id`` and ``caption`` | 1, or 5 in the test part |
| clotho | csv with ``file_name`` and ``caption_1`` … ``caption_5`` | 5 |
| vast | JSON list with ``video_id``, ``desc`` and perhaps ``subtitle`` | 1, or a list |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from pmrl.data.tables import read_texts
from pmrl.errors import UserError
from pmrl.records import PRETRAIN, TEST, TRAIN, VALIDATION

OF_TRAINING = "training"  # a published training part, which is halved into ours
SPLITS = {TRAIN: OF_TRAINING, "validate": VALIDATION, "val": VALIDATION, VALIDATION: VALIDATION, TEST: TEST}


@dataclass
class Annotation:
    """What the files of a layout say.

    Attributes:
        captions: {clip: its captions}, in the order of the file.
        texts: {column: {clip: text}}, other texts, such as subtitles.
        splits: {clip: split}, where the layout says so.
    """

    captions: dict[str, list[str]] = field(default_factory=dict)
    texts: dict[str, dict[str, str]] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The table of clips, with a column per text and perhaps ``split``, and the table of captions."""
        clips = pd.DataFrame({"id": [*self.captions]}, dtype=object)
        for column, texts in self.texts.items():
            clips[column] = [texts.get(clip, "") for clip in clips["id"]]
        if self.splits:
            clips["split"] = [_ours(clip, self.splits[clip]) for clip in clips["id"]]
        rows = [(clip, caption) for clip, captions in self.captions.items() for caption in captions]
        return clips, pd.DataFrame(rows, columns=["id", "caption"], dtype=object)


def read(layout: str, files: Mapping[str, Path], listed: Path | None = None) -> Annotation:
    """The annotation in some files.

    Args:
        layout: one of ``READERS``.
        files: {split: file}, of which the split "" leaves it to the file.
        listed: the csv of clips and captions that are the test part, of ``msrvtt``.

    Raises:
        UserError: a file is missing, or is not in this layout.
    """
    result = Annotation()
    for split, path in files.items():
        found = READERS[layout](path)
        for clip in found.captions.keys() & result.captions.keys():
            raise UserError(f"{path}: the clip {clip!r} is in another file, too; each clip belongs to one split.")
        result.captions |= found.captions
        for column, texts in found.texts.items():
            result.texts.setdefault(column, {}).update(texts)
        result.splits |= found.splits or (dict.fromkeys(found.captions, split) if split else {})
    if listed is not None:
        _keep_listed(result, listed)
    if result.splits and result.splits.keys() != result.captions.keys():
        clip = next(iter(result.captions.keys() - result.splits.keys()))
        raise UserError(f"{next(iter(files.values()))}: the clip {clip!r} is in no split; expected one for every clip.")
    return result


def _ours(clip: str, split: str) -> str:
    """Our split of a published one; the training part is halved, the same clips each time."""
    place = SPLITS.get(split, split)
    if place != OF_TRAINING:
        return place
    return (PRETRAIN, TRAIN)[hashlib.sha256(clip.encode()).digest()[0] % 2]


def _keep_listed(annotation: Annotation, listed: Path) -> None:
    """Let the test part be the clips of a list, each with the one caption that the list has."""
    table = _columns(read_texts(listed), listed, "video_id", "sentence")
    chosen = {str(row.video_id): str(row.sentence) for row in table.itertuples()}
    unknown = [clip for clip in chosen if clip not in annotation.captions]
    if unknown:
        raise UserError(f"{listed}: the clip {unknown[0]!r} is not in the annotation; {len(unknown)} such clips.")
    left_out = [clip for clip, split in annotation.splits.items() if split == TEST and clip not in chosen]
    for clip in left_out:  # MSR-VTT's full test part has clips that 1k-A leaves out
        del annotation.captions[clip], annotation.splits[clip]
    for clip, caption in chosen.items():
        annotation.captions[clip], annotation.splits[clip] = [caption], TEST


def _msrvtt(path: Path) -> Annotation:
    content = _json(path, dict)
    result = Annotation()
    for video in _entries(content.get("videos"), path, "videos"):
        result.captions[_text(video, "video_id", path)] = []
        result.splits[_text(video, "video_id", path)] = _text(video, "split", path)
    for sentence in _entries(content.get("sentences"), path, "sentences"):
        clip = _text(sentence, "video_id", path)
        if clip not in result.captions:
            raise UserError(f"{path}: a sentence belongs to {clip!r}, which is not among the videos.")
        result.captions[clip].append(_text(sentence, "caption", path))
    return result


def _vatex(path: Path) -> Annotation:
    entries = _entries(_json(path, list), path, "the list")
    return Annotation({_text(entry, "videoID", path): _texts(entry, "enCap", path) for entry in entries})


def _didemo(path: Path) -> Annotation:
    sentences: dict[str, list[str]] = {}
    for entry in _entries(_json(path, list), path, "the list"):
        sentences.setdefault(_stem(_text(entry, "video", path)), []).append(_text(entry, "description", path))
    return Annotation({clip: [_paragraph(parts)] for clip, parts in sentences.items()})


def _activitynet(path: Path) -> Annotation:
    content = _json(path, dict)
    return Annotation({str(clip): [_paragraph(_texts(entry, "sentences", path))] for clip, entry in content.items()})


def _audiocaps(path: Path) -> Annotation:
    result = Annotation()
    for row in _columns(read_texts(path), path, "youtube_id", "caption").itertuples():
        result.captions.setdefault(str(row.youtube_id), []).append(str(row.caption))
    return result


def _clotho(path: Path) -> Annotation:
    names = [f"caption_{number}" for number in range(1, 6)]
    table = _columns(read_texts(path), path, "file_name", *names)
    return Annotation({_stem(str(row["file_name"])): [row[name] for name in names] for row in table.to_dict("records")})


def _vast(path: Path) -> Annotation:
    result = Annotation()
    for entry in _entries(_json(path, list), path, "the list"):
        clip, caption = _text(entry, "video_id", path), entry.get("desc")
        result.captions[clip] = (
            _texts(entry, "desc", path) if isinstance(caption, list) else [_text(entry, "desc", path)]
        )
        if "subtitle" in entry:
            result.texts.setdefault("subtitle", {})[clip] = _text(entry, "subtitle", path)
    return result


READERS: dict[str, Callable[[Path], Annotation]] = {
    "msrvtt": _msrvtt,
    "vatex": _vatex,
    "didemo": _didemo,
    "activitynet": _activitynet,
    "audiocaps": _audiocaps,
    "clotho": _clotho,
    "vast": _vast,
}


def _json(path: Path, kind: type) -> Any:
    """The content of a JSON file, a list or an object; a byte order mark does not count."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise UserError(f"{path}: not JSON in UTF-8 ({error}).") from error
    if not isinstance(content, kind):
        found, expected = ("a list" if isinstance(x, list) else "an object" for x in (content, kind()))
        raise UserError(f"{path}: found {found} of JSON, expected {expected}; is this the right layout?")
    return content


def _entries(content: Any, path: Path, what: str) -> Iterable[dict[str, Any]]:
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise UserError(f"{path}: {what}: expected a list of objects; is this the right layout?")
    return content


def _text(entry: Mapping[str, Any], key: str, path: Path) -> str:
    if not isinstance(entry.get(key), str):
        raise UserError(f"{path}: an entry has no text {key!r}; found {', '.join(entry)}; is this the right layout?")
    return " ".join(str(entry[key]).split())


def _texts(entry: Any, key: str, path: Path) -> list[str]:
    texts = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise UserError(f"{path}: an entry has no list of texts {key!r}; is this the right layout?")
    return [" ".join(text.split()) for text in texts]


def _columns(table: pd.DataFrame, path: Path, *names: str) -> pd.DataFrame:
    missing = [name for name in names if name not in table]
    if missing:
        raise UserError(
            f"{path}: there is no column {missing[0]!r}; found {', '.join(table)}; is this the right layout?"
        )
    return table


def _paragraph(sentences: Iterable[str]) -> str:
    return " ".join(sentences)


def _stem(name: str) -> str:
    """A file name without its ending, which the card's pattern adds again."""
    return PurePosixPath(name).stem
