"""The worked example of docs/full_scale.md, line by line: from clips to results, two processes for each run."""

import json
import re
import shlex

import pandas as pd
import pytest
import running

from pmrl.data.freedoom import engine

pytestmark = pytest.mark.skipif(bool(engine.absence()), reason=engine.absence())
PAGE = (running.ROOT / "docs" / "full_scale.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.split("## A worked example", 1)[1].split("\n## ", 1)[0]
LINES = [
    shlex.split(line, comments=True) for line in re.search(r"```sh\n(.*?)```", EXAMPLE, re.S).group(1).splitlines()
]


def run(project, words):
    """Run a line as a shell would, with this environment's programs."""
    program, *arguments = words
    if program == "python":
        return running.run_python(project, *arguments)
    if program == "cp":
        source, target = arguments
        (project / target).write_bytes((project / source).read_bytes())
        return None
    return running.run_module(project, {"pmrl": "pmrl.cli"}.get(program, program), *arguments)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("example")
    running.copy_project(folder)
    said = {}
    for words in LINES:
        done = run(folder, words)
        if done is not None:
            assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}{done.stderr[-6000:]}"
            said[words[0]] = done.stdout
    return folder, said


def test_it_ends_with_results_of_every_method(project):
    folder, said = project
    records = pd.read_parquet(folder / "results" / "arena" / "records.parquet")
    assert set(records["method"]) == {"foundation", "pmrl", "pairwise", "vast", "gram"}
    pairs = records[records["metric"].eq("recall@1") & records["score"].eq("cosine") & records["value"].notna()]
    assert set(pairs["query"]) | set(pairs["gallery"]) >= {"video", "sound", "depth", "text", "subtitle"}
    assert (folder / "results" / "arena" / "figures" / "any_modality.png").exists()
    assert "finished" in said["pmrl"]


def test_every_clip_has_five_captions_and_is_one_instance(project):
    folder, _ = project
    items = pd.read_parquet(folder / "results" / "data" / "arena" / "items.parquet")
    counts = items.groupby("instance").size()
    assert (counts == 5).all() and 90 <= len(counts) <= 105


def test_two_processes_trained_each_run_for_its_epochs(project):
    folder, _ = project
    abouts = [json.loads(path.read_text()) for path in folder.glob("results/arena/runs/arena/**/run.json")]
    assert abouts and all(about["processes"] == 2 for about in abouts)
