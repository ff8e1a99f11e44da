"""What each corruption does, and that all methods get the same draws."""

import numpy as np
import pytest
import torch
from example_data import synthetic_dataset

from pmrl.method.embeddings import Batch
from pmrl.method.heads import NetworkSettings
from pmrl.method.networks import Network
from pmrl.training.corruption import add_noise, drop_modalities, mismatch

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network():
    return Network(synthetic_dataset(per_split=400), NetworkSettings(dimension=8, hidden=8, width=8))


@pytest.fixture
def batch():
    dataset = synthetic_dataset(per_split=400)
    return Batch.from_dataset(dataset, dataset.indices("test"), CPU)


def test_noise_has_the_stated_share_of_each_features_deviation(batch, network):
    noisy = add_noise(batch, network, 0.5, seed=3)
    for name, clean in batch.pooled.items():
        added = (noisy.pooled[name] - clean).std(dim=0)
        torch.testing.assert_close(added, 0.5 * network.pooled[name].deviation, rtol=0.2, atol=1e-6)


def test_corruptions_are_the_same_for_the_same_seed_and_differ_for_another(batch, network):
    for corrupt in (
        lambda seed: add_noise(batch, network, 1.0, seed).pooled["beta"],
        lambda seed: drop_modalities(batch, "alpha", 50, seed).present["beta"],
        lambda seed: mismatch(batch, "alpha", 50, seed).pooled["beta"],
    ):
        assert torch.equal(corrupt(1), corrupt(1))
        assert not torch.equal(corrupt(1), corrupt(2))


@pytest.mark.parametrize("percent", [25, 75])
def test_modalities_go_missing_at_the_stated_rate_and_one_stays(batch, percent):
    dropped = drop_modalities(batch, "alpha", percent, seed=0)
    assert dropped.present["alpha"].all()
    others = torch.stack([dropped.present["beta"], dropped.present["gamma"]], dim=1)
    assert others.any(dim=1).all()
    # both would be missing with probability p², where one of them comes back
    p = percent / 100
    expected = 1 - (p - p**2 / 2)
    assert others.float().mean().item() == pytest.approx(expected, abs=0.06)


def test_more_missing_takes_away_from_what_less_missing_left(batch):
    some, more = (drop_modalities(batch, "alpha", percent, seed=0) for percent in (25, 75))
    for name in ("beta", "gamma"):
        assert not (more.present[name] & ~some.present[name]).any()


def test_an_absent_modality_stays_absent():
    dataset = synthetic_dataset(absent=0.5)
    batch = Batch.from_dataset(dataset, dataset.indices("test"), CPU)
    dropped = drop_modalities(batch, None, 50, seed=0)
    for name in batch.present:
        assert not (dropped.present[name] & ~batch.present[name]).any()


@pytest.mark.parametrize("percent", [0, 30, 100])
def test_mismatching_changes_exactly_the_stated_share(batch, percent):
    mixed = mismatch(batch, "alpha", percent, seed=0)
    assert torch.equal(mixed.pooled["alpha"], batch.pooled["alpha"])
    moved = (mixed.pooled["beta"] != batch.pooled["beta"]).any(dim=1)
    assert moved.sum().item() == round(percent / 100 * len(batch))
    both = (mixed.pooled["gamma"] != batch.pooled["gamma"]).any(dim=1)
    assert torch.equal(moved, both), "the others move together"
    order = np.lexsort(batch.pooled["beta"].numpy().T)
    mixed_order = np.lexsort(mixed.pooled["beta"].numpy().T)
    np.testing.assert_array_equal(mixed.pooled["beta"].numpy()[mixed_order], batch.pooled["beta"].numpy()[order])


@pytest.mark.parametrize(("percent", "expected"), [(0.2, 2), (0.3, 2), (0.5, 2), (0.75, 3), (0.1, 0)])
def test_an_instance_is_never_chosen_for_mismatching_alone(batch, percent, expected):
    """Of 400 instances: 0.2 % is one, which has nobody to exchange with, so two are mismatched."""
    mixed = mismatch(batch, "alpha", percent, seed=0)
    assert (mixed.pooled["beta"] != batch.pooled["beta"]).any(dim=1).sum().item() == expected


def test_an_instance_without_another_keeps_its_modalities(batch):
    one = batch.rows(slice(0, 1))
    assert torch.equal(mismatch(one, "alpha", 100, seed=0).pooled["beta"], one.pooled["beta"])
