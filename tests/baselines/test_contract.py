"""What every method keeps to. A new file in baselines/ is tested by this the moment it exists."""

import random
from dataclasses import FrozenInstanceError, replace

import contract
import numpy as np
import pytest
import torch
from example_data import synthetic_dataset
from torch import nn
from torch.nn import functional

from pmrl.discovery import method_files
from pmrl.errors import UserError
from pmrl.experiments import resume
from pmrl.experiments import run as run_module
from pmrl.experiments.run import network_of
from pmrl.method import Method, Sizes, Temperature, info_nce, searched
from pmrl.method import base as base_module
from pmrl.method.base import build_method, load_method
from pmrl.method.batch import Batch
from pmrl.method.heads import NetworkSettings
from pmrl.method.networks import Network, embed
from pmrl.training import loop
from pmrl.training.loop import train_stage
from pmrl.training.stage import Stage

METHODS = list(method_files())
SMALL = NetworkSettings(dimension=16, hidden=16, width=8, attention_heads=2, dropout=0.0)
CPU = torch.device("cpu")


def network_and_batch(absent: float = 0.0, modalities: int = 3):
    dataset = synthetic_dataset(absent=absent, modalities=modalities)
    torch.manual_seed(0)
    network = Network(dataset, SMALL)
    return network, Batch.from_dataset(dataset, dataset.indices("pretrain"), CPU), dataset


def set_up(name, values, dataset, network):
    """A method for a network that was made without it."""
    method = build_method(name, values)
    method.setup(Sizes.of(dataset, SMALL), network)
    return method


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
    method = set_up(name, {}, dataset, network)
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
    method = set_up(name, {}, dataset, network)
    embeddings = embed(network, batch)
    anchor, others = embeddings.select(["alpha"]), embeddings.select(["beta", "gamma"])
    for query, gallery in [(anchor, others), (others, anchor), (anchor, embeddings.select(["beta"]))]:
        scores = method.score(query.rows(slice(0, 7)), gallery)
        assert scores.shape == (7, len(embeddings))
        assert torch.isfinite(scores).all()


def test_scores_do_not_depend_on_the_order_of_instances(name):
    network, batch, dataset = network_and_batch()
    skip_unless_supported(name, dataset)
    method = set_up(name, {}, dataset, network)
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
        network = network_of(method, dataset, vars(SMALL), CPU)
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
    method = set_up(name, {"learning_rate": 1e-2}, dataset, network)
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
    assert "matching" in set_up(name, {}, dataset, network).loss(network(batch))
    network.heads.matching = None
    assert "matching" not in set_up(name, {"matching_weight": 0.0}, dataset, network).loss(network(batch))


@pytest.mark.parametrize("check", contract.RUN_CHECKS, ids=lambda check: check.__name__)
def test_a_run_can_rely_on_it(name, check, tmp_path, one_thread):
    dataset = synthetic_dataset()
    skip_unless_supported(name, dataset)
    check(contract.run_of(name, tmp_path, dataset))


def test_every_value_has_a_range_or_choices_and_refuses_what_is_outside(name, tmp_path):
    contract.check_values_have_ranges(contract.run_of(name, tmp_path))


@pytest.mark.parametrize("absent", [0.0, 0.4])
def test_two_modalities_are_enough_or_refused_with_a_reason(name, absent):
    network, batch, dataset = network_and_batch(absent, modalities=2)
    skip_unless_supported(name, dataset)
    method = set_up(name, {}, dataset, network)
    if not method.closed_form:
        terms = method.loss(network(batch))
        assert terms and all(torch.isfinite(term) for term in terms.values())
    embeddings = embed(network, batch)
    scores = method.score(embeddings.select(["alpha"]), embeddings.select(["beta"]))
    assert scores.shape == (len(embeddings),) * 2 and torch.isfinite(scores).all()


@pytest.mark.parametrize("name", ["foundation", "main", "raw_features", "all", "others", "pmrl", "Foundation"])
def test_a_baseline_may_not_be_called_what_means_something_else_in_the_results(monkeypatch, tmp_path, name):
    (tmp_path / f"{name}.py").write_text("")
    monkeypatch.setattr("pmrl.discovery.BASELINES", tmp_path)
    with pytest.raises(UserError, match=rf"{name}\.py: the name '{name}' stands for something else .* Rename the file"):
        method_files()


# Methods with modules and state of their own ------------------------------------------------------------------------


class Own(Method):
    """A method with all that it may have of its own: weights, dropout, and a running mean in a buffer."""

    title, reference, color = "Own", "a test", "#123456"

    class Hyperparameters(Method.Hyperparameters):
        temperature: float = searched(0.07, 0.1, above=0)

    def __init__(self, hyperparameters):
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)
        self.strength = nn.Parameter(torch.randn(()))

    def new_network(self, dataset, settings):
        network = super().new_network(dataset, settings)
        size = settings.dimension
        self.projection = nn.Sequential(nn.Linear(size, size), nn.Dropout(0.5), nn.Linear(size, size))
        self.register_buffer("mean", torch.zeros(size))
        return network

    def projected(self, side):
        return functional.normalize(self.strength * self.projection(side.centroid()) - self.mean, dim=-1)

    def remember(self, vectors):
        self.mean = 0.9 * self.mean + 0.1 * vectors.mean(dim=0).detach()

    def loss(self, embeddings):
        first, second = (self.projected(embeddings.select(names)) for names in ([embeddings.anchor], embeddings.others))
        self.remember(first)
        return {"contrastive": info_nce(first @ second.T / self.temperature())}

    def score(self, query, gallery):
        return self.projected(query) @ self.projected(gallery).T


