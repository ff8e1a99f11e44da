"""PMRL's theory as statements about vectors (P1–P9), and its losses against a slow loop over instances."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize
from vector_examples import batches, equal_cosine, rotation, unit_vectors

from pmrl import spectrum
from pmrl.losses import alignment_loss, instance_regularization, volume

quick = settings(deadline=None, max_examples=40)
temperatures = st.sampled_from([0.01, 0.05, 0.5, 1.0])


def slow_losses(z, alignment_temperature, regularization_temperature):
    """Both terms as the paper words them: a decomposition per instance, a sum per pair of instances."""
    alignment, directions = [], []
    for instance in z.double().numpy():
        left, values, _ = scipy.linalg.svd(instance.T)
        values = np.pad(values, (0, len(instance) - len(values)))
        logits = values / alignment_temperature
        alignment.append(-scipy.special.log_softmax(logits)[0])
        directions.append(left[:, 0] * (1 if left[:, 0] @ instance.sum(0) >= 0 else -1))
    regularization = []
    for i, own in enumerate(directions):
        logits = np.array([own @ other / regularization_temperature for other in directions])
        regularization.append(-scipy.special.log_softmax(logits)[i])
    return np.mean(alignment), np.mean(regularization)


@quick
@given(batches(), temperatures, st.sampled_from([torch.float32, torch.float64]))
def test_losses_agree_with_a_slow_loop(z, temperature, dtype):
    singular_values, direction = spectrum(z.to(dtype))
    if z.shape[1] > 1:
        assume((singular_values[:, 0] - singular_values[:, 1]).min() > 1e-2)
    assume(torch.einsum("bd,bkd->b", direction, z.to(dtype)).min() > 1e-3)
    alignment, regularization = slow_losses(z, temperature, 0.1)
    tolerance = 1e-4 if dtype == torch.float32 else 3e-5
    assert alignment_loss(singular_values, temperature).item() == pytest.approx(alignment, rel=1e-4, abs=tolerance)
    assert instance_regularization(direction, 0.1).item() == pytest.approx(regularization, rel=1e-4, abs=1e-4)


@quick
@given(batches())
def test_p1_squares_of_singular_values_sum_to_the_number_of_modalities(z):
    count = z.shape[1]
    singular_values, _ = spectrum(z)
    assert singular_values.square().sum(1).numpy() == pytest.approx(count)
    assert (singular_values[:, 0] >= 1 - 1e-9).all()
    assert (singular_values[:, 0] <= math.sqrt(count) + 1e-9).all()


@quick
@given(st.integers(1, 6), st.integers(2, 10), st.integers(0, 2**31), st.integers(0, 63))
def test_p2_largest_value_is_reached_by_vectors_equal_up_to_sign(count, dimension, seed, flips):
    signs = torch.tensor([1.0 if flips >> m & 1 else -1.0 for m in range(count)], dtype=torch.float64)
    z = unit_vectors(1, 1, dimension, seed=seed) * signs[:, None]
    assert spectrum(z).singular_values[0].tolist() == pytest.approx([math.sqrt(count)] + [0.0] * (count - 1))
    assert torch.linalg.matrix_rank(z[0] @ z[0].T) == 1


@quick
@given(batches(least_modalities=2))
def test_p2_largest_value_is_reached_by_no_others(z):
    cosines = z @ z.mT
    assume(cosines.abs().amin((1, 2)).max() < 0.99)
    apart = cosines.abs().amin((1, 2)) < 0.99
    assert (spectrum(z).singular_values[apart, 0] < math.sqrt(z.shape[1]) - 1e-4).all()


@quick
@given(batches(least_modalities=2))
def test_p3_cosines_bound_the_largest_value(z):
    count = z.shape[1]
    off_diagonal = ~torch.eye(count, dtype=torch.bool)
    cosines = (z @ z.mT)[:, off_diagonal]
    square = spectrum(z).singular_values[:, 0].square()
    assert (square >= 1 + (count - 1) * cosines.mean(1) - 1e-9).all()
    assert (square <= 1 + (count - 1) * cosines.abs().amax(1) + 1e-9).all()


@pytest.mark.parametrize("cosine", [0.0, 0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_p4_equal_cosines_have_closed_forms(count, cosine):
    z = equal_cosine(count, cosine, 8)
    first, other = math.sqrt(1 + (count - 1) * cosine), math.sqrt(1 - cosine)
    assert spectrum(z).singular_values[0].tolist() == pytest.approx([first] + [other] * (count - 1))
    found = volume(z[:, 0], z[:, 1:]).item()
    assert found == pytest.approx(first * other ** (count - 1))


@quick
@given(batches(least_modalities=2))
def test_p5_volume_is_the_product_of_singular_values(z):
    pairs = volume(z[:, 0], z[:, 1:]).diagonal()
    assert pairs.numpy() == pytest.approx(spectrum(z).singular_values.prod(1).numpy(), abs=1e-6)


def test_p5_zero_volume_is_not_alignment():
    angles = torch.tensor([0.0, 2 / 3, 4 / 3], dtype=torch.float64) * math.pi
    z = torch.stack([angles.cos(), angles.sin(), torch.zeros(3)], 1)[None]
    assert volume(z[:, 0], z[:, 1:]).item() == pytest.approx(0, abs=1e-7)
    assert spectrum(z).singular_values[0, 0].item() ** 2 == pytest.approx(1.5)


@pytest.mark.parametrize("temperature", [0.01, 0.05, 1.0])
@pytest.mark.parametrize("count", [2, 4, 6])
def test_p6_alignment_loss_runs_from_orthonormal_to_aligned(count, temperature):
    orthonormal, aligned = equal_cosine(count, 0.0, 8), equal_cosine(count, 1.0, 8)
    at_start = alignment_loss(spectrum(orthonormal).singular_values, temperature)
    at_end = alignment_loss(spectrum(aligned).singular_values, temperature)
    assert at_start.item() == pytest.approx(math.log(count))
    assert at_end.item() == pytest.approx(math.log1p((count - 1) * math.exp(-math.sqrt(count) / temperature)))


@quick
@given(batches(least_modalities=2), temperatures)
def test_p6_nothing_is_below_the_aligned_loss(z, temperature):
    count = z.shape[1]
    least = math.log1p((count - 1) * math.exp(-math.sqrt(count) / temperature))
    assert alignment_loss(spectrum(z).singular_values, temperature).item() >= least - 1e-9


@pytest.mark.parametrize(("temperature", "cosine"), [(0.01, 0.041), (0.05, 0.218), (0.1, 0.456)])
def test_small_temperatures_stop_aligning_early(temperature, cosine):
    below, above = (
        alignment_loss(spectrum(equal_cosine(4, c, 8)).singular_values, temperature).item()
        for c in (cosine + 0.003, cosine - 0.003)
    )
    assert below < 1e-3 < above


@quick
@given(batches(), st.integers(0, 2**31))
def test_p7_order_and_rotation_of_modalities_do_not_matter(z, seed):
    order = torch.randperm(z.shape[1], generator=torch.Generator().manual_seed(seed))
    turn = rotation(z.shape[2], seed)
    plain, moved = spectrum(z), spectrum(z[:, order] @ turn)
    torch.testing.assert_close(moved.singular_values, plain.singular_values, atol=3e-7, rtol=0)
    stable = torch.einsum("bd,bkd->b", plain.direction, z) > 1e-3
    if z.shape[1] > 1:
        stable &= plain.singular_values[:, 0] - plain.singular_values[:, 1] > 1e-3
    torch.testing.assert_close(moved.direction[stable], (plain.direction @ turn)[stable], atol=1e-7, rtol=0)


@quick
@given(batches(), st.integers(0, 63))
def test_p7_singular_values_ignore_signs_of_vectors(z, flips):
    signs = torch.tensor([1.0 if flips >> m & 1 else -1.0 for m in range(z.shape[1])], dtype=torch.float64)
    flipped = spectrum(z * signs[:, None]).singular_values
    torch.testing.assert_close(flipped, spectrum(z).singular_values, atol=3e-7, rtol=0)


def test_p8_relative_slope_of_the_volume_explodes_where_singular_values_stay_steady():
    slopes = []
    for cosine in (0.5, 0.99, 0.9999, 0.999999):
        z = equal_cosine(3, cosine, 5).requires_grad_()
        (steady,) = torch.autograd.grad(spectrum(z).singular_values[:, 0].sum(), z)
        assert steady.norm().item() == pytest.approx(1)
        left, values, right = np.linalg.svd(z[0].detach().numpy().T, full_matrices=False)
        found = volume(z[:, 0], z[:, 1:])
        (gradient,) = torch.autograd.grad(found.sum(), z)
        expected = values.prod() * (left / values @ right).T  # vol·U S⁻¹ Vᵀ
        assert gradient[0].numpy() == pytest.approx(expected, rel=1e-5, abs=1e-9)
        slopes.append((gradient.norm() / found.sum()).item())
    assert slopes[-1] > 100 * slopes[0]


def test_p9_collapse_minimises_alignment_and_maximises_regularization():
    batch = 7
    collapsed = unit_vectors(1, 1, 6).expand(batch, 4, 6)
    spread = unit_vectors(batch, 4, 6, seed=1, agreement=0.5)
    terms = [
        (alignment_loss(values, 0.5).item(), instance_regularization(direction, 0.1).item())
        for values, direction in (spectrum(collapsed), spectrum(spread))
    ]
    assert terms[0][0] == pytest.approx(math.log1p(3 * math.exp(-2 / 0.5)))
    assert terms[0][1] == pytest.approx(math.log(batch))
    assert terms[0][0] < terms[1][0]
    assert terms[0][1] > terms[1][1]


def test_p9_both_terms_together_prefer_aligned_instances_apart():
    def total(z):
        values, direction = spectrum(z)
        return alignment_loss(values, 0.5).item() + instance_regularization(direction, 0.1).item()

    apart = torch.eye(5, 6, dtype=torch.float64)[:, None].expand(5, 3, 6)
    collapsed = apart[:1].expand(5, 3, 6)
    assert total(apart) < total(collapsed)
    assert total(apart) < total(unit_vectors(5, 3, 6))


def test_near_identical_instances_are_pushed_apart_whatever_the_solver_returns():
    z = normalize(unit_vectors(1, 3, 8, agreement=0.6) + 1e-3 * unit_vectors(64, 3, 8, seed=1), dim=-1)
    assert instance_regularization(spectrum(z).direction, 0.1).item() == pytest.approx(math.log(64), rel=1e-3)


def test_absent_modalities_leave_the_softmax():
    z = unit_vectors(3, 4, 6, agreement=0.3)
    mask = torch.tensor([[1, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]])
    values = spectrum(z, mask).singular_values
    alone = alignment_loss(spectrum(z[:1, [0, 1, 3]]).singular_values, 0.5)
    assert alignment_loss(values[:1], 0.5, mask[:1]).item() == pytest.approx(alone.item())
    assert alignment_loss(values[1:], 0.5, mask[1:]).item() == 0
    assert alignment_loss(values, 0.5, mask).item() == pytest.approx(alone.item() / 3)


@pytest.mark.parametrize("batch", [0, 1])
def test_smallest_batches_have_finite_losses_and_gradients(batch):
    z = unit_vectors(batch, 3, 5).requires_grad_()
    values, direction = spectrum(z)
    regularization = instance_regularization(direction, 0.1)
    (alignment_loss(values, 0.05) + regularization).backward()
    assert regularization.item() == pytest.approx(0, abs=1e-12)
    assert z.grad.isfinite().all()


def test_training_from_exact_alignment_or_orthonormality_stays_finite():
    for start in (equal_cosine(4, 1.0, 8), equal_cosine(4, 0.0, 8)):
        z = start.float().expand(6, 4, 8).clone().requires_grad_()
        optimizer = torch.optim.SGD([z], lr=0.1)
        for _ in range(20):
            values, direction = spectrum(normalize(z, dim=-1))
            loss = alignment_loss(values, 0.05) + instance_regularization(direction, 0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            assert z.grad.isfinite().all()
            assert z.grad.norm() < 100


def test_alignment_leaves_the_orthonormal_start():
    # the one-sided choice at σ1 = σ2 is a way out of the maximum of L^M, not a stationary point
    z = equal_cosine(4, 0.0, 8).clone().requires_grad_()
    alignment_loss(spectrum(z).singular_values, 0.5).backward()
    with torch.no_grad():
        moved = normalize(z - 0.1 * z.grad, dim=-1)
    assert alignment_loss(spectrum(moved).singular_values, 0.5) < math.log(4) - 0.01


def test_derivative_of_the_regularization_agrees_with_finite_differences():
    direction = unit_vectors(1, 5, 4)[0].requires_grad_()
    assert torch.autograd.gradcheck(lambda u: instance_regularization(u, 0.3), (direction,))
