"""Aggregation: what the joint score of several modalities gains over the best single one of them."""

import pandas as pd

from pmrl.records import COSINE, OTHERS, OWN
from pmrl.reporting.contrasts import Hits
from pmrl.reporting.measures import Contestant, clean_recalls
from pmrl.reporting.results import Results

FORTH, BACK = "forth", "back"  # from the anchor to the others, and from the others to the anchor
BEST_SINGLE = "best_single"
RUN_DIRECTION = ["dataset", "regime", "method", "variant", "direction"]


def gains(results: Results) -> pd.DataFrame:
    """The joint score beside the best single modality: one row per run and direction.

    Joint: recall@1 by the method's own score between the anchor and all others. Single: by cosine between the anchor
    and one of the others, the one with the best mean over the seeds. It is chosen in hindsight, on the test split,
    which favours it: the gain is a lower bound of what a choice on validation data would show.

    Returns:
        RUN_DIRECTION, seed, joint, single (both in percent), modality (the best single one) and gain (joint − single).
        Data sets with two modalities are left out: there is nothing to aggregate.
    """
    records = clean_recalls(results)
    records = records[records["score"].eq(COSINE) | (records[["query", "gallery"]] == OTHERS).any(axis=1)]
    records = pd.concat([_of_direction(records, results, *names) for names in ((FORTH, "query"), (BACK, "gallery"))])
    joint = records[records["modality"].eq(OTHERS) & records["score"].eq(OWN)]
    single = records[records["modality"].ne(OTHERS)]
    single = single.merge(_best(single), on=[*RUN_DIRECTION, "modality"])
    keys = [*RUN_DIRECTION, "seed"]
    both = joint[[*keys, "value"]].merge(single[[*keys, "modality", "value"]], on=keys, suffixes=("_joint", "_single"))
    both = both.rename(columns={"value_joint": "joint", "value_single": "single"})
    return both.assign(gain=both["joint"] - both["single"])


def _of_direction(records: pd.DataFrame, results: Results, direction: str, side: str) -> pd.DataFrame:
    """The records whose ``side`` ("query" or "gallery") is the anchor; ``modality`` is the other side."""
    anchors = records["dataset"].map({dataset: results.anchor(dataset) for dataset in results.datasets})
    chosen = records[records[side].eq(anchors)]
    return chosen.assign(direction=direction, modality=chosen["gallery" if side == "query" else "query"])


def _best(single: pd.DataFrame) -> pd.DataFrame:
    """The modality with the best mean over seeds, per RUN_DIRECTION; the first of equals."""
    means = single.groupby([*RUN_DIRECTION, "modality"], sort=False)["value"].mean().reset_index()
    best = means.sort_values("value", ascending=False, kind="stable").drop_duplicates(RUN_DIRECTION)
    return best[[*RUN_DIRECTION, "modality"]]


def hits(results: Results, tables: Hits, dataset: str, contestant: Contestant, score: str) -> pd.DataFrame | None:
    """Hits at rank 1 in both directions, seed × item, by the "own" score or that of the "best_single" modality.

    None where nothing is recorded, and for data sets with two modalities.
    """
    anchor, others = results.sides(dataset)
    if others != OTHERS:
        return None
    if score == OWN:
        return tables.table(dataset, contestant, (OWN, False), [(anchor, others), (others, anchor)])
    pairs = []
    for forth in (True, False):
        singles = [(anchor, m) if forth else (m, anchor) for m in results.cards[dataset]["modalities"] if m != anchor]
        found = {pair: tables.table(dataset, contestant, (COSINE, False), [pair]) for pair in singles}
        recalls = {pair: table.mean(axis=1).mean() for pair, table in found.items() if table is not None}
        if not recalls:
            return None
        pairs.append(max(recalls, key=lambda pair: recalls[pair]))
    return tables.table(dataset, contestant, (COSINE, False), pairs)
