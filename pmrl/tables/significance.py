"""Every method against every other: paired tests over seeds and test items, effect sizes, and tie groups."""

from itertools import combinations

import numpy as np
import pandas as pd

from pmrl.records import MAIN, OWN, PROPOSED, REGIMES
from pmrl.reporting import ladder
from pmrl.reporting.cells import p_value, with_interval
from pmrl.reporting.contrasts import ALPHA, Hits, columns
from pmrl.reporting.directions import REPORTED_VARIANTS
from pmrl.reporting.measures import ALL, HEADLINE, OWN_RERANKED, TASKS, Contestant, hits
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import compare, holm

TITLE = "Significance"
CAPTION = (
    "Paired differences in recall@1 (points), PMRL minus the other method (in the CSV first minus second): from the "
    "anchor to the others by the final score that validation prefers and by each method's own score, plain and "
    "re-ranked, and over all ordered pairs of modalities by cosine. Standard errors come from a paired bootstrap over "
    "seeds and test items, intervals and p from Student's t with degrees of freedom that account for few seeds; d_z is "
    "the difference over the standard deviation of the paired differences; p is corrected by Holm within the table, "
    "over all pairs of methods. All numbers are ours."
)
READS = ("methods", "records", "ranks", "stores")
SHOWN_TASKS = (HEADLINE, OWN, OWN_RERANKED, ALL)
BLOCK = ["dataset", "regime", "task"]


def build(results: Results) -> pd.DataFrame:
    """One row per (data set, regime, task) and pair of methods, with the tie groups of both."""
    measured = set(results.records["regime"].unique())
    rows = []
    for regime in (name for name in REGIMES if name in measured):
        tables = Hits(results, regime)
        contestants = [one for one in results.contestants(regime) if one[1] in REPORTED_VARIANTS]
        for dataset in results.datasets:
            for task in SHOWN_TASKS:
                block = {"dataset": dataset, "regime": regime, "task": task}
                candidates = {one: hits(results, tables, dataset, task, one) for one in contestants}
                measured_hits = {one: table for one, table in candidates.items() if table is not None}
                for (first, first_hits), (second, second_hits) in combinations(measured_hits.items(), 2):
                    names = {"first": first[0], "first_variant": first[1]}
                    names |= {"second": second[0], "second_variant": second[1]}
                    rows.append({**block, **names, **columns(compare(first_hits, second_hits))})
    headers = [*BLOCK, "first", "first_variant", "second", "second_variant", "effect", "low", "high", "p"]
    frame = pd.DataFrame(rows, columns=None if rows else headers)
    frame["p_holm"] = holm(frame["p"].to_numpy(dtype=float))
    return _with_groups(frame)


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per comparison of PMRL with another method; the CSV has all pairs."""
    frame = frame[frame["first"].eq(PROPOSED) & frame["first_variant"].eq(MAIN)]
    rows = [
        {
            "data set": row.dataset,
            "regime": REGIMES[row.regime],
            "task": TASKS[row.task],
            "PMRL against": results.label(row.second, row.second_variant),
            "difference [95 % interval]": with_interval(row.effect, row.low, row.high, 1),
            "d_z [95 % interval]": with_interval(row.size, row.size_low, row.size_high, 2),
            "p (Holm)": p_value(row.p_holm),
            "groups": f"{row.first_group} : {row.second_group}",
            "seeds": str(row.n),
        }
        for row in frame.itertuples()
    ]
    shown = pd.DataFrame(rows, columns=None if rows else ["data set", "regime", "task", "PMRL against"])
    shown.attrs["groups"] = 3
    shown.attrs["notes"] = [
        "Groups (PMRL's : the other method's): within a data set, regime and task, group 1 holds the best method and "
        "all that are tied with it (corrected p not below 0.05), group 2 the best of the rest and its ties, and so on. "
        "A dash: the two methods have no seed in common. The CSV has all pairs of methods.",
    ]
    return shown


def _with_groups(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the tie groups of both methods of each row."""
    frame = frame.assign(first_group=0, second_group=0)
    for _, block in frame.groupby(BLOCK, sort=False):
        gains: dict[Contestant, list[float]] = {}
        apart: set[tuple[Contestant, Contestant]] = set()
        for row in block.itertuples():
            first, second = (row.first, row.first_variant), (row.second, row.second_variant)
            gains.setdefault(first, []).append(row.effect)
            gains.setdefault(second, []).append(-row.effect)
            if row.p_holm < ALPHA:
                apart |= {(first, second), (second, first)}
        order = sorted(gains, key=lambda one: -np.nansum(gains[one]))
        groups = ladder.tie_groups(order, apart)
        for side in ("first", "second"):
            contestants = zip(block[side], block[f"{side}_variant"], strict=True)
            frame.loc[block.index, f"{side}_group"] = [groups[one] for one in contestants]
    return frame
