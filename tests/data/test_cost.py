"""What the check of a user's own data costs grows with the data and with nothing else."""

import time

import numpy as np
import pytest

from benchmarks.own_data import SUFFIXES, cost, write
from pmrl.data.checks import label_leak
from pmrl.data.readers import tidy_ids

pytestmark = pytest.mark.timing


def seconds(function, *arguments):
    """The shortest of three calls."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_check_takes_a_minute_and_four_times_the_data_at_most(tmp_path, suffix):
    """A tenth of 100,000 items, for which `python -m benchmarks.own_data` has the numbers."""
    found = cost(write(tmp_path / "senses", suffix, 10_000, 3, 512), 4e-6 * 10_000 * 3 * 512)
    libraries = 350  # MB, which do not grow with the data
    assert found.seconds < 20
    assert found.megabytes < libraries + 4 * found.data_megabytes


def test_many_labels_take_no_more_time_than_few():
    generator = np.random.default_rng(0)
    dense, sparse = generator.normal(size=(10_000, 128)), generator.random(size=(10_000, 128)) < 0.001
    for values in (dense, sparse.astype(np.float32)):
        few, many = (np.array([f"label{row % count}" for row in range(len(values))]) for count in (2, 1000))
        assert seconds(label_leak, values, many) < 5 * seconds(label_leak, values, few) + 0.2


def test_matching_ids_is_linear(tmp_path):
    few, many = ([f"item{number}" for number in range(count)] for count in (20_000, 80_000))
    assert seconds(tidy_ids, tmp_path, many) < 12 * seconds(tidy_ids, tmp_path, few)
