"""The tables of the search, from made-up trials whose measures are known."""

import numpy as np
import pandas as pd
import pytest
from trials import around, rows

from pmrl.reporting.results import Results
from pmrl.reporting.statistics import half_width
from pmrl.reporting.write_table import write_table
from pmrl.tables import tuning, tuning_criteria

GRAM = {0: around(20, 50), 1: around(30, 60)}
# By pairs PMRL's candidate 1 wins, by anchor 2; each is far worse by the other measure.
PMRL = {0: around(24, 40), 1: around(34, 20), 2: around(10, 80)}
TESTED = {0: around(18, 48, 1.0), 1: around(27, 55, 1.0)}


def short(measured, **columns):
    """The first rung of a search: a quarter of the steps, one seed."""
    first = {candidate: values[:1] for candidate, values in measured.items()}
    return rows(first, phase="search", **columns).assign(share=0.25, steps=25, seed=1000)


def trials():
    everyone = "logit gain pairs anchor mean"
    return pd.concat(
        [
            short(GRAM, criteria=everyone),
            rows({0: [(20, 50)]}, phase="search", criteria=everyone),
            rows({1: [(31, 61)]}, phase="search", criteria="mean"),
            rows(GRAM),
            rows(TESTED, split="test"),
            short(PMRL, criteria=everyone, method="pmrl"),
            rows(PMRL, method="pmrl"),
            rows({0: around(22, 38)}, split="test", method="pmrl"),
            rows(GRAM, method="vast"),  # not a method of the study
            rows(GRAM, dataset="kanji"),
        ]
    )


@pytest.fixture
def study(tmp_path):
    """A study that names a file of tuned values, with trials beside it."""
    trials().to_csv(tmp_path / "tuning_records_mine.csv", index=False)
    return {
        "datasets": ["digits", "emoji"],
        "methods": ["pmrl", "gram"],
        "tuned": str(tmp_path / "tuned_mine.yaml"),
        "tuning_criterion": "mean",
    }


def line(frame, **keys):
    chosen = np.logical_and.reduce([frame[key] == value for key, value in keys.items()])
    assert chosen.sum() == 1
    return frame[chosen].iloc[0]


def test_a_search_shows_what_it_spent_and_what_of_its_grid_it_tried(results, study):
    source = Results(results, study)
    frame = tuning.build(source)
    assert list(frame["method"]) == ["pmrl", "gram"], "the study's, in its order"
    row = line(frame, method="gram")
    assert (row["trainings"], row["steps"], row["tried"], row["grid"]) == (2 * 0.25 + 2, 250, 2, 24)
    assert (row["pairs_lowest"], row["pairs_highest"]) == (19.5, 31)
    shown = line(tuning.show(frame, source), method="GRAM")
    assert shown["search: of the grid"] == "2 of 24 (8%)" and shown["search: own"] == "49.5–61.0"


def test_what_another_criterions_search_trained_is_not_counted(results, study):
    frame = tuning.build(Results(results, study | {"tuning_criterion": "logit"}))
    assert line(frame, method="gram")["trainings"] == 2 * 0.25 + 1


def test_the_defaults_stand_against_the_chosen_values_on_both_splits(results, study):
    source = Results(results, study)
    frame = tuning.build(source)
    row = line(frame, method="gram")
    assert row["chosen"] == "temperature 0.1" and row["lead"] == pytest.approx(10)
    assert row["validation_pairs_default_mean"] == pytest.approx(20)
    assert row["test_anchor_chosen_mean"] == pytest.approx(55)
    half = half_width(1.0, 3)
    shown = line(tuning.show(frame, source), method="GRAM")
    assert shown["test: pairs"] == f"18.0 ± {half:.1f} → 27.0 ± {half:.1f}"


def test_where_the_defaults_stay_they_stand_alone_and_the_note_counts_them(results, study):
    study = study | {"tuning_criterion": "logit"}
    trials_of = trials()
    equal = trials_of["method"].eq("pmrl") & trials_of["candidate"].ne(0)
    trials_of.loc[equal, ["pairs", "anchor"]] = [20.0, 35.0]
    trials_of.to_csv(study["tuned"].replace("tuned_mine.yaml", "tuning_records_mine.csv"), index=False)
    source = Results(results, study)
    shown = tuning.show(tuning.build(source), source)
    row = line(shown, method="PMRL")
    assert row["choice: values"] == "defaults" and "→" not in row["test: pairs"] + row["validation: own"]
    assert shown.attrs["notes"][0].startswith("The defaults stay in 1 of 2 searches.")


def test_each_criterion_shows_its_own_choice_and_what_pmrl_then_is_worth(results, study):
    frame = tuning_criteria.build(Results(results, study))
    pmrl = {row.criterion: (row.chosen, row.pairs) for row in frame[frame["method"].eq("pmrl")].itertuples()}
    assert pmrl["defaults"] == ("defaults", pytest.approx(24))
    assert pmrl["pairs"] == ("temperature 0.1", pytest.approx(34))
    assert pmrl["anchor"] == ("temperature 0.2", pytest.approx(10))
    effects = frame[frame["method"].eq("gram")].set_index("criterion")["pairs_effect"]
    assert effects["defaults"] == pytest.approx(24 - 20)
    assert effects["pairs"] == pytest.approx(34 - 30)
    assert effects["anchor"] == pytest.approx(10 - 30)


def test_a_comparison_that_turns_with_the_criterion_is_named(results, study):
    source = Results(results, study)
    shown = tuning_criteria.show(tuning_criteria.build(source), source)
    (pairs,) = [note for note in shown.attrs["notes"] if note.startswith("PMRL against GRAM on digits (pairs)")]
    above, below = pairs.split("above with ")[1].split("; below with ")
    assert "pairs" in above and "defaults" in above and "anchor" in below
    row = line(shown, method="GRAM", criterion="anchor")
    assert row["PMRL minus it: pairs"].startswith("**−20.0"), "the same difference with every seed is clear of zero"
    assert shown["criterion"].iloc[0] == "defaults" and "mean (decides)" in set(shown["criterion"])


def test_comparisons_that_do_not_turn_are_said_not_to(results, study):
    trials_of = trials()
    rows_of_pmrl = trials_of["method"].eq("pmrl")
    trials_of.loc[rows_of_pmrl, ["pairs", "anchor"]] += 60 - trials_of.loc[rows_of_pmrl, ["pairs", "anchor"]] / 2
    trials_of.to_csv(study["tuned"].replace("tuned_mine.yaml", "tuning_records_mine.csv"), index=False)
    source = Results(results, study)
    shown = tuning_criteria.show(tuning_criteria.build(source), source)
    assert shown.attrs["notes"][0] == "No comparison of PMRL changes its sign with the criterion."


@pytest.mark.parametrize("name", ["tuning", "tuning_criteria"])
@pytest.mark.parametrize("tuned", [None, "tuned_without_trials.yaml"])
def test_a_study_with_the_defaults_says_that_nothing_was_searched(results, tmp_path, name, tuned):
    study = {"datasets": ["digits"], "methods": ["gram"], "tuned": tuned and str(tmp_path / tuned)}
    _, markdown, *_ = write_table(name, results, tmp_path, study)
    assert "Nothing was searched: every method has its default hyper-parameters." in markdown.read_text()


@pytest.mark.parametrize("name", ["tuning", "tuning_criteria"])
def test_the_tables_are_written_in_every_format(results, study, tmp_path, name):
    for path in write_table(name, results, tmp_path / "out", study):
        assert "GRAM" in path.read_text() or path.suffix == ".csv"
