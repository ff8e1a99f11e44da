"""The leaderboard: all methods over all data sets and regimes by mean rank and Borda count, with groups of ties."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from pmrl.progress import progress
from pmrl.records import ANCHOR, COSINE, FOUNDATION, MAIN, OWN, REGIMES
from pmrl.reporting import ladder
from pmrl.reporting.cells import complete, refusals, text
from pmrl.reporting.contrasts import ALPHA, Hits
from pmrl.reporting.measures import ALL, clean_recalls, pairs, seed_means
from pmrl.reporting.render import MISSING
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import degrees_of_freedom, holm, summarize, t_test

TITLE = "Leaderboard"
CAPTION = (
    "All methods, ranked; all numbers are ours. In every cell (a data set under a regime) methods are ranked by mean "
    "recall@1 over seeds: by cosine over all ordered pairs of modalities (any modality), and by each method's own "
    "score from the anchor to the others and back (anchor). Equal means share a rank. Borda points: the number of "
    "methods of the cell that a method beats, with one half for an equal one. The first block has the mean rank and "
    "the sum of the Borda points over the cells in which a method was measured."
)
READS = ("methods", "records", "ranks", "stores")
TASKS = {"any": "any modality", ANCHOR: "anchor"}
SCORES = {"any": COSINE, ANCHOR: OWN}
BLOCK = ["dataset", "regime", "task"]
GROUP_NOTE = (
    "Groups: group 1 holds the best method and all that are not significantly below it, group 2 the best of the rest "
    "and its ties, and so on. In a cell the recall is tested, in the first block the rank averaged over the cells of "
    "both methods: standard errors by a paired bootstrap over seeds and test items, p by Student's t with degrees of "
    "freedom that account for few seeds, Holm correction within the table over all pairs of methods, α = 0.05."
)
COUNT_NOTE = (
    "± is half of the 95 % t-interval over seeds; n is the number of seeds, in the first block of cells. A missing "
    "cell (–) enters no mean rank and earns no points, so compare Borda points only between methods with the same n; "
    "where some methods lack a cell, the others are ranked among fewer."
)


def build(results: Results) -> pd.DataFrame:
    """Per (data set, regime, task, method) the mean recall@1, ``rank``, Borda ``points`` and tie ``group``.

    The rows of data set and regime ``ALL`` have the mean rank, the sum of points, and as ``n`` the number of cells.
    """
    methods = [method for method, variant in results.contestants() if variant == MAIN and method != FOUNDATION]
    wanted = pd.DataFrame(
        [
            (dataset, task, score, *pair)
            for dataset in results.datasets
            for task, score in SCORES.items()
            for pair in _pairs(results, dataset, task)
        ],
        columns=["dataset", "task", "score", "query", "gallery"],
    )
    records = clean_recalls(results)
    records = records[records["variant"].eq(MAIN) & records["method"].isin(methods) & records["regime"].isin(REGIMES)]
    keys = [*BLOCK, "method"]
    expected = pd.DataFrame(
        [
            (dataset, regime, task, method)
            for dataset in results.datasets
            for regime in _regimes(records)
            for task in TASKS
            for method in methods
        ],
        columns=keys,
    )
    frame = _ranked(complete(summarize(seed_means(records, wanted, keys), keys), expected))
    frame = pd.concat([_overall(frame), frame], ignore_index=True)
    return _grouped(frame, _tests(results, methods, _regimes(records)))


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, regime and method, best first; for each task recall, rank, points, group and n."""
    lines = []
    for (dataset, regime), block in frame.groupby(["dataset", "regime"], sort=False):
        by_task = {task: part.set_index("method") for task, part in block.groupby("task")}
        order = pd.DataFrame({task: by_task[task]["rank"] for task in TASKS}).sort_values([*TASKS], kind="stable")
        for method in order.index:
            line = {"data set": dataset, "regime": REGIMES.get(regime, regime), "method": results.label(method)}
            for task, title in TASKS.items():
                line |= _texts(title, by_task[task].loc[method])
            lines.append(line)
    shown = pd.DataFrame(lines, columns=None if lines else ["data set", "regime", "method"])
    shown.attrs["groups"] = 2
    shown.attrs["notes"] = [COUNT_NOTE, GROUP_NOTE, *refusals(results)]
    return shown


def _texts(title: str, row: pd.Series) -> dict[str, str]:
    """The cells of one method and task."""
    if pd.isna(row["rank"]):
        cells = dict.fromkeys(("recall@1", "rank", "Borda", "group", "n"), MISSING)
    else:
        cells = {
            "recall@1": text(row["mean"], row["low"], row["high"]),
            "rank": f"{row['rank']:.2f}" if row["dataset"] == ALL else f"{row['rank']:g}",
            "Borda": f"{row['points']:g}",
            "group": MISSING if pd.isna(row["group"]) else f"{row['group']:.0f}",
            "n": str(row["n"]),
        }
    return {f"{title}: {name}": cell for name, cell in cells.items()}


