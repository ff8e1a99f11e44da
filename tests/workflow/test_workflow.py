"""The study through Snakemake: one smoke run in a copy of the project, then what changes would rerun."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pmrl.figures import ablation
from pmrl.results import Results

ROOT = Path(__file__).resolve().parents[2]
PARTS = ["Snakefile", "results/reference", "pmrl", "baselines", "workflow", "config", "profiles", "pyproject.toml"]
SMOKE = yaml.safe_load((ROOT / "config" / "smoke.yaml").read_text())
METHODS = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["methods"]
RESULTS = SMOKE["results"]


def snakemake(project, *arguments):
    environment = {
        **os.environ,
        "PYTHONPATH": str(project),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def smoke(project, *arguments):
    return snakemake(project, *arguments, "--configfile", "config/smoke.yaml")


def planned(project, *arguments, configfile="config/smoke.yaml"):
    """The jobs that a dry run plans, as (rule, wildcards) pairs."""
    run = snakemake(project, "-n", "--workflow-profile", "none", *arguments, "--configfile", configfile)
    assert run.returncode == 0, run.stdout + run.stderr
    jobs = re.findall(r"^rule (\w+):\n((?:    .*\n)*)", run.stdout + run.stderr, re.MULTILINE)
    return [
        (rule, dict(re.findall(r"(\w+)=([\w.]+)", " ".join(re.findall(r"wildcards: (.*)", body)))))
        for rule, body in jobs
    ]


def trained(jobs):
    return {wildcards["method"] for rule, wildcards in jobs if rule.startswith("train")}


def rules(jobs):
    """Names of the planned rules; all tables are one kind, and so are all figures."""
    return {rule.split("_")[0] if rule.startswith(("table_", "figure_")) else rule for rule, _ in jobs}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project in which the smoke study has run."""
    folder = tmp_path_factory.mktemp("project")
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    run = smoke(folder)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    return folder


@pytest.fixture
def edited(project):
    """Append a line to a file of the copy, and take it back after the test."""
    kept = {}

    def edit(name, text):
        path = project / name
        kept[path] = (path.read_text() if path.exists() else None, path.stat().st_mtime_ns if path.exists() else None)
        path.write_text((kept[path][0] or "") + text)

    yield edit
    for path, (text, time) in kept.items():
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
            os.utime(path, ns=(time, time))


def test_the_smoke_study_leaves_every_artefact_it_names(project):
    expected = [f"tables/{name}.{kind}" for name in SMOKE["tables"] for kind in ("csv", "md", "tex", "html")]
    expected += [f"figures/{name}.{kind}" for name in SMOKE["figures"] for kind in ("pdf", "png")]
    for name in [*expected, "records.parquet", "ranks.parquet", "curves.parquet", "methods.json"]:
        assert (project / RESULTS / name).stat().st_size > 0, name


def test_the_records_hold_every_method_variant_regime_and_seed(project):
    records = pd.read_parquet(project / RESULTS / "records.parquet")
    found = set(records[["method", "variant", "regime", "seed"]].astype(str).itertuples(index=False, name=None))
    runs = [(method, "main") for method in METHODS]
    runs += [("pmrl", "without_regularization"), ("pmrl", "without_matching")]
    for method, variant in runs:
        for regime in ("zero_shot", "fine_tuned"):
            for seed in range(SMOKE["seeds"]):
                assert (method, variant, regime, str(seed)) in found
    values = records.loc[records["metric"] == "recall@1", "value"]
    assert values.between(0, 100).all()


def test_a_second_run_plans_nothing(project):
    assert planned(project) == []


def test_a_fresh_clone_plans_a_whole_study(tmp_path):
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    jobs = planned(tmp_path, configfile="config/config.yaml")
    assert {"prepare", "collect", "table", "figure", "all"} <= rules(jobs)
    assert trained(jobs) == {"pmrl", "pairwise", "vast", "gram"}


def test_changing_gram_replans_gram_and_what_depends_on_it(project, edited):
    edited("baselines/gram.py", "\n# a change\n")
    jobs = planned(project)
    assert trained(jobs) == {"gram"}
    assert {"collect", "table", "figure"} <= rules(jobs)
    assert not any(rule.startswith(("foundation", "prepare")) for rule in rules(jobs))


def test_changing_the_shared_loop_replans_every_method(project, edited):
    edited("pmrl/training.py", "\n# a change\n")
    assert trained(planned(project)) == {"pmrl", "pairwise", "vast", "gram"}


