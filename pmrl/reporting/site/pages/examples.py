"""Queries, and the five answers that each method ranks first: to see, to hear and to play."""

import pandas as pd

from pmrl.errors import UserError
from pmrl.reporting.site import html, media
from pmrl.reporting.site.shown import Shown, each

TITLE = "Examples"
QUERIES = 3  # of each pair of modalities
EXPLAINED = (
    "A few queries of the test part, drawn by a seed before any result was known, and the five items that each method "
    "ranks first (zero-shot, by cosine, first seed). The relevant item has a thick frame and a tick. A modality "
    "without picture, clip, sound or text is drawn by its features, in standard deviations. Speech is spoken again "
    "for listening, by the same voice; its picture is the spectrogram that was encoded."
)


def build(shown: Shown) -> str:
    """The choices and the place of the examples."""
    return "\n\n".join([EXPLAINED, *each(shown, [queries])])


def queries(shown: Shown) -> str:
    """Writes the examples of each data set as a script, and returns the choices."""
    examples = shown.results.table("examples")
    for dataset in shown.results.datasets:
        part = examples[examples["dataset"].eq(dataset)]
        shown.script(f"examples_{dataset}", of_dataset(shown, dataset, part))
    recorded = set(examples["dataset"])
    datasets = sorted(shown.results.datasets, key=lambda name: name not in recorded)
    filters = {
        "dataset": ("data set", {name: shown.results.title(name) for name in datasets}),
        "pair": ("query → gallery", {}),
    }
    return html.choosers(filters, {}, 'data-examples="answers"') + '<div id="answers" class="shown-answers"></div>\n'


def of_dataset(shown: Shown, dataset: str, examples: pd.DataFrame) -> dict:
    """The answers by pair of modalities, the pair that is retrieved best, and the items that they show."""
    pairs: dict[str, list[dict]] = {}
    wanted: dict[str, set[str]] = {}
    for (query, gallery), part in examples.groupby(["query", "gallery"], sort=False):
        chosen = dict.fromkeys(list(dict.fromkeys(part["item"]))[:QUERIES])
        answers: dict[str, dict[str, list]] = {item: {} for item in chosen}
        ranked = part[part["item"].isin(chosen)].sort_values("rank")
        for item, method, found, correct in ranked[["item", "method", "retrieved", "correct"]].to_numpy():
            answers[item].setdefault(method, []).append((found, bool(correct)))
        labels = {name: shown.label(name) for name in shown.results.methods}
        pairs[f"{query} → {gallery}"] = [
            {"item": item, "methods": {label: own[name] for name, label in labels.items() if name in own}}
            for item, own in answers.items()
        ]
        wanted.setdefault(query, set()).update(chosen)
        wanted.setdefault(gallery, set()).update(ranked["retrieved"])
    best = max(pairs, key=lambda name: _found(pairs[name]), default="")
    try:
        shown_items = media.items(shown, dataset, {name: sorted(ids) for name, ids in wanted.items()})
    except UserError:  # without a store the names of the items are all that is known
        shown_items = {}
    return {"pairs": pairs, "best": best, "items": shown_items}


def _found(answered: list[dict]) -> int:
    """In how many answers the relevant item is among the first five."""
    return sum(any(correct for _, correct in found) for one in answered for found in one["methods"].values())
