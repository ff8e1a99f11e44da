"""The manual of the config, ``config/README.md``, generated from the schema so that the two always agree."""

import json
from collections.abc import Iterator
from typing import Any

from pmrl.files import read_yaml
from pmrl.study.config import SCHEMA

HEAD = """\
# Every key of the config

A config is a YAML file that describes a whole study; what it leaves out has the default below, which is the only layer
of defaults. `snakemake --cores all` reads `config.yaml`, `snakemake --cores all --configfile config/smoke.yaml` another
study instead; `--config seeds=5` overrides one key. A key that is not listed here is refused.

This page is written by `make manual` from `workflow/schemas/config.schema.yaml`.

| key | default | meaning |
|---|---|---|
"""
TAIL = """
`tuned.yaml` holds the values that the search chose for each data set and method, `tuning_records.csv` all its trials
(`tuned_from_scratch.yaml` and its records: those of `from_scratch.yaml`). `make tune CONFIG=config/extended.yaml`
searches what that study names and writes both.
"""


def text() -> str:
    """The page, in Markdown."""
    return HEAD + "".join(f"| `{key}` | {default} | {meaning} |\n" for key, default, meaning in _rows()) + TAIL


def _rows() -> Iterator[tuple[str, str, str]]:
    """Key, default and meaning of every key; the keys of a group follow it."""
    for key, part in read_yaml(SCHEMA)["properties"].items():
        yield key, "" if "properties" in part else _default_text(part["default"]), _meaning(part)
        for inner, about in part.get("properties", {}).items():
            yield f"{key}.{inner}", _default_text(about["default"]), _meaning(about)


def _meaning(part: dict[str, Any]) -> str:
    return " ".join(part["description"].split()).replace("|", "\\|")


def _default_text(default: Any) -> str:
    """A default as it would be written in a config."""
    if default is None:
        return "none"
    if isinstance(default, list):
        return f"`[{', '.join(map(_plain, default))}]`"
    return f"`{_plain(default)}`"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
