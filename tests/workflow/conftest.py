"""One smoke study for all workflow tests: the first worker runs it, each file gets a copy of its own."""

import os
import shutil
import time
from pathlib import Path

import pytest
import running

PATIENCE = 480  # seconds that a worker waits for the study of another


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The project with a finished smoke study; do not change it."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "finished"
    done, failed = shared.with_suffix(".done"), shared.with_suffix(".failed")
    try:
        shared.mkdir()
    except FileExistsError:
        wait_for(done, failed)
        return shared
    running.copy_project(shared)
    run = running.snakemake(shared)
    (done if run.returncode == 0 else failed).write_text(run.stdout[-3000:] + run.stderr[-6000:])
    wait_for(done, failed)
    return shared


def wait_for(done: Path, failed: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not done.exists():
        assert not failed.exists(), failed.read_text()
        assert time.monotonic() < end, "the smoke study did not finish"
        time.sleep(1)


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory) -> Path:
    """A copy of the project with a finished smoke study, for one file of tests."""
    return shutil.copytree(finished, tmp_path_factory.mktemp("project"), dirs_exist_ok=True)


@pytest.fixture
def edited(project):
    """Append a line to a file of the copy, and take it back after the test."""
    kept = {}

    def edit(name, text):
        path = project / name
        kept[path] = (path.read_text() if path.exists() else None, path.stat().st_mtime_ns if path.exists() else None)
        path.write_text((kept[path][0] or "") + text)

    yield edit
    for path, (text, changed) in kept.items():
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
            os.utime(path, ns=(changed, changed))
