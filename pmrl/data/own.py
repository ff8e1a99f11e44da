"""The user's own data: one YAML card, one file per modality, and a table of items.

See docs/adding_a_dataset.md.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pmrl.data import large, learnability, store
from pmrl.data.arrays import cut, real_tokens, varying_columns, zero_where_absent
from pmrl.data.checks import check_lengths, view_problem
from pmrl.data.dataset import Card, Dataset, Modality
from pmrl.data.media import raw
from pmrl.data.media.keys import COLUMN, is_raw
from pmrl.data.notes import notes
from pmrl.data.own_card import ZEROS, read_card, view_name
from pmrl.data.own_items import Items, beside, read_items
from pmrl.data.pictures import is_png
from pmrl.data.readers import Features, read_features
from pmrl.errors import UserError
from pmrl.records import MEASUREMENT, PRETRAIN, SPLITS, TRAIN


def read(path: Path, cache: Path | None = None) -> Dataset:
    """Read and check the data set that a card describes; raw media are encoded.

    Args:
        path: the card.
        cache: where the features of raw media are kept; required if the card names any.

    Raises:
        UserError: the first problem, naming the file, the row or column, what was found and what was expected.
    """
    card = read_card(path)
    items = read_items(path, card)
    parts = {name: _part(path, card, name, items, cache) for name in card["modalities"]}
    sources = {key: card.get(key, "not stated") for key in ("origin", "license", "citation")}
    return store.completed(
        Dataset(
            card=Card(
                name=card["name"],
                title=card.get("title", card["name"]),
                anchor=card["anchor"],
                modalities={name: part.modality for name, part in parts.items()},
                split_rule=card.get("split_rule", items.split_rule),
                flaws=card.get("flaws", []),
                **sources,
            ),
            items=items.table,
            pooled={name: part.pooled for name, part in parts.items()},
            tokens={name: part.tokens for name, part in parts.items()},
            present={name: part.present for name, part in parts.items()},
            views={name: part.views for name, part in parts.items() if part.views},
            lengths={name: part.lengths for name, part in parts.items() if part.lengths is not None},
        ),
        {name: part.file for name, part in parts.items()},
    )


@dataclass(frozen=True)
class _Part:
    """One modality of all items; ``file`` is what messages name."""

    modality: Modality
    pooled: np.ndarray
    tokens: np.ndarray
    present: np.ndarray
    lengths: np.ndarray | None
    views: dict[str, bytes | str]
    file: str


def _part(path: Path, card: dict[str, Any], name: str, items: Items, cache: Path | None) -> _Part:
    """A modality as its card says: features of a file, or what an encoder makes of raw media."""
    entry = card["modalities"][name]
    if is_raw(entry):
        if cache is None:
            raise UserError(
                f"{path}: modality {name!r} is made from media; `pmrl prepare {card['name']}` encodes them."
            )
        return _encoded(path, card, name, items, cache)
    file = beside(path, entry["file"])
    given = _without_fillers(file, read_features(file, items.clips, entry.get("gaps", False)), entry)
    pooled, tokens, lengths = _vectors(file, given, entry)
    shown = map(int, np.flatnonzero(given.present)) if "view" in entry else ()
    views = {row: _view(path, entry["view"], items, row) for row in shown}
    modality = Modality(
        entry.get("description", name),
        entry.get("encoder", "as given"),
        kind=entry.get("kind", MEASUREMENT),
        noise=entry.get("noise", 0.0),
    )
    return _of_items(_Part(modality, pooled, tokens, given.present, lengths, {}, str(file)), views, items.clip, items)


def _encoded(path: Path, card: dict[str, Any], name: str, items: Items, cache: Path) -> _Part:
    """A modality that is encoded from raw media, once for each clip, or for each caption."""
    entry, modality = card["modalities"][name], _raw(path, card, name, items)
    features = modality.encode(cache, cache / card["name"] / name)
    kept = varying_columns(features.pooled, features.present)
    if not kept.any():
        raise UserError(f"{path}: {name!r}: all {features.present.sum()} items that have it are equal; remove it.")
    described = raw.described(modality.signals.sampling, entry["kind"])
    reads = ", ".join(filter(None, [modality.encoder(cache).description, described]))
    about = Modality(entry.get("description", name), reads, kind=entry["kind"], noise=entry.get("noise", 0.0))
    part = _Part(
        about,
        large.changed(features.pooled, np.arange(len(features.pooled)), lambda part, _: part[:, kept]),
        features.tokens,
        features.present,
        np.where(features.present, features.lengths, 0).astype(np.int32),
        {},
        f"{path}: modality {name!r}",
    )
    clip = np.arange(len(items.table)) if COLUMN in entry else items.clip
    return _of_items(part, features.views, clip, items)


def _of_items(part: _Part, views: dict[int, bytes | str], clip: np.ndarray, items: Items) -> _Part:
    """The features of the clips for the items that belong to them."""
    ids = list(items.table["id"])
    alone = np.array_equal(clip, np.arange(len(part.present)))
    return replace(
        part,
        pooled=part.pooled if alone else large.changed(part.pooled, clip),
        tokens=part.tokens if alone else large.changed(part.tokens, clip),
        present=part.present[clip],
        lengths=None if part.lengths is None else part.lengths[clip],
        views={ids[item]: views[row] for item, row in enumerate(clip) if row in views},
    )


def _raw(path: Path, card: dict[str, Any], name: str, items: Items) -> raw.Raw:
    """A modality that is made from raw media."""
    entry = card["modalities"][name]
    ids = items.table["id"] if COLUMN in entry else items.spelled
    return raw.Raw.of(name, entry, path.parent, list(ids), items.texts)


def build(path: Path, cache: Path) -> Dataset:
    """Read and check a data set as `read` does, and print what may be a mistake."""
    dataset = read(path, cache)
    for note in notes(dataset):
        print(f"{dataset.card.name}: {note}", file=sys.stderr)
    return dataset


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
    about = read_card(path)
    if any(is_raw(entry) for entry in about["modalities"].values()):
        return _check_media(Path(path), about)
    dataset = read(Path(path))
    items, card = dataset.items, dataset.card
    counts = ", ".join(f"{split} {card.counts[split]}" for split in SPLITS)
    lines = [
        f"{card.name}: {card.title}",
        f"{_size(items)}: {counts}",
        *_small_splits(dataset, batch_size),
        "",
    ]
    for name, modality in card.modalities.items():
        anchor = ", the anchor" if name == card.anchor else ""
        lines.append(
            f"{name} ({modality.kind}{anchor}): {modality.description}; {modality.dimension} features, "
            f"{modality.tokens[0]} tokens of {modality.tokens[1]}, present for "
            f"{100 * dataset.present[name].mean():.0f} % of the items"
        )
    found = notes(dataset)
    lines += ["", *found] if found else []
    lines += ["", f"Recall@1 on {learnability.tested(dataset)} by linear canonical correlation, in percent (chance):"]
    lines += [
        f"{row.query} → {row.gallery}: {row.recall:.1f} ({row.chance:.3g})"
        for row in learnability.measure(dataset).rename(columns={"recall@1": "recall"}).itertuples()
    ]
    return "\n".join(lines)


def _check_media(path: Path, card: dict[str, Any]) -> str:
    """What a card with raw media and its files hold; nothing is encoded, and features in files are not read."""
    items = read_items(path, card)
    counts = ", ".join(f"{split} {(items.table['split'] == split).sum()}" for split in SPLITS)
    lines = [f"{card['name']}: {card.get('title', card['name'])}", f"{_size(items.table)}: {counts}"]
    for name, entry in card["modalities"].items():
        if is_raw(entry):
            lines += ["", *_raw(path, card, name, items).found(path.parent)]
        else:
            lines += ["", f"{name}: features in {entry['file']}, which `pmrl prepare {card['name']}` checks"]
    return "\n".join([*lines, "", f"`pmrl prepare {card['name']}` encodes the files."])


def _size(items: pd.DataFrame) -> str:
    """How many items, instances if there are any, groups and labels a table has; an empty label is none."""
    instances = f" of {items['instance'].nunique()} instances" if "instance" in items else ""
    labels = set(items["label"]) - {""}
    return f"{len(items)} items{instances} in {items['group'].nunique()} groups, {len(labels)} labels"


def _small_splits(dataset: Dataset, batch_size: int) -> list[str]:
    """A note if a training split has fewer instances than a batch, with the size that would fit."""
    counts = {split: len(set(dataset.instances[dataset.indices(split)])) for split in (PRETRAIN, TRAIN)}
    small = {split: count for split, count in counts.items() if count < batch_size}
    if not small:
        return []
    noun = "instances" if "instance" in dataset.items else "items"
    sizes = ", ".join(f"{split} has {count} {noun}" for split, count in small.items())
    return [
        f"Note: {sizes}, fewer than the default training.batch_size, {batch_size}; "
        f"to train, set it to {min(small.values())} or less in the config."
    ]


def _view(card: Path, pattern: str, items: Items, row: int) -> bytes | str:
    """The picture or text that shows one item.

    Raises:
        UserError: the file is missing, lies outside the card's folder, or holds something else.
    """
    path = beside(card, view_name(card, pattern, items, row))
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


def _without_fillers(path: Path, given: Features, entry: dict[str, Any]) -> Features:
    """Marks items as absent whose every feature is the filler that the card names by `absent`.

    Raises:
        UserError: no item has the filler.
    """
    if "absent" not in entry:
        return given
    filler = np.float32(0 if entry["absent"] == ZEROS else entry["absent"])
    flat = given.features.reshape(len(given.features), -1)
    filled = large.changed(
        flat,
        np.arange(len(flat)),
        lambda part, _: (np.isnan(part) if np.isnan(filler) else part == filler).all(axis=1),
    )
    if not filled.any():
        raise UserError(
            f"{path}: the card has `absent: {entry['absent']}`, but no item has this value in all features; expected "
            "the value that stands for a missing modality; correct it or remove the key."
        )
    present = given.present & ~filled
    arrays = {name: getattr(given, name) for name in ("features", "tokens") if getattr(given, name) is not None}
    return replace(given, present=present, **{name: zero_where_absent(x, present) for name, x in arrays.items()})


def _vectors(path: Path, given: Features, entry: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Pooled vectors, tokens and their lengths; tokens are as given, cut from the vector, or the vector itself.

    Raises:
        UserError: tokens, lengths or padding do not fit the features.
    """
    if given.features.ndim == 3:
        if "tokens" in entry or given.tokens is not None:
            raise UserError(f"{path}: the features are already tokens; remove `tokens` from the card and the file.")
        tokens, lengths = _padded(path, given.features, given, entry)
        return _token_means(tokens, lengths), tokens, lengths
    if given.tokens is not None:
        if given.tokens.ndim != 3:
            raise UserError(f"{path}: tokens has {given.tokens.ndim} dimensions, expected (items, tokens, width).")
        return given.features, *_padded(path, given.tokens, given, entry)
    if given.lengths is not None or "padding" in entry:
        raise UserError(
            f"{path}: found {'`padding` in the card' if 'padding' in entry else 'lengths'} but no tokens, expected an "
            "array (items, tokens, width); give tokens, or remove it."
        )
    columns = given.features.shape[1]
    shape = [int(size) for size in entry.get("tokens", [1, columns])]
    if shape[0] * shape[1] < columns:
        raise UserError(f"{path}: {shape[0]} tokens of {shape[1]} cannot hold {columns} columns; give larger ones.")
    return given.features, cut(given.features, (shape[0], shape[1])), None


