"""What a score is worth: aggregation gain, modality gap and noise that looks like alignment, from known records."""

import json

import numpy as np
import pandas as pd
import pytest
import synthetic
import yaml

from pmrl.errors import UserError
from pmrl.records import COLUMNS
from pmrl.reporting.aggregation import gains
from pmrl.reporting.results import Results
from pmrl.tables import aggregation_gain, better_after_noise, claims, modality_gap

ITEMS = 10
# Recall@1 of each seed by the own score and by single modalities. From "a" the best single one is "b" (mean 55, "c" has
# 50, though it is the best for seed 1), back it is "c" (45 against 40).
RECALLS = {
    ("own", "a", "others"): (70.0, 50.0),
    ("own", "others", "a"): (40.0, 30.0),
    ("cosine", "a", "others"): (90.0, 90.0),
    ("own", "a", "b"): (100.0, 100.0),
    ("cosine", "a", "b"): (80.0, 30.0),
    ("cosine", "a", "c"): (40.0, 60.0),
    ("cosine", "b", "a"): (40.0, 40.0),
    ("cosine", "c", "a"): (50.0, 40.0),
    ("cosine", "b", "c"): (100.0, 100.0),
    ("cosine", "c", "b"): (100.0, 100.0),
}


@pytest.fixture
def hand_made(tmp_path):
    """Two seeds of one method on three modalities: the first items are found at rank 1, as many as the recall says."""
    rows, ranks = [], []
    for (score, query, gallery), values in RECALLS.items():
        for seed, value in enumerate(values):
            run = {"dataset": "toy", "method": "pmrl", "variant": "main", "regime": "zero_shot", "seed": seed}
            task = {"score": score, "reranked": False, "query": query, "gallery": gallery}
            rest = {"split": "test", "corruption": "none", "level": 0.0, "folds": "", "n": ITEMS, "reason": ""}
            rows.append({**run, **task, **rest, "gallery_size": ITEMS, "metric": "recall@1", "value": value})
            found = np.arange(ITEMS) < value / 10
            ranks += [{**run, **task, "item": f"i{i}", "rank": 1.0 if hit else 9.0} for i, hit in enumerate(found)]
    pd.DataFrame(rows)[COLUMNS["records"]].to_parquet(tmp_path / "records.parquet")
    pd.DataFrame(ranks)[COLUMNS["ranks"]].to_parquet(tmp_path / "ranks.parquet")
    (tmp_path / "methods.json").write_text(json.dumps({"pmrl": {"title": "PMRL", "color": "#000", "variants": []}}))
    card = {"name": "toy", "anchor": "a", "modalities": {name: {"kind": "measurement"} for name in "abc"}}
    (tmp_path / "data" / "toy").mkdir(parents=True)
    (tmp_path / "data" / "toy" / "card.yaml").write_text(yaml.safe_dump(card))
    return tmp_path


def test_the_gain_is_over_the_modality_that_is_best_over_all_seeds(hand_made):
    found = gains(Results(hand_made)).set_index(["direction", "seed"])
    assert found["modality"].to_dict() == {
        ("forth", 0): "b",
        ("forth", 1): "b",
        ("back", 0): "c",
        ("back", 1): "c",
    }
    assert found["gain"].to_dict() == {
        ("forth", 0): 70 - 80,
        ("forth", 1): 50 - 30,
        ("back", 0): 40 - 50,
        ("back", 1): 30 - 40,
    }


def test_the_table_shows_joint_single_and_gain(hand_made):
    source = Results(hand_made)
    shown = aggregation_gain.show(aggregation_gain.build(source), source)
    assert shown.iloc[0].to_dict() == {
        "data set": "toy",
        "regime": "zero-shot",
        "method": "PMRL",
        "anchor → others: joint": "60.0 ± –",
        "anchor → others: best single": "55.0 ± – (b)",
        "anchor → others: gain": "5.0 ± –",
        "others → anchor: joint": "35.0 ± –",
        "others → anchor: best single": "45.0 ± – (c)",
        "others → anchor: gain": "−10.0 ± –",
        "seeds": "2",
    }
    assert len(shown) == 1


