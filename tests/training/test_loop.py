"""The loop that all methods share."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from example_data import synthetic_dataset

from pmrl.errors import UserError
from pmrl.evaluation.diagnosis import geometry
from pmrl.method.base import build_method
from pmrl.method.batch import Batch
from pmrl.method.heads import NetworkSettings
from pmrl.method.networks import Network, Standardize, embed
from pmrl.seeds import derived_seed
from pmrl.training.batches import batch_indices
from pmrl.training.loop import train_stage
from pmrl.training.optimizer import learning_rate_factor
from pmrl.training.stage import Stage

SMALL = NetworkSettings(dimension=16, hidden=16, width=8, attention_heads=2)
CPU = torch.device("cpu")


def test_batches_are_disjoint_within_an_epoch_and_differ_between_epochs():
    batches = list(batch_indices(np.arange(10), batch_size=3, steps=6, seed=1))
    assert len(batches) == 6
    first, second = np.concatenate(batches[:3]), np.concatenate(batches[3:])
    for epoch in (first, second):
        assert len(set(epoch.tolist())) == 9 and epoch.min() >= 0 and epoch.max() < 10
    assert not np.array_equal(first, second)


def test_learning_rate_warms_up_over_a_tenth_and_decays_to_zero():
    factors = [learning_rate_factor(step, 100) for step in range(101)]
    assert factors[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert np.argmax(factors) in (9, 10) and factors[100] == 0
    assert all(a >= b for a, b in pairwise(factors[10:]))


def test_seeds_depend_on_their_purpose_and_on_nothing_else():
    assert derived_seed("batches", "digits", 0) == derived_seed("batches", "digits", 0)
    seeds = {derived_seed(purpose, data, i) for purpose in ("batches", "noise") for data in "ab" for i in range(50)}
    assert len(seeds) == 200


def test_every_method_sees_the_same_batches(monkeypatch):
    seen = {}
    dataset = synthetic_dataset()
    for name in ("pmrl", "pairwise"):
        torch.manual_seed(0)
        network, method = Network(dataset, SMALL), build_method(name, {})
        seen[name] = []
        encode = network.encode
        monkeypatch.setattr(
            network, "encode", lambda batch, n=name, f=encode: (seen[n].append(batch.pooled["alpha"]), f(batch))[1]
        )
        train_stage(network, method, dataset, Stage("continued", "pretrain", 4, 16), 0, CPU)
    training = {name: [x for x in batches if len(x) == 16] for name, batches in seen.items()}
    assert len(training["pmrl"]) == 4
    assert all(torch.equal(a, b) for a, b in zip(training["pmrl"], training["pairwise"], strict=True))


def test_a_batch_larger_than_the_split_is_refused():
    dataset = synthetic_dataset(per_split=10)
    stage = Stage("continued", "pretrain", 1, 11)
    with pytest.raises(UserError, match=r"batch of 11 .* 'pretrain' \(10 instances\)"):
        train_stage(Network(dataset, SMALL), build_method("pmrl", {}), dataset, stage, 0, CPU)


def test_an_infinite_loss_names_the_method_the_term_and_the_step():
    dataset = synthetic_dataset()
    method = build_method("pairwise", {})
    method.loss = lambda embeddings: {"contrastive": embeddings.stack().sum() * float("nan")}
    with pytest.raises(UserError, match=r"'Pairwise'.*'contrastive' is nan at step 0"):
        train_stage(Network(dataset, SMALL), method, dataset, Stage("continued", "pretrain", 1, 8), 0, CPU)


def test_vectors_are_unit_where_present_and_zero_where_absent():
    dataset = synthetic_dataset(absent=0.4)
    embeddings = embed(Network(dataset, SMALL), Batch.from_dataset(dataset, dataset.indices("test"), CPU))
    lengths, mask = embeddings.stack().norm(dim=-1), embeddings.mask()
    torch.testing.assert_close(lengths[mask], torch.ones(int(mask.sum())))
    assert (lengths[~mask] == 0).all()
    assert not mask.all()


def test_chunks_do_not_change_embeddings():
    dataset = synthetic_dataset()
    network, batch = Network(dataset, SMALL), Batch.from_dataset(dataset, dataset.indices("test"), CPU)
    torch.testing.assert_close(embed(network, batch, chunk=7).stack(), embed(network, batch).stack())


def test_standardized_features_have_mean_zero_and_deviation_one_unless_constant():
    random = np.random.default_rng(0)
    x = random.normal(5, 3, size=(200, 4)).astype(np.float32)
    x[:, 3] = 7
    standardized = Standardize([x])(torch.from_numpy(x))
    assert standardized.mean(dim=0).tolist() == pytest.approx([0] * 4, abs=1e-4)
    assert standardized.std(dim=0, correction=0).tolist() == pytest.approx([1, 1, 1, 0], abs=1e-4)


def test_geometry_of_equal_vectors_is_rank_one():
    dataset = synthetic_dataset(modalities=3)
    embeddings = embed(Network(dataset, SMALL), Batch.from_dataset(dataset, dataset.indices("test"), CPU))
    same = embeddings.vectors["alpha"]
    embeddings.vectors.update(beta=same, gamma=same)
    values = geometry(embeddings)
    assert [values[f"sigma_{j}"] for j in (1, 2, 3)] == pytest.approx([3**0.5, 0, 0], abs=1e-3)
    distances = torch.cdist(same, same).square()
    off_diagonal = distances[~torch.eye(len(same), dtype=torch.bool)]
    assert values["uniformity"] == pytest.approx((-2 * off_diagonal).exp().mean().log().item(), rel=1e-3)


def test_no_two_views_of_one_instance_share_a_batch_and_every_view_is_drawn():
    """Five captions of each of eight clips, in mixed order."""
    instances = pd.factorize(np.random.default_rng(0).permutation(np.repeat(np.arange(8), 5)))[0]
    batches = list(batch_indices(instances, batch_size=4, steps=400, seed=2))
    assert all(len(set(instances[batch])) == 4 for batch in batches)
    drawn = np.bincount(np.concatenate(batches), minlength=40)
    assert drawn.min() > 0.5 * drawn.mean() and drawn.max() < 2 * drawn.mean()


def test_without_repeated_instances_batches_are_those_of_plain_permutations():
    generator = np.random.default_rng(5)
    expected = [
        order[start : start + 3] for order in [generator.permutation(9) for _ in range(2)] for start in (0, 3, 6)
    ]
    found = list(batch_indices(np.arange(9), batch_size=3, steps=6, seed=5))
    assert all(np.array_equal(*pair) for pair in zip(expected, found, strict=True))
