"""What every method keeps to. A new file in baselines/ is tested by this the moment it exists."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from example_data import synthetic_dataset

from pmrl.discovery import method_files
from pmrl.method.base import build_method, load_method
from pmrl.method.embeddings import Batch
from pmrl.method.heads import NetworkSettings
from pmrl.method.networks import Network, embed
from pmrl.training.loop import Stage, train_stage

METHODS = list(method_files())
SMALL = NetworkSettings(dimension=16, hidden=16, width=8, attention_heads=2, dropout=0.0)
CPU = torch.device("cpu")


def network_and_batch(absent: float = 0.0, modalities: int = 3):
    dataset = synthetic_dataset(absent=absent, modalities=modalities)
    torch.manual_seed(0)
    network = Network(dataset, SMALL)
    return network, Batch.from_dataset(dataset, dataset.indices("pretrain"), CPU), dataset


@pytest.fixture(params=METHODS)
def name(request):
    return request.param


def skip_unless_supported(name, dataset):
    card = replace(
        dataset.card,
        modalities={m: replace(v, dimension=8, tokens=(2, 4)) for m, v in dataset.card.modalities.items()},
    )
    supported, reason = load_method(name).supports(card)
    if not supported:
        assert reason, "a method that refuses a data set says why"
        pytest.skip(reason)


def test_says_who_it_is(name):
    cls = load_method(name)
    assert cls.title and cls.reference
    assert cls.color.startswith("#") and len(cls.color) == 7
    assert set(cls.search_grids()) <= set(vars(cls.Hyperparameters()))
    for key, values in cls.search_grids().items():
        assert getattr(cls.Hyperparameters(), key) in values, "tuning must be able to return to the default"


def test_values_that_cannot_change_are_declared_once(name):
    """Nested, frozen, every one with its default: what a config overrides is what the class says."""
    values = load_method(name).Hyperparameters()
    with pytest.raises(FrozenInstanceError):
        values.learning_rate = 1.0


@pytest.mark.parametrize("absent", [0.0, 0.4])
def test_two_steps_of_training_have_finite_gradients(name, absent):
    network, batch, dataset = network_and_batch(absent)
    skip_unless_supported(name, dataset)
    method = build_method(name, {})
    if method.closed_form:
        pytest.skip("fitted in closed form")
    parameters = [*network.parameters(), *method.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.01)
    for _ in range(2):
        terms = method.loss(network(batch))
        assert all(term.shape == () and torch.isfinite(term) for term in terms.values())
        total = sum(terms.values())
        optimizer.zero_grad()
        total.backward()
        gradients = [p.grad for p in parameters if p.grad is not None]
        assert gradients and all(torch.isfinite(g).all() for g in gradients)
        optimizer.step()


@pytest.mark.parametrize("absent", [0.0, 0.4])
def test_scores_are_finite_and_one_for_each_pair(name, absent):
    network, batch, dataset = network_and_batch(absent)
    skip_unless_supported(name, dataset)
    method = build_method(name, {})
    embeddings = embed(network, batch)
    anchor, others = embeddings.select(["alpha"]), embeddings.select(["beta", "gamma"])
    for query, gallery in [(anchor, others), (others, anchor), (anchor, embeddings.select(["beta"]))]:
        scores = method.score(query.rows(slice(0, 7)), gallery)
        assert scores.shape == (7, len(embeddings))
        assert torch.isfinite(scores).all()


def test_scores_do_not_depend_on_the_order_of_instances(name):
    network, batch, dataset = network_and_batch()
    skip_unless_supported(name, dataset)
    method = build_method(name, {})
    embeddings = embed(network, batch)
    query, gallery = embeddings.select(["alpha"]), embeddings.select(["beta", "gamma"])
    order = torch.from_numpy(np.random.default_rng(1).permutation(len(embeddings)))
    torch.testing.assert_close(
        method.score(query.rows(order), gallery.rows(order)),
        method.score(query, gallery)[order][:, order],
        atol=1e-5,
        rtol=1e-5,
    )


def test_the_same_seed_gives_the_same_weights(name, one_thread):
    weights = []
    for _ in range(2):
        dataset = synthetic_dataset()
        skip_unless_supported(name, dataset)
        method = build_method(name, {})
        torch.manual_seed(0)
        network = method.new_network(dataset, SMALL)
        train_stage(network, method, dataset, Stage("continued", "pretrain", 3, 16), 0, CPU)
        weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(*weights)


def test_training_raises_the_recall_of_an_easy_data_set(name):
    """Views of one latent vector are learnable: a method that trains must beat its random start clearly."""
    network, _, dataset = network_and_batch()
    skip_unless_supported(name, dataset)
    if not load_method(name).learns:
        pytest.skip("it learns nothing, by intention")
    foundation = build_method("vast", {"learning_rate": 1e-2})
    train_stage(network, foundation, dataset, Stage("foundation", "pretrain", 40, 20), 0, CPU)
    method = build_method(name, {"learning_rate": 1e-2})
    if method.closed_form:
        network = method.new_network(dataset, SMALL)
    train_stage(network, method, dataset, Stage("continued", "pretrain", 80, 20), 0, CPU)
    held_out = embed(network, Batch.from_dataset(dataset, dataset.indices("test"), CPU))
    scores = method.score(held_out.select(["alpha"]), held_out.select(["beta", "gamma"]))
    recall = (scores.argmax(dim=1) == torch.arange(len(scores))).float().mean()
    assert recall > 5 / len(scores), "chance is 1 / gallery size"


def test_every_method_has_a_title_of_its_own():
    titles = [load_method(name).title for name in method_files()]
    assert len(set(titles)) == len(titles)


def test_a_matching_head_of_no_weight_is_not_computed(name):
    """Matching takes half of a step; at weight 0 it must cost nothing."""
    network, batch, dataset = network_and_batch()
    skip_unless_supported(name, dataset)
    if "matching_weight" not in vars(load_method(name).Hyperparameters()):
        pytest.skip("it has no matching")
    assert "matching" in build_method(name, {}).loss(network(batch))
    network.heads.matching = None
    assert "matching" not in build_method(name, {"matching_weight": 0.0}).loss(network(batch))
