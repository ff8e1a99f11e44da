"""The spectral kernel against NumPy and SciPy in float64, and at every point where a derivative degenerates."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize
from vector_examples import batches, equal_cosine, rotation, unit_vectors

import pmrl
from pmrl.errors import UserError
from pmrl.losses.spectral import spectrum

quick = settings(deadline=None, max_examples=40)
# (1 + 2/√ε)/σ1 with σ1 ≥ 1
LARGEST = 1 + 2 / torch.finfo(torch.float32).eps ** 0.5
TYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def distance_to_unit_sphere(vectors):
    return (vectors.norm(dim=-1) - 1).abs().max().item()


def scipy_spectrum(z):
    """One instance, (modalities, dimension): singular values padded with zeros, oriented direction."""
    left, values, _ = scipy.linalg.svd(z.T.numpy(), full_matrices=False)
    direction = left[:, 0] if left[:, 0] @ z.sum(0).numpy() >= 0 else -left[:, 0]
    return np.pad(values, (0, len(z) - len(values))), direction


@quick
@given(batches())
def test_agrees_with_scipy(z):
    singular_values, direction = spectrum(z)
    for i, instance in enumerate(z):
        values, leading = scipy_spectrum(instance)
        assert singular_values[i].numpy() == pytest.approx(values, abs=3e-7)
        well_defined = len(values) == 1 or values[0] - values[1] > 1e-3
        if well_defined and abs(leading @ instance.sum(0).numpy()) > 1e-3:
            assert direction[i].numpy() == pytest.approx(leading, abs=1e-9)


@quick
@given(batches(), st.integers(0, 2**31))
def test_masked_equals_left_out(z, seed):
    mask = torch.rand(z.shape[:2], generator=torch.Generator().manual_seed(seed)) < 0.6
    mask[:, 0] = True
    singular_values, direction = spectrum(z, mask)
    for i in range(len(z)):
        alone = spectrum(z[i : i + 1, mask[i]])
        count = int(mask[i].sum())
        torch.testing.assert_close(singular_values[i, :count], alone.singular_values[0], atol=3e-7, rtol=0)
        assert singular_values[i, count:].abs().sum() == 0
        if count == 1 or alone.singular_values[0, 0] - alone.singular_values[0, 1] > 1e-3:
            torch.testing.assert_close(direction[i], alone.direction[0], atol=1e-7, rtol=0)


@quick
@given(batches())
def test_direction_never_points_away_from_the_sum(z):
    _, direction = spectrum(z)
    assert (torch.einsum("bd,bkd->b", direction, z) >= -1e-4).all()
    assert distance_to_unit_sphere(direction) < 1e-9


@pytest.mark.parametrize("sign", [1, -1])
def test_solver_sign_does_not_matter(monkeypatch, sign):
    z = torch.cat([unit_vectors(6, 3, 5), torch.stack([torch.eye(3, 5), -torch.eye(3, 5)]).double()])
    z = torch.cat([z, torch.stack([z[:1, 0], -z[:1, 0], z[:1, 0]], 1)])
    pair = unit_vectors(9, 2, 4, seed=3)
    expected, expected_pair = spectrum(z).direction, spectrum(pair).direction
    solver = torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda gram: (solver(gram)[0], sign * solver(gram)[1]))
    torch.testing.assert_close(spectrum(z).direction, expected)
    torch.testing.assert_close(spectrum(pair).direction, expected_pair)


def test_repeated_leading_value_gives_the_vector_nearest_to_the_sum():
    z = rotation(6)[None, :4]
    _, direction = spectrum(z)
    torch.testing.assert_close(direction, normalize(z.sum(1), dim=-1))


def test_two_opposite_vectors_are_oriented_by_the_first():
    z = unit_vectors(1, 1, 5)
    _, direction = spectrum(torch.cat([z, -z], 1))
    torch.testing.assert_close(direction, z[:, 0])


@pytest.mark.parametrize(
    ("batch", "count", "dimension"), [(3, 4, 7), (2, 5, 3), (2, 1, 4), (3, 2, 2), (1, 4, 6), (2, 6, 2)]
)
def test_derivatives_agree_with_finite_differences(batch, count, dimension):
    z = unit_vectors(batch, count, dimension, seed=7, agreement=0.4).requires_grad_()
    defined = min(count, dimension)

    def outputs(z):
        singular_values, direction = spectrum(z)
        return singular_values[:, :defined], direction

    assert torch.autograd.gradcheck(outputs, (z,))


def test_derivatives_with_missing_modalities_agree_with_finite_differences():
    z = unit_vectors(3, 4, 6, seed=5, agreement=0.4).requires_grad_()
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 0, 0], [1, 0, 1, 1]])

    def outputs(z):
        singular_values, direction = spectrum(z, mask)
        return singular_values[0, :3], singular_values[1, :1], singular_values[2, :3], direction

    assert torch.autograd.gradcheck(outputs, (z,))


def test_derivative_of_symmetric_functions_is_exact_where_trailing_values_are_equal():
    z = equal_cosine(4, 0.5, 6).requires_grad_()

    def outputs(z):
        singular_values, direction = spectrum(z)
        return singular_values[:, 0], singular_values[:, 1:].pow(3).sum(1), direction

    assert torch.autograd.gradcheck(outputs, (z,))


def test_gradient_is_the_outer_product_of_the_singular_pair():
    z = unit_vectors(1, 3, 5, seed=2).requires_grad_()
    left, _, right = np.linalg.svd(z[0].detach().numpy().T, full_matrices=False)
    for j in range(3):
        (gradient,) = torch.autograd.grad(spectrum(z).singular_values[0, j], z)
        assert gradient[0].numpy() == pytest.approx(np.outer(right[j], left[:, j]), abs=1e-9)


def degenerate_points():
    first = unit_vectors(1, 1, 8, seed=1)
    aligned = first.expand(2, 4, 8).clone()
    nearly = unit_vectors(2, 4, 8, seed=4, agreement=1 - 1e-6)
    return {
        "equal trailing values": equal_cosine(4, 0.5, 8),
        "exact alignment": aligned,
        "nearly exact alignment": nearly,
        "duplicates": torch.cat([first, first, unit_vectors(1, 2, 8, seed=2)], 1),
        "orthonormal": rotation(8)[None, :4],
        "orthonormal axes": torch.eye(4, 8, dtype=torch.float64)[None],
        "opposite": torch.cat([first, -first], 1),
        "more modalities than dimensions": unit_vectors(2, 5, 3),
        "equiangular in the plane": torch.tensor(
            [[[1, 0], [-0.5, 3**0.5 / 2], [-0.5, -(3**0.5) / 2]]], dtype=torch.float64
        ),
        "one modality": first,
        "no instance": unit_vectors(0, 4, 8),
        "one dimension": torch.ones(1, 3, 1, dtype=torch.float64),
        "zero vectors": torch.zeros(1, 3, 4, dtype=torch.float64),
    }


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", degenerate_points())
def test_gradients_stay_bounded_at_degenerate_points(name, dtype):
    z = degenerate_points()[name].to(dtype).requires_grad_()
    singular_values, direction = spectrum(z)
    assert singular_values.dtype == direction.dtype == dtype
    assert singular_values.shape == z.shape[:2]
    assert direction.shape == z[:, 0].shape
    for j in range(z.shape[1]):
        (gradient,) = torch.autograd.grad(singular_values[:, j].sum(), z, retain_graph=True)
        assert (gradient.double().flatten(1).norm(dim=1) <= 1.01).all()  # |u_j v_jᵀ| = 1
    pull = unit_vectors(*z.shape, seed=9)[:, 0].to(dtype)
    (gradient,) = torch.autograd.grad(direction, z, pull)
    # rounding to half precision turns an exact tie into a small gap, whose true derivative is large
    bound = 3 if dtype in (torch.float32, torch.float64) else LARGEST
    assert (gradient.double().flatten(1).norm(dim=1) <= bound).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gap", [1e-1, 1e-3, 1e-5, 1e-8, 1e-12])
def test_gradient_of_the_direction_stays_bounded_near_a_repeated_leading_value(gap, dtype):
    # cosine c gives σ² = 1 ± c: the gap is 2c
    angle = torch.acos(torch.tensor(gap / 2, dtype=torch.float64))
    z = torch.stack([torch.tensor([1.0, 0.0]).double(), torch.stack([angle.cos(), angle.sin()])])[None].to(dtype)
    z.requires_grad_()
    (gradient,) = torch.autograd.grad(spectrum(z).direction.sum(), z)
    assert gradient.norm() <= LARGEST * 2**0.5


def test_one_sided_choice_follows_the_direction_at_a_repeated_leading_value():
    # for orthonormal vectors u1 is the normalised sum, so σ1 rises by turning all vectors towards it
    z = torch.eye(4, 6, dtype=torch.float64)[None].requires_grad_()
    singular_values, direction = spectrum(z)
    (gradient,) = torch.autograd.grad(singular_values[0, 0], z)
    torch.testing.assert_close(gradient[0], direction.detach().expand(4, 6) / 2)


def test_absent_modalities_have_no_influence_and_no_gradient():
    z = unit_vectors(2, 3, 5)
    mask = torch.tensor([[True, False, True], [False, False, False]])
    z[0, 1] = torch.nan
    z[1] = torch.inf
    z.requires_grad_()
    singular_values, direction = spectrum(z, mask)
    (singular_values.sum() + direction.sum()).backward()
    assert singular_values[1].tolist() == [0, 0, 0]
    assert direction[1].tolist() == [0] * 5
    assert z.grad[~mask].abs().sum() == 0
    assert z.grad[0, [0, 2]].abs().sum() > 0


@pytest.mark.parametrize("agreement", [0.0, 0.9, 0.999, 0.99999])
def test_float32_holds_every_singular_value_to_rounding(agreement):
    z = unit_vectors(50, 4, 256, agreement=agreement, dtype=torch.float32)
    exact = np.linalg.svd(z.double().numpy(), compute_uv=False)
    assert spectrum(z).singular_values.numpy() == pytest.approx(exact, rel=1e-6, abs=3e-7)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_half_precision_is_the_rounded_result(dtype, tolerance):
    z = unit_vectors(5, 3, 16, agreement=0.5, dtype=dtype)
    values, direction = spectrum(z)
    exact_values, exact_direction = spectrum(z.double())
    torch.testing.assert_close(values.double(), exact_values, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(direction.double(), exact_direction, atol=tolerance, rtol=tolerance)


def test_computes_in_float32_under_autocast():
    z = unit_vectors(5, 3, 64, agreement=0.5, dtype=torch.float32).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = spectrum(z)
        from_half = spectrum(z.bfloat16())
        (gradient,) = torch.autograd.grad(inside.direction.sum() + inside.singular_values[:, 0].sum(), z)
    outside = spectrum(z)
    (expected,) = torch.autograd.grad(outside.direction.sum() + outside.singular_values[:, 0].sum(), z)
    assert torch.equal(inside.singular_values, outside.singular_values)
    assert torch.equal(gradient, expected)
    assert from_half.singular_values.dtype == from_half.direction.dtype == torch.float32


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_names_the_first_value_that_is_not_finite(value):
    z = unit_vectors(5, 4, 6, dtype=torch.float32)
    z[4, 0, 0] = value
    z[3, 2, 5] = value
    with pytest.raises(UserError, match="Instance 3, modality 2"):
        spectrum(z)


@pytest.mark.parametrize(
    ("z", "mask"),
    [
        (torch.ones(3, 4), None),
        (torch.ones(3, 4, 5, dtype=torch.int64), None),
        (torch.ones(3, 0, 5), None),
        (torch.ones(3, 4, 5), torch.ones(3, 5)),
    ],
)
def test_wrong_shapes_are_explained(z, mask):
    with pytest.raises(UserError, match="expected"):
        spectrum(z, mask)


def test_second_derivatives_are_refused_rather_than_wrong():
    z = unit_vectors(1, 3, 5).requires_grad_()
    (gradient,) = torch.autograd.grad(spectrum(z).singular_values.pow(3).sum(), z, create_graph=True)
    with pytest.raises(ValueError, match="spectrum: gradients are first-order only"):
        gradient.sum().backward()


def test_is_importable_from_the_package():
    assert pmrl.spectrum is spectrum


def test_a_wrong_argument_is_a_value_error_to_those_who_import_the_kernels():
    with pytest.raises(ValueError, match="expected"):
        spectrum(torch.ones(2, 3, dtype=torch.int64))
