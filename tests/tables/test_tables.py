"""Tables from synthetic records whose answers are known in closed form."""

import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import synthetic
import yaml
from scipy.special import softmax

from pmrl import discovery
from pmrl.errors import UserError
from pmrl.reporting import render
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import half_width
from pmrl.reporting.write_table import write_table
from pmrl.study.config import check_config
from pmrl.study.plan import study_settings
from pmrl.tables import (
    ablation,
    any_modality,
    claims,
    classification,
    cost,
    datasets,
    noise_robustness,
    published,
    retrieval_zero_shot,
    sensitivity,
    significance,
    stability,
)

HALF = half_width(1.0, 3)  # every synthetic cell is (x − 1, x, x + 1) over the three seeds


def cell(frame, **keys):
    chosen = np.logical_and.reduce([frame[key] == value for key, value in keys.items()])
    assert chosen.sum() == 1
    return frame[chosen].iloc[0]


def test_retrieval_gives_mean_and_interval_of_the_seeds(results):
    frame = retrieval_zero_shot.build(Results(results))
    keys = {"dataset": "digits", "method": "vast", "direction": "forth", "metric": "recall@5", "score": "own"}
    row = cell(frame, reranked=False, **keys)
    expected = synthetic.recall("vast", "main", "zero_shot", 1, "fou", "others", "recall@5")
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((expected, expected - HALF, expected + HALF))
    assert row["n"] == 3


def test_chance_is_k_over_the_gallery(results):
    frame = retrieval_zero_shot.build(Results(results))
    assert set(frame.loc[frame["metric"] == "recall@5", "chance"]) == {5.0}
    assert set(frame.loc[frame["metric"] == "median_rank", "chance"]) == {50.5}


def test_a_value_whose_interval_reaches_chance_is_marked(own_results):
    records = pd.read_parquet(own_results / "records.parquet")
    low = (records["method"] == "gram") & (records["metric"] == "recall@1") & (records["split"] == "test")
    records.loc[low, "value"] = records.loc[low, "seed"] + 1.0  # mean 2, above chance 1, interval 2 ± 2.5
    records.to_parquet(own_results / "records.parquet")
    source = Results(own_results)
    shown = retrieval_zero_shot.show(retrieval_zero_shot.build(source), source)
    column = "anchor → others: R@1"
    is_gram = shown["method"].str.startswith("GRAM")  # its headline score stands behind its name
    assert shown.loc[is_gram, column].str.contains("†").all()
    assert not shown.loc[~is_gram, column].str.contains("†").any()


def test_removing_a_seed_lowers_n_and_is_shown(own_results):
    synthetic.drop(own_results, "method == 'vast' and seed == 2 and dataset == 'emoji' and gallery == 'others'")
    source = Results(own_results)
    frame = retrieval_zero_shot.build(source)
    row = cell(frame, dataset="emoji", method="vast", direction="forth", metric="recall@1", score="own", reranked=False)
    expected = synthetic.recall("vast", "main", "zero_shot", 1, "text", "others", "recall@1")
    assert row["n"] == 2
    assert row["mean"] == pytest.approx(expected - 0.5)  # seeds 0 and 1 only
    shown = retrieval_zero_shot.show(frame, source)
    line = cell(shown, **{"data set": "emoji", "method": "VAST", "scoring": "own score"})
    assert line["anchor → others: R@1"].endswith("(n=2)") and line["seeds"] == "3"


def test_a_missing_run_is_a_dash(own_results):
    synthetic.drop(own_results, "method == 'vast' and dataset == 'emoji'")
    source = Results(own_results)
    shown = retrieval_zero_shot.show(retrieval_zero_shot.build(source), source)
    lines = shown[(shown["data set"] == "emoji") & (shown["method"] == "VAST")]
    assert len(lines) == 4
    assert (lines.drop(columns=["data set", "scoring", "method"]) == render.MISSING).all(axis=None)