def test_changing_a_figure_redraws_that_figure_alone(project, edited):
    edited("pmrl/figures/ablation.py", "\n# a change\n")
    jobs = planned(project)
    assert [rule for rule, _ in jobs if rule != "all"] == ["figure_ablation"]


def test_adding_a_method_runs_that_method_alone(project, edited):
    edited("baselines/newcomer.py", (ROOT / "baselines" / "template_baseline.py").read_text())
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "methods": [*METHODS, "newcomer"]}))
    jobs = planned(project, configfile="config/more.yaml")
    assert trained(jobs) == {"newcomer"}
    assert not any(rule.startswith(("foundation", "prepare")) for rule in rules(jobs))


def test_a_new_file_is_a_new_row_and_reruns_nobody_else(project, edited):
    """Copy the template, name it in a config, run: nothing else is touched, nothing else is trained."""
    edited("baselines/newcomer.py", (ROOT / "baselines" / "template_baseline.py").read_text())
    shown = {"tables": ["any_modality", "retrieval_zero_shot", "ablation"], "figures": ["ablation"]}
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, **shown, "methods": [*METHODS, "newcomer"]}))
    others = (project / RESULTS / "runs" / "digits").glob("[!n]*/**/*.safetensors")
    before = {path: path.stat().st_mtime_ns for path in others}
    run = snakemake(project, "--configfile", "config/more.yaml")
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for table in shown["tables"]:
        assert "newcomer" in set(pd.read_csv(project / RESULTS / "tables" / f"{table}.csv")["method"])
    assert "Template" in (project / RESULTS / "tables" / "any_modality.md").read_text()
    drawn = ablation.draw(Results(project / RESULTS, data=project / "results" / "data"))
    assert "Template" in {text.get_text() for axes in drawn.axes for text in axes.get_yticklabels()}


BROKEN = {
    "broken_loss": ("return {", "return {'broken': logits.sum() * float('nan'), ", "loss term 'broken' is nan"),
    "broken_score": ("query.centroid() @ gallery.centroid().T", "query.centroid()", "score gave the shape"),
    "broken_code": ("order = torch", "raise ValueError('out of order')  # ", "loss failed in broken_code.py"),
    "broken_import": ("import torch\n", "import torch, a_missing_one\n", "broken_import.py cannot be imported"),
}


def test_broken_baselines_fail_alone_and_are_named(project, edited):
    text = (ROOT / "baselines" / "template_baseline.py").read_text()
    for name, (sound, broken, _) in BROKEN.items():
        assert sound in text
        edited(f"baselines/{name}.py", text.replace(sound, broken))
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "methods": [*METHODS, *BROKEN]}))
    targets = {name: f"{RESULTS}/runs/digits/{name}/main/seed_0/run.json" for name in BROKEN}
    run = snakemake(project, *targets.values(), "--keep-going", "--configfile", "config/more.yaml")
    assert run.returncode != 0 and "Traceback" not in run.stdout + run.stderr
    for name, (*_, message) in BROKEN.items():
        assert message in run.stdout + run.stderr
        assert not (project / targets[name]).exists()


def test_the_rest_of_a_study_and_its_report_finish_beside_a_broken_baseline(project, edited):
    template = (ROOT / "baselines" / "template_baseline.py").read_text()
    edited("baselines/broken.py", template.replace("return {", "return {'broken': logits.sum() * float('nan'), "))
    edited("baselines/sound.py", template)
    methods = ["broken", "sound"]
    study = {**SMOKE, "methods": methods, "results": "results/beside", "tables": ["ablation"], "figures": ["ablation"]}
    edited("config/more.yaml", yaml.safe_dump(study))
    run = snakemake(project, "--keep-going", "--configfile", "config/more.yaml")
    assert run.returncode != 0 and "loss term 'broken' is nan" in run.stdout + run.stderr
    report = command_line(project, "report", "--config", "config/more.yaml")
    assert report.returncode == 0, report.stderr
    assert (project / "results/beside/report.html").stat().st_size > 10_000
    table = pd.read_csv(project / "results/beside/tables/ablation.csv")
    assert set(table.dropna(subset="mean")["method"]) == {"foundation", "sound"}


