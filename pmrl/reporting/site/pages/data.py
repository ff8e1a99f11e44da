"""The data sets: cards, samples, licences, flaws, and how much of each can be learned at all."""

import json
from functools import partial
from html import escape

import pandas as pd

from pmrl.data.learnability import FILE as LEARNABILITY
from pmrl.records import SPLITS, TEST
from pmrl.reporting.shelf import Shelf
from pmrl.reporting.site import html, media
from pmrl.reporting.site.shown import Shown, each

TITLE = "Data"
SAMPLES = 6


def build(shown: Shown) -> str:
    """One section per data set, and what is missing."""
    parts = [section(shown, name) for name in shown.results.datasets]
    parts += [f"## {name}\n\n– {reason}" for name, reason in shown.study.get("absent", {}).items()]
    return "\n\n".join(parts)


def section(shown: Shown, name: str) -> str:
    """Card, samples and learnability of a data set; a dash and the reason where its store is missing."""
    title = f"## {shown.results.title(name)} {{ #{name} }}"
    parts = [described, modalities, samples, learnability]
    return "\n\n".join([title, *each(shown, [partial(part, name=name) for part in parts])])


def described(shown: Shown, name: str) -> str:
    """Where the data come from, under which licence, how they are split, and what is wrong with them."""
    card = shown.results.cards[name]
    facts = {
        "origin": card["origin"],
        "licence": card["license"],
        "citation": card["citation"],
        "split": card["split_rule"],
        "items": ", ".join(f"{card['counts'][split]} {split}" for split in SPLITS if split in card.get("counts", {})),
        "checksum": card.get("checksum", ""),
    }
    rows = "".join(
        f"<tr><th scope=row>{key}</th><td>{escape(str(value or '–'))}</td></tr>" for key, value in facts.items()
    )
    flaws = "".join(f"<li>{escape(flaw)}</li>" for flaw in card["flaws"]) or "<li>none is known</li>"
    return (
        f"<p><strong>{escape(card['title'])}</strong></p>\n"
        f'<div class="scroll"><table class="numbers plain">{rows}</table></div>\n'
        f"<p>Flaws:</p><ul>{flaws}</ul>\n"
    )


def modalities(shown: Shown, name: str) -> str:
    """What each modality is and how it is encoded."""
    card = shown.results.cards[name]
    rows = [
        [
            html.text(modality + (" (anchor)" if modality == card["anchor"] else "")),
            *(html.text(about[key]) for key in ("kind", "description", "encoder")),
            html.number(about["dimension"], 0),
        ]
        for modality, about in card["modalities"].items()
    ]
    return html.table("Modalities", ["modality", "kind", "what it shows", "encoder", "dimension"], rows)


def samples(shown: Shown, name: str) -> str:
    """A few items of the test part, of different groups, in all modalities."""
    shelf = Shelf(shown.results, name)
    test = shelf.items[shelf.items["split"].eq(TEST)].drop_duplicates("group")
    chosen = test.iloc[
        [round(place * (len(test) - 1) / max(1, SAMPLES - 1)) for place in range(min(SAMPLES, len(test)))]
    ]
    ids = list(chosen["id"])
    found = media.items(shown, name, dict.fromkeys(shelf.modalities, ids))
    script = {"modalities": shelf.modalities, "items": [(key, found.get(key, {})) for key in ids]}
    shown.script(f"samples_{name}", script)
    summary = "<summary>Samples of the test part</summary>"
    return f'<details class="samples" data-samples="{escape(name)}">{summary}<div></div></details>\n'


def learnability(shown: Shown, name: str) -> str:
    """How much retrieval a linear method reaches between two modalities, beside chance."""
    path = shown.results.store(name) / LEARNABILITY
    if not path.exists():
        return f"– {json.dumps(LEARNABILITY)} is missing in the store: `pmrl prepare {name}` writes it."
    frame = pd.read_csv(path)
    rows = [
        [
            html.text(row["query"]),
            html.text(row["gallery"]),
            html.number(row["recall@1"]),
            html.number(row["chance"], 2),
        ]
        for row in frame.to_dict("records")
    ]
    caption = "Learnability: recall@1 in percent of a linear method on the test part, and chance"
    return html.table(caption, ["query", "gallery", "recall@1 (%)", "chance (%)"], rows)