def _regimes(records: pd.DataFrame) -> list[str]:
    measured = set(records["regime"].unique())
    return [regime for regime in REGIMES if regime in measured]


def _pairs(results: Results, dataset: str, task: str) -> list[tuple[str, str]]:
    """The (query, gallery) that a task averages: all pairs of modalities, or the anchor and the others both ways."""
    sides = results.sides(dataset)
    return pairs(results, dataset) if task == "any" else [sides, sides[::-1]]


def _ranked(frame: pd.DataFrame) -> pd.DataFrame:
    """Add ``rank`` and ``points`` within each block, among the methods that have a mean."""
    means = frame["mean"].round(9)  # sums in another order differ in the last digits; equal means must be equal
    groups = means.groupby([frame[key] for key in BLOCK], sort=False)
    rank = groups.rank(ascending=False, method="average")
    return frame.assign(rank=rank, points=groups.transform("count") - rank)


def _overall(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean rank and sum of points over the cells in which a method was measured, and ``n``, their number."""
    groups = frame.groupby(["task", "method"], sort=False)
    rows = groups.agg(rank=("rank", "mean"), points=("points", "sum"), n=("rank", "count")).reset_index()
    return rows.assign(dataset=ALL, regime=ALL, mean=np.nan, low=np.nan, high=np.nan)


def _tests(results: Results, methods: Sequence[str], regimes: Sequence[str]) -> pd.DataFrame:
    """The ``lead`` of the first of every two methods, per block and over all cells, and its p, corrected together."""
    rows: list[tuple] = []
    ranks: dict[str, list[tuple[pd.DataFrame, pd.DataFrame]]] = {task: [] for task in TASKS}
    seeds = results.records["seed"].nunique()
    for block, present, (both, by_seed) in _compared(results, methods, regimes):
        for i, j in combinations(range(len(present)), 2):
            rows.append((*block, present[i], present[j], *_lead(both[:, i, j], by_seed[:, i, j], seeds)))
        cell = (pd.DataFrame(ladder.ranks(both), columns=present), pd.DataFrame(ladder.ranks(by_seed), columns=present))
        ranks[block[-1]].append(cell)
    for task, cells in ranks.items():
        for first, second in combinations(methods, 2):
            shared = [cell for cell in cells if {first, second} <= {*cell[0]}]
            if shared:
                both, by_seed = (
                    np.mean([cell[i][second] - cell[i][first] for cell in shared], axis=0) for i in range(2)
                )
                rows.append((ALL, ALL, task, first, second, *_lead(both, by_seed, seeds)))
    tests = pd.DataFrame(rows, columns=[*BLOCK, "first", "second", "lead", "p"])
    return tests.assign(p=holm(tests["p"].to_numpy(dtype=float)))


def _lead(both: np.ndarray, by_seed: np.ndarray, seeds: int) -> tuple[float, float]:
    """The measured lead and its two-sided p.

    Args:
        both: (1 + DRAWS,) the measured lead, then that of each resample of seeds and items.
        by_seed: the same, of each resample of the seeds alone.
        seeds: the number of seeds.
    """
    error, seed_error = (float(np.nanstd(samples[1:])) for samples in (both, by_seed))
    return both[0], t_test(both[0], error, degrees_of_freedom(error**2, [seed_error**2], [seeds]))


def _compared(
    results: Results, methods: Sequence[str], regimes: Sequence[str]
) -> Iterator[tuple[tuple[str, str, str], list[str], tuple[np.ndarray, np.ndarray]]]:
    """Each block, the methods with recorded ranks in it, and their differences from `ladder.resampled_differences`."""
    for regime in regimes:
        hits = Hits(results, regime)
        for dataset in progress(results.datasets, f"leaderboard {regime}"):
            for task, score in SCORES.items():
                pairs = _pairs(results, dataset, task)
                tables = {one: hits.table(dataset, (one, MAIN), (score, False), pairs) for one in methods}
                tables = {one: table for one, table in tables.items() if table is not None}
                if len(tables) > 1:
                    differences = ladder.resampled_differences(list(tables.values()), dataset)
                    yield (dataset, regime, task), list(tables), differences


def _grouped(frame: pd.DataFrame, tests: pd.DataFrame) -> pd.DataFrame:
    """Add ``group``: empty for a method whose ranks of queries are not recorded, since it cannot be tested."""
    by_block = dict(list(tests.groupby(BLOCK)))
    groups = pd.Series(np.nan, index=frame.index)
    for block, part in frame.dropna(subset="rank").sort_values("rank", kind="stable").groupby(BLOCK):
        pairs = by_block.get(block, tests[:0])
        significant = pairs[pairs["p"] < ALPHA].itertuples()
        below = {(row.first, row.second) if row.lead > 0 else (row.second, row.first) for row in significant}
        part = part[part["method"].isin([*pairs["first"], *pairs["second"]])]
        numbers = ladder.tie_groups(part["method"].tolist(), below)
        groups[part.index] = part["method"].map(numbers).astype(float)
    return frame.assign(group=groups)
