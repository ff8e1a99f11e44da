"""The ladder and the scores of PMRL, from synthetic records whose answers are known in closed form."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import synthetic

from pmrl.reporting import render
from pmrl.reporting.results import Results
from pmrl.reporting.write_table import write_table
from pmrl.tables import leaderboard, scores

METHODS = list(synthetic.METHODS)


def cell(frame, **keys):
    chosen = np.logical_and.reduce([frame[key] == value for key, value in keys.items()])
    assert chosen.sum() == 1
    return frame[chosen].iloc[0]


def mean_recall(method, dataset, regime, task):
    """The mean over pairs, seed 1 being the mean of the seeds."""
    modalities = synthetic.DATASETS[dataset]
    anchored = [(modalities[0], "others"), ("others", modalities[0])]
    pairs = list(itertools.permutations(modalities, 2)) if task == "any" else anchored
    return np.mean([synthetic.recall(method, "main", regime, 1, *pair, "recall@1") for pair in pairs])


def test_ranks_points_and_their_summary_follow_from_the_means(results):
    frame = leaderboard.build(Results(results))
    for task in leaderboard.TASKS:
        ranks = {method: [] for method in METHODS}
        for dataset, regime in itertools.product(synthetic.DATASETS, synthetic.SHIFT):
            means = {method: mean_recall(method, dataset, regime, task) for method in METHODS}
            for method in METHODS:
                better = sum(other > means[method] + 1e-9 for other in means.values())
                ranks[method].append(1 + better)
                row = cell(frame, dataset=dataset, regime=regime, task=task, method=method)
                assert row["mean"] == pytest.approx(means[method])
                assert (row["rank"], row["points"], row["n"]) == (1 + better, 3 - better, 3)
        for method in METHODS:
            row = cell(frame, dataset="all", regime="all", task=task, method=method)
            assert row["rank"] == pytest.approx(np.mean(ranks[method]))
            assert (row["points"], row["n"]) == (sum(4 - rank for rank in ranks[method]), 6)


def test_methods_within_noise_share_a_group(results):
    frame = leaderboard.build(Results(results))
    block = frame[(frame["dataset"] == "digits") & (frame["regime"] == "zero_shot") & (frame["task"] == "anchor")]
    groups = block.set_index("method")["group"]
    assert groups["pmrl"] == 1  # 11 items of a hundred ahead
    assert groups["pairwise"] == groups["vast"] == 2  # one item of a hundred apart


def test_without_ranks_of_queries_there_is_a_place_but_no_group(results):
    frame = leaderboard.build(Results(results))
    tuned = frame[frame["regime"] == "fine_tuned"]  # synthetic ranks exist for zero-shot only
    assert tuned["rank"].notna().all() and tuned["group"].isna().all()


def test_equal_means_share_rank_points_and_group(own_results):
    for name in ("records", "ranks"):
        frame = pd.read_parquet(own_results / f"{name}.parquet")
        frame = frame.astype({"method": str})
        copied = frame[frame["method"] == "pairwise"].assign(method="vast")
        pd.concat([frame[frame["method"] != "vast"], copied]).to_parquet(own_results / f"{name}.parquet")
    frame = leaderboard.build(Results(own_results))
    for method in ("pairwise", "vast"):
        row = cell(frame, dataset="digits", regime="zero_shot", task="anchor", method=method)
        assert (row["rank"], row["points"], row["group"]) == (2.5, 1.5, 2)


def test_a_missing_cell_is_a_dash_and_in_no_mean_rank(own_results):
    synthetic.drop(own_results, "method == 'pairwise' and dataset == 'emoji'")
    source = Results(own_results)
    frame = leaderboard.build(source)
    overall = cell(frame, dataset="all", regime="all", task="anchor", method="pairwise")
    assert (overall["rank"], overall["points"], overall["n"]) == (2, 6, 3)  # digits: behind PMRL alone, 3 regimes
    assert cell(frame, dataset="emoji", regime="zero_shot", task="anchor", method="vast")["rank"] == 2
    line = cell(leaderboard.show(frame, source), **{"data set": "emoji", "regime": "zero-shot", "method": "Pairwise"})
    assert set(line.drop(["data set", "regime", "method"])) == {render.MISSING}


def test_a_run_that_lacks_one_pair_has_no_any_modality_mean(own_results):
    synthetic.drop(own_results, "method == 'gram' and query == 'pix' and gallery == 'mor'")
    frame = leaderboard.build(Results(own_results))
    keys = {"dataset": "digits", "regime": "zero_shot", "method": "gram"}
    assert np.isnan(cell(frame, task="any", **keys)["rank"])
    assert cell(frame, task="anchor", **keys)["rank"] == 4


def test_only_main_variants_are_on_the_ladder_and_chance_is(own_results):
    records = pd.read_parquet(own_results / "records.parquet").astype({"method": str})
    gram = records[records["method"] == "gram"]
    start = gram[gram["regime"] == "zero_shot"].assign(method="foundation", regime="foundation")
    chance = gram.assign(method="random", value=1.0)
    pd.concat([records, start, chance]).to_parquet(own_results / "records.parquet")
    methods = synthetic.METHODS | {"random": {"title": "Chance", "variants": ["main"]}}
    (own_results / "methods.json").write_text(json.dumps(methods))
    frame = leaderboard.build(Results(own_results))
    assert set(frame["method"]) == {*METHODS, "random"}
    assert set(frame.loc[frame["method"] == "random", "points"]) == {0.0}


def test_a_method_alone_is_first_and_untested(own_results):
    synthetic.drop(own_results, "method != 'pmrl' or dataset != 'digits'")
    (own_results / "methods.json").write_text(json.dumps({"pmrl": synthetic.METHODS["pmrl"]}))
    source = Results(own_results)
    frame = leaderboard.build(source)
    assert set(frame["rank"]) == {1.0} and frame["group"].isna().all()
    assert len(leaderboard.show(frame, source)) == 4  # overall and three regimes


def test_the_table_goes_down_the_ladder(results):
    source = Results(results)
    shown = leaderboard.show(leaderboard.build(source), source)
    for _, block in shown.groupby(["data set", "regime"], sort=False):
        assert block["any modality: rank"].astype(float).is_monotonic_increasing


def test_scores_stand_beside_plain_cosine(own_results):
    source = Results(synthetic.add_scores(own_results))
    frame = scores.build(source)
    keys = {"dataset": "emoji", "regime": "zero_shot"}
    forth = synthetic.recall("pmrl", "main", "zero_shot", 1, "text", "others", "recall@1")
    pairs = itertools.permutations(synthetic.DATASETS["emoji"], 2)
    single = np.mean([synthetic.recall("pmrl", "main", "zero_shot", 1, *pair, "recall@1") for pair in pairs])
    for variant, shift in {"main": 0, **synthetic.SCORES}.items():
        assert cell(frame, variant=variant, score="own", task="forth", **keys)["mean"] == forth + shift
        mean = cell(frame, variant=variant, score="own", task="single", **keys)["mean"]
        assert mean == pytest.approx(single + shift)
    assert cell(frame, variant="main", score="cosine", task="single", **keys)["mean"] == pytest.approx(single)
    shown = scores.show(frame, source)
    assert list(shown["score"].unique()) == ["leading direction (default)", "centroid", "fused", "plain cosine"]
    assert scores.NO_VARIANTS not in shown.attrs["notes"]


def test_a_score_is_marked_only_where_it_is_better(own_results):
    frame = scores.build(Results(synthetic.add_scores(own_results)))
    assert not frame["mark"].any()  # the three best are the same
    synthetic.drop(own_results, "method == 'pmrl' and (variant == 'score_centroid' or score == 'cosine')")
    frame = scores.build(Results(own_results))
    tested = frame[frame["regime"].eq("zero_shot") & frame["variant"].eq("main") & frame["score"].eq("own")]
    assert set(tested["mark"]) == {"best"}  # twelve items of a hundred ahead of the fused one


def test_a_study_without_score_variants_says_so(results):
    source = Results(results)
    shown = scores.show(scores.build(source), source)
    assert shown.attrs["notes"][0] == scores.NO_VARIANTS
    assert set(shown["score"]) == {"leading direction (default)", "plain cosine"}


def test_a_study_without_pmrl_has_no_scores(own_results, tmp_path):
    synthetic.drop(own_results, "method == 'pmrl'")
    (own_results / "methods.json").write_text(json.dumps({"gram": synthetic.METHODS["gram"]}))
    source = Results(own_results)
    shown = scores.show(scores.build(source), source)
    assert shown.empty
    *_, html = write_table("scores", own_results, tmp_path)
    assert scores.NO_VARIANTS in html.read_text()
