"""GRAM's volume against determinants in float64, and where vectors become dependent."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_examples import rotation, unit_vectors

from pmrl.errors import UserError
from pmrl.losses import volume

quick = settings(deadline=None, max_examples=40)


def root_of_determinant(vectors):
    return torch.linalg.det(vectors @ vectors.T).abs().sqrt()


def slow_volume(anchor, gallery, mask=None):
    """One Gram matrix per pair, as the definition says."""
    result = torch.empty(len(anchor), len(gallery), dtype=torch.float64)
    for i, query in enumerate(anchor.double()):
        for j, item in enumerate(gallery.double()):
            present = item if mask is None else item[mask[j]]
            result[i, j] = root_of_determinant(torch.cat([query[None], present]))
    return result


@quick
@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(2, 12),
    st.integers(0, 2**31),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_is_the_root_of_the_gram_determinant(queries, items, count, dimension, seed, dtype):
    anchor = unit_vectors(queries, 1, dimension, seed=seed, dtype=dtype)[:, 0]
    gallery = unit_vectors(items, count, dimension, seed=seed + 1, agreement=0.3, dtype=dtype)
    expected, found = slow_volume(anchor, gallery), volume(anchor, gallery)
    assert found.dtype == dtype
    large = expected > 0.05
    torch.testing.assert_close(found.double()[large], expected[large], rtol=1e-4, atol=0)
    torch.testing.assert_close(found.double()[~large], expected[~large], rtol=0, atol=2e-3)


def test_absent_modalities_do_not_span_anything():
    anchor, gallery = unit_vectors(3, 1, 6)[:, 0], unit_vectors(4, 3, 6, seed=1)
    mask = torch.tensor([[1, 1, 1], [0, 1, 0], [1, 0, 1], [0, 0, 0]], dtype=torch.bool)
    spoiled = gallery.masked_fill(~mask[..., None], torch.nan).requires_grad_()
    found = volume(anchor, spoiled, mask)
    torch.testing.assert_close(found, slow_volume(anchor, gallery, mask))
    found.sum().backward()
    assert spoiled.grad[~mask].abs().sum() == 0
    assert spoiled.grad.isfinite().all()


def test_derivatives_agree_with_finite_differences():
    anchor = unit_vectors(3, 1, 6)[:, 0].requires_grad_()
    gallery = unit_vectors(4, 3, 6, seed=1, agreement=0.3).requires_grad_()
    mask = torch.tensor([[1, 1, 1], [0, 1, 0], [1, 0, 1], [0, 0, 0]])
    assert torch.autograd.gradcheck(volume, (anchor, gallery))
    assert torch.autograd.gradcheck(volume, (anchor, gallery, mask))


def flat_configurations():
    first, second = rotation(6)[:2]
    others = unit_vectors(1, 2, 6, seed=2)[0]
    thirds = torch.tensor([[1.0, 0, 0], [-0.5, 3**0.5 / 2, 0], [-0.5, -(3**0.5) / 2, 0]]).double()
    return {
        "all equal": (first[None], first.expand(1, 3, 6)),
        "anchor in the span": ((0.6 * first + 0.8 * second)[None], torch.stack([first, second])[None]),
        "duplicate in the gallery": (others[:1], torch.stack([first, first, others[1]])[None]),
        "opposite in the gallery": (others[:1], torch.stack([first, -first])[None]),
        "three vectors at 120°": (thirds[:1], thirds[None, 1:]),
        "more vectors than dimensions": (unit_vectors(2, 1, 3)[:, 0], unit_vectors(2, 4, 3, seed=1)),
    }


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", flat_configurations())
def test_zero_volume_has_a_finite_gradient(name, dtype):
    anchor, gallery = (part.to(dtype).clone().requires_grad_() for part in flat_configurations()[name])
    found = volume(anchor, gallery)
    assert found.max() < (0.1 if dtype in (torch.float16, torch.bfloat16) else 2e-3)
    found.sum().backward()
    for gradient, pairs in ((anchor.grad, len(gallery)), (gallery.grad, len(anchor))):
        assert gradient.isfinite().all()
        # every pair adds at most the volume of the other unit vectors, which is at most 1
        assert gradient.norm(dim=-1).max() <= 1.1 * pairs


@quick
@given(st.integers(0, 2**31), st.floats(1e-9, 1e-1))
def test_gradient_stays_bounded_as_vectors_become_dependent(seed, distance):
    anchor = unit_vectors(1, 1, 8, seed=seed)[:, 0]
    gallery = anchor[:, None] + distance * unit_vectors(1, 3, 8, seed=seed + 1)
    gallery = (gallery / gallery.norm(dim=-1, keepdim=True)).float().requires_grad_()
    anchor = anchor.float().requires_grad_()
    volume(anchor, gallery).sum().backward()
    assert anchor.grad.norm() <= 1.01
    assert gallery.grad.norm(dim=-1).max() <= 1.01


def test_computes_in_float32_under_autocast():
    anchor, gallery = unit_vectors(4, 1, 64)[:, 0].float(), unit_vectors(5, 3, 64, seed=1).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside, from_half = volume(anchor, gallery), volume(anchor.bfloat16(), gallery.bfloat16())
    assert torch.equal(inside, volume(anchor, gallery))
    assert from_half.dtype == torch.float32


@pytest.mark.parametrize(
    ("anchor", "gallery", "mask", "message"),
    [
        (torch.ones(2, 3), torch.ones(2, 3), None, "expected"),
        (torch.ones(2, 3), torch.ones(2, 1, 4), None, "expected"),
        (torch.ones(2, 3), torch.ones(2, 1, 3).double(), None, "one floating type"),
        (torch.ones(2, 3), torch.ones(2, 1, 3), torch.ones(2, 2), "mask has shape"),
        (torch.tensor([[1.0, 0], [torch.nan, 0]]), torch.ones(2, 1, 2), None, "anchor vector 1"),
        (torch.ones(1, 2), torch.tensor([[[1.0, 0]], [[0, torch.inf]]]), None, "Instance 1, modality 0"),
    ],
)
def test_wrong_input_is_explained(anchor, gallery, mask, message):
    with pytest.raises(UserError, match=message):
        volume(anchor, gallery, mask)


def test_rounding_is_not_taken_for_a_distance():
    gallery = unit_vectors(1, 3, 64, dtype=torch.float32).requires_grad_()
    weights = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    anchor = torch.nn.functional.normalize(weights @ gallery.detach()[0], dim=1).requires_grad_()
    found = volume(anchor, gallery)
    assert (found == 0).all()
    found.sum().backward()
    assert anchor.grad.norm() == gallery.grad.norm() == 0
