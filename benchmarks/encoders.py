"""Which encoder reads a modality best: the linear check of what is learnable, with each candidate in turn.

`python -m benchmarks.encoders --output results/encoders` takes the prepared stores, replaces the features of one
modality by those of each candidate, and retrieves on the validation groups, by which encoders are chosen, and on the
test groups, which are shown beside them. It writes `pairs.csv` with a row per ordered pair of modalities, and
`choices.csv` with their means.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pmrl.data import encoders, learnability, speech, store
from pmrl.data.dataset import Dataset
from pmrl.data.freedoom import files
from pmrl.data.freedoom.engine import RATE
from pmrl.data.media.decode import read_sound
from pmrl.data.media.encoders import multilingual_e5, sound_effects, use_multilingual, whisper
from pmrl.data.registry import PACKAGE_CACHE
from pmrl.data.sources import emoji, freedoom, polyglot
from pmrl.files import replacing
from pmrl.records import TEST, VALIDATION

KEYS = ["dataset", "modality", "encoder", "split"]
TEXTS: dict[str, Callable[[Sequence[str]], np.ndarray]] = {
    "MiniLM": lambda texts: encoders.encode_texts(texts)[0],
    "USE multilingual": lambda texts: use_multilingual.encode_texts(texts)[0],
    "E5 small": lambda texts: multilingual_e5.encode_texts(texts)[0],
}
STRINGS = {
    "characters": lambda texts: encoders.encode_characters(texts)[0],
    **{name: read for name, read in TEXTS.items() if name != "MiniLM"},  # which reads Latin script only
}
Sounds = Sequence[np.ndarray]
SPEECH: dict[str, Callable[[Sounds, int], np.ndarray]] = {
    "log-mel": lambda waves, rate: encoders.encode_speech(waves, rate)[0],
    "Whisper tiny.en": lambda waves, rate: whisper.encode_speech(waves, rate)[0],
}


@dataclass(frozen=True)
class Comparison:
    """Candidates for some modalities of a data set, which are all read by the same one at a time.

    Attributes:
        dataset: its name.
        modalities: that are read.
        name: of these modalities together.
        candidates: {encoder: the pooled features of a modality}; the first is the one in use.
    """

    dataset: str
    modalities: tuple[str, ...]
    name: str
    candidates: dict[str, Callable[[str], np.ndarray]]


def of_emoji(root: Path) -> Iterator[Comparison]:
    """The Spanish names, written and spoken."""
    yield Comparison("emoji", ("subtitle",), "subtitle", _of_texts(root / "emoji", TEXTS))
    waves, rate = speech.synthesise(list(emoji.read_table()["spanish"]), "es")
    yield Comparison("emoji", ("speech",), "speech", _of_sounds(waves, rate, SPEECH))


def of_kanji(root: Path) -> Iterator[Comparison]:
    """The English meanings."""
    yield Comparison("kanji", ("meaning",), "meaning", _of_texts(root / "kanji", TEXTS))


def of_polyglot(root: Path) -> Iterator[Comparison]:
    """The names in all languages at once."""
    yield Comparison("polyglot", tuple(polyglot.LANGUAGES), "all languages", _of_texts(root / "polyglot", STRINGS))


def of_freedoom(root: Path) -> Iterator[Comparison]:
    """The captions, the game's messages and its sound."""
    for modality in ("text", "subtitle"):
        yield Comparison("freedoom", (modality,), modality, _of_texts(root / "freedoom", TEXTS))
    folder = root / PACKAGE_CACHE / "freedoom"
    sounds = [
        read_sound(folder / files.SOUNDS.format(id=key), RATE, channels=2) for key in freedoom.read_table(folder)["id"]
    ]
    mono = [sound.mean(axis=1) for sound in sounds]
    effects = {"sound effects": lambda waves, rate: sound_effects.encode_sounds(waves, rate, root / PACKAGE_CACHE)[0]}
    stereo = {"log-mel of both channels": lambda modality: freedoom.encode_stereo(sounds)[0]}
    yield Comparison("freedoom", ("sound",), "sound", {**stereo, **_of_sounds(mono, RATE, {**SPEECH, **effects})})


COMPARED = {"emoji": of_emoji, "kanji": of_kanji, "polyglot": of_polyglot, "freedoom": of_freedoom}


def _of_texts(
    folder: Path, readers: dict[str, Callable[[Sequence[str]], np.ndarray]]
) -> dict[str, Callable[[str], np.ndarray]]:
    """Candidates that read the texts of a store, which are its views."""

    def read(encode: Callable[[Sequence[str]], np.ndarray], modality: str) -> np.ndarray:
        shown = store.read_views(folder, modality)
        return encode([str(shown.get(key, "")) for key in pd.read_parquet(folder / store.ITEMS)["id"]])

    return {name: lambda modality, encode=encode: read(encode, modality) for name, encode in readers.items()}


def _of_sounds(
    waves: Sounds, rate: int, readers: dict[str, Callable[[Sounds, int], np.ndarray]]
) -> dict[str, Callable[[str], np.ndarray]]:
    return {name: lambda modality, encode=encode: encode(waves, rate) for name, encode in readers.items()}


def measure(dataset: Dataset, compared: Comparison) -> pd.DataFrame:
    """One row per candidate, split and ordered pair with one of its modalities: recall@1, chance and queries."""
    tables = []
    for encoder, read in compared.candidates.items():
        features = {name: read(name).astype(np.float32) for name in compared.modalities}
        modalities = {
            name: replace(modality, noise=encoders.TEXT_NOISE) if name in features else modality
            for name, modality in dataset.card.modalities.items()
        }
        changed = replace(
            dataset, card=replace(dataset.card, modalities=modalities), pooled={**dataset.pooled, **features}
        )
        for split in (VALIDATION, TEST):
            table = learnability.measure(changed, split)
            own = table[table["query"].isin(features) | table["gallery"].isin(features)]
            tables.append(own.assign(**dict(zip(KEYS, (compared.dataset, compared.name, encoder, split), strict=True))))
    return pd.concat(tables)[[*KEYS, "query", "gallery", "recall@1", "chance", "queries"]]


def main() -> None:
    """Compare, and write both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("results/data"), help="folder of the prepared stores")
    parser.add_argument("--output", type=Path, default=Path("results/encoders"))
    parser.add_argument("--datasets", nargs="+", choices=COMPARED, default=list(COMPARED))
    options = parser.parse_args()
    tables = [
        measure(store.load(options.data / compared.dataset), compared)
        for dataset in options.datasets
        for compared in COMPARED[dataset](options.data)
    ]
    pairs = pd.concat(tables)
    choices = pairs.groupby(KEYS, sort=False).agg(
        mean=("recall@1", "mean"), chance=("chance", "mean"), pairs=("query", "size")
    )
    for name, table in (("pairs", pairs), ("choices", choices.reset_index())):
        with replacing(options.output / f"{name}.csv") as path:
            table.to_csv(path, index=False, float_format="%.2f")
    print(choices.round(1).to_string())


if __name__ == "__main__":
    main()
