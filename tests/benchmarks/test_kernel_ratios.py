"""The kernels equal the direct formulations and stay far cheaper: ratios with a wide margin, never absolute times."""

import pytest
import torch
from vector_examples import unit_vectors

from benchmarks import cases, direct
from pmrl import spectrum
from pmrl.data.threads import threads
from pmrl.evaluation.ranks import ranks, recall
from pmrl.experiments import stopwatch as measure
from pmrl.losses import alignment_loss, volume

pytestmark = pytest.mark.timing


@pytest.fixture(scope="module")
def seconds():
    calls = cases.training_calls(cases.Shape()) | cases.recall_calls(2000)
    with threads(1):
        return measure.median_seconds(calls, rounds=3, share=0.05)


def test_spectral_terms_are_much_cheaper_than_a_full_decomposition(seconds):
    assert seconds[cases.DIRECT_SPECTRAL] / seconds[cases.SPECTRAL] > 15  # target 50


def test_spectral_terms_cost_about_as_much_as_a_contrastive_loss(seconds):
    assert seconds[cases.SPECTRAL] / seconds[cases.PAIRWISE] < 3  # target 1.5


def test_volume_is_cheaper_than_determinants(seconds):
    assert seconds[cases.DIRECT_VOLUME] / seconds[cases.VOLUME] > 1.7  # target 6
    assert seconds[cases.VOLUME] / seconds[cases.PAIRWISE] < 4  # target 2


def test_volume_takes_a_quarter_of_the_memory_of_determinants():
    calls = cases.training_calls(cases.Shape())
    peak = {name: measure.peak_bytes(calls[name]) for name in (cases.VOLUME, cases.DIRECT_VOLUME)}
    assert peak[cases.DIRECT_VOLUME] / peak[cases.VOLUME] >= 4


def test_recall_is_much_cheaper_than_python_lists(seconds):
    assert seconds[cases.DIRECT_RECALL] / seconds[cases.RECALL] > 13  # target 40, at 5,000 items


def test_direct_alignment_is_the_same_function():
    z = unit_vectors(6, 4, 16, agreement=0.4).requires_grad_()
    # regularisation is ln(batch) at any sign of u1 if the temperature is large
    slow = direct.spectral_terms(z, 0.5, 1e9) - torch.tensor(6.0).log()
    kernel = alignment_loss(spectrum(z).singular_values, 0.5)
    torch.testing.assert_close(slow, kernel, atol=1e-7, rtol=0)
    (expected,), (found,) = torch.autograd.grad(slow, z), torch.autograd.grad(kernel, z)
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=0)


def test_direct_volume_is_the_same_function():
    inputs = unit_vectors(5, 1, 16)[:, 0].requires_grad_(), unit_vectors(6, 3, 16, seed=1).requires_grad_()
    slow, kernel = direct.volume(*inputs), volume(*inputs)
    torch.testing.assert_close(kernel, slow)
    weights = torch.rand(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = torch.autograd.grad(slow, inputs, weights)
    for found, gradient in zip(torch.autograd.grad(kernel, inputs, weights), expected, strict=True):
        torch.testing.assert_close(found, gradient)


def test_direct_recall_is_the_same_number():
    scores = torch.rand(40, 40, generator=torch.Generator().manual_seed(0)) + torch.eye(40) / 2
    found = ranks(scores, torch.arange(40))
    assert direct.recall(scores, (1, 5, 10)) == pytest.approx([recall(found, k) for k in (1, 5, 10)])
