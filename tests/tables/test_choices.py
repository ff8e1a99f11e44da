"""The tables that show what was chosen on validation data: heads, steps, final scores; and what verdicts rest on."""

import pandas as pd
import pytest

from pmrl.errors import UserError
from pmrl.reporting import stability as record
from pmrl.reporting.calibration import RECORDS
from pmrl.reporting.results import Results
from pmrl.tables import claims, convergence, heads, reranking, stability

STUDY = {"datasets": ["digits", "emoji"]}
COLUMNS = ["setting", "foundation", "continued", "dataset", "method", "seed", "pairs", "anchor"]


@pytest.fixture
def calibrated(monkeypatch, tmp_path):
    """Records in which PMRL is 4 points above VAST everywhere, and doubling adds 0.5 to PMRL and 2 to VAST."""
    gains = {"half_steps": {"pmrl": -3, "vast": -3}, "base": {}, "double_steps": {"pmrl": 0.5, "vast": 2}, "large": {}}
    rows = [
        (setting, 600, 300, dataset, method, seed, base + gain.get(method, 0) + seed - 1000, 60.0)
        for setting, gain in gains.items()
        for dataset in ("digits", "emoji")
        for method, base in (("foundation", 5.0), ("pmrl", 14.0), ("vast", 10.0))
        for seed in ((1000,) if setting == "large" else (1000, 1001))
    ]
    (tmp_path / "config").mkdir()
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / RECORDS, index=False)
    monkeypatch.setattr("pmrl.reporting.calibration.ROOT", tmp_path)


def test_a_plateau_is_a_change_of_at_most_a_point_or_a_twentieth(results, calibrated):
    frame = convergence.build(Results(results, study=STUDY)).set_index(["dataset", "method"])
    assert frame.loc[("digits", "pmrl"), ["half_steps", "base", "double_steps"]].tolist() == [11.5, 14.5, 15.0]
    assert frame["plateau"].to_dict() == {
        (dataset, method): method != "vast"
        for dataset in STUDY["datasets"]
        for method in ("foundation", "pmrl", "vast")
    }
    shown = convergence.show(frame.reset_index(), Results(results, study=STUDY))
    assert shown.attrs["notes"] == ["At the plateau: 2 of 4 methods and data sets."]


def test_heads_are_compared_over_seeds_that_all_settings_have_and_without_the_foundation(results, calibrated):
    frame = heads.build(Results(results, study=STUDY))
    pairs = frame[frame["measure"].eq("pairs") & frame["dataset"].eq("digits")].set_index("setting")
    assert pairs["mean"].to_dict() == {"half_steps": 9.0, "base": 12.0, "double_steps": 13.25, "large": 12.0}
    assert pairs["difference"].to_dict() == {"half_steps": -3.0, "base": 0.0, "double_steps": 1.25, "large": 0.0}


def test_the_headline_is_bold_and_named(results):
    source = Results(results)
    shown = reranking.show(reranking.build(source), source).set_index(["data set", "regime", "method"])
    vast = shown.loc[("digits", "zero-shot", "VAST")]
    assert vast["validation: top 50, 25 % matching"] == "**21.0**" and vast["validation: own score"] == "20.0"
    assert shown.loc[("digits", "zero-shot", "PMRL"), "validation: own score"] == "**20.0**", (
        "of equal ones the simplest"
    )


def claims_table(folder, verdicts):
    (folder / "tables").mkdir(parents=True)
    rows = [
        {"claim": claim, "dataset": "overall", "effect": 1, "low": 0, "high": 2, "p_holm": 0.01, "here": verdict}
        for claim, verdict in verdicts.items()
    ]
    pd.DataFrame(rows).to_csv(folder / "tables" / "claims.csv", index=False)
    return folder


def test_a_verdict_that_another_condition_turns_is_unstable(results, tmp_path, monkeypatch):
    source = Results(results)
    monkeypatch.setattr(claims, "STABILITY_RECORDS", tmp_path / "none.csv")
    alone = claims.build(source)
    overall = alone[alone["dataset"].eq("overall") & alone["verdict"].isin(["reproduced", "not reproduced"])]
    kept, turned, weak = overall["claim"].iloc[:3]
    own = dict(zip(overall["claim"], overall["verdict"], strict=True))
    opposite = {"reproduced": "not reproduced", "not reproduced": "reproduced"}
    folders = [
        claims_table(tmp_path / "other_seeds", own),
        claims_table(tmp_path / "two_layers", own | {turned: opposite[own[turned]], weak: "inconclusive"}),
    ]
    record.adopt(folders, tmp_path / "stability.csv")
    monkeypatch.setattr(claims, "STABILITY_RECORDS", tmp_path / "stability.csv")
    frame = claims.build(source)
    frame = frame[frame["dataset"].eq("overall")].set_index("claim")
    assert frame.loc[turned, "verdict"] == "unstable" and frame.loc[turned, "turns"] == "two_layers"
    assert frame.loc[kept, "verdict"] == own[kept] and frame.loc[kept, "turns"] == frame.loc[kept, "open"] == ""
    assert frame.loc[weak, "verdict"] == own[weak] and frame.loc[weak, "open"] == "two_layers", "no contradiction"
    open_ones = alone[alone["dataset"].eq("overall") & alone["verdict"].eq("inconclusive")]["claim"]
    assert set(frame.loc[open_ones, "verdict"]) <= {"inconclusive"}, "what is open cannot turn"
    monkeypatch.setattr(stability, "ROOT", tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "stability.csv").rename(tmp_path / stability.RECORDS)
    shown = stability.show(stability.build(source), source).set_index("claim")
    assert shown.loc[turned, "two layers"].startswith(f"{opposite[own[turned]]} +1.0 [+0.0, +2.0]")


def test_a_condition_that_was_not_run_is_named(tmp_path):
    with pytest.raises(UserError, match=r"double_steps.*not found.*make stability"):
        record.adopt([tmp_path / "double_steps"], tmp_path / "stability.csv")
    assert not (tmp_path / "stability.csv").exists()
