"""What a change would run again, told by dry runs."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from running import (
    METHODS,
    RESULTS,
    SMOKE,
    TEMPLATE,
    copy_project,
    planned,
    planned_after_each_change,
    planned_inputs,
    rules,
    run_python,
    snakemake,
    trained,
)


def test_a_second_run_plans_nothing(project):
    assert planned(project) == []


def test_a_fresh_clone_plans_a_whole_study(tmp_path):
    copy_project(tmp_path)
    jobs = planned(tmp_path, configfile="config/config.yaml")
    assert {"prepare", "collect", "table", "figure", "all"} <= rules(jobs)
    assert trained(jobs) == {"pmrl", "pairwise", "vast", "gram"}


def test_the_sweeps_of_the_study_are_collected_by_themselves(tmp_path):
    copy_project(tmp_path)
    jobs = planned_inputs(tmp_path, configfile="config/config.yaml")
    (files,) = (files for rule, _, files in jobs if rule == "collect_sweeps")
    assert files == {"results/sweep/digits.parquet", "results/sweep/emoji.parquet"}
    assert not any("sweep" in file for rule, _, files in jobs if rule == "collect" for file in files)
    assert "collect_sweeps" not in {rule for rule, _ in planned(tmp_path)}, "the smoke study sweeps nothing"


def test_every_file_that_a_run_keeps_is_an_output_that_somebody_reads(tmp_path):
    copy_project(tmp_path)
    jobs = {rule: files for rule, _, files in planned_inputs(tmp_path)}
    run = f"{RESULTS}/runs/digits/pmrl/main/seed_0"
    assert {f"{run}/{name}.parquet" for name in ("embeddings", "examples", "records", "ranks")} <= jobs["collect"]
    assert f"{RESULTS}/examples.parquet" in jobs["figure_retrieval_examples"]


def test_a_study_of_other_seeds_than_0_promises_no_embeddings_and_examples(tmp_path):
    copy_project(tmp_path)
    plan = snakemake(tmp_path, "-n", "--workflow-profile", "none", configfile="config/stability/other_seeds.yaml")
    printed = (plan.stdout + plan.stderr).splitlines()
    outputs = next(line for line in printed if "output: results/stability/other_seeds/records.parquet" in line)
    assert "ranks.parquet" in outputs and "examples.parquet" not in outputs and "embeddings.parquet" not in outputs


def test_an_artefact_depends_on_what_it_reads_alone(tmp_path):
    copy_project(tmp_path)
    inputs = {rule: files for rule, _, files in planned_inputs(tmp_path, configfile="config/config.yaml")}
    readers = {
        "results/costs.parquet": {"table_cost", "table_quality_and_cost", "figure_quality_and_cost"},
        "results/sweep.parquet": {"table_sensitivity", "figure_sensitivity"},
        "config/claims.yaml": {"table_claims"},
        "results/reference/published.csv": {"table_published"},
        "results/examples.parquet": {"figure_retrieval_examples"},
        "results/embeddings.parquet": {"figure_embedding_map", "figure_geometry"},
    }
    for file, expected in readers.items():
        assert {rule for rule, files in inputs.items() if file in files and rule.startswith(("table", "figure"))} == (
            expected
        )


def test_changing_gram_replans_gram_and_what_depends_on_it(project, edited):
    edited("baselines/gram.py", "\nCHANGED = 1\n")
    jobs = planned(project)
    assert trained(jobs) == {"gram"}
    assert {"collect", "table", "figure"} <= rules(jobs)
    assert not any(rule.startswith(("foundation", "prepare")) for rule in rules(jobs))


def test_a_comment_plans_nothing(project, edited):
    for name in ("pmrl/training/loop.py", "baselines/gram.py", "pmrl/tables/ablation.py", "pmrl/data/store.py"):
        edited(name, "\n# a comment\n")
    assert planned(project) == []


def loaded(project, module):
    """The project's modules that Python loads for one of them."""
    code = f"import sys, {module}; print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('pmrl.')))"
    run = run_python(project, "-c", code)
    return {str(Path(file).relative_to(project)) for file in run.stdout.split()}


