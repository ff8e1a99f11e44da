"""Every loss and score of pmrl.losses works in other people's training loops: transforms, compilers, types, masks."""

import doctest
import functools
import importlib
import inspect
import pkgutil
import warnings

import pytest
import torch
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode
from vector_examples import unit_vectors

from pmrl import losses
from pmrl.errors import ArgumentError

LOSSES = [
    name
    for name, function in vars(losses).items()
    if name.endswith("_loss") and next(iter(inspect.signature(function).parameters)) == "z"
]
SCORES = [name for name in losses.__all__ if name.endswith("_score")]
ONE_QUERY = {"volume_score", "triangle_score", "ova_ib_score", "hypergram_score", "scalar_score"}
FIRST_ORDER = {
    "pmrl_loss": "spectrum",
    "gram_loss": "volume",
    "hypergram_loss": "volume",
    "ova_ib_loss": "ova_ib",
    "unialign_loss": "spectrum",
}
FIXED = {"symile_loss": {"negatives": "together"}}  # what draws nothing, so that calls can be compared
# The operations of PyTorch that hand a value to Python or give results of an unknown size, which waits for a device.
SYNCHRONISING = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "is_nonzero", "equal")


def call(name):
    function, fixed = getattr(losses, name), FIXED.get(name, {})
    return lambda z, mask=None: function(z, mask, **fixed)


def vectors(count=4, batch=7, dimension=12, seed=0):
    return unit_vectors(batch, count, dimension, agreement=0.4, seed=seed).float()


def gaps(batch=7, count=4):
    return torch.rand(batch, count, generator=torch.Generator().manual_seed(3)) > 0.3


def gradient(function, z, *rest):
    z = z.clone().requires_grad_()
    return torch.autograd.grad(function(z, *rest), z)[0]


def test_all_losses_are_found():
    assert {"pmrl_loss", "gram_loss", "triangle_loss", "symile_loss", "ova_ib_loss", "pairwise_loss"} <= set(LOSSES)


@pytest.mark.parametrize("name", sorted(module.name for module in pkgutil.iter_modules(losses.__path__)))
def test_examples_in_docstrings_run(name):
    module = importlib.import_module(f"pmrl.losses.{name}")
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", [n for n in losses.__all__ if inspect.isfunction(getattr(losses, n))])
def test_every_function_says_what_it_takes_and_gives_and_shows_an_example(name):
    text = inspect.getdoc(getattr(losses, name))
    assert ">>>" in text and ("Args:" in text or "(" in text), name


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_transforms_give_what_autograd_gives(name, masked):
    loss, z, mask = call(name), vectors(), gaps() if masked else None
    expected = gradient(loss, z, mask)
    torch.testing.assert_close(torch.func.grad(loss)(z, mask), expected)
    torch.testing.assert_close(torch.func.jacrev(loss)(z, mask), expected)
    several = torch.stack([z, vectors(seed=1)])
    mapped = torch.func.vmap(torch.func.grad(loss), in_dims=(0, None))(several, mask)
    torch.testing.assert_close(mapped[0], expected)
    torch.testing.assert_close(mapped[1], gradient(loss, several[1], mask))


@pytest.mark.parametrize("name", LOSSES)
def test_compiles_and_exports_as_one_graph(name):
    torch._dynamo.reset()
    loss, z, mask = call(name), vectors(), gaps()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(gradient(compiled, z, mask), gradient(loss, z, mask))

    class Model(torch.nn.Module):
        def forward(self, z, mask):
            return loss(z, mask)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(Model(), (z, mask)).module()
    torch.testing.assert_close(exported(z, mask), loss(z, mask))


