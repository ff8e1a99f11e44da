"""The HTML report: of an unfinished study, after a new run, and in a browser."""

import os
import shutil

import pandas as pd
import pytest
import yaml
from browsing import browser
from running import RESULTS, ROOT, SMOKE, planned, pmrl, rules, trained


def test_a_report_follows_the_runs(project, edited):
    """A run that has finished since the last report is in the next one."""
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "tables": ["ablation"], "figures": ["ablation"]}))
    table = project / RESULTS / "tables" / "ablation.csv"
    before, run = table.stat().st_mtime_ns, project / RESULTS / "runs/digits/gram/main/seed_1/run.json"
    os.utime(run)
    assert pmrl(project, "report", "--config", "config/more.yaml").returncode == 0
    assert table.stat().st_mtime_ns > before


@pytest.fixture(scope="module")
def report(project):
    """The HTML report of the smoke study while one run and some artefacts are missing, as the tests below find it."""
    shutil.rmtree(project / RESULTS / "runs" / "digits" / "gram" / "main" / "seed_1")
    for name in ("records.parquet", "tables/any_modality.html", "figures/ablation.png"):
        (project / RESULTS / name).unlink()
    run = pmrl(project, "report", "--config", "config/smoke.yaml")
    records = pd.read_parquet(project / RESULTS / "records.parquet")
    return run, project / RESULTS / "report.html", records


def test_a_report_is_written_while_runs_are_missing(report):
    run, path, records = report
    assert run.returncode == 0, run.stdout + run.stderr
    assert path.stat().st_size > 10_000
    assert set(records.query("method == 'gram'")["seed"]) == {0}


def test_what_is_missing_is_trained_after_a_report(report, project):
    jobs = planned(project)
    assert trained(jobs) == {"gram"} and "collect" in rules(jobs)


def test_numbers_of_runs_that_are_gone_leave_the_report(report, project):
    """Also where no other run is newer: a method without runs is a row of dashes."""
    gone = project / RESULTS / "runs" / "digits" / "pairwise"
    kept = shutil.move(gone, project / "pairwise")
    assert pmrl(project, "report", "--config", "config/smoke.yaml").returncode == 0
    table = pd.read_csv(project / RESULTS / "tables" / "any_modality.csv").query("scope == 'all'")
    shutil.move(kept, gone)
    assert table.loc[table["method"].eq("pairwise"), "mean"].isna().all()
    assert table.loc[table["method"].eq("vast"), "mean"].notna().all()


def test_the_report_opens_in_a_browser_and_shows_its_tables_and_figures(report):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    with browser() as driver:
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
