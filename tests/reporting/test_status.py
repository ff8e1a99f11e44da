"""What `pmrl status` says of a study that has finished in part."""

import json
import os
import time
from pathlib import Path

import pytest

from pmrl.records import DESCRIPTION, SIGN_OF_LIFE, UNFINISHED
from pmrl.reporting import status as standing
from pmrl.study.config import check_config

NOW = 1_000_000.0


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Two methods with two seeds on one data set; three runs have finished."""
    config = check_config(
        {"datasets": ["digits"], "methods": ["pmrl", "gram"], "seeds": 2, "results": str(tmp_path)}, "config"
    )
    folders = [tmp_path / "runs" / "digits" / part for part in ("foundation/seed_0", "foundation/seed_1")]
    folders += [tmp_path / "runs" / "digits" / "pmrl" / "main" / "seed_0"]
    for folder, seconds in zip(folders, (10, 20, 60), strict=True):
        folder.mkdir(parents=True)
        (folder / DESCRIPTION).write_text(json.dumps({"busy_seconds": seconds}))
    monkeypatch.setattr(standing, "finished_runs", lambda _: dict.fromkeys(folders, ""))
    return config


def begin(config, run, silent, done=30, seconds_left=42.0):
    path = Path(config["results"], "runs", run, f"continued{SIGN_OF_LIFE}")
    path.parent.mkdir(parents=True)
    sign = {"title": "digits continued 1", "done": done, "steps": 300, "seconds_left": seconds_left}
    path.write_text(json.dumps(sign))
    os.utime(path, (NOW - silent, NOW - silent))


def test_it_counts_shows_what_trains_and_estimates_the_rest_from_runs_like_it(study):
    begin(study, "digits/pmrl/main/seed_1", silent=3)
    lines = standing.status(study, NOW).splitlines()
    assert lines[0] == "3 of 6 runs have finished, 1 training now."
    assert lines[1] == ("digits/pmrl/main/seed_1: digits continued 1, step 30 of 300, about 42 s left in this stage")
    # PMRL's other seed took 60 s; the two of GRAM as long as a run did on average, 30 s
    assert lines[2].startswith("About 2 min to go with 1 at a time")


def test_a_silent_training_is_said_to_have_stopped(study):
    begin(study, "digits/gram/main/seed_0", silent=600)
    assert "digits/gram/main/seed_0: digits continued 1 stopped 10 min ago, after step 30 of 300" in standing.status(
        study, NOW
    )


def test_a_saved_training_without_a_sign_of_life_is_shown(study, tmp_path):
    folder = tmp_path / "runs" / "digits" / "gram" / "main" / "seed_1"
    folder.mkdir(parents=True)
    (folder / f"fine_tuned{UNFINISHED}").touch()
    text = standing.status(study, NOW)
    assert "digits/gram/main/seed_1: fine_tuned stopped; snakemake goes on from its last checkpoint" in text


def test_before_any_run_has_finished_nothing_is_estimated(tmp_path):
    config = check_config({"results": str(tmp_path)}, "config")
    assert standing.status(config, time.time()).endswith("0 training now.")
