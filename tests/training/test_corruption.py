"""What each corruption does, and that all methods get the same draws."""

import numpy as np
import pytest
import torch
from example_data import synthetic_dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from pmrl.errors import UserError
from pmrl.method.batch import Batch
from pmrl.method.heads import NetworkSettings
from pmrl.method.networks import Network
from pmrl.training.corruption import add_noise, drop_modalities, mismatch_anchor, mismatch_modalities

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
        lambda seed: mismatch_anchor(batch, itself(batch), "alpha", 50, seed).pooled["beta"],
        lambda seed: mismatch_modalities(batch, itself(batch), 50, seed).pooled["beta"],
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


def itself(batch):
    """Every item is its own instance."""
    return np.arange(len(batch))


def sources(mixed, batch):
    """{modality: (items,) the row that each row's features come from}; the features of all rows differ."""
    found = {}
    for name, values in batch.pooled.items():
        same = (mixed.pooled[name][:, None] == values[None]).all(dim=2)
        assert (same.sum(dim=1) == 1).all(), "every row holds the features of exactly one item"
        found[name] = same.int().argmax(dim=1).numpy()
    return found


@pytest.mark.parametrize("percent", [0, 30, 100])
def test_a_mismatched_anchor_changes_exactly_the_stated_share(batch, percent):
    found = sources(mismatch_anchor(batch, itself(batch), "alpha", percent, seed=0), batch)
    assert (found["alpha"] == itself(batch)).all()
    assert (found["beta"] != itself(batch)).sum() == round(percent / 100 * len(batch))
    assert (found["beta"] == found["gamma"]).all(), "the others move together, so they still agree"
    assert sorted(found["beta"]) == sorted(itself(batch)), "an exchange: nothing is lost and nothing doubled"


@pytest.mark.parametrize(("percent", "expected"), [(0.2, 2), (0.3, 2), (0.5, 2), (0.75, 3), (0.1, 0)])
def test_an_instance_is_never_chosen_for_mismatching_alone(batch, percent, expected):
    """Of 400 instances: 0.2 % is one, which has nobody to exchange with, so two are mismatched."""
    for mixed in (
        mismatch_anchor(batch, itself(batch), "alpha", percent, seed=0),
        mismatch_modalities(batch, itself(batch), percent, seed=0),
    ):
        assert (mixed.pooled["beta"] != batch.pooled["beta"]).any(dim=1).sum().item() == expected


def test_an_instance_without_another_keeps_its_modalities(batch):
    one = batch.rows(slice(0, 1))
    for mixed in (mismatch_anchor(one, itself(one), "alpha", 100, 0), mismatch_modalities(one, itself(one), 100, 0)):
        assert torch.equal(mixed.pooled["beta"], one.pooled["beta"])


@given(percent=st.floats(0, 100), seed=st.integers(0, 2**32 - 1), modalities=st.integers(2, 5))
@settings(max_examples=40, deadline=None)
def test_mismatching_by_modality_keeps_every_promise(percent, seed, modalities):
    dataset = synthetic_dataset(modalities=modalities, per_split=60)
    batch = Batch.from_dataset(dataset, dataset.indices("test"), CPU)
    mixed = mismatch_modalities(batch, itself(batch), percent, seed)
    found, own = sources(mixed, batch), itself(batch)
    count = round(percent / 100 * len(batch))
    for name, source in found.items():
        moved = source != own
        assert moved.sum() == (2 if count == 1 else count), "the stated share of each modality, the anchor's included"
        assert sorted(source) == sorted(own), "the features of a modality are the same as a set"
        index = torch.from_numpy(source)
        for part in ("pooled", "tokens", "present", "lengths"):
            assert torch.equal(getattr(mixed, part)[name], getattr(batch, part)[name][index]), part
    for row in own:
        foreign = [source[row] for source in found.values() if source[row] != row]
        assert len(set(foreign)) == len(foreign), "the corrupted modalities of an item come from different items"


def test_no_modality_is_corrupted_more_often_with_another_than_by_chance(batch):
    """Cells are drawn independently: at 50 % both of two modalities are wrong in a quarter of the items."""
    found = sources(mismatch_modalities(batch, itself(batch), 50, seed=0), batch)
    wrong = np.stack([source != itself(batch) for source in found.values()])
    both = [(wrong[i] & wrong[j]).mean() for i in range(3) for j in range(i)]
    assert both == pytest.approx([0.25] * 3, abs=0.08)  # four standard errors of 400 draws


def test_absent_cells_neither_give_nor_get_features():
    dataset = synthetic_dataset(per_split=200, absent=0.5)
    batch = Batch.from_dataset(dataset, dataset.indices("test"), CPU)
    mixed = mismatch_modalities(batch, itself(batch), 50, seed=0)
    for name, present in batch.present.items():
        assert torch.equal(mixed.present[name], present)
        changed = (mixed.pooled[name] != batch.pooled[name]).any(dim=1)
        assert not (changed & ~present).any()
        assert changed.sum().item() == round(present.sum().item() / 2)
        assert (mixed.pooled[name][present] != 0).any(dim=1).all()


@pytest.mark.parametrize("seed", range(5))
def test_views_of_one_instance_are_no_mismatch_for_each_other(batch, seed):
    """Five captions of one clip: a caption of the same clip would be right."""
    clips = np.arange(len(batch)) // 5
    anchored = sources(mismatch_anchor(batch, clips, "alpha", 100, seed), batch)
    assert (clips[anchored["beta"]] != clips).all()
    found = sources(mismatch_modalities(batch, clips, 100, seed), batch)
    origins = np.stack([clips, *(clips[source] for source in found.values())])
    assert (np.diff(np.sort(origins, axis=0), axis=0) > 0).all(), "four different clips: its own and three sources"


def test_too_few_items_to_exchange_are_an_error_and_no_endless_search(batch):
    two = batch.rows(slice(0, 2))
    with pytest.raises(UserError, match=r"2 items cannot exchange a modality.*corruption\.mismatched_modality"):
        mismatch_modalities(two, itself(two), 100, seed=0)
