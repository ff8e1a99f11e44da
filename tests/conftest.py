"""Fixtures that all tests share."""

from pathlib import Path

import pytest
import torch
from example_data import synthetic_dataset

from pmrl.data.store import Dataset, save


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
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
