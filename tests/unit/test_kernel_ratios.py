"""The kernels equal the direct formulations and stay far cheaper: ratios with a wide margin, never absolute times."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from vector_examples import unit_vectors

from baselines.gram import volume
from pmrl import spectrum
from pmrl.objective import alignment_loss
from pmrl.retrieval import ranks, recall


@pytest.fixture(scope="module")
def benchmarks():
    """The benchmarks stand beside the installed packages, in the repository's root."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).resolve().parents[2])
        from benchmarks import cases, direct, measure

        yield SimpleNamespace(cases=cases, direct=direct, measure=measure)


@pytest.fixture(scope="module")
def seconds(benchmarks):
    calls = benchmarks.cases.training_calls(benchmarks.cases.Shape()) | benchmarks.cases.recall_calls(2000)
    with benchmarks.measure.threads(1):
        return benchmarks.measure.median_seconds(calls, rounds=3, share=0.05)


def test_spectral_terms_are_much_cheaper_than_a_full_decomposition(benchmarks, seconds):
    cases = benchmarks.cases
    assert seconds[cases.DIRECT_SPECTRAL] / seconds[cases.SPECTRAL] > 15  # target 50


def test_spectral_terms_cost_about_as_much_as_a_contrastive_loss(benchmarks, seconds):
    cases = benchmarks.cases
    assert seconds[cases.SPECTRAL] / seconds[cases.PAIRWISE] < 3  # target 1.5


def test_volume_is_cheaper_than_determinants(benchmarks, seconds):
    cases = benchmarks.cases
    assert seconds[cases.DIRECT_VOLUME] / seconds[cases.VOLUME] > 1.7  # target 6
    assert seconds[cases.VOLUME] / seconds[cases.PAIRWISE] < 4  # target 2


def test_volume_takes_a_quarter_of_the_memory_of_determinants(benchmarks):
    calls = benchmarks.cases.training_calls(benchmarks.cases.Shape())
    peak = {
        name: benchmarks.measure.peak_bytes(calls[name])
        for name in (benchmarks.cases.VOLUME, benchmarks.cases.DIRECT_VOLUME)
    }
    assert peak[benchmarks.cases.DIRECT_VOLUME] / peak[benchmarks.cases.VOLUME] >= 4


def test_recall_is_much_cheaper_than_python_lists(benchmarks, seconds):
    cases = benchmarks.cases
    assert seconds[cases.DIRECT_RECALL] / seconds[cases.RECALL] > 13  # target 40, at 5,000 items


def test_direct_alignment_is_the_same_function(benchmarks):
    z = unit_vectors(6, 4, 16, agreement=0.4).requires_grad_()
    # regularisation is ln(batch) at any sign of u1 if the temperature is large
    direct = benchmarks.direct.spectral_terms(z, 0.5, 1e9) - torch.tensor(6.0).log()
    kernel = alignment_loss(spectrum(z).singular_values, 0.5)
    torch.testing.assert_close(direct, kernel, atol=1e-7, rtol=0)
    (expected,), (found,) = torch.autograd.grad(direct, z), torch.autograd.grad(kernel, z)
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=0)


def test_direct_volume_is_the_same_function(benchmarks):
    inputs = unit_vectors(5, 1, 16)[:, 0].requires_grad_(), unit_vectors(6, 3, 16, seed=1).requires_grad_()
    direct, kernel = benchmarks.direct.volume(*inputs), volume(*inputs)
    torch.testing.assert_close(kernel, direct)
    weights = torch.rand(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = torch.autograd.grad(direct, inputs, weights)
    for found, gradient in zip(torch.autograd.grad(kernel, inputs, weights), expected, strict=True):
        torch.testing.assert_close(found, gradient)


def test_direct_recall_is_the_same_number(benchmarks):
    scores = torch.rand(40, 40, generator=torch.Generator().manual_seed(0)) + torch.eye(40) / 2
    found = ranks(scores, torch.arange(40))
    assert benchmarks.direct.recall(scores, (1, 5, 10)) == pytest.approx([recall(found, k) for k in (1, 5, 10)])
