"""Modalities that are made from raw media: their signals, features, and a report of what cannot be read."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pmrl.data.media import decode, shards
from pmrl.data.media.encoders.base import Encoder
from pmrl.data.media.encoders.named import DEFAULTS, encoder
from pmrl.data.media.keys import ABSENT, COLUMN, FROM, ID, OF_KIND, REFUSE
from pmrl.data.media.shards import Features
from pmrl.data.media.signals import Sampling, Signals
from pmrl.errors import UserError
from pmrl.files import replacing
from pmrl.progress import progress
from pmrl.records import AUDIO, TEXT, VIDEO

PROBLEMS = "unreadable.csv"


@dataclass(frozen=True)
class Raw:
    """A modality that is made from media.

    Attributes:
        name: of the modality.
        entry: its part of the card.
        ids: of the items.
        signals: what is read of them.
    """

    name: str
    entry: dict[str, Any]
    ids: Sequence[str]
    signals: Signals

    @classmethod
    def of(
        cls, name: str, entry: dict[str, Any], folder: Path, ids: Sequence[str], texts: Mapping[str, Sequence[str]]
    ) -> Raw:
        """A modality of a card.

        Args:
            name: of the modality.
            entry: its part of the card, without a `problem`.
            folder: of the card.
            ids: of the items, as they are written in file names.
            texts: columns of the table of items, by name.

        Raises:
            UserError: the column is missing, or a file lies outside the folder.
        """
        sources: list[Path | str | None]
        if COLUMN in entry:
            if entry[COLUMN] not in texts:
                raise UserError(
                    f"modalities.{name}.{COLUMN}: the table of items has no column {entry[COLUMN]!r}; found "
                    f"{', '.join(texts)}."
                )
            sources = [*texts[entry[COLUMN]]]
        else:
            sources = [_inside(folder, entry[FROM].replace(ID, key)) for key in ids]
        sampling = {key: entry[key] for key in OF_KIND[entry["kind"]] if key in entry}
        return cls(name, entry, ids, Signals(entry["kind"], sources, Sampling(**sampling)))

    def encoder(self, cache: Path) -> Encoder:
        """The encoder that the card names, or that of the kind.

        Raises:
            UserError: see `pmrl.data.media.encoders.named.encoder`.
        """
        kind = self.entry["kind"]
        return encoder(self.entry.get("encoder", DEFAULTS[kind]), kind, cache, self.entry.get("device", "cpu"))

    def encode(self, cache: Path, folder: Path) -> Features:
        """Features of all items; what could not be read is listed in ``folder`` and on the error stream.

        Args:
            cache: for weights that are fetched.
            folder: for shards and the list.

        Raises:
            UserError: an item cannot be read and the card refuses that, or none can.
        """
        features = shards.encode(
            self.signals, self.encoder(cache), folder, self.name, self.entry.get("batch", shards.BATCH)
        )
        self.report(features.problems, folder / PROBLEMS)
        return features

    def report(self, problems: dict[int, str], path: Path) -> None:
        """List the items that are absent and say how many they are.

        Raises:
            UserError: there are some and the card refuses that, or none is left.
        """
        missing = {row: reason for row, reason in problems.items() if not self._has_no_text(row)}
        if missing and self.entry.get("unreadable", ABSENT) == REFUSE:
            row, reason = next(iter(missing.items()))
            raise UserError(f"{self.name}: item {self.ids[row]!r}: {reason} The card says `unreadable: refuse`.")
        if len(problems) == len(self.ids):
            raise UserError(f"{self.name}: no item can be read; the first is {self.ids[0]!r}: {problems[0]}")
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "reason"])
            writer.writerows((self.ids[row], reason) for row, reason in sorted(problems.items()))
        if missing:
            print(
                f"{self.name}: {len(missing)} of {len(self.ids)} items cannot be read and count as absent; they are "
                f"listed in {path}",
                file=sys.stderr,
            )

    def _has_no_text(self, row: int) -> bool:
        return self.entry["kind"] == TEXT and self.signals.sources[row] == ""

    def found(self, cache: Path) -> list[str]:
        """What the files hold, in a few lines, from reading what an encoder would; nothing is encoded.

        Raises:
            UserError: the encoder is not usable.
        """
        reads = self.encoder(cache)
        seconds: list[float] = []
        problems: dict[int, str] = {}
        ahead = shards.read_ahead(self.signals, reads, range(len(self.ids)))
        for row, signal in progress(ahead, self.name, len(self.ids)):
            if isinstance(signal, decode.Unreadable):
                problems[row] = str(signal)
            else:
                seconds.append(signal.seconds)
        lines = [f"{self.name} ({self.entry['kind']}), read by {reads.description}"]
        if self.entry["kind"] != TEXT:
            lines += self._files(problems)
        if any(seconds):
            middle = float(np.median(seconds))
            lines.append(f"  lengths: {min(seconds):.2f} to {max(seconds):.2f} s, half of them below {middle:.2f} s")
        lines += [f"  {count} cannot be read: {reason}" for reason, count in _kinds(problems).items()]
        lines += [f"    {self.ids[row]}: {reason}" for row, reason in [*problems.items()][:5]]
        return lines

    def _files(self, problems: dict[int, str]) -> list[str]:
        """How many files, shared ones, and the rates of those that can be opened."""
        paths = [source for source in self.signals.sources if isinstance(source, Path) and source.is_file()]
        shared = [path for path, count in Counter(paths).items() if count > 1]
        lines = [f"  {len(set(paths))} files for {len(self.ids)} items, {len(problems)} of them absent"]
        if shared:
            lines.append(f"  {len(shared)} files belong to several items, such as {shared[0].name}")
        facts = [decode.facts(path) for row, path in enumerate(paths) if row not in problems]
        about: dict[str, list[Any]] = {
            "frames per second": [round(fact.frame_rate, 2) for fact in facts if fact.frame_rate],
            "samples per second": [fact.rate for fact in facts if fact.rate],
            "channels": [fact.channels for fact in facts if fact.rate],
            "pixels": [f"{fact.width} × {fact.height}" for fact in facts if fact.width],
        }
        for title, values in about.items():
            counts = Counter(values).most_common(4)
            if counts:
                lines.append(f"  {title}: " + ", ".join(f"{value} ({count})" for value, count in counts))
        return lines


def _kinds(problems: dict[int, str]) -> dict[str, int]:
    """How often each kind of problem occurs: what the messages say without the names of files and numbers."""
    kinds: Counter[str] = Counter()
    for reason in problems.values():
        kinds[reason.rsplit(": ", 1)[-1].split(" (")[0].split(";")[0].rstrip(".")] += 1
    return dict(kinds)


def _inside(folder: Path, name: str) -> Path:
    """A path within a folder, whether or not there is a file.

    Raises:
        UserError: it leads out of the folder.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"The file {name!r} lies outside the folder of the card; move it into {folder}.")
    return path


def described(sampling: Sampling, kind: str) -> str:
    """What is read of each file, for tables."""
    if kind == VIDEO:
        rate = f" at {sampling.frame_rate:g} per second" if sampling.frame_rate else ", evenly"
        return f"{sampling.frames} frames{rate}"
    if kind == AUDIO:
        return (
            f"{sampling.windows} window(s) of {sampling.seconds:g} s, {'stereo' if sampling.channels == 2 else 'mono'}"
        )
    return ""
