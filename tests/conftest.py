"""Fixtures that all tests share."""

from pathlib import Path

import pytest
import synthetic
from example_data import synthetic_dataset

from pmrl import provenance
from pmrl.data.dataset import Dataset
from pmrl.data.store import save
from pmrl.data.threads import threads
from pmrl.discovery import ROOT


@pytest.fixture
def make_store(tmp_path):
    """Save a synthetic data set under a temporary folder and return it with its completed card."""

    def make(folder: Path | None = None, **options) -> Dataset:
        dataset = synthetic_dataset(**options)
        return save(dataset, (folder or tmp_path / "data") / dataset.card.name)

    return make


@pytest.fixture
def one_thread():
    """Results of one thread are the same on every machine of a kind."""
    with threads(1):
        yield


@pytest.fixture
def edit_code(monkeypatch):
    """Pretend that the code of a module, such as ``pmrl/training/loop.py``, has changed."""

    def edit(name: str) -> None:
        original = provenance._parse

        def parse(path: Path, changed: int, size: int) -> provenance.Module:
            module = original(path, changed, size)
            return module._replace(code=module.code + "edited", constants=None) if path == ROOT / name else module

        monkeypatch.setattr(provenance, "_parse", parse)

    return edit


@pytest.fixture(scope="session")
def results(tmp_path_factory) -> Path:
    """A complete results folder; do not change it."""
    return synthetic.write(tmp_path_factory.mktemp("results"))


@pytest.fixture
def own_results(results, tmp_path) -> Path:
    """A complete results folder that the test may change."""
    return synthetic.copy(results, tmp_path / "results")
