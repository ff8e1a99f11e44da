"""`pmrl documents` writes what the finished study measured, or nothing."""

import os
import re
import shutil

import pandas as pd
import pytest
import yaml
from running import RESULTS, SMOKE, pmrl

from pmrl.discovery import ROOT

PAGE = """\
PMRL has <!-- value recall --><!-- end --> on digits.

<!-- figure any/any_modality: recall -->
<!-- end -->

<!-- table smoke/tuning -->
<!-- end -->

<!-- names
recall = {mean:3} of smoke/any_modality[dataset=digits, regime=zero_shot, method=pmrl, variant=main, scope=all]
seeds = {seeds} of smoke/run
-->
""".replace("any/any", "smoke/any")


@pytest.fixture
def page(project):
    """A project with one page that rests on the smoke study."""
    docs = project / "docs"
    shutil.rmtree(docs, ignore_errors=True)
    docs.mkdir()
    declared = {"studies": {"smoke": {"config": "config/smoke.yaml"}}, "documents": {"docs/page.md": ["smoke"]}}
    (docs / "documents.yaml").write_text(yaml.safe_dump(declared))
    (docs / "page.md").write_text(PAGE)
    return docs / "page.md"


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_page_has_the_mean_of_the_records(project, page):
    run = pmrl(project, "documents")
    assert run.returncode == 0, run.stderr
    records = pd.read_parquet(project / RESULTS / "records.parquet")
    clean = "method == 'pmrl' and variant == 'main' and regime == 'zero_shot' and corruption == 'none'"
    chosen = records.query(f"{clean} and metric == 'recall@1' and score == 'cosine' and not reranked")
    single = chosen[~chosen[["query", "gallery"]].eq("others").any(axis=1)]
    (shown,) = re.findall(r"<!-- value recall -->(.*?)<!-- end -->", page.read_text())
    assert float(shown) == pytest.approx(single.groupby("seed")["value"].mean().mean(), abs=1e-3)
    assert "![recall](figures/smoke/any_modality.png)" in page.read_text()
    assert "*Not yet run: the table `tuning` of the study `smoke`.*" in page.read_text()
    described = pd.read_csv(page.parent / "results" / "smoke" / "run.csv").iloc[0]
    assert described["seeds"] == SMOKE["seeds"] and described["cores"] == 2 and described["wall_minutes"] > 0


def test_documents_are_written_again_without_results(project, page):
    assert pmrl(project, "documents").returncode == 0
    written = page.read_text()
    page.write_text(re.sub(r"-->[\d.]+<!-- end", "-->999<!-- end", written))
    kept = shutil.move(project / RESULTS, project / "kept")
    run = pmrl(project, "documents", "--study")
    shutil.move(kept, project / RESULTS)
    assert run.returncode == 0 and page.read_text() == written


def test_an_unfinished_or_outdated_study_and_a_wrong_name_change_nothing(project, page):
    before = files(page.parent)

    def refused(message, *arguments):
        run = pmrl(project, "documents", *arguments)
        assert run.returncode == 2 and re.search(message, run.stderr), run.stderr
        assert "Traceback" not in run.stderr and files(page.parent) == before

    refused("no study other. Valid studies: smoke", "--study", "other")
    table = project / RESULTS / "tables" / "any_modality.csv"
    changed = table.stat().st_mtime_ns
    os.utime(table, ns=(0, 0))
    refused("any_modality.csv: missing, or older than the records.*snakemake --cores all")
    os.utime(table, ns=(changed, changed))
    run = project / RESULTS / "runs" / "digits" / "gram" / "main" / "seed_1"
    kept = shutil.move(run, project / "kept")
    refused(r"results/smoke: \d+ of the \d+ runs of the study smoke have finished. Run `snakemake")
    shutil.move(kept, run)


def test_the_projects_own_documents_say_so_where_nothing_has_been_run(project, page):
    """Without any copy, every document of this project can be written, and shows no prose that rests on results."""
    declared = yaml.safe_load((ROOT / "docs" / "documents.yaml").read_text())
    (page.parent / "documents.yaml").write_text(yaml.safe_dump(declared))
    for name in declared["documents"]:
        shutil.copy(ROOT / name, project / name)
    run = pmrl(project, "documents", "--study")
    assert run.returncode == 0, run.stderr
    for name in declared["documents"]:
        shown = re.findall(r"<!-- value \w+ -->(.*?)<!-- end -->", (project / name).read_text())
        assert set(shown) <= {"not yet run"}
        assert not re.search(r"<!-- (if|unless) [^\n]* -->", (project / name).read_text())
