"""Runs: checkpoints that hold are reused, those that do not are not, and what is written is tidy."""

import functools
import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest
import torch

from pmrl.errors import UserError
from pmrl.experiments import resume
from pmrl.experiments import train as train_module
from pmrl.experiments.foundation import run_foundation
from pmrl.experiments.run import Run, new_network
from pmrl.experiments.train import run_method
from pmrl.method.base import build_method
from pmrl.records import CELL, FEW_LABELS, NEIGHBOURS, NEIGHBOURS_ACROSS
from pmrl.reporting.collect import collect_runs, collect_sweeps
from pmrl.study.config import check_config
from pmrl.study.plan import foundation_settings, run_settings
from pmrl.training.checkpoints import read_fingerprint, start_network

CPU = torch.device("cpu")
CONFIG = check_config(
    {
        "regimes": ["zero_shot", "fine_tuned", "scratch"],
        "network": {"dimension": 8, "hidden": 8, "width": 8, "attention_heads": 2},
        "training": {
            "batch_size": 16,
            "foundation_steps": 3,
            "continued_steps": 3,
            "fine_tuned_steps": 2,
            "scratch_steps": 3,
        },
        "variants": {"pmrl": {"without_matching": {"matching_weight": 0.0}}},
    },
    "config",
)


@pytest.fixture
def base(make_store, tmp_path, one_thread):
    dataset = make_store()
    run = Run(dataset, "foundation", "main", foundation_settings(CONFIG, "synthetic"), 0, tmp_path / "results", CPU)
    run_foundation(run)
    return run


def method_run(base, method="pmrl", variant="main", seed=0):
    settings = run_settings(CONFIG, base.dataset.card.name, method, variant)
    return replace(base, method=method, variant=variant, settings=settings, seed=seed)


def count_training(monkeypatch):
    trained = []
    original = resume.train_stage

    @functools.wraps(original)
    def counted(network, method, dataset, stage, seed, device, *rest):
        trained.append(stage.name)
        return original(network, method, dataset, stage, seed, device, *rest)

    monkeypatch.setattr(resume, "train_stage", counted)
    return trained


def test_the_same_seed_gives_the_same_records_bit_for_bit(base, tmp_path):
    tables = []
    for place in ("first", "second"):
        again = replace(base, results=tmp_path / place)
        run_foundation(again)
        run = method_run(again)
        run_method(run)
        tables.append([pd.read_parquet(run.folder / f"{name}.parquet") for name in ("records", "ranks", "curves")])
    for first, second in zip(*tables, strict=True):
        pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_another_seed_gives_other_weights(base):
    method = build_method("pmrl", {})
    first, second = (new_network(replace(base, seed=seed), method) for seed in (0, 1))
    assert not torch.equal(first.encoders.leading.weight, second.encoders.leading.weight)


def test_a_second_run_trains_nothing_and_writes_the_same(base, monkeypatch):
    run = method_run(base)
    run_method(run)
    before = pd.read_parquet(run.folder / "records.parquet")
    trained = count_training(monkeypatch)
    run_method(run)
    assert trained == []
    pd.testing.assert_frame_equal(before, pd.read_parquet(run.folder / "records.parquet"), check_exact=True)


def test_other_hyperparameters_train_again_from_the_same_foundation(base, monkeypatch):
    run = method_run(base)
    run_method(run)
    trained = count_training(monkeypatch)
    values = {**run.settings, "hyperparameters": {"alignment_temperature": 0.2}}
    run_method(replace(run, settings=values))
    assert trained == ["continued", "fine_tuned", "scratch"]


def test_a_damaged_checkpoint_is_trained_again(base, monkeypatch):
    run = method_run(base)
    run_method(run)
    path = run.folder / "fine_tuned.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    assert read_fingerprint(path) is None
    trained = count_training(monkeypatch)
    run_method(run)
    assert trained == ["fine_tuned"]


@pytest.mark.parametrize("module", ["diagnosis", "retrieval", "ranks"])
def test_an_edited_diagnosis_makes_the_curves_from_scratch_again_and_trains_nothing_else(
    base, monkeypatch, edit_code, module
):
    run = method_run(base)
    run_method(run)
    trained = count_training(monkeypatch)
    edit_code(f"pmrl/evaluation/{module}.py")
    run_method(run)
    assert trained == ["scratch"]