class DropsOutInScores(Own):
    """Dropout that does not ask whether the method trains."""

    def projected(self, side):
        return functional.dropout(super().projected(side), 0.5)


class DrawsWithoutSeed(Own):
    """Weights from a generator that the run cannot seed."""

    def __init__(self, hyperparameters):
        super().__init__(hyperparameters)
        self.strength = nn.Parameter(torch.tensor(np.random.default_rng().normal(), dtype=torch.float32))


class RemembersEarlierRuns(Own):
    """State of the class instead of the instance."""

    means: list = []

    def remember(self, vectors):
        self.means.append(vectors.mean(dim=0).detach())
        self.mean = torch.stack(self.means).mean(dim=0)


class MakesParametersLate(Own):
    """Parameters that the optimiser has never seen."""

    def projected(self, side):
        vectors = super().projected(side)
        if not hasattr(self, "late"):
            self.late = nn.Linear(vectors.shape[1], vectors.shape[1])
        return self.late(vectors)


class MakesBuffersLate(Own):
    """A buffer that a fresh method does not have, so that its checkpoint cannot be loaded."""

    def remember(self, vectors):
        self.register_buffer("bank", vectors.detach())


class KeepsStateAside(Own):
    """A running mean in a plain attribute, which no checkpoint holds."""

    aside = 0.0

    def remember(self, vectors):
        self.aside = 0.5 * self.aside + 0.5 * vectors.mean(dim=0).detach()

    def projected(self, side):
        return functional.normalize(super().projected(side) - self.aside, dim=-1)


class HasFreeValue(Own):
    """A hyper-parameter without a range."""

    class Hyperparameters(Own.Hyperparameters):
        weight: float = 1.0


@pytest.fixture
def plant(monkeypatch, tmp_path, one_thread):
    """A run of a class of this file, in the place of a method."""

    def planted(cls):
        for module in (base_module, contract):
            monkeypatch.setattr(module, "load_method", lambda name: cls)
        return contract.run_of("pairwise", tmp_path)

    return planted


@pytest.mark.parametrize("check", [*contract.RUN_CHECKS, contract.check_values_have_ranges])
def test_a_method_may_have_weights_dropout_and_buffers_of_its_own(plant, check):
    check(plant(Own))


@pytest.mark.parametrize(
    ("broken", "check", "message"),
    [
        (DropsOutInScores, contract.check_scores_are_repeatable, "two evaluations of one model differ"),
        (DrawsWithoutSeed, contract.check_seeds_are_independent, "seed 1 alone and after seed 0"),
        (RemembersEarlierRuns, contract.check_seeds_are_independent, "seed 1 alone and after seed 0"),
        (MakesParametersLate, contract.check_everything_is_trained, r"'Own': late.bias, late.weight was made while"),
        (MakesBuffersLate, contract.check_training_can_stop_between_stages, r"'Own': bank was made while training"),
        (KeepsStateAside, contract.check_training_can_stop_between_stages, "training after a restart: .* differ"),
        (HasFreeValue, contract.check_values_have_ranges, "weight has neither a range nor choices"),
    ],
)
def test_the_contract_catches_a_method_that_breaks_it(plant, broken, check, message):
    with pytest.raises((AssertionError, UserError), match=message):
        check(plant(broken))


def test_a_method_may_draw_from_the_generators_of_numpy_and_python(plant):
    class DrawsElsewhere(Own):
        def __init__(self, hyperparameters):
            super().__init__(hyperparameters)
            self.strength = nn.Parameter(torch.tensor(np.random.normal() + random.random(), dtype=torch.float32))

        def remember(self, vectors):
            self.mean = self.mean + np.random.normal() + random.random()

    contract.check_seeds_are_independent(plant(DrawsElsewhere))
    contract.check_training_can_stop_between_stages(plant(DrawsElsewhere))


def test_without_the_runs_seed_own_weights_depend_on_what_ran_before(plant, monkeypatch):
    monkeypatch.setattr(run_module, "seed_draws", lambda *purpose: None)
    with pytest.raises(AssertionError, match="seed 1 alone and after seed 0"):
        contract.check_seeds_are_independent(plant(Own))


@pytest.mark.parametrize("module", [loop, resume], ids=["after training", "after loading"])
def test_in_training_mode_own_dropout_changes_the_scores(plant, monkeypatch, module):
    monkeypatch.setattr(module, "set_mode", lambda training, network, method: network.train(training))
    with pytest.raises(AssertionError, match=r"two evaluations of one model differ|otherwise after it is loaded"):
        contract.check_scores_are_repeatable(plant(Own))