def test_a_data_set_that_is_asked_for_and_missing_is_a_dash(own_results):
    synthetic.drop(own_results, "dataset == 'emoji'")
    source = Results(own_results, {"datasets": ["digits", "emoji"]})
    shown = any_modality.show(any_modality.build(source), source)
    assert (shown.loc[shown["data set"] == "emoji", "all pairs"] == render.MISSING).all()


def test_an_incomplete_seed_never_enters_a_mean_over_pairs(own_results):
    synthetic.drop(own_results, "method == 'pmrl' and seed == 2 and query == 'pix' and gallery == 'mor'")
    frame = any_modality.build(Results(own_results))
    keys = {"dataset": "digits", "method": "pmrl", "regime": "zero_shot"}
    with_pair = cell(frame, scope="other", **keys)
    without_pair = cell(frame, scope="anchor", **keys)
    assert (with_pair["n"], without_pair["n"]) == (2, 3)


def test_any_modality_is_the_mean_over_ordered_pairs(results):
    frame = any_modality.build(Results(results))
    pairs = [(a, b) for a in synthetic.DATASETS["emoji"] for b in synthetic.DATASETS["emoji"] if a != b]
    scopes = {
        "all": pairs,
        "anchor": [pair for pair in pairs if "text" in pair],
        "other": [pair for pair in pairs if "text" not in pair],
    }
    for scope, chosen in scopes.items():
        values = [synthetic.recall("gram", "main", "zero_shot", 1, *pair, "recall@1") for pair in chosen]
        row = cell(frame, dataset="emoji", method="gram", regime="zero_shot", scope=scope)
        assert row["mean"] == pytest.approx(np.mean(values))


def test_share_of_better_pairs_counts_pairs(results):
    frame = any_modality.build(Results(results))
    row = cell(frame, dataset="emoji", method="gram", regime="zero_shot", scope=any_modality.SHARE)
    assert (row["mean"], row["n_pairs"]) == (50.0, 12)  # GRAM wins wherever a picture is involved: 6 of 12


def test_best_is_marked_only_where_the_difference_is_real(results):
    frame = ablation.build(Results(results))
    keys = {"dataset": "digits", "regime": "zero_shot", "task": "own"}
    block = frame[np.logical_and.reduce([frame[key] == value for key, value in keys.items()])]
    marks = {(row.method, row.variant): row.mark for row in block.itertuples()}
    assert marks["pmrl", "main"] == ""  # one item of 100 ahead of the variant without matching
    assert marks["pmrl", "without_matching"] == "second"  # seven items ahead of the next


def test_a_refusal_is_explained(own_results):
    records = pd.read_parquet(own_results / "records.parquet")
    records = records.drop(records.query("method == 'gram' and dataset == 'digits'").index)
    refused = records.iloc[:1].assign(method="gram", dataset="digits", metric="unsupported", value=np.nan)
    refused["reason"] = "needs fewer modalities"
    pd.concat([records, refused]).to_parquet(own_results / "records.parquet")
    source = Results(own_results)
    shown = retrieval_zero_shot.show(retrieval_zero_shot.build(source), source)
    assert "GRAM on digits: needs fewer modalities" in shown.attrs["notes"]


def test_counts_of_the_data_sets_come_from_the_cards(results):
    source = Results(results)
    shown = datasets.show(datasets.build(source), source)
    assert list(shown["data set"]) == ["digits", "emoji"]
    assert shown.loc[0, "modalities (dimension)"].startswith("**fou** 10, kar 11")
    assert list(shown.loc[0, ["pre-training", "train", "validation", "test"]]) == ["1,000", "400", "100", "100"]


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    """Every table, written once: its three paths by name."""
    folder = tmp_path_factory.mktemp("tables")
    return {name: write_table(name, results, folder, searched_study(results)) for name in discovery.tables()}


def searched_study(results):
    """The settings of a study whose hyper-parameters were searched."""
    return {"tuned": str(results / "tuned.yaml")}


