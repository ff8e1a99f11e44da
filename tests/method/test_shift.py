"""The shifted spectrum against G_c = (G + c²·11ᵀ)/(1 + c²) written out in NumPy, and what makes it aware of signs."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize
from vector_examples import batches, equal_cosine, rotation, unit_vectors

from pmrl.errors import UserError
from pmrl.losses import alignment_loss
from pmrl.losses.spectral import spectrum

quick = settings(deadline=None, max_examples=40)
shifts = st.sampled_from([0.1, 0.25, 0.5, 1.0, 2.0])
EPSILON = torch.finfo(torch.float32).eps
# (1 + 2/√ε)/σ1 of the lifted direction, and 1/√ε of its first part, with σ1 ≥ 1
LARGEST = (1 + 2 / EPSILON**0.5) / EPSILON**0.5


def shifted_gram(instance, shift):
    """G_c of one instance, (modalities, dimension)."""
    return (instance @ instance.T + shift**2) / (1 + shift**2)


def decomposed(instance, shift):
    """Singular values and v1 of G_c by NumPy; Σ v1 ≥ 0."""
    values, vectors = np.linalg.eigh(shifted_gram(instance.numpy(), shift))
    leading = vectors[:, -1]
    return np.sqrt(values.clip(0))[::-1], leading * (1 if leading.sum() >= 0 else -1)


def well_defined(instance, shift):
    """Whether rounding changes neither v1, nor its sign, nor the direction of Z v1 noticeably."""
    values, leading = decomposed(instance, shift)
    single = len(values) == 1 or values[0] - values[1] > 1e-2
    return single and abs(leading.sum()) > 1e-2 and np.linalg.norm(instance.numpy().T @ leading) > 1e-2


def two_against_two():
    z = unit_vectors(1, 1, 5)
    return torch.cat([z, z, -z, -z], 1)


@quick
@given(batches(), shifts)
def test_agrees_with_the_shifted_gram_matrix(z, shift):
    singular_values, direction = spectrum(z, shift=shift)
    for i, instance in enumerate(z):
        values, leading = decomposed(instance, shift)
        assert singular_values[i].numpy() == pytest.approx(values, abs=1e-6)
        if well_defined(instance, shift):
            expected = instance.numpy().T @ leading
            assert direction[i].numpy() == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


@quick
@given(batches(), shifts)
def test_squares_sum_to_the_number_of_modalities(z, shift):
    assert spectrum(z, shift=shift).singular_values.square().sum(1).numpy() == pytest.approx(z.shape[1])


@quick
@given(st.integers(1, 6), st.integers(2, 10), shifts)
def test_equal_vectors_reach_the_largest_value(count, dimension, shift):
    z = unit_vectors(1, 1, dimension).expand(1, count, dimension)
    singular_values, direction = spectrum(z, shift=shift)
    assert singular_values[0].tolist() == pytest.approx([math.sqrt(count)] + [0.0] * (count - 1))
    torch.testing.assert_close(direction, z[:, 0])


@quick
@given(batches(least_modalities=2), shifts, st.integers(1, 31))
def test_no_others_reach_it_not_even_vectors_equal_up_to_sign(z, shift, flips):
    count = z.shape[1]
    signs = torch.tensor([-1.0 if flips >> m & 1 else 1.0 for m in range(count)], dtype=torch.float64)
    assume(0 < (signs > 0).sum() < count)
    for vectors in (z, z[:, :1] * signs[:, None]):
        apart = (vectors @ vectors.mT).amin((1, 2)) < 0.9
        assert (spectrum(vectors, shift=shift).singular_values[apart, 0] < math.sqrt(count) - 1e-4).all()


@pytest.mark.parametrize("shift", [0.25, 0.5, 1.0, 2.0])
def test_two_against_two_share_what_equal_vectors_have_in_one_value(shift):
    # G_c has blocks of 1 and (c² − 1)/(c² + 1): λ = 4/(1 + c²) and 4c²/(1 + c²); 2 and 2 for c = 1
    expected = sorted([4 / (1 + shift**2), 4 * shift**2 / (1 + shift**2)], reverse=True)
    found = spectrum(two_against_two(), shift=shift).singular_values.square()
    assert found[0].tolist() == pytest.approx([*expected, 0, 0])


@pytest.mark.parametrize("count", [2, 4, 6])
def test_an_orthonormal_instance_has_a_gap_already(count):
    values = spectrum(equal_cosine(count, 0.0, 8), shift=1.0).singular_values[0].tolist()
    assert values == pytest.approx([math.sqrt((count + 1) / 2)] + [math.sqrt(0.5)] * (count - 1))


def test_so_that_a_small_temperature_saturates_at_the_start():
    start = equal_cosine(4, 0.0, 8)
    small, large = (alignment_loss(spectrum(start, shift=1.0).singular_values, t).item() for t in (0.05, 0.5))
    assert small < 1e-3 * math.log(4) and large > 0.1 * math.log(4)


@quick
@given(batches(), st.sampled_from([1.0, 1.5]))
def test_from_one_on_no_convention_is_needed_for_the_sign(z, shift):
    for instance, direction in zip(z, spectrum(z, shift=shift).direction, strict=True):
        assert (shifted_gram(instance, shift) >= 0).all()
        assume(well_defined(instance, shift))
        _, leading = decomposed(instance, shift)
        assert (leading >= -1e-12).all()  # Perron and Frobenius
        expected = normalize(instance.T @ torch.from_numpy(np.abs(leading)), dim=0)
        torch.testing.assert_close(direction, expected, atol=1e-6, rtol=0)


@quick
@given(batches(), shifts)
def test_the_direction_never_points_away_from_the_sum(z, shift):
    # (1 + c²)·λ1·1ᵀv1 = 1ᵀG v1 + c²·k·1ᵀv1 and λ1 ≥ c²·k/(1 + c²): hence 1ᵀG v1 ≥ 0 for 1ᵀv1 ≥ 0
    direction = spectrum(z, shift=shift).direction
    assert (torch.einsum("bd,bkd->b", direction, z) >= -1e-4).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_solver_does_not_choose_the_sign(monkeypatch, sign):
    z = unit_vectors(6, 3, 5)
    expected = spectrum(z, shift=1.0).direction
    solver = torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda gram: (solver(gram)[0], sign * solver(gram)[1]))
    torch.testing.assert_close(spectrum(z, shift=1.0).direction, expected)


def test_a_shift_towards_zero_gives_the_plain_spectrum_and_a_large_one_the_centroid():
    z = unit_vectors(20, 4, 8, agreement=0.4)
    plain, nearly = spectrum(z), spectrum(z, shift=1e-4)
    torch.testing.assert_close(nearly.singular_values, plain.singular_values, atol=1e-6, rtol=0)
    torch.testing.assert_close(nearly.direction, plain.direction, atol=1e-6, rtol=0)
    torch.testing.assert_close(spectrum(z, shift=100.0).direction, normalize(z.sum(1), dim=-1), atol=1e-3, rtol=0)


@quick
@given(batches(), shifts, st.integers(0, 2**31))
def test_order_and_rotation_of_modalities_do_not_matter(z, shift, seed):
    order = torch.randperm(z.shape[1], generator=torch.Generator().manual_seed(seed))
    turn = rotation(z.shape[2], seed)
    plain, moved = spectrum(z, shift=shift), spectrum(z[:, order] @ turn, shift=shift)
    torch.testing.assert_close(moved.singular_values, plain.singular_values, atol=1e-6, rtol=0)
    stable = torch.tensor([bool(well_defined(instance, shift)) for instance in z])
    torch.testing.assert_close(moved.direction[stable], (plain.direction @ turn)[stable], atol=1e-6, rtol=0)


@pytest.mark.parametrize("shift", [0.25, 1.0])
def test_the_sign_of_one_vector_does_matter(shift):
    z = unit_vectors(20, 4, 8, agreement=0.6)  # all cosines are positive, so turning one vector round lowers λ1
    assert ((z @ z.mT) > 0).all()
    turned = z * torch.tensor([1.0, 1.0, -1.0, 1.0], dtype=torch.float64)[:, None]
    plain, opposed = (spectrum(vectors, shift=shift).singular_values[:, 0] for vectors in (z, turned))
    assert (opposed < plain - 1e-2).all()


@quick
@given(batches(), shifts, st.integers(0, 2**31))
def test_masked_equals_left_out(z, shift, seed):
    mask = torch.rand(z.shape[:2], generator=torch.Generator().manual_seed(seed)) < 0.6
    mask[:, 0] = True
    singular_values, direction = spectrum(z, mask, shift)
    for i in range(len(z)):
        alone = spectrum(z[i : i + 1, mask[i]], shift=shift)
        count = int(mask[i].sum())
        torch.testing.assert_close(singular_values[i, :count], alone.singular_values[0], atol=1e-6, rtol=0)
        assert singular_values[i, count:].abs().sum() == 0
        if well_defined(z[i, mask[i]], shift):
            torch.testing.assert_close(direction[i], alone.direction[0], atol=1e-6, rtol=0)


def test_absent_modalities_have_no_influence_and_no_gradient():
    z = unit_vectors(2, 3, 5)
    mask = torch.tensor([[True, False, True], [False, False, False]])
    z[0, 1] = torch.nan
    z[1] = torch.inf
    z.requires_grad_()
    singular_values, direction = spectrum(z, mask, 1.0)
    (singular_values.sum() + direction.sum()).backward()
    assert singular_values[1].tolist() == [0, 0, 0] and direction[1].tolist() == [0] * 5
    assert z.grad[~mask].abs().sum() == 0 and z.grad[0, [0, 2]].abs().sum() > 0


@pytest.mark.parametrize("shift", [0.5, 1.0])
def test_the_gradient_of_the_leading_eigenvalue_has_a_closed_form(shift):
    z = unit_vectors(1, 4, 6, seed=2, agreement=0.3).requires_grad_()
    (gradient,) = torch.autograd.grad(spectrum(z, shift=shift).singular_values[0, 0].square(), z)
    vectors = z[0].detach()
    _, leading = decomposed(vectors, shift)
    expected = 2 * np.outer(leading, vectors.numpy().T @ leading) / (1 + shift**2)
    assert gradient[0].numpy() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("shift", [0.25, 1.0])
@pytest.mark.parametrize(("batch", "count", "dimension"), [(3, 4, 7), (2, 1, 4), (3, 2, 2), (2, 3, 2)])
def test_derivatives_agree_with_finite_differences(shift, batch, count, dimension):
    z = unit_vectors(batch, count, dimension, seed=7, agreement=0.4).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: tuple(spectrum(z, shift=shift)), (z,))


def test_derivatives_with_missing_modalities_agree_with_finite_differences():
    z = unit_vectors(3, 4, 6, seed=5, agreement=0.4).requires_grad_()
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 0, 0], [1, 0, 1, 1]])

    def outputs(z):
        singular_values, direction = spectrum(z, mask, 1.0)
        return singular_values[0, :3], singular_values[1, :1], singular_values[2, :3], direction

    assert torch.autograd.gradcheck(outputs, (z,))


def test_derivatives_agree_with_automatic_differentiation_of_the_lifted_decomposition():
    z = unit_vectors(5, 4, 7, seed=3, agreement=0.3).requires_grad_()
    weights, pull = unit_vectors(5, 1, 4, seed=1)[:, 0], unit_vectors(5, 1, 7, seed=2)[:, 0]

    def scalar(singular_values, direction):
        return (singular_values * weights).sum() + (direction * pull).sum()

    lifted = torch.cat([z, torch.ones(5, 4, 1)], -1) / math.sqrt(2)
    _, values, right = torch.linalg.svd(lifted.mT, full_matrices=False)
    along = (z.mT @ right[:, :1].mT).squeeze(-1)  # Z v1, up to sign
    sign = right[:, 0].sum(-1, keepdim=True).sign().detach()
    (expected,) = torch.autograd.grad(scalar(values, sign * along / along.norm(dim=-1, keepdim=True)), z)
    (found,) = torch.autograd.grad(scalar(*spectrum(z, shift=1.0)), z)
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-6)


def degenerate_points():
    first = unit_vectors(1, 1, 8, seed=1)
    return {
        "equal trailing values": equal_cosine(4, 0.5, 8),
        "exact alignment": first.expand(2, 4, 8).clone(),
        "duplicates": torch.cat([first, first, unit_vectors(1, 2, 8, seed=2)], 1),
        "orthonormal": rotation(8)[None, :4],
        "opposite": torch.cat([first, -first], 1),
        "two against two": torch.cat([first, first, -first, -first], 1),
        "vectors that sum to zero": equal_cosine(4, -1 / 3, 8),
        "more modalities than dimensions": unit_vectors(2, 5, 3),
        "no instance": unit_vectors(0, 4, 8),
        "zero vectors": torch.zeros(1, 3, 4, dtype=torch.float64),
    }


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("shift", [0.5, 1.0])
@pytest.mark.parametrize("name", degenerate_points())
def test_gradients_stay_bounded_at_degenerate_points(name, shift, dtype):
    z = degenerate_points()[name].to(dtype).requires_grad_()
    singular_values, direction = spectrum(z, shift=shift)
    assert singular_values.dtype == direction.dtype == dtype and direction.shape == z[:, 0].shape
    assert (direction.double().norm(dim=-1) < 1 + 1e-3).all()
    for j in range(z.shape[1]):
        (gradient,) = torch.autograd.grad(singular_values[:, j].sum(), z, retain_graph=True)
        assert (gradient.double().flatten(1).norm(dim=1) <= 1.01).all()  # a part of |u_j v_jᵀ| = 1
    (gradient,) = torch.autograd.grad(direction, z, unit_vectors(*z.shape, seed=9)[:, 0].to(dtype))
    assert (gradient.double().flatten(1).norm(dim=1) <= LARGEST).all()


def test_vectors_without_a_common_direction_have_none():
    """Z v1 = 0: by symmetry no direction of the simplex is better than another, and u1 is 0 up to rounding."""
    for z in (two_against_two(), equal_cosine(4, -1 / 3, 8)):
        assert spectrum(z, shift=1.0).direction.norm() < 1e-2


def share_of_opposed_pairs(vectors, shift):
    """Of free vectors (instances, 4, dimension) at the end of training by L^M alone."""
    z = vectors.clone().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.05)
    for _ in range(150):
        loss = alignment_loss(spectrum(normalize(z, dim=-1), shift=shift).singular_values, 0.5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unit = normalize(z.detach(), dim=-1)
    pairs = (unit @ unit.mT)[:, *torch.triu_indices(4, 4, 1)]
    return (pairs < 0).double().mean().item()


@pytest.mark.parametrize("shift", [-0.5, math.nan, math.inf, 1e4])
def test_a_shift_out_of_range_is_explained(shift):
    with pytest.raises(UserError, match=r"shift is .* expected 0 to 100"):
        spectrum(unit_vectors(2, 3, 4), shift=shift)


def test_free_vectors_end_opposed_by_chance_without_a_shift_and_never_with_a_shift_of_one():
    instances = 64
    start = unit_vectors(instances, 4, 16)
    none, half, one = (share_of_opposed_pairs(start, shift) for shift in (0.0, 0.5, 1.0))
    # the six pairs of one instance are opposed by independent fair coins, two by two: deviation ½/√6
    assert none == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(6 * instances))
    assert none > half > one == 0
