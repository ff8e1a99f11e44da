"""Final scores against their definition."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pmrl.evaluation.reranking import FINAL_SCORES, FinalScore, standardized

SCORES = arrays(np.float64, (3, 8), elements=st.floats(-5, 5, width=32))


def ordered(scores: np.ndarray) -> torch.Tensor:
    """Own scores as they come: the best candidate first."""
    return torch.from_numpy(-np.sort(-scores, axis=1))


@given(SCORES, SCORES)
@settings(deadline=None, max_examples=50)
def test_a_mixture_is_the_weighted_mean_of_z_scores(own, matching):
    own, matching = ordered(own), torch.from_numpy(matching)
    combined = FinalScore("x", 8, 0.25).combine(own, matching).numpy()

    def z(x):
        deviation = x.numpy().std(axis=1, keepdims=True)
        return (x.numpy() - x.numpy().mean(axis=1, keepdims=True)) / np.where(deviation < 1e-9, np.inf, deviation)

    clear = (own.std(dim=1, correction=0) > 1e-6) & (matching.std(dim=1, correction=0) > 1e-6)
    np.testing.assert_allclose(combined[clear], (0.75 * z(own) + 0.25 * z(matching))[clear], atol=1e-6)


def test_candidates_that_are_all_equal_keep_their_tie():
    assert not standardized(torch.full((2, 5), 3.0)).any()


@given(SCORES, SCORES)
@settings(deadline=None, max_examples=30)
def test_matching_alone_ignores_the_own_score_and_own_alone_ignores_matching(own, matching):
    own, matching = ordered(own), torch.from_numpy(matching)
    assert torch.equal(FinalScore("x", 8, 1.0).combine(own, matching), matching)
    by_own = FinalScore("x", 8, 0.0).combine(own, matching)
    assert (by_own.diff(dim=1) <= 1e-9).all(), "the order stays as it was"


@pytest.mark.parametrize("final", FINAL_SCORES, ids=lambda final: f"{final.name}-{final.candidates}")
def test_only_the_first_candidates_are_ordered_again(final):
    own, matching = ordered(np.random.default_rng(0).normal(size=(2, 50))), torch.randn(2, 50)
    assert final.combine(own, matching).shape == (2, final.candidates)