@pytest.mark.parametrize("name", discovery.tables())
def test_every_table_is_written_in_four_formats_and_again_the_same(name, results, written, tmp_path):
    first, second = written[name], write_table(name, results, tmp_path, searched_study(results))
    assert [path.suffix for path in first] == [".csv", ".md", ".tex", ".html"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    recorded = {
        "stability": len(pd.read_csv(stability.ROOT / stability.RECORDS)) > 0,
        "two_to_one": Results(results).records["metric"].str.startswith("two_to_one").any(),
    }.get(name, True)
    assert len(pd.read_csv(first[0])) > 0 or not recorded


@pytest.mark.parametrize("name", discovery.tables())
def test_numbers_of_seeds_are_whole(name, written):
    head, *lines = (line for line in written[name][1].read_text().splitlines() if line.startswith("|"))
    columns = [cell.strip() for cell in head.split("|")]
    for place in (i for i, column in enumerate(columns) if column in ("seeds", "n") or column.endswith(": n")):
        cells = [line.split("|")[place].strip() for line in lines[1:]]
        assert all(re.fullmatch(r"\d+|–", cell) for cell in cells), cells


@pytest.mark.parametrize("name", discovery.tables())
def test_latex_rows_have_as_many_cells_as_the_head(name, written):
    text = written[name][2].read_text()
    tabulars = re.findall(r"\\begin{tabular}{(l+)}\n(.*?)\\end{tabular}", text, re.DOTALL)
    assert tabulars
    for columns, body in tabulars:
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert rows
        for row in rows:
            spanned = sum(int(n) - 1 for n in re.findall(r"\\multicolumn{(\d+)}", row))
            assert len(re.findall(r"(?<!\\)&", row)) + 1 + spanned == len(columns), row
        assert all(body.count(rule) >= 1 for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX engine on this machine")
def test_latex_compiles(written, tmp_path):
    lines = [rf"\input{{{paths[2]}}}\clearpage" for paths in written.values()]
    head = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    (tmp_path / "all.tex").write_text("\n".join([head, *lines, r"\end{document}"]))
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert run.returncode == 0, run.stdout[-2000:]
    assert "too large for page" not in run.stdout


def test_a_long_table_continues_on_another_page():
    shown = pd.DataFrame({"data set": np.repeat(list("abc"), 40), "value": "1"})
    text = render.latex("long", "Long", "A long table.", shown, ["A note."])
    assert text.count(r"\begin{table*}") == 3
    assert text.count(r"\caption") == text.count("A note.") == 1


def test_special_signs_survive_latex():
    assert render.escape("50 % of a_b & **c_d** <u>σ1</u>") == (
        r"50 \% of a\_b \& \textbf{c\_d} \underline{\ensuremath{\sigma}1}"
    )


def test_an_unknown_name_lists_the_valid_ones(results, tmp_path):
    with pytest.raises(UserError, match=r"'retrieval'.*any_modality.*retrieval_zero_shot"):
        write_table("retrieval", results, tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"records\.parquet: not found"):
        write_table("ablation", tmp_path, tmp_path)


def test_a_missing_column_is_named(own_results, tmp_path):
    records = pd.read_parquet(own_results / "records.parquet")
    records.drop(columns="reranked").to_parquet(own_results / "records.parquet")
    with pytest.raises(UserError, match="column reranked is missing"):
        write_table("ablation", own_results, tmp_path)


def test_a_repeated_cell_is_refused_and_not_averaged(own_results, tmp_path):
    records = pd.read_parquet(own_results / "records.parquet")
    pd.concat([records, records.iloc[:1]]).to_parquet(own_results / "records.parquet")
    with pytest.raises(UserError, match="1 rows repeat a cell"):
        write_table("ablation", own_results, tmp_path)


def test_a_damaged_file_is_named(own_results, tmp_path):
    (own_results / "records.parquet").write_bytes(b"not a table")
    with pytest.raises(UserError, match=r"records\.parquet: not a readable parquet file"):
        write_table("ablation", own_results, tmp_path)


def test_area_under_the_noise_curve_and_its_excess(results):
    frame = noise_robustness.build(Results(results))
    clean = any_modality.build(Results(results))
    for method in ("pmrl", "pairwise"):
        start = cell(clean, dataset="emoji", method=method, regime="zero_shot", scope="all")["mean"]
        keys = {"dataset": "emoji", "method": method, "corruption": "gaussian"}
        loss = synthetic.LOSS[method]
        assert cell(frame, quantity="area", **keys)["mean"] == pytest.approx(start - loss * 1.0)  # middle of 0 … 2
        assert cell(frame, quantity="severest", **keys)["mean"] == pytest.approx(start - loss * 2.0)
    areas = {m: cell(frame, dataset="emoji", method=m, corruption="gaussian", quantity="area") for m in synthetic.LOSS}
    excess = cell(frame, dataset="emoji", method="gram", corruption="gaussian", quantity="excess")
    assert excess["mean"] == pytest.approx(areas["gram"]["mean"] - areas["pairwise"]["mean"])
    assert excess["high"] - excess["low"] < 1e-6  # paired by seed: what seeds share cancels


def test_noise_on_a_signal_is_compared_with_the_clean_recall_of_the_same_pairs(results):
    """The mean height of a straight line is its middle; a higher level of the records is always worse."""
    frame = noise_robustness.build(Results(results))
    for kind, highest in {"blur": 4.0, "sound_noise": 4.0}.items():
        for method, loss in synthetic.LOSS.items():
            clean = synthetic.mean_recall("emoji", method, seed=1, noise=kind)
            keys = {"dataset": "emoji", "method": method, "corruption": kind}
            assert cell(frame, quantity="area", **keys)["mean"] == pytest.approx(clean - loss * highest / 2)
            assert cell(frame, quantity="severest", **keys)["mean"] == pytest.approx(clean - loss * highest)


def test_a_data_set_without_the_signal_has_no_row_for_its_noise(results):
    frame = noise_robustness.build(Results(results))
    assert set(frame.loc[frame["corruption"] == "sound_noise", "dataset"]) == {"emoji"}
    assert set(frame.loc[frame["corruption"] == "blur", "dataset"]) == {"digits", "emoji"}


def test_a_run_that_lacks_a_noise_level_has_no_area(own_results):
    condition = "method == 'gram' and seed == 1 and corruption == 'missing' and level == 0.5"
    synthetic.drop(own_results, condition, ("records",))
    frame = noise_robustness.build(Results(own_results))
    row = cell(frame, dataset="digits", method="gram", corruption="missing", quantity="area")
    assert row["n"] == 2


@pytest.mark.parametrize(("temperature", "cosine"), [(0.01, 0.041), (0.05, 0.218), (0.1, 0.456)])
def test_alignment_saturates_where_theory_says(temperature, cosine):
    assert sensitivity.saturation(4, temperature) == pytest.approx(cosine, abs=1e-3)


def test_a_warm_alignment_never_saturates():
    assert np.isnan(sensitivity.saturation(4, 1.0))
    assert sensitivity.alignment_loss(1.0, 4, 1.0) > 0.1


def test_alignment_loss_equals_a_softmax_over_the_singular_values():
    k, cosine, temperature = 5, 0.3, 0.2
    gram = np.full((k, k), cosine) + (1 - cosine) * np.eye(k)
    sigma = np.sqrt(np.linalg.eigvalsh(gram))[::-1] / temperature
    assert sensitivity.alignment_loss(cosine, k, temperature) == pytest.approx(-np.log(softmax(sigma)[0]))


def test_the_papers_setting_is_marked(results):
    source = Results(results)
    shown = sensitivity.show(sensitivity.build(source), source)
    marked = shown[shown["τ₂ = 0.1"].str.startswith("**")]
    assert list(marked["setting"]) == ["τ₁ = 0.05", "τ₁ = 0.05"]


def test_methods_and_raw_features_stand_beside_each_other_in_every_protocol(results):
    source = Results(results)
    shown = classification.show(classification.build(source), source)
    line = cell(shown, **{"data set": "digits", "measure": "accuracy", "method": "raw features"})
    assert line["random folds"] == f"69.0 ± {HALF:.1f}" and line["1 label per class"] == f"34.5 ± {HALF:.1f}"
    assert list(shown)[3:-1] == ["random folds", "1 label per class"], "what nobody measured has no column"
    for _, part in shown.groupby(["data set", "measure"]):
        assert {"PMRL", "GRAM", "raw features", "chance"} <= set(part["method"])


def test_classification_says_what_chance_is_and_how_many_are_classified(results):
    source = Results(results)
    frame = classification.build(source)
    assert set(frame.loc[frame["metric"] == "auc", "chance"]) == {50.0}
    assert set(frame.loc[frame["metric"] == "accuracy", "chance"]) == {synthetic.CHANCE_ACCURACY}
    shown = classification.show(frame, source).set_index(["data set", "measure", "method"])["random folds"]
    assert shown["emoji", "accuracy", "chance"] == f"{synthetic.CHANCE_ACCURACY:.1f}"
    assert shown["emoji", "AUC", "chance"] == "50.0" and shown["digits", "sensitivity", "chance"] == "–"
    assert shown["digits", "accuracy", "instances"] == str(synthetic.ITEMS)


def test_sensitivity_is_shown_of_two_classes_only(results):
    source = Results(results)
    shown = classification.show(classification.build(source), source).groupby("data set")["measure"].unique()
    assert list(shown["digits"]) == ["accuracy", "AUC", "sensitivity", "specificity"]
    assert list(shown["emoji"]) == ["accuracy", "AUC"]


def test_step_time_is_relative_to_the_fastest_of_the_same_size(results):
    frame = cost.build(Results(results))
    assert cell(frame, method="gram", modalities=6)["step_ratio"] == pytest.approx(5 / 2)
    assert cell(frame, method="pmrl", modalities=6)["step_ratio"] == 1


@pytest.mark.parametrize(("measured_on", "says_none"), [(None, True), ("digits", False)])
def test_a_study_without_costs_shows_none_that_an_earlier_one_left(results, tmp_path, measured_on, says_none):
    assert (results / "costs.parquet").exists()
    config = check_config({"datasets": list(synthetic.DATASETS), "cost": measured_on}, "config")
    csv, markdown, *_ = write_table("cost", results, tmp_path, study_settings(config))
    assert pd.read_csv(csv).empty == says_none
    assert ("No costs have been measured." in markdown.read_text()) == says_none


def test_tied_methods_share_a_group(results):
    frame = significance.build(Results(results))
    row = cell(frame, dataset="digits", regime="zero_shot", task="own", first="pairwise", second="vast")
    assert row["effect"] == pytest.approx(1.0) and row["p_holm"] > 0.05  # one item of a hundred
    assert row["first_group"] == row["second_group"] == 2
    first = cell(frame, dataset="digits", regime="zero_shot", task="own", first="pmrl", second="vast")
    assert (first["first_group"], first["effect"]) == (1, pytest.approx(12.0))


RULES = {
    "alpha": 0.05,
    "smallest_effect": {"points": 1.0, "ratio": 0.05},
    "claims": [
        {"claim": "up", "first": "pmrl", "second": "gram", "regime": "zero_shot", "measure": "all"},
        {"claim": "down", "first": "gram", "second": "pmrl", "regime": "zero_shot", "measure": "all"},
        {"claim": "tie", "first": "pmrl", "second": "pmrl/without_matching", "regime": "zero_shot", "measure": "own"},
        {"claim": "unknown", "first": "pmrl", "second": "gram", "regime": "fine_tuned", "measure": "own"},
        {"claim": "probe", "first": "pmrl", "second": "raw_features", "regime": "probe", "measure": "accuracy"},
        {"claim": "few labels", "first": "pmrl", "second": "raw_features", "regime": "probe", "measure": "few_1"},
        {"claim": "steady", "first": "pmrl", "second": "gram", "regime": "zero_shot", "measure": "gradient_variation"},
        {"claim": "noise", "first": "vast", "second": "gram", "regime": "zero_shot", "measure": "gaussian"},
    ],
}


@pytest.fixture
def rules(tmp_path, monkeypatch):
    """Set the rules that claims are judged by."""

    def write(rules):
        monkeypatch.setattr(claims, "RULES", tmp_path / "claims.yaml")
        claims.RULES.write_text(yaml.safe_dump(rules))

    return write


def test_methods_without_a_common_seed_are_not_tested(own_results):
    synthetic.drop(own_results, "(method == 'vast' and seed != 0) or (method == 'pmrl' and seed == 0)")
    source = Results(own_results)
    frame = significance.build(source)
    shown = significance.show(frame, source)
    row = shown[shown["PMRL against"] == source.label("vast")].iloc[0]
    assert [row[name] for name in ("difference [95 % interval]", "d_z [95 % interval]", "p (Holm)")] == ["–"] * 3
    assert row["groups"].split(" : ")[0] == row["groups"].split(" : ")[1]


def test_one_seed_has_no_interval_that_could_reach_chance(own_results):
    synthetic.drop(own_results, "seed != 0")
    source = Results(own_results)
    shown = retrieval_zero_shot.show(retrieval_zero_shot.build(source), source)
    cells = shown.filter(like="R@").to_numpy().astype(str)
    assert (np.char.find(cells, "± –") >= 0).any() and not (np.char.find(cells, "†") >= 0).any()


def test_claims_are_judged_by_the_rules(results, rules):
    rules(RULES | {"claims": [claim | {"source": "a test"} for claim in RULES["claims"]]})
    frame = claims.build(Results(results))
    verdicts = {(row.claim, row.dataset): row.verdict for row in frame.itertuples()}
    for dataset in ("digits", "emoji", "overall"):
        assert verdicts["up", dataset] == "reproduced"
        assert verdicts["down", dataset] == "not reproduced"
        assert verdicts["tie", dataset] == "inconclusive"
        assert verdicts["unknown", dataset] == ""  # ranks exist for zero-shot only
        assert verdicts["probe", dataset] == "not reproduced"  # one point below the raw features
    effects = {(row.claim, row.dataset): row.effect for row in frame.itertuples()}
    # recall falls by LOSS × level, over 0 … 2 by LOSS on average; what is kept is relative to the clean recall
    clean = {method: synthetic.mean_recall("emoji", method, seed=1) for method in ("vast", "gram")}
    kept = {method: 100 * (1 - synthetic.LOSS[method] / value) for method, value in clean.items()}
    assert effects["noise", "emoji"] == pytest.approx(kept["vast"] - kept["gram"], abs=0.1)
    # accuracy is that of the probes in folds: another protocol neither enters it nor is entered by it
    assert effects["probe", "emoji"] == pytest.approx(68 - 69) and effects["few labels", "emoji"] == pytest.approx(-0.5)
    assert effects["up", "overall"] == pytest.approx((effects["up", "digits"] + effects["up", "emoji"]) / 2)


@pytest.mark.parametrize(("kind", "mean_level"), [("blur", 2.0), ("sound_noise", 2.0)])
def test_what_is_kept_under_noise_on_a_signal_is_relative_to_the_pairs_that_can_have_it(
    results, rules, kind, mean_level
):
    claim = {"claim": kind, "first": "vast", "second": "gram", "regime": "zero_shot", "measure": kind}
    rules(RULES | {"claims": [claim | {"source": "a test"}]})
    frame = claims.build(Results(results))
    kept = {}
    for method in ("vast", "gram"):
        clean = [synthetic.mean_recall("emoji", method, seed, noise=kind) for seed in synthetic.SEEDS]
        kept[method] = np.mean([100 * (1 - synthetic.LOSS[method] * mean_level / value) for value in clean])
    assert cell(frame, dataset="emoji")["effect"] == pytest.approx(kept["vast"] - kept["gram"])


def test_the_committed_rules_are_complete(results):
    frame = claims.build(Results(results))
    assert set(frame["verdict"]) <= {*claims.VERDICTS, ""}
    assert frame["claim"].nunique() >= 10


@pytest.mark.parametrize(
    ("change", "message"), [({"measure": "beauty"}, "unknown measure 'beauty'"), ({"first": None}, "lacks first")]
)
def test_a_broken_rule_is_named(results, rules, change, message):
    claim = RULES["claims"][0] | {"source": "a test"} | change
    claim = {key: value for key, value in claim.items() if value is not None}
    rules(RULES | {"claims": [claim]})
    with pytest.raises(UserError, match=message):
        claims.build(Results(results))


def test_claims_show_how_many_seeds_they_rest_on(own_results):
    synthetic.drop(own_results, "method == 'gram' and seed == 2", ("records", "ranks", "contributions"))
    source = Results(own_results)
    shown = claims.show(claims.build(source), source)
    against_gram = shown[shown["claim"].str.contains("any two modalities")]
    assert set(against_gram["seeds"]) == {"2"}
    other = published.show(published.build(source), source)
    ours = other[other["source"] == published.OURS]
    assert ours["GRAM"].str.endswith("(n=2)").all() and not ours["PMRL"].str.contains("n=").any()


def test_published_numbers_stand_as_committed_and_unknown_cells_are_empty(results):
    source = Results(results)
    shown = published.show(published.build(source), source)
    line = cell(shown, source="PMRL paper", setting="zero-shot", direction="text → video", **{"data set": "MSR-VTT"})
    assert (line["PMRL"], line["GRAM"], line["VAST"]) == ("54.5", "51.5", "")
    ours = shown[shown["source"] == published.OURS]
    assert set(ours["data set"]) == {"digits", "emoji"}
    assert ours["PMRL"].str.contains("±").all()


@pytest.mark.parametrize("name", discovery.tables())
def test_a_partial_study_still_gives_every_table(name, own_results, tmp_path):
    synthetic.drop(own_results, "dataset == 'emoji' or seed == 2 or regime == 'probe'")
    synthetic.drop(own_results, "corruption != 'none'", ("records",))
    for missing in ("contributions", "costs", "sweep", "examples", "embeddings"):
        (own_results / f"{missing}.parquet").unlink()
    paths = write_table(name, own_results, tmp_path, {"datasets": ["digits"]})
    assert all(path.exists() for path in paths)


@pytest.mark.parametrize("name", discovery.tables())
def test_every_table_says_which_data_set_is_absent(name, results, tmp_path):
    study = {"datasets": list(synthetic.DATASETS), "absent": {"abide": "set PMRL_ABIDE to its folder."}}
    _, markdown, latex, html = write_table(name, results, tmp_path, study)
    assert "Without abide: set PMRL_ABIDE to its folder." in markdown.read_text()
    assert "Without abide" in latex.read_text() and "Without abide" in html.read_text()


def test_html_shows_every_cell_and_no_markup_of_ours(results, tmp_path):
    *_, html = write_table("retrieval_zero_shot", results, tmp_path)
    text = html.read_text()
    assert "**" not in text and "&lt;u&gt;" not in text
    assert "<b>" in text.split("<tbody>")[1], "the best is bold"
    rows = re.findall(r"<tr.*?</tr>", text)
    assert len({len(re.findall(r"<t[dh]>", row)) for row in rows}) == 1


def test_a_method_that_cannot_do_few_modalities_is_a_dash_in_the_table_of_costs(own_results):
    costs = pd.read_parquet(own_results / "costs.parquet")
    few = costs["modalities"].min()
    costs[~(costs["method"].eq("gram") & costs["modalities"].eq(few))].to_parquet(own_results / "costs.parquet")
    source = Results(own_results)
    frame = cost.build(source)
    row = frame[frame["method"].eq("gram") & frame["modalities"].eq(few)]
    assert len(row) == 1 and row["step_milliseconds"].isna().all()
    shown = cost.show(frame, source)
    assert "–" in shown.iloc[row.index[0]].tolist() and "cannot work" in shown.attrs["notes"][0]


def test_two_seeds_have_a_mean_and_no_interval_in_a_table(own_results):
    """Student's t for two seeds is 12.7: an interval of 140 % would tell nobody anything."""
    synthetic.drop(own_results, "seed == 2")
    source = Results(own_results)
    shown = any_modality.show(any_modality.build(source), source)
    cells = shown["all pairs"].str.strip("*<u>/")
    assert cells.str.contains("± –").all() and set(shown["seeds"]) == {"2"}
