"""Quality beside cost: recall by a slow loop over records, step times against those of pairwise contrast."""

import numpy as np
import pandas as pd
import pytest
import synthetic

from pmrl.figures import quality_and_cost as figure
from pmrl.reporting import style
from pmrl.reporting.results import Results
from pmrl.tables import quality_and_cost


@pytest.fixture(scope="module")
def source(results):
    return Results(results)


def test_quality_is_the_mean_over_data_sets_pairs_and_seeds(source):
    frame = quality_and_cost.build(source).set_index(["regime", "method"])
    records = source.records
    of_vectors = records[
        records["metric"].eq("recall@1") & records["corruption"].eq("none") & records["score"].eq("cosine")
    ]
    for regime, method in (("zero_shot", "pmrl"), ("fine_tuned", "gram")):
        means = []
        for dataset, card in source.cards.items():
            rows = of_vectors[of_vectors["dataset"].eq(dataset) & of_vectors["regime"].eq(regime)]
            rows = rows[rows["method"].eq(method) & rows["variant"].eq("main") & ~rows["reranked"]]
            single = rows["query"].isin(card["modalities"]) & rows["gallery"].isin(card["modalities"])
            means.append(rows.loc[single, "value"].mean())
        assert frame.loc[(regime, method), "any_mean"] == pytest.approx(np.mean(means))


def test_steps_are_multiples_of_those_of_pairwise_contrast(source):
    frame = quality_and_cost.build(source)
    row = frame[frame["method"].eq("vast")].iloc[0]
    times = synthetic.costs().set_index(["method", "modalities"])["step_milliseconds"]
    for count in (3, 6, 14):
        assert row[f"step_{count}"] == pytest.approx(times["vast", count] / times["pairwise", count])
    assert row["step"] == row["step_14"]


def test_without_measured_times_the_table_has_dashes_and_the_figure_says_so(results, tmp_path, monkeypatch):
    source = Results(results)
    monkeypatch.setattr(Results, "costs", synthetic.costs()[:0])
    shown = quality_and_cost.show(quality_and_cost.build(source), source)
    assert set(shown["step, k = 6"]) == {"–"} and (shown["any modality"] != "–").any()
    with style.applied():
        assert "Not measured" in figure.draw(source).axes[0].texts[0].get_text()


def test_methods_of_the_reference_cost_one(source):
    frame = quality_and_cost.build(source)
    pairwise = frame[frame["method"].eq("pairwise")]
    assert pd.unique(pairwise[["step_3", "step_6", "step_14"]].to_numpy().ravel()) == pytest.approx([1.0])