def test_the_claim_of_an_aggregation_rests_on_the_same_numbers(hand_made):
    claim = {"first": "pmrl by own", "second": "pmrl by best_single", "regime": "zero_shot", "measure": "aggregation"}
    differences = claims.Evidence(Results(hand_made)).differences(claim, "toy")
    assert differences.shape == (2, ITEMS)
    table = aggregation_gain.build(Results(hand_made)).query("quantity == 'gain'")
    assert differences.to_numpy().mean() == pytest.approx(table["mean"].mean())


def test_two_modalities_have_nothing_to_aggregate(hand_made):
    path = hand_made / "data" / "toy" / "card.yaml"
    card = yaml.safe_load(path.read_text())
    del card["modalities"]["c"]
    path.write_text(yaml.safe_dump(card))
    records = pd.read_parquet(hand_made / "records.parquet")
    pair = ["a", "b"]
    records[records["query"].isin(pair) & records["gallery"].isin(pair)].to_parquet(hand_made / "records.parquet")
    source = Results(hand_made)
    assert aggregation_gain.show(aggregation_gain.build(source), source).empty
    claim = {"first": "pmrl by own", "second": "pmrl by best_single", "regime": "zero_shot", "measure": "aggregation"}
    assert claims.Evidence(source).differences(claim, "toy").empty


def test_the_gap_is_the_mean_over_seeds_and_distances_are_hundredths(results):
    source = Results(results)
    frame = modality_gap.build(source).set_index(["dataset", "method", "metric"])["mean"]
    for method, gap in synthetic.GAP.items():
        for metric in ("between_modalities", "centroid_distance", "modality_v_measure"):
            assert frame["emoji", method, metric] == pytest.approx(gap)
    shown = modality_gap.show(modality_gap.build(source), source)
    assert list(shown["method"][:2]) == ["PMRL", "Pairwise"] and len(shown) == 8


def test_items_that_look_better_are_averaged_over_modalities(results):
    frame = better_after_noise.build(Results(results)).set_index(["dataset", "method", "score", "level"])["mean"]
    for dataset, method, score, level in frame.index:
        assert frame[dataset, method, score, level] == pytest.approx(synthetic.better_share(method, score, level))
    assert len(frame) == 2 * 4 * 3 * 3


def test_a_score_that_notices_noise_more_often_wins_its_claim(results):
    evidence = claims.Evidence(Results(results))
    levels = synthetic.LEVELS["gaussian"]

    def effect(first, second, measure="noise_noticed"):
        claim = {"first": first, "second": second, "regime": "zero_shot", "measure": measure}
        return evidence.differences(claim, "emoji").to_numpy().mean()

    def better(method, score):
        return np.mean([synthetic.better_share(method, score, level) for level in levels])

    assert effect("pmrl by sigma_1", "pmrl by volume") == pytest.approx(
        better("pmrl", "volume") - better("pmrl", "sigma_1")
    )
    assert effect("pmrl by sigma_1", "gram by volume") == pytest.approx(
        better("gram", "volume") - better("pmrl", "sigma_1")
    )
    assert effect("pmrl", "gram", "modality_gap") == pytest.approx(synthetic.GAP["gram"] - synthetic.GAP["pmrl"])


@pytest.mark.parametrize(
    ("measure", "first", "message"),
    [
        ("noise_noticed", "pmrl", "first is 'pmrl'; expected METHOD by volume or METHOD by sigma_1 or"),
        ("aggregation", "pmrl by volume", "first is 'pmrl by volume'; expected METHOD by own or METHOD by best_single"),
        ("all", "pmrl by own", r"first is 'pmrl by own'; expected METHOD\."),
    ],
)
def test_a_claim_whose_side_names_no_or_another_score_is_refused(
    results, tmp_path, monkeypatch, measure, first, message
):
    claim = {"claim": "it is", "source": "a test", "first": first, "second": first, "regime": "zero_shot"}
    rules = {
        "alpha": 0.05,
        "smallest_effect": {"points": 1.0, "ratio": 0.05},
        "claims": [{**claim, "measure": measure}],
    }
    monkeypatch.setattr(claims, "RULES", tmp_path / "claims.yaml")
    claims.RULES.write_text(yaml.safe_dump(rules))
    with pytest.raises(UserError, match=message):
        claims.build(Results(results))