def test_a_report_follows_the_runs(project, edited):
    """A run that has finished since the last report is in the next one."""
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "tables": ["ablation"], "figures": ["ablation"]}))
    table = project / RESULTS / "tables" / "ablation.csv"
    before, run = table.stat().st_mtime_ns, project / RESULTS / "runs/digits/gram/main/seed_1/run.json"
    os.utime(run)
    assert command_line(project, "report", "--config", "config/more.yaml").returncode == 0
    assert table.stat().st_mtime_ns > before


def test_a_data_set_of_ones_own_is_planned_by_its_name(project, edited):
    """One card and its files, then the name in the config is all it takes."""
    folder = project / "datasets" / "birds"
    folder.mkdir(parents=True)
    pd.DataFrame({"id": ["a"], "split": ["test"]}).to_csv(folder / "items.csv")
    for name in ("sound", "word"):
        (folder / f"{name}.csv").write_text("id,f0\na,1\n")
    files = {name: {"file": f"{name}.csv"} for name in ("sound", "word")}
    card = {"name": "birds", "anchor": "word", "items": "items.csv", "modalities": files}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "datasets": ["birds"], "results": "results/birds"}))
    jobs = planned(project, configfile="config/more.yaml")
    shutil.rmtree(folder)
    assert ("prepare", {"dataset": "birds"}) in jobs and trained(jobs) == set(METHODS)


def test_adding_a_method_to_a_study_with_costs_trains_that_method_alone(project, edited):
    """The table of costs is made again, but only the new method is measured (see the tests of the side studies)."""
    edited("baselines/latecomer.py", (ROOT / "baselines" / "template_baseline.py").read_text())
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "cost": "digits", "methods": [*METHODS, "latecomer"]}))
    jobs = planned(project, configfile="config/more.yaml")
    assert trained(jobs) == {"latecomer"} and "cost" in rules(jobs)


def test_more_seeds_train_only_the_new_ones(project, edited):
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "seeds": 4, "seeds_per_job": 2}))
    jobs = planned(project, configfile="config/more.yaml")
    assert {rule for rule in rules(jobs) if rule.startswith("train")} == {"train_seeds_2_to_3"}


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
    run = snakemake(project, "-n", "--configfile", "config/wrong.yaml")
    assert run.returncode != 0
    assert message in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def command_line(project, *arguments):
    environment = {
        **os.environ,
        "PYTHONPATH": str(project),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "pmrl.cli", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def report(project):
    """The HTML report of the smoke study while one run and some artefacts are missing."""
    complete = shutil.copytree(project / RESULTS, project / "complete")
    shutil.rmtree(project / RESULTS / "runs" / "digits" / "gram" / "main" / "seed_1")
    for name in ("records.parquet", "tables/any_modality.html", "figures/ablation.png"):
        (project / RESULTS / name).unlink()
    run = command_line(project, "report", "--config", "config/smoke.yaml")
    records = pd.read_parquet(project / RESULTS / "records.parquet")
    yield run, project / RESULTS / "report.html", records
    shutil.rmtree(project / RESULTS)
    complete.rename(project / RESULTS)


def test_a_report_is_written_while_runs_are_missing(report):
    run, path, records = report
    assert run.returncode == 0, run.stdout + run.stderr
    assert path.stat().st_size > 10_000
    assert set(records.query("method == 'gram'")["seed"]) == {0}


def test_the_report_opens_in_a_browser_and_shows_its_tables_and_figures(report):
    if shutil.which("chromedriver") is None:
        pytest.skip("no chromedriver on this machine")
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    for flag in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-background-networking",
        "allow-file-access-from-files",
    ):
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.get(report[1].as_uri())
        wait = WebDriverWait(driver, 20)

        def text():
            return driver.find_element(By.TAG_NAME, "body").text

        wait.until(lambda _: "Tables" in text() and "Figures" in text())
        for category, artefact in (("Tables", "retrieval_zero_shot"), ("Figures", "any_modality")):
            driver.get(report[1].as_uri())
            wait.until(lambda _, c=category: c in text())
            driver.find_element(By.XPATH, f"//*[normalize-space(text())='{category}']").click()
            wait.until(lambda _, a=artefact: a in text())
            page = report[1].read_text(encoding="utf-8")
            assert f"{artefact}.{'html' if category == 'Tables' else 'png'}" in page
            caption = (ROOT / "workflow" / "report" / f"{artefact}.rst").read_text().split(".")[0]
            assert " ".join(caption.split()[:4]) in page, "the caption is part of the report"
    finally:
        driver.quit()
