"""Half precision in the encoders: losses see float32, and training ends nearly where that in float32 ends."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from example_data import synthetic_dataset

from pmrl.errors import UserError
from pmrl.method.base import build_method
from pmrl.method.batch import Batch
from pmrl.method.heads import NetworkSettings
from pmrl.method.networks import Network, embed
from pmrl.study.config import check_config
from pmrl.training.encoding import encoded
from pmrl.training.loop import train_stage
from pmrl.training.optimizer import Optimizer
from pmrl.training.stage import BFLOAT16, FLOAT16, FLOAT32, Stage

SMALL = NetworkSettings(dimension=16, hidden=16, width=8, attention_heads=2)
CPU = torch.device("cpu")
# Digits after the binary point of each type, and so the rounding of a unit vector's entries.
ROUNDING = {BFLOAT16: 2.0**-7, FLOAT16: 2.0**-9}


def network_of(dataset):
    torch.manual_seed(0)
    return Network(dataset, SMALL)


@pytest.mark.parametrize("precision", ROUNDING)
@pytest.mark.parametrize("at_once", [0, 5])
def test_vectors_are_those_of_float32_to_the_rounding_of_the_type_and_unit_in_float32(precision, at_once):
    dataset = synthetic_dataset(modalities=3)
    network = network_of(dataset)
    batch = network.standardize(Batch.from_dataset(dataset, dataset.indices("pretrain"), CPU))
    stage = Stage("continued", "pretrain", 1, 8, precision=precision, embedded_at_once=at_once)
    exact = network.encode(batch).stack()
    rounded = encoded(network, batch, stage).embeddings
    assert rounded.stack().dtype == torch.float32 and rounded.tokens["alpha"].dtype == torch.float32
    torch.testing.assert_close(rounded.stack(), exact, atol=ROUNDING[precision], rtol=0)
    assert not torch.equal(rounded.stack(), exact)
    torch.testing.assert_close(rounded.stack().norm(dim=-1), torch.ones(exact.shape[:2]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("precision", ROUNDING)
def test_training_ends_nearly_where_that_in_float32_ends(precision, one_thread):
    dataset = synthetic_dataset(modalities=3)
    vectors = {}
    for kind in (FLOAT32, precision):
        network, method = network_of(dataset), build_method("all_pairs", {})
        before = embed(network, Batch.from_dataset(dataset, dataset.indices("test"), CPU)).stack()
        stage = Stage("continued", "pretrain", 20, 16, precision=kind)
        train_stage(network, method, dataset, stage, 0, CPU)
        vectors[kind] = embed(network, Batch.from_dataset(dataset, dataset.indices("test"), CPU)).stack()
    moved = (vectors[FLOAT32] - before).norm()
    assert (vectors[precision] - vectors[FLOAT32]).norm() < 0.15 * moved


def test_a_step_whose_gradients_overflow_in_float16_is_left_out_and_the_scale_is_halved():
    dataset = synthetic_dataset(modalities=3)
    network, method = network_of(dataset), build_method("all_pairs", {})
    optimizer = Optimizer(network, method, Stage("continued", "pretrain", 10, 8, precision=FLOAT16))
    weight = network.encoders.first["alpha"].weight
    before, scale = weight.detach().clone(), optimizer.scaler.get_scale()
    optimizer.backward((weight * torch.full_like(weight, 1e38)).sum())
    optimizer.update()
    assert torch.equal(weight, before) and optimizer.scaler.get_scale() == scale / 2
    optimizer.backward((weight * 1.0).sum())
    optimizer.update()
    assert not torch.equal(weight, before)


def test_float32_is_not_scaled():
    dataset = synthetic_dataset(modalities=3)
    network, method = network_of(dataset), build_method("all_pairs", {})
    stage = Stage("continued", "pretrain", 10, 8)
    for precision, enabled in ((FLOAT32, False), (BFLOAT16, False), (FLOAT16, True)):
        assert Optimizer(network, method, replace(stage, precision=precision)).scaler.is_enabled() == enabled


def test_another_precision_is_refused_before_anything_trains():
    with pytest.raises(UserError, match=r"training\.precision.*float32"):
        check_config({"training": {"precision": "float8"}}, "config")
    assert np.isfinite(check_config({}, "config")["computing"]["checkpoint_minutes"])