@pytest.mark.parametrize("module", ["pmrl/objective.py", "pmrl/method/matching.py", "pmrl/evaluation/geometry.py"])
def test_an_edited_module_that_a_training_rests_on_trains_it_again(base, monkeypatch, edit_code, module):
    run = method_run(base)
    run_method(run)
    trained = count_training(monkeypatch)
    edit_code(module)
    run_foundation(base)
    run_method(run)
    foundation = [] if module == "pmrl/objective.py" else ["foundation"]
    assert trained == [*foundation, "continued", "fine_tuned", "scratch"]


def test_a_damaged_log_of_a_checkpoint_is_trained_again(base, monkeypatch):
    run = method_run(base)
    run_method(run)
    (run.folder / "continued.json").write_text("{half")
    trained = count_training(monkeypatch)
    run_method(run)
    assert trained == ["continued"]


def test_the_clean_test_split_is_embedded_once_in_each_stage(base, monkeypatch):
    """Retrieval, robustness, figures and probes share one embedding; noise and gaps are other data."""
    sizes, original = [], train_module.embed

    def counted(network, batch):
        sizes.append(len(batch))
        return original(network, batch)

    monkeypatch.setattr(train_module, "embed", counted)
    run = method_run(base)
    run_method(replace(run, settings={**run.settings, "classification": "zero_shot"}))
    assert sizes == [len(base.dataset.indices("test"))] * 3  # continued, fine-tuned and from scratch


def test_a_stale_foundation_is_refused(base):
    run = method_run(base)
    other = {**run.settings["foundation"], "training": {**CONFIG["training"], "foundation_steps": 4}}
    with pytest.raises(
        UserError, match=r"foundation is missing or was trained with other data, settings, code"
    ) as told:
        run_method(replace(run, settings={**run.settings, "foundation": other}))
    assert f"Delete the folder {base.folder} and run snakemake again" in str(told.value)


def test_a_foundation_of_another_torch_is_refused_until_its_folder_is_deleted(base, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "0.0.1")
    with pytest.raises(UserError, match=r"torch 0\.0\.1, cpu"):
        run_method(method_run(base))
    shutil.rmtree(base.folder)
    run_foundation(base)
    run_method(method_run(base))


def test_checkpoints_load_strictly(base):
    method = build_method("vast", {})
    network = new_network(base, method)
    network.surplus = torch.nn.Linear(2, 2)
    with pytest.raises(UserError, match=r"(?s)does not fit the network.*surplus"):
        start_network(base.folder / "foundation.safetensors", network, method, CPU)


def test_all_methods_start_from_the_same_weights(base, monkeypatch):
    starts = {}
    original = resume.train_stage

    @functools.wraps(original)
    def remember(network, method, dataset, stage, seed, device, *rest):
        if stage.name == "continued":
            starts[method.title] = torch.cat([p.detach().flatten() for p in network.parameters()])
        return original(network, method, dataset, stage, seed, device, *rest)

    monkeypatch.setattr(resume, "train_stage", remember)
    for method in ("pmrl", "gram"):
        run_method(method_run(base, method))
    assert torch.equal(starts["PMRL"], starts["GRAM"])


@pytest.mark.parametrize("method", ["pmrl", "vast"])
def test_modalities_that_are_never_together_are_no_obstacle(make_store, tmp_path, one_thread, method):
    settings = foundation_settings(CONFIG, "synthetic")
    base = Run(make_store(apart=True), "foundation", "main", settings, 0, tmp_path / "results", CPU)
    run_foundation(base)
    run = method_run(base, method)
    corruption = {"gaussian": [1.0], "missing": [50], "missing_training": [25]}
    corruption |= {"mismatched_anchor": [50], "mismatched_modality": [50]}
    corrupted = {**run.settings["corruption"], **corruption}
    run_method(replace(run, settings={**run.settings, "corruption": corrupted, "classification": "zero_shot"}))
    records = pd.read_parquet(run.folder / "records.parquet")
    assert set(records["corruption"]) == {"none", *corruption}
    assert {("beta", "gamma"), ("gamma", "beta")}.isdisjoint(zip(records["query"], records["gallery"], strict=True))
    assert records["value"].notna().all()


def test_an_unsupported_method_leaves_its_reason(base, monkeypatch):
    from baselines.gram import Gram

    monkeypatch.setattr(Gram, "supports", classmethod(lambda cls, card: (False, "needs four modalities")))
    run = method_run(base, "gram")
    run_method(run)
    records = pd.read_parquet(run.folder / "records.parquet")
    assert set(records["metric"]) == {"unsupported"} and set(records["reason"]) == {"needs four modalities"}
    assert records["value"].isna().all()


