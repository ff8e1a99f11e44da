import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import synthetic


@pytest.fixture(scope="session")
def results(tmp_path_factory) -> Path:
    """A complete results folder; do not change it."""
    return synthetic.write(tmp_path_factory.mktemp("results"))


@pytest.fixture
def own_results(results, tmp_path) -> Path:
    """A complete results folder that the test may change."""
    return synthetic.copy(results, tmp_path / "results")
