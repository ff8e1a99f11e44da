"""The table and figure of training from random weights, from curves whose ends are known."""

import re

import numpy as np
import pandas as pd
import pytest
import synthetic

from pmrl.figures import from_scratch as figure
from pmrl.reporting import style
from pmrl.reporting.results import Results
from pmrl.tables import from_scratch


@pytest.fixture
def scratch(results, tmp_path):
    """The synthetic results with curves from random weights: PMRL ends with a third of its vectors opposed."""
    folder = synthetic.copy(results, tmp_path / "scratch")
    rows = []
    for dataset, modalities in synthetic.DATASETS.items():
        for method in synthetic.METHODS:
            for seed in synthetic.SEEDS:
                for step in (0, 50, 99):
                    values = {f"sigma_{j + 1}": np.sqrt(len(modalities)) * (j == 0) * step / 99
                              for j in range(len(modalities))}  # fmt: skip
                    values |= {"opposed": 33 + seed, "sign_flips": 50 - seed, "recall": step / 10,
                               "gradient_of_alignment": 2.0**-step}  # fmt: skip
                    values |= {"cosine of x, y": -0.5, "cosine of x, z": 0.1, "cosine of y, z": 1.0}
                    run = {"dataset": dataset, "method": method, "variant": "main", "stage": "scratch", "seed": seed}
                    rows += [{**run, "step": step, "quantity": q, "value": v} for q, v in values.items()]
    curves = pd.concat([pd.read_parquet(folder / "curves.parquet"), pd.DataFrame(rows)], ignore_index=True)
    curves.to_parquet(folder / "curves.parquet")
    return Results(folder)


def test_the_table_has_the_ends_of_the_curves_and_the_share_of_the_yardstick(scratch, monkeypatch):
    monkeypatch.setattr(from_scratch, "YARDSTICK", ("pairwise", "main"))
    frame = from_scratch.build(scratch)
    ends = {"sigma": 1.0, "lowest": -0.5, "mean": 0.2, "highest": 1.0, "opposed": 34.0, "sign_flips": 49.0}
    chosen = frame["dataset"].eq("emoji") & frame["variant"].eq("main")
    rows = frame[chosen].set_index(["method", "quantity"])
    for name, end in ends.items():
        assert rows.loc[("pmrl", name), "mean"] == pytest.approx(end), name
    means = {
        (method, seed): np.mean(
            [synthetic.recall(method, "main", "scratch", seed, query, gallery, "recall@1")
             for query in synthetic.DATASETS["emoji"] for gallery in synthetic.DATASETS["emoji"] if query != gallery]
        )
        for method in ("pmrl", "pairwise") for seed in synthetic.SEEDS
    }  # fmt: skip
    shares = [100 * means["pmrl", seed] / means["pairwise", seed] for seed in synthetic.SEEDS]
    assert rows.loc[("pmrl", "share"), "mean"] == pytest.approx(np.mean(shares))
    assert rows.loc[("pairwise", "share"), "mean"] == pytest.approx(100)


def test_a_method_without_curves_is_a_dash(scratch):
    frame = from_scratch.build(scratch)
    without = frame[frame["variant"].eq("without_matching") & frame["quantity"].eq("sigma")]
    assert len(without) and without["mean"].isna().all()
    assert "–" in from_scratch.show(frame, scratch).to_string()


def test_the_figure_draws_retrieval_geometry_and_gradients(scratch):
    with style.applied():
        drawn = figure.draw(scratch)
        panels = np.array(drawn.axes).reshape(len(synthetic.DATASETS), -1)
        for row in panels:
            recall, leading, cosines, opposed, gradients = row
            assert recall.lines[0].get_ydata()[-1] == pytest.approx(9.9)
            assert leading.lines[0].get_ydata()[-1] == pytest.approx(1)
            assert cosines.lines[0].get_ydata()[-1] == pytest.approx(0.2)
            assert opposed.lines[0].get_ydata()[0] == pytest.approx(34)
            assert len(gradients.lines) == 1 and gradients.get_yscale() == "log"


def test_the_figure_tells_the_variants_of_one_method_apart(scratch):
    main = scratch.curves[scratch.curves["stage"].eq("scratch") & scratch.curves["method"].eq("pmrl")]
    variants = [main.assign(variant=name) for name in ("main", "from_scratch", "sign_aware", "another")]
    scratch.curves = pd.concat(variants, ignore_index=True)
    with style.applied():
        lines = figure.draw(scratch).axes[0].lines
    looks = {str(figure._look(scratch, ("pmrl", variant))) for variant in figure.SHOWN_VARIANTS}
    assert len(lines) == len(looks) == 3, "main and the two variants that the figure is about"


def test_without_such_training_the_figure_says_so(results):
    with style.applied():
        assert "random weights" in figure.draw(Results(results)).axes[0].texts[0].get_text()


@pytest.mark.parametrize(
    ("study", "pattern"),
    [
        ({"tuned": "config/a.yaml", "tuning_regime": "scratch"}, "searched from scratch, .*config/a.yaml"),
        ({"tuned": "config/b.yaml", "tuning_regime": "zero_shot"}, "searched zero-shot, .*config/b.yaml"),
        ({}, "default hyper-parameters"),
    ],
)
def test_the_note_says_how_hyperparameters_were_searched(scratch, study, pattern):
    scratch.study = study
    notes = from_scratch.show(from_scratch.build(scratch), scratch).attrs["notes"]
    assert any(re.search(pattern, note) for note in notes)