def test_collecting_keeps_every_row_and_describes_every_method(base):
    folders = [base.folder]
    for method, variant in [("pmrl", "main"), ("pmrl", "without_matching"), ("gram", "main")]:
        run = method_run(base, method, variant)
        run_method(run)
        folders.append(run.folder)
    collect_runs(dict.fromkeys(folders, ""), base.results)
    records = pd.read_parquet(base.results / "records.parquet")
    assert len(records) == sum(len(pd.read_parquet(f / "records.parquet")) for f in folders)
    assert not records.duplicated(CELL["records"]).any()
    methods = json.loads((base.results / "methods.json").read_text())
    assert methods["pmrl"]["variants"] == ["main", "without_matching"]
    assert methods["gram"]["title"] == "GRAM"
    assert list(methods) == ["foundation", "pmrl", "gram"], "tables and legends list them in the order of the study"


def test_collecting_keeps_numbers_as_numbers_beside_methods_that_log_nothing(base):
    """A method in closed form has no curves, and the foundation adds nothing to the means of zero-shot retrieval."""
    folders = [base.folder]
    for method in ("gcca", "pmrl"):
        run_method(run := method_run(base, method))
        folders.append(run.folder)
    collect_runs(dict.fromkeys(folders, ""), base.results)
    for name in ("records", "ranks", "curves", "contributions"):
        table = pd.read_parquet(base.results / f"{name}.parquet")
        numbers = [column for column in ("value", "rank", "step", "level", "seed") if column in table]
        assert numbers and all(pd.api.types.is_numeric_dtype(table[column]) for column in numbers), name
    kept = pd.read_parquet(base.results / "contributions.parquet").query("method == 'pmrl' and corruption == 'none'")
    records = pd.read_parquet(base.results / "records.parquet")
    records = records.query("method == 'pmrl' and metric == 'recall@1' and split == 'test'")
    clean = records[records["corruption"].eq("none") & records["regime"].eq("zero_shot") & ~records["reranked"]]
    several = (clean[["query", "gallery"]] == "others").any(axis=1)
    for measure, rows in (
        ("pairs", clean[clean["score"].eq("cosine") & ~several]),
        ("anchor", clean[clean["score"].eq("own") & several]),
    ):
        mean = kept[kept["measure"] == measure].groupby("item")["value"].mean().mean()
        assert mean == pytest.approx(rows["value"].mean(), abs=1e-4)


def test_collecting_gathers_the_sweeps_it_is_given_and_no_others(base):
    """A data set that the study no longer sweeps leaves its file behind, which is not gathered."""
    wanted, left = (base.results / "sweep" / f"{name}.parquet" for name in ("wanted", "synthetic"))
    wanted.parent.mkdir()
    for path in (wanted, left):
        pd.DataFrame({"dataset": [path.stem], "value": [1.0]}).to_parquet(path)
    collect_sweeps([wanted], base.results)
    assert list(pd.read_parquet(base.results / "sweep.parquet")["dataset"]) == ["wanted"]
    collect_sweeps([], base.results)
    assert not (base.results / "sweep.parquet").exists()


def test_two_methods_of_one_title_are_refused(base):
    folders = []
    for method in ("gram", "pairwise"):
        run_method(run := method_run(base, method))
        folders.append(run.folder)
    description = folders[1] / "run.json"
    description.write_text(json.dumps({**json.loads(description.read_text()), "title": "GRAM"}))
    with pytest.raises(UserError, match=r"'gram' and 'pairwise' have the same title, 'GRAM'"):
        collect_runs(dict.fromkeys(folders, ""), base.results)


def test_collecting_a_damaged_run_names_its_file(base):
    (base.folder / "ranks.parquet").write_text("not a table")
    with pytest.raises(UserError, match=r"ranks\.parquet: cannot be read"):
        collect_runs({base.folder: ""}, base.results)


def test_recall_in_records_is_recall_of_the_ranks(base):
    run = method_run(base)
    run_method(run)
    keys = ["regime", "score", "reranked", "query", "gallery"]
    ranks = pd.read_parquet(run.folder / "ranks.parquet").groupby(keys)["rank"].apply(lambda r: 100 * (r <= 5).mean())
    records = pd.read_parquet(run.folder / "records.parquet").query("metric == 'recall@5' and split == 'test'")
    records = records.set_index(keys)["value"]
    pd.testing.assert_series_equal(records.sort_index(), ranks.sort_index(), check_names=False, rtol=1e-5)