class NoReading(TorchDispatchMode):
    """Fails where a value is read, as that waits for a device."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        assert name not in SYNCHRONISING, f"{name} reads values"
        index = args[1] if name == "index" else ()
        assert not any(x is not None and x.dtype == torch.bool for x in index), "indexing by a mask reads values"
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_waits_for_a_device(name, monkeypatch):
    """As on a device: values cannot be read, and eigenvalues come from rotations."""
    monkeypatch.setattr("pmrl.losses.spectral.values_can_be_read", lambda tensor: False)
    monkeypatch.setattr("pmrl.losses.gram.values_can_be_read", lambda tensor: False)
    monkeypatch.setattr("pmrl.losses.spectral.symmetric_eigen", importlib.import_module("pmrl.losses.eigen").jacobi)
    loss, z, mask = call(name), vectors(), gaps()
    z.requires_grad_()
    with NoReading():
        value = loss(z, mask)
        (found,) = torch.autograd.grad(value, z)
    monkeypatch.undo()
    torch.testing.assert_close(value, loss(z, mask))
    torch.testing.assert_close(found, gradient(loss, z.detach(), mask), atol=2e-5, rtol=1e-4)


def test_the_check_for_reading_finds_a_branch_on_values():
    with pytest.raises(AssertionError, match="reads values"), NoReading():
        bool(torch.ones(2).sum() > 1)
    with pytest.raises(AssertionError, match="reads values"), NoReading():
        torch.ones(2)[torch.tensor([True, False])]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_and_autocast_are_near_single_precision(name, dtype):
    loss, z, mask = call(name), vectors(), gaps()
    rounded = z.to(dtype)
    expected = loss(normalize(rounded.float(), dim=-1), mask)
    torch.testing.assert_close(loss(rounded, mask).float(), expected, atol=0.05, rtol=0.02)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(loss(z, mask), loss(z, mask).float())
        value = loss(z, mask)
    torch.testing.assert_close(value, loss(z, mask), atol=0, rtol=0)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences_in_double_precision(name):
    loss, z = call(name), vectors(batch=4, dimension=6).double()
    if name == "hypergram_loss":  # the batch's scale has no gradient, by intention; with α = 1 it does not count
        loss = functools.partial(losses.hypergram_loss, euclidean_share=1.0)
    mask = torch.ones(4, 4, dtype=torch.bool)
    mask[1, 2] = mask[2, 0] = False
    assert torch.autograd.gradcheck(lambda z: loss(z, mask), z.requires_grad_(), atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("name", LOSSES)
def test_second_derivatives_exist_or_are_refused_by_name(name):
    loss, z = call(name), vectors(batch=4, dimension=6).double().requires_grad_()
    (first,) = torch.autograd.grad(loss(z), z, create_graph=True)
    if name in FIRST_ORDER:
        with pytest.raises(ArgumentError, match=f"{FIRST_ORDER[name]}: gradients are first-order only"):
            torch.autograd.grad(first.sum(), z)
    else:
        direction = torch.ones_like(z) * 1e-5
        (second,) = torch.autograd.grad(first.sum(), z)
        ahead, behind = (gradient(loss, z.detach() + sign * direction) for sign in (1, -1))
        torch.testing.assert_close(second, (ahead - behind) / 2e-5, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("count", [2, 3, 14, 64])
@pytest.mark.parametrize("name", LOSSES)
def test_any_number_of_modalities(name, count):
    if name == "triangle_loss" and count == 2:
        with pytest.raises(ArgumentError, match="at least 3 modalities"):
            call(name)(vectors(count))
        return
    assert torch.isfinite(gradient(call(name), vectors(count, batch=4, dimension=80))).all()


@pytest.mark.parametrize("name", ["pmrl_loss"])
def test_one_modality_is_an_instance_that_cannot_be_misaligned(name):
    assert torch.isfinite(gradient(call(name), vectors(1))).all()


def degenerate():
    same = normalize(torch.ones(1, 1, 12), dim=-1)
    return {
        "all vectors equal": same.expand(5, 4, 12),
        "each instance aligned": vectors(1, batch=5).expand(5, 4, 12),
        "opposite vectors": same.expand(5, 4, 12) * torch.tensor([1.0, -1.0, 1.0, -1.0]).view(1, 4, 1),
        "orthonormal": torch.eye(12)[:4].expand(5, 4, 12),
        "nothing present": torch.zeros(5, 4, 12),
    }


@pytest.mark.parametrize("case", degenerate())
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_and_bounded_at_degenerate_points(name, case):
    z = degenerate()[case].contiguous()
    mask = z.abs().sum(-1) > 0
    found = gradient(call(name), z, mask)
    assert torch.isfinite(found).all() and found.abs().max() < 1e4


@pytest.mark.parametrize("name", LOSSES)
def test_absent_vectors_have_no_influence_and_no_gradient(name):
    loss, z, mask = call(name), vectors(), gaps()
    other = torch.where(mask.unsqueeze(-1), z, torch.full_like(z, 3.0))
    torch.testing.assert_close(loss(other, mask), loss(z, mask))
    assert not gradient(loss, z, mask)[~mask].any()


@pytest.mark.parametrize("name", LOSSES)
def test_a_wrong_shape_is_explained_by_the_name_of_the_loss(name):
    with pytest.raises(ArgumentError, match=rf"{name}: z has shape \(3, 4\).*expected"):
        call(name)(torch.ones(3, 4))
    with pytest.raises(ArgumentError, match=rf"{name}: mask has shape \(4, 7\), expected \(7, 4\)"):
        call(name)(vectors(), gaps().T)


@pytest.mark.parametrize("name", SCORES)
def test_scores_of_a_pair_do_not_depend_on_other_pairs(name):
    function, query = getattr(losses, name), vectors(1, batch=5)
    query, gallery = query[:, 0] if name in ONE_QUERY else query, vectors(3, seed=2)
    scores = function(query, gallery)
    assert scores.shape == (5, 7)
    torch.testing.assert_close(function(query[1:3], gallery[4:5]), scores[1:3, 4:5], atol=2e-5, rtol=1e-4)
