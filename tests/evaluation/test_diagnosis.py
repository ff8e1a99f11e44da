"""What is logged while training from scratch, on vectors whose geometry is known."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from pmrl.evaluation.diagnosis import alignment, term_gradients
from pmrl.method.embeddings import Embeddings


def embeddings(vectors, present=None):
    """Embeddings of the given (modalities, batch, dimension) vectors, without heads."""
    names = ("a", "b", "c", "d")[: len(vectors)]
    present = torch.ones(vectors.shape[:2], dtype=torch.bool) if present is None else present
    tokens = {name: torch.zeros(vectors.shape[1], 1, 1) for name in names}
    lengths = {name: torch.zeros(vectors.shape[1], dtype=torch.int32) for name in names}
    parts = dict(zip(names, vectors, strict=True)), tokens, dict(zip(names, present, strict=True)), lengths
    return Embeddings(*parts, "a", None)


def unit(*shape):
    return normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(0)), dim=-1)


def test_a_flipped_modality_is_opposed_though_its_singular_value_is_perfect():
    z = unit(1, 50, 8)
    found = alignment(embeddings(torch.cat([z, z, -z])))
    assert found["cosine of a, b"] == pytest.approx(1, abs=1e-6)
    assert found["cosine of a, c"] == found["cosine of b, c"] == pytest.approx(-1, abs=1e-6)
    assert found["opposed"] == pytest.approx(100 / 3)
    # a finds b and b finds a; c is the farthest from its own instance
    assert found["recall"] == pytest.approx(100 * 2 / 6)


def test_aligned_modalities_are_found_and_none_is_opposed():
    found = alignment(embeddings(unit(1, 50, 8).expand(4, -1, -1)))
    assert found["recall"] == 100 and found["opposed"] == 0


def test_sign_flips_are_those_of_numpys_decomposition():
    z = unit(3, 200, 16)
    found = alignment(embeddings(z))
    flips = 0
    for i in range(200):
        own = z[:, i].numpy()
        u = np.linalg.svd(own.T, full_matrices=False)[0][:, 0]
        flips += u @ own.sum(axis=0) < 0
    assert found["sign_flips"] == pytest.approx(flips / 2, abs=0.5)


def test_absent_vectors_do_not_count():
    z = unit(2, 40, 8)
    present = torch.ones(2, 40, dtype=torch.bool)
    present[1, ::2] = False
    z = z * present.unsqueeze(-1)
    expected = (z[0, 1::2] * z[1, 1::2]).sum(dim=1).mean()
    assert alignment(embeddings(z, present))["cosine of a, b"] == pytest.approx(expected.item(), abs=1e-6)


def test_what_no_instance_allows_is_left_out():
    z = unit(3, 40, 8)
    present = torch.ones(3, 40, dtype=torch.bool)
    present[1, ::2] = present[2, 1::2] = False
    found = alignment(embeddings(z * present.unsqueeze(-1), present))
    assert set(found) == {"cosine of a, b", "cosine of a, c", "recall"}
    assert np.isfinite(list(found.values())).all()
    alone = torch.zeros(3, 40, dtype=torch.bool)
    alone[0] = True
    assert alignment(embeddings(z * alone.unsqueeze(-1), alone)) == {}


def test_the_gradient_of_a_term_is_its_norm_over_all_vectors_and_leaves_the_graph():
    z = unit(2, 5, 4).requires_grad_()
    seen = embeddings(z)
    weight = torch.randn(2, 5, 4)
    terms = {"linear": sum((w * v).sum() for w, v in zip(weight, seen.vectors.values(), strict=True)),
             "constant": torch.zeros((), requires_grad=True) * 1}  # fmt: skip
    assert term_gradients(terms, seen) == {
        "gradient_of_linear": pytest.approx(weight.norm().item(), rel=1e-6),
        "gradient_of_constant": 0.0,
    }
    terms["linear"].backward()
    torch.testing.assert_close(z.grad, weight)
