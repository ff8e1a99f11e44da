"""Records as people read them: one question at a time."""

import pandas as pd
import pytest
import synthetic

import pmrl
from pmrl.records import COLUMNS, SPLITS


def test_a_plain_group_by_is_the_mean_over_pairs_and_seeds(results):
    frame = pmrl.load_records(results)
    found = frame.groupby(["dataset", "method", "variant"])["value"].mean()
    pairs = [(q, g) for q in synthetic.DATASETS["digits"] for g in synthetic.DATASETS["digits"] if q != g]
    runs = [("gram", "main", "zero_shot", seed) for seed in synthetic.SEEDS]
    expected = [synthetic.recall(*run, *pair, "recall@1") for run in runs for pair in pairs]
    assert found["digits", "gram", "main"] == pytest.approx(sum(expected) / len(expected))


def test_the_anchor_task_is_by_the_own_score_and_both_ways(results):
    frame = pmrl.load_records(results, task="anchor", regime="fine_tuned", metric="recall@5")
    assert frame[["score", "regime", "metric"]].drop_duplicates().to_numpy().tolist() == [
        ["own", "fine_tuned", "recall@5"]
    ]
    digits = frame[frame["dataset"] == "digits"]
    sides = set(zip(digits["query_modality"], digits["gallery_modality"], strict=True))
    assert sides == {("fou", "others"), ("others", "fou")}


def test_without_filters_every_number_is_there(results):
    free = dict.fromkeys(["task", "metric", "regime", "corruption", "reranked"])
    everything = pd.concat([pmrl.load_records(results, **free, split=split) for split in SPLITS])
    assert len(everything) == len(pd.read_parquet(results / "records.parquet"))
    assert set(everything) == {"query_modality", "gallery_modality", *COLUMNS["records"]} - {"query", "gallery"}
    assert callable(everything.query), "no column shadows a method of the frame"
