"""The data sets of the study, from the cards of the feature store."""

import pandas as pd

from pmrl.records import PRETRAIN, SPLITS
from pmrl.reporting.results import Results

TITLE = "Data sets"
CAPTION = (
    "Items per split; no group is in two splits, so the test groups are unseen in training. The anchor, in bold, is "
    "the modality that anchored methods align the others with. None of the built-in sets is a retrieval data set of "
    "the paper."
)
READS = ("stores",)


def build(results: Results) -> pd.DataFrame:
    """One row per data set and modality, with the counts of the data set's splits."""
    return pd.DataFrame(
        [
            {
                "dataset": dataset,
                "title": card["title"],
                "modality": modality,
                "is_anchor": modality == card["anchor"],
                "encoder": about["encoder"],
                "dimension": about["dimension"],
                "tokens": about["tokens"][0],
                **{split: card["counts"].get(split, 0) for split in SPLITS},
                "split_rule": card["split_rule"],
                "license": card["license"],
                "origin": card["origin"],
            }
            for dataset, card in results.cards.items()
            for modality, about in card["modalities"].items()
        ]
    )


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set."""
    rows = []
    for dataset, part in frame.groupby("dataset", sort=False):
        first = part.iloc[0]
        modalities = [
            f"**{row.modality}** {row.dimension}" if row.is_anchor else f"{row.modality} {row.dimension}"
            for row in part.itertuples()
        ]
        counts = {split.replace(PRETRAIN, "pre-training"): f"{first[split]:,}" for split in SPLITS}
        rows.append(
            {
                "data set": results.title(dataset),
                "modalities (dimension)": ", ".join(modalities),
                **counts,
                "licence": first["license"],
            }
        )
    shown = pd.DataFrame(rows)
    shown.attrs["notes"] = [
        f"{row.dataset}: {row.title}; {row.origin}; split {row.split_rule}."
        for row in frame.drop_duplicates("dataset").itertuples()
    ]
    return shown
