"""Results that something else made are not taken for the study's, whatever their times and Snakemake's notes say."""

import os
import shutil

import numpy as np
import pandas as pd
import yaml
from running import RESULTS, ROOT, SMOKE, planned, planned_inputs, pmrl, run_python, snakemake, trained

LONGER = {**SMOKE, "training": {**SMOKE["training"], "continued_steps": 60}}


def test_a_report_shows_no_runs_of_other_settings(project, edited):
    """PMRL after 10 steps must not stand beside Pairwise after 60."""
    edited("config/more.yaml", yaml.safe_dump(LONGER))
    run = pmrl(project, "report", "--config", "config/more.yaml")
    assert run.returncode == 2
    assert "left out" in run.stderr and "training.continued_steps was 10, and is 60 in this study" in run.stderr


def test_a_table_of_another_study_is_dashes(project, edited):
    edited("config/more.yaml", yaml.safe_dump(LONGER))
    assert pmrl(project, "table", "any_modality", "--config", "config/more.yaml", "--output", "own").returncode == 0
    assert pd.read_csv(project / "own" / "any_modality.csv")["mean"].isna().all()
    assert pmrl(project, "table", "any_modality", "--config", "config/smoke.yaml", "--output", "own").returncode == 0
    assert pd.read_csv(project / "own" / "any_modality.csv")["mean"].notna().any()


def test_collecting_runs_of_other_settings_is_refused(project, edited):
    edited("config/more.yaml", yaml.safe_dump(LONGER))
    folder = f"{RESULTS}/runs/digits/gram/main/seed_0"
    run = pmrl(project, "collect", folder, "--config", "config/more.yaml")
    assert run.returncode == 2 and f"{folder}: this run does not belong to the study" in run.stderr


def test_results_copied_without_snakemakes_notes_are_trained_again_where_they_do_not_belong(project, edited):
    notes = shutil.move(project / ".snakemake", project / "notes")
    assert planned(project) == [], "they are the study's own"
    edited("config/more.yaml", yaml.safe_dump(LONGER))
    jobs = planned(project, configfile="config/more.yaml")
    shutil.rmtree(project / ".snakemake")
    shutil.move(notes, project / ".snakemake")
    assert trained(jobs) == {"pmrl", "pairwise", "vast", "gram"}


def test_an_older_data_file_is_another_data_file(project, edited):
    """As after a download, unzip or rsync that keeps times: the store is older than itself, and still not its own."""
    folder = project / "datasets" / "birds"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    splits = np.repeat(["pretrain", "train", "validation", "test"], 5)
    ids = [f"bird{i}" for i in range(20)]
    pd.DataFrame({"id": ids, "split": splits}).to_csv(folder / "items.csv", index=False)
    for name in ("sound", "word"):
        np.save(folder / f"{name}.npy", random.normal(size=(20, 4)))
    files = {name: {"file": f"{name}.npy"} for name in ("sound", "word")}
    card = {"name": "birds", "anchor": "word", "items": "items.csv", "modalities": files}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "datasets": ["birds"], "results": "results/birds"}))
    assert pmrl(project, "prepare", "birds").returncode == 0
    before = {rule for rule, _ in planned(project, configfile="config/more.yaml")}
    np.save(folder / "sound.npy", random.normal(size=(20, 4)))
    os.utime(folder / "sound.npy", (0, 0))
    after = {rule for rule, _ in planned(project, configfile="config/more.yaml")}
    for path in (folder, project / "results" / "data" / "birds"):
        shutil.rmtree(path)
    (project / "results" / "data" / "birds.checksum").unlink()
    assert "prepare" not in before and "prepare" in after


def test_the_code_of_another_checkout_is_refused(project):
    """An environment whose editable install is another clone would make the jobs run the other clone's code."""
    for module in (["pmrl.cli", "list"], ["snakemake", "-n", "--cores", "1", "--configfile", "config/smoke.yaml"]):
        code = f"import runpy, sys; sys.path[:0] = [{str(ROOT)!r}]; sys.argv = {module!r}; "
        run = run_python(project, "-P", "-c", code + f"runpy.run_module({module[0]!r}, run_name='__main__')")
        assert run.returncode != 0
        assert "belongs to" in run.stdout + run.stderr and str(ROOT) in run.stdout + run.stderr


def test_a_key_that_stands_twice_in_a_config_is_refused(project, edited):
    edited("config/more.yaml", yaml.safe_dump(SMOKE) + "seeds: 1\n")
    run = snakemake(project, "-n", configfile="config/more.yaml")
    assert run.returncode != 0 and "seeds" in run.stdout + run.stderr
    assert planned_inputs(project) == []