def _padded(
    path: Path, tokens: np.ndarray, given: Features, entry: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Tokens with zeros in place of padding, and their lengths, if the file or the card says what is padding.

    Raises:
        UserError: both say it, or the lengths do not fit.
    """
    lengths = given.lengths
    if lengths is not None and "padding" in entry:
        raise UserError(f"{path}: has lengths, and the card has `padding`; remove one of them.")
    if "padding" in entry:
        lengths = real_tokens(tokens)
    if lengths is None:
        return tokens, None
    check_lengths(str(path), lengths, tokens.shape[1], given.present)
    lengths = np.where(given.present, lengths, 0).astype(np.int32)
    real = np.arange(tokens.shape[1]) < lengths[:, None]
    cleared = large.changed(
        tokens, np.arange(len(tokens)), lambda part, rows: np.where(real[rows][:, :, None], part, 0)
    )
    return cleared, lengths


def _token_means(tokens: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
    """(items, width): the mean over the real tokens of each item; padding is zeros."""
    counts = np.full(len(tokens), tokens.shape[1]) if lengths is None else np.maximum(lengths, 1)
    return large.changed(
        tokens,
        np.arange(len(tokens)),
        lambda part, rows: (part.sum(axis=1, dtype=np.float64) / counts[rows, None]).astype(np.float32),
    )
