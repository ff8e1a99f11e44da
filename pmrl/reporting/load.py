"""Records for people's own analyses: one file, the rows of one question, names that do not shadow a DataFrame's."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pmrl.records import ANCHOR, CLEAN, COSINE, OTHERS, OWN, PAIRS, TEST, ZERO_SHOT
from pmrl.reporting.results import Results

RENAMED = {"query": "query_modality", "gallery": "gallery_modality"}  # DataFrame.query is a method


def load_records(
    folder: Path | str = "results",
    task: str | None = PAIRS,
    metric: str | None = "recall@1",
    regime: str | None = ZERO_SHOT,
    corruption: str | None = CLEAN,
    reranked: bool | None = False,
    split: str = TEST,
) -> pd.DataFrame:
    """The records of a results folder, by default those that answer one question, so that a plain group-by is right.

    ``records.parquet`` holds every number of a study: several scores of one task, with and without re-ranking, clean
    and corrupted. A mean over all of them means nothing. None takes a filter away.

    Args:
        folder: the results folder.
        task: "pairs" for retrieval between single modalities by cosine, "anchor" for retrieval from the anchor to all
            others and back by the method's own score, or None.
        metric: "recall@1", "recall@5", "recall@10", "median_rank", a metric of probes, or None.
        regime: "zero_shot", "fine_tuned", "scratch", "probe", or None. The foundation's own test is zero-shot.
        corruption: "none", one of ``pmrl.records.CORRUPTIONS``, which also says what ``level`` means, or None.
        reranked: whether the 50 best candidates were ordered by the matching head, or None.
        split: whose items were measured: "test", or "validation" and "pretrain" (the anchor's directions only).

    Returns:
        One row per number, with the columns of ``pmrl.records.COLUMNS["records"]``, except that ``query`` and
        ``gallery`` are called ``query_modality`` and ``gallery_modality``.

    Raises:
        UserError: the folder has no readable records.

    Example:
        Mean recall@1 between single modalities, by data set and method::

            load_records("results").groupby(["dataset", "method", "variant"])["value"].mean()
    """
    records = Results(Path(folder)).of_split(split)
    wanted = {"metric": metric, "regime": regime, "corruption": corruption, "reranked": reranked}
    for column, value in wanted.items():
        if value is not None:
            records = records[records[column] == value]
    has_others = (records[["query", "gallery"]] == OTHERS).any(axis=1)
    if task == PAIRS:
        records = records[records["score"].eq(COSINE) & ~has_others]
    elif task == ANCHOR:
        records = records[records["score"].eq(OWN) & has_others]
    return records.rename(columns=RENAMED).reset_index(drop=True)