def test_a_change_of_any_module_plans_the_jobs_that_load_it_and_no_others(project):
    """What Python really loads, asked of Python, is the measure; modules are changed one by one."""
    jobs = {
        "prepare": "pmrl.data.sources.digits, pmrl.data.store",
        "foundation": "pmrl.experiments.foundation",
        "train": "pmrl.experiments.train",
        "collect": "pmrl.reporting.collect",
        **{f"table_{name}": f"pmrl.reporting.write_table, pmrl.tables.{name}" for name in SMOKE["tables"]},
        **{f"figure_{name}": f"pmrl.reporting.write_figure, pmrl.figures.{name}" for name in SMOKE["figures"]},
    }
    rests = {job: loaded(project, modules) for job, modules in jobs.items()}
    rests["train"] |= {"pmrl/evaluation/probing.py"}  # loaded where something is probed
    rests["foundation"] |= {"pmrl/evaluation/probing.py"}
    handed_on = {"pmrl/method/contrastive.py", "pmrl/method/matching.py"}  # by a package, to methods that ask for them
    modules = sorted(
        file
        for file in set().union(*rests.values()) - handed_on
        if not file.endswith(("__init__.py", "records.py"))  # of records only what is imported counts
    )
    assert len(modules) > 40
    found = planned_after_each_change(project, modules)
    assert set(found) == set(modules)
    for module, planned_jobs in found.items():
        names = {rule.split("_seeds_")[0] for rule, *_ in planned_jobs}
        expected = {job for job, files in rests.items() if module in files}
        if "prepare" in expected:  # the rest follows, unless the store turns out to be the same
            expected = set(jobs)
        if "foundation" in expected:
            expected |= {"train"}
        if "train" in expected:
            expected |= {"collect"}
        if "collect" in expected:
            expected |= {job for job in jobs if job.startswith(("table", "figure")) and job != "table_datasets"}
        names = {"train" if name.startswith("train") else name for name in names} - {
            "all",
            "site",
        }  # which show all of it
        assert names == expected, module


def test_another_torch_replans_every_training(project):
    metadata = project / "torch-0.0.1.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: torch\nVersion: 0.0.1\n")
    jobs = planned(project)
    shutil.rmtree(metadata.parent)
    assert trained(jobs) == {"pmrl", "pairwise", "vast", "gram"}
    assert any(rule.startswith("foundation") for rule in rules(jobs)) and "prepare" not in rules(jobs)


def test_changing_a_figure_redraws_that_figure_alone(project, edited):
    edited("pmrl/figures/ablation.py", "\nCHANGED = 1\n")
    jobs = planned(project)
    assert [rule for rule, _ in jobs if rule != "all"] == ["figure_ablation", "site"]


def test_a_changed_guide_or_page_writes_the_site_again_and_nothing_else(project, edited):
    for name, text in {"docs/records.md": "\nMore.\n", "pmrl/reporting/site/pages/runs.py": "\nCHANGED = 1\n"}.items():
        edited(name, text)
        assert {rule for rule, _ in planned(project)} == {"site", "all"}


def test_adding_a_method_runs_that_method_alone(project, edited):
    edited("baselines/newcomer.py", TEMPLATE)
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "methods": [*METHODS, "newcomer"]}))
    jobs = planned(project, configfile="config/more.yaml")
    assert trained(jobs) == {"newcomer"}
    assert not any(rule.startswith(("foundation", "prepare")) for rule in rules(jobs))


def test_adding_a_method_to_a_study_with_costs_trains_that_method_alone(project, edited):
    """The table of costs is made again, but only the new method is measured (see the tests of the side studies)."""
    edited("baselines/latecomer.py", TEMPLATE)
    methods = [*METHODS, "latecomer"]
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "cost": "digits", "methods": methods, "tables": ["cost"]}))
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
