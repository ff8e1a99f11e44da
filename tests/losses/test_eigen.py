"""Rotations give the eigenvalues and eigenvectors that LAPACK gives, for every matrix that alignment meets."""

from itertools import combinations

import numpy as np
import pytest
import torch
from vector_examples import unit_vectors

from pmrl.losses.eigen import jacobi, rounds, symmetric_eigen


@pytest.mark.parametrize("agreement", [0.0, 0.9, 0.999999, 1.0])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 14, 64])
def test_rotations_agree_with_lapack(count, agreement):
    z = unit_vectors(6, count, 32, agreement=agreement)
    gram = z @ z.mT
    values, vectors = jacobi(gram)
    expected = np.linalg.eigvalsh(gram.numpy())[:, ::-1]
    np.testing.assert_allclose(values.numpy(), expected, atol=1e-13 * count)
    torch.testing.assert_close(vectors @ torch.diag_embed(values) @ vectors.mT, gram, atol=1e-12, rtol=0)
    torch.testing.assert_close(vectors.mT @ vectors, torch.eye(count).double().expand_as(gram), atol=1e-12, rtol=0)


def test_diagonal_and_negative_matrices_are_sorted():
    values, vectors = jacobi(torch.diag(torch.tensor([-1.0, 3.0, 0.0])).double())
    assert values.tolist() == [3.0, 0.0, -1.0]
    assert vectors.abs().tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


def test_both_ways_give_the_same_order():
    gram = unit_vectors(3, 4, 8)
    gram = gram @ gram.mT
    torch.testing.assert_close(symmetric_eigen(gram)[0], jacobi(gram)[0])


@pytest.mark.parametrize("count", range(1, 10))
def test_all_pairs_meet_once(count):
    met = [tuple(sorted((place, other))) for turn in rounds(count) for place, other in enumerate(turn) if place < other]
    assert sorted(met) == list(combinations(range(count), 2))
    for turn in rounds(count):
        assert all(turn[turn[place]] == place for place in range(count)), "partners are each other's"