def test_robustness_and_classification_are_measured_at_the_levels_of_the_config(base):
    run = method_run(base, "gram")
    corruption = {"gaussian": [0.5, 1.0], "missing": [50], "missing_training": [25]}
    corruption |= {"mismatched_anchor": [50], "mismatched_modality": [50]}
    corrupted = {**run.settings["corruption"], **corruption}
    run_method(replace(run, settings={**run.settings, "corruption": corrupted, "classification": "zero_shot"}))
    records = pd.read_parquet(run.folder / "records.parquet")
    levels = records.groupby("corruption")["level"].agg(lambda x: sorted(set(x))).to_dict()
    expected = {
        "none": [0.0],
        "gaussian": [0.5, 1.0],
        "missing": [0.5],
        "missing_training": [0.25],
        "mismatched_anchor": [0.5],
        "mismatched_modality": [0.5],
    }
    assert levels == expected
    pairs = records.query("corruption == 'gaussian' and level == 0.5 and metric == 'recall@1'")
    assert len(pairs) == 3 * 2 and set(pairs["score"]) == {"cosine"}
    sets = records.query("corruption == 'missing' and metric == 'recall@1'")
    assert set(sets["query"]) == set(sets["gallery"]) == {"alpha", "others"}
    probes = records.query("regime == 'probe'")
    assert set(probes["folds"]) == {"random", *FEW_LABELS, NEIGHBOURS, NEIGHBOURS_ACROSS}
    assert set(probes["gallery"]) == {""} and set(probes["corruption"]) == {"none"}
    assert set(probes["metric"]) == {"accuracy", "auc", "sensitivity", "specificity", "chance"}
    assert probes["value"].between(0, 100).all()


def test_the_first_seed_keeps_embeddings_and_examples_for_figures(base):
    run = method_run(base)
    run_method(run)
    embeddings = pd.read_parquet(run.folder / "embeddings.parquet")
    vectors = embeddings.filter(regex=r"^e\d+$").to_numpy()
    assert abs((vectors**2).sum(axis=1) - 1).max() < 1e-5
    assert set(embeddings["modality"]) == {"alpha", "beta", "gamma", "leading_direction"}
    examples = pd.read_parquet(run.folder / "examples.parquet")
    ranks = pd.read_parquet(run.folder / "ranks.parquet").query("regime == 'zero_shot' and score == 'cosine'")
    merged = examples[examples["correct"]].merge(
        ranks[~ranks["reranked"]], on=["query", "gallery", "item"], suffixes=("_shown", "")
    )
    assert len(merged) and (merged["rank_shown"] == merged["rank"]).all(), "what is shown is what was ranked"


@pytest.mark.parametrize("absent", [0.0, 0.4])
def test_the_main_form_and_the_foundation_record_their_space_and_what_noise_does_to_it(
    make_store, tmp_path, one_thread, absent
):
    settings = foundation_settings(CONFIG, "synthetic")
    base = Run(make_store(absent=absent), "foundation", "main", settings, 0, tmp_path / "results", CPU)
    run_foundation(base)
    run = method_run(base, "gram")
    run_method(
        replace(run, settings={**run.settings, "corruption": {**run.settings["corruption"], "gaussian": [0.5, 1.0]}})
    )
    variant = method_run(base, "pmrl", "without_matching")
    run_method(variant)
    first, main, other = (pd.read_parquet(place.folder / "records.parquet") for place in (base, run, variant))
    space = {"centroid_distance", "between_modalities", "modality_v_measure", "class_v_measure"}
    for records, regime in ((first, "foundation"), (main, "zero_shot")):
        rows = records[records["metric"].isin(space)]
        assert set(rows["metric"]) == space and set(rows["regime"]) == {regime} and len(rows) == len(space)
    assert not set(other["metric"]) & space
    better = main[main["metric"].str.startswith("better_by_")]
    assert set(better["corruption"]) == {"gaussian"} and len(better) == 3 * 2 * 3  # scores, levels, modalities
    contributions = pd.read_parquet(run.folder / "contributions.parquet").query("measure.str.startswith('better_by_')")
    means = contributions.groupby(["measure", "level"])["value"].mean()
    expected = better.groupby(["metric", "level"])["value"].mean()
    assert means.to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-3) and list(means.index) == list(
        expected.index
    )
