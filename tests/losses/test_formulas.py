"""The losses that came after PMRL are slow loops written from their formulas, and have the properties they claim."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from vector_examples import rotation, unit_vectors

from pmrl import losses
from pmrl.losses.hyperbolic import volumes
from pmrl.losses.projection import RIDGE, consensus, projection_cosine
from pmrl.losses.uniformity import anchor_distance, own_volume, uniformity

Z = unit_vectors(6, 4, 9, agreement=0.4)
MASK = torch.rand(6, 4, generator=torch.Generator().manual_seed(1)) > 0.3
EVERY = torch.ones(6, 4, dtype=torch.bool)
MASKS = pytest.mark.parametrize("mask", [EVERY, MASK], ids=["complete", "with gaps"])


def info_nce(logits):
    """Mean cross-entropy of a square array against its diagonal, over rows and columns."""
    both = [logsumexp(array, axis=1) - np.diag(array) for array in (logits, logits.T)]
    return (both[0].mean() + both[1].mean()) / 2


def test_info_nce_with_more_columns_has_more_negatives():
    logits = np.random.default_rng(0).normal(size=(4, 7))
    rows = logsumexp(logits, axis=1) - np.diag(logits)
    columns = logsumexp(logits[:, :4], axis=0) - np.diag(logits)
    found = losses.info_nce(torch.from_numpy(logits)).item()
    assert found == pytest.approx((rows.mean() + columns.mean()) / 2)
    usable = torch.tensor([True, True, False, True])
    kept, some = [0, 1, 3], [0, 1, 3, 4, 5, 6]
    part = logits[kept][:, some]
    rows, columns = logsumexp(part, axis=1) - np.diag(part), logsumexp(part[:, :3], axis=0) - np.diag(part)
    found = losses.info_nce(torch.from_numpy(logits), usable).item()
    assert found == pytest.approx((rows.mean() + columns.mean()) / 2)


# OVA-IB ---------------------------------------------------------------------------------------------------------------


def slow_projection(query, others, ridge):
    """Length of the projection on the span of ``others`` (n, d), each direction weakened by the ridge."""
    if not len(others):
        return 0.0
    _, values, directions = np.linalg.svd(others, full_matrices=False)
    along = directions @ query
    return math.sqrt(np.sum(along**2 * values**2 / (values**2 + ridge)))


@MASKS
def test_ova_ib_is_the_slow_loop(mask):
    z, present = Z.numpy(), mask.numpy()
    contrasts, distances = [], []
    for m in range(4):
        rest = [n for n in range(4) if n != m]
        rows = [i for i in range(6) if present[i, m] and present[i, rest].any()]
        others = {j: z[j, [n for n in rest if present[j, n]]] for j in rows}
        logits = [[slow_projection(z[i, m], others[j], RIDGE) / 0.3 for j in rows] for i in rows]
        contrasts.append(info_nce(np.array(logits)))
        distances += [np.sum((z[i, m] - others[i].mean(0)) ** 2) for i in rows]
    expected = np.mean(contrasts) + 0.7 * np.mean(distances)
    assert losses.ova_ib_loss(Z, mask, temperature=0.3, consensus_weight=0.7).item() == pytest.approx(
        expected, rel=1e-5
    )


def test_the_cosine_with_the_span_is_one_minus_a_ratio_of_volumes(monkeypatch):
    """s² = 1 − det G/det G₋ₘ, the identity that ties OVA-IB to GRAM; exact without a ridge."""
    monkeypatch.setattr("pmrl.losses.projection.RIDGE", 0.0)
    s = projection_cosine(Z[:, 0], Z[:, 1:], EVERY[:, 1:])
    whole = losses.volume(Z[:, 0], Z[:, 1:])
    rest = torch.linalg.det(Z[:, 1:] @ Z[:, 1:].mT).sqrt()
    torch.testing.assert_close(s.square(), 1 - (whole / rest).square())


def test_the_ridge_bounds_the_gradient_where_the_others_agree():
    z = unit_vectors(5, 4, 9, agreement=1.0 - 1e-7).requires_grad_()
    losses.ova_ib_loss(z, temperature=1.0, consensus_weight=0.0).backward()
    assert z.grad.norm(dim=-1).max() <= 1 / math.sqrt(RIDGE)


def test_consensus_of_equal_vectors_is_zero_and_of_two_opposite_ones_four():
    same, opposite = Z[:, :1].expand(-1, 3, -1), torch.stack([Z[:, 0], -Z[:, 0]], 1)
    assert consensus(same @ same.mT, EVERY[:, :3]).item() == pytest.approx(0, abs=1e-12)
    assert consensus(opposite @ opposite.mT, EVERY[:, :2]).item() == pytest.approx(4)


# HyperGRAM ------------------------------------------------------------------------------------------------------------


def lorentz_volume(vectors, curvature):
    """√|det| of the Lorentz Gram matrix of the vectors after the exponential map, written out."""
    root = math.sqrt(curvature)
    lifted = [np.concatenate([[math.cosh(root) / root], math.sinh(root) / root * z]) for z in vectors]
    signature = np.diag([-1.0] + [1.0] * vectors.shape[1])
    return math.sqrt(abs(np.linalg.det(np.array([[a @ signature @ b for b in lifted] for a in lifted]))))


@pytest.mark.parametrize("curvature", [0.3, 1.0, 2.5])
@MASKS
def test_hyperbolic_volume_is_that_of_the_lifted_vectors(mask, curvature):
    _, found = volumes(Z[:, 0], Z[:, 1:], mask[:, 1:], curvature)
    for i in range(6):
        for j in range(6):
            vectors = np.stack([Z[i, 0].numpy(), *Z[j, 1:][mask[j, 1:]].numpy()])
            assert found[i, j].item() == pytest.approx(lorentz_volume(vectors, curvature), rel=1e-6)


def test_hypergram_is_the_slow_loop():
    flat = np.array([[losses.volume(Z[i : i + 1, 0], Z[j : j + 1, 1:]).item() for j in range(6)] for i in range(6)])
    curved = np.array([[lorentz_volume(np.stack([Z[i, 0], *Z[j, 1:]]), 1.0) for j in range(6)] for i in range(6)])
    mixed = 0.7 * curved * flat.mean() / curved.mean() + 0.3 * flat
    found = losses.hypergram_loss(Z, temperature=0.2, label_smoothing=0.0, euclidean_share=0.3)
    assert found.item() == pytest.approx(info_nce(-mixed / 0.2), rel=1e-6)


def test_hyperbolic_volume_knows_signs_where_the_euclidean_does_not():
    t, x = Z[:1, 0], Z[:1, 1:2]
    (flat, curved), (mirrored, other) = volumes(t, x, None, 1.0), volumes(t, -x, None, 1.0)
    torch.testing.assert_close(flat, mirrored)
    assert abs(curved - other) > 0.1


# UniAlign -------------------------------------------------------------------------------------------------------------


@MASKS
def test_unialign_terms_are_the_slow_loops(mask):
    z, present = Z.numpy(), mask.numpy()
    spread, distances, spanned = 0.0, [], []
    for m in range(4):
        rows = [i for i in range(6) if present[i, m]]
        kernel = [math.exp(-np.sum((z[i, m] - z[j, m]) ** 2) / (2 * 0.5**2)) for i in rows for j in rows if i != j]
        spread += math.log(np.mean(kernel))
    for i in range(6):
        distances += [np.sum((z[i, 1] - z[i, n]) ** 2) for n in (0, 2, 3) if present[i, 1] and present[i, n]]
        own = z[i, present[i]]
        spanned += [math.sqrt(np.linalg.det(own @ own.T))] if len(own) > 1 else []
    assert uniformity(Z, mask, 0.5).item() == pytest.approx(spread, rel=1e-5)
    assert anchor_distance(Z, mask, 1).item() == pytest.approx(np.mean(distances), rel=1e-5)
    assert own_volume(Z, mask).item() == pytest.approx(np.mean(spanned), rel=1e-5)
    whole = losses.unialign_loss(Z, mask, anchor=1, uniformity_weight=2.0, alignment_weight=3.0, volume_weight=5.0)
    expected = 2 * spread + 3 * np.mean(distances) + 5 * np.mean(spanned)
    assert whole.item() == pytest.approx(expected, rel=1e-5)


def test_two_opposite_points_are_as_uniform_as_two_points_can_be():
    pair = torch.stack([Z[0, 0], -Z[0, 0]]).unsqueeze(1)
    assert uniformity(pair, EVERY[:2, :1], 1.0).item() == pytest.approx(-2)


# SCALAR ---------------------------------------------------------------------------------------------------------------


@MASKS
def test_scalar_score_is_the_slow_loop(mask):
    found = losses.scalar_score(Z[:, 0], Z[:, 1:], mask[:, 1:])
    for i in range(6):
        for j in range(6):
            t, vectors = Z[i, 0].numpy(), Z[j, 1:][mask[j, 1:]].numpy()
            weights = np.exp(vectors @ t / 0.1)
            mixture = weights @ vectors / weights.sum() if len(vectors) else np.zeros(9)
            length = np.linalg.norm(mixture)
            expected = t @ mixture / length if length else 0.0
            assert found[i, j].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("score", ["volume_score", "ova_ib_score", "hypergram_score", "scalar_score", "triangle_score"])
def test_scores_do_not_see_a_rotation_of_the_space(score):
    function, turn = getattr(losses, score), rotation(9)
    torch.testing.assert_close(function(Z[:, 0] @ turn, Z[:, 1:] @ turn), function(Z[:, 0], Z[:, 1:]))
