"""What a change would run again, told by dry runs."""

import shutil

import pandas as pd
import pytest
import yaml
from running import METHODS, SMOKE, TEMPLATE, copy_project, planned, planned_inputs, rules, snakemake, trained


def test_a_second_run_plans_nothing(project):
    assert planned(project) == []


def test_a_fresh_clone_plans_a_whole_study(tmp_path):
    copy_project(tmp_path)
    jobs = planned(tmp_path, configfile="config/config.yaml")
    assert {"prepare", "collect", "table", "figure", "all"} <= rules(jobs)
    assert trained(jobs) == {"pmrl", "pairwise", "vast", "gram"}


@pytest.mark.parametrize(
    ("configfile", "sweeps"),
    [("config/config.yaml", "results/sweep/digits.parquet results/sweep/emoji.parquet"), ("config/smoke.yaml", "")],
)
def test_the_sweeps_of_the_study_are_collected(tmp_path, configfile, sweeps):
    copy_project(tmp_path)
    run = snakemake(tmp_path, "-n", "--printshellcmds", "--workflow-profile", "none", configfile=configfile)
    assert f" --sweeps {sweeps} --results results" in run.stdout + run.stderr


def test_changing_gram_replans_gram_and_what_depends_on_it(project, edited):
    edited("baselines/gram.py", "\n# a change\n")
    jobs = planned(project)
    assert trained(jobs) == {"gram"}
    assert {"collect", "table", "figure"} <= rules(jobs)
    assert not any(rule.startswith(("foundation", "prepare")) for rule in rules(jobs))


def test_what_a_method_imports_is_an_input_of_its_jobs(tmp_path):
    copy_project(tmp_path)
    helper = "baselines/_helper.py"
    (tmp_path / helper).write_text("")
    with (tmp_path / "baselines" / "pairwise.py").open("a") as file:
        file.write("\nfrom baselines import _helper\n")
    (tmp_path / "config" / "more.yaml").write_text(yaml.safe_dump({**SMOKE, "cost": "digits"}))
    jobs = planned_inputs(tmp_path, configfile="config/more.yaml")
    assert {told["method"] for rule, told, files in jobs if rule.startswith("train") and helper in files} == {
        "pairwise"
    }
    (files,) = (files for rule, _, files in jobs if rule == "cost")
    assert {helper, "baselines/pairwise.py", "pmrl/objective.py", "pmrl/measure.py"} <= files


def test_changing_the_shared_loop_replans_every_method(project, edited):
    edited("pmrl/training.py", "\n# a change\n")
    assert trained(planned(project)) == {"pmrl", "pairwise", "vast", "gram"}


def test_another_torch_replans_every_training(project):
    metadata = project / "torch-0.0.1.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: torch\nVersion: 0.0.1\n")
    jobs = planned(project)
    shutil.rmtree(metadata.parent)
    assert trained(jobs) == {"pmrl", "pairwise", "vast", "gram"}
    assert any(rule.startswith("foundation") for rule in rules(jobs)) and "prepare" not in rules(jobs)


def test_changing_a_figure_redraws_that_figure_alone(project, edited):
    edited("pmrl/figures/ablation.py", "\n# a change\n")
    jobs = planned(project)
    assert [rule for rule, _ in jobs if rule != "all"] == ["figure_ablation"]


def test_adding_a_method_runs_that_method_alone(project, edited):
    edited("baselines/newcomer.py", TEMPLATE)
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "methods": [*METHODS, "newcomer"]}))
    jobs = planned(project, configfile="config/more.yaml")
    assert trained(jobs) == {"newcomer"}
    assert not any(rule.startswith(("foundation", "prepare")) for rule in rules(jobs))


def test_adding_a_method_to_a_study_with_costs_trains_that_method_alone(project, edited):
    """The table of costs is made again, but only the new method is measured (see the tests of the side studies)."""
    edited("baselines/latecomer.py", TEMPLATE)
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "cost": "digits", "methods": [*METHODS, "latecomer"]}))
    jobs = planned(project, configfile="config/more.yaml")
    assert trained(jobs) == {"latecomer"} and "cost" in rules(jobs)


def test_more_seeds_train_only_the_new_ones(project, edited):
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "seeds": 4, "seeds_per_job": 2}))
    jobs = planned(project, configfile="config/more.yaml")
    assert {rule for rule in rules(jobs) if rule.startswith("train")} == {
        "train_seeds_2_to_3",
        "train_variants_of_pmrl_seeds_2_to_3",
    }


def test_a_data_set_of_ones_own_is_planned_by_its_name(project, edited):
    """One card and its files, then the name in the config is all it takes."""
    folder = project / "datasets" / "birds"
    folder.mkdir(parents=True)
    pd.DataFrame({"id": ["a"], "split": ["test"]}).to_csv(folder / "items.csv", index=False)
    for name in ("sound", "word"):
        (folder / f"{name}.csv").write_text("id,f0\na,1\n")
    files = {name: {"file": f"{name}.csv"} for name in ("sound", "word")}
    card = {"name": "birds", "anchor": "word", "items": "items.csv", "modalities": files}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "datasets": ["birds"], "results": "results/birds"}))
    jobs = planned(project, configfile="config/more.yaml")
    shutil.rmtree(folder)
    assert ("prepare", {"dataset": "birds"}) in jobs and trained(jobs) == set(METHODS)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"trainning": {}}, "'trainning'"),
        ({"methods": ["grams"]}, "unknown method 'grams'. Valid methods: pmrl"),
        ({"tables": ["tabel"]}, "unknown table 'tabel'. Valid tables: "),
    ],
)
def test_a_wrong_config_is_refused_with_words(project, edited, config, message):
    edited("config/wrong.yaml", yaml.safe_dump(config))
    run = snakemake(project, "-n", configfile="config/wrong.yaml")
    assert run.returncode != 0
    assert message in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
