"""A method gets what it needs: each hook is called when the documents say, with what they say."""

import contract
import pytest
import torch
from example_data import synthetic_dataset

from baselines.template_with_everything import TemplateWithEverything
from pmrl.errors import UserError
from pmrl.experiments.foundation import run_foundation
from pmrl.experiments.run import Run, network_of
from pmrl.experiments.train import train
from pmrl.method import Embeddings, Method, ParameterGroup
from pmrl.method import base as base_module
from pmrl.records import CONTINUED, FOUNDATION, MAIN
from pmrl.study.plan import foundation_settings
from pmrl.training.loop import train_stage
from pmrl.training.optimizer import Optimizer
from pmrl.training.stage import Stage

CPU = torch.device("cpu")
SIZES = {"dimension": 8, "hidden": 8, "width": 8, "attention_heads": 2}


@pytest.fixture
def planted(monkeypatch, tmp_path, one_thread):
    def plant(cls):
        for module in (base_module, contract):
            monkeypatch.setattr(module, "load_method", lambda name: cls)
        return contract.run_of("pairwise", tmp_path)

    return plant


@pytest.mark.parametrize("check", contract.RUN_CHECKS, ids=lambda check: check.__name__)
def test_the_template_with_everything_keeps_the_contract(planted, check):
    check(planted(TemplateWithEverything))


def test_the_template_with_everything_starts_from_the_foundation(planted, tmp_path, monkeypatch):
    dataset = synthetic_dataset()
    about = foundation_settings(contract.CONFIG, dataset.card.name)
    foundation = Run(dataset, FOUNDATION, MAIN, about, 0, tmp_path, CPU)
    run_foundation(foundation)
    original = base_module.load_method
    monkeypatch.setattr(
        base_module, "load_method", lambda name: TemplateWithEverything if name == "pairwise" else original(name)
    )
    run = contract.run_of("pairwise", tmp_path, dataset)
    trained = train(run, run.stage(CONTINUED))
    assert {"labelled", "loss", "contrastive"} <= {quantity for _, quantity, _ in trained.curves.rows}


class Recorder(Method):
    """Notes who is called when."""

    title, reference, color = "Recorder", "a test", "#123456"
    wants = ("features", "labels", "ids")

    def __init__(self, hyperparameters):
        super().__init__(hyperparameters)
        self.calls, self.seen = ["__init__"], []
        self.bias = torch.nn.Parameter(torch.zeros(()))

    def new_network(self, dataset, settings):
        self.calls.append("new_network")
        return super().new_network(dataset, settings)

    def setup(self, sizes, network):
        self.calls.append("setup")
        self.sizes = sizes

    def begin_stage(self, network, examples):
        self.calls.append(f"begin {self.step.stage} {len(examples)}")

    def parameter_groups(self, network):
        return [ParameterGroup([self.bias], rate=3.0, weight_decay=0.0)]

    def loss(self, embeddings):
        self.calls.append(f"loss {self.step.number}/{self.step.steps}")
        self.step.log("twice", 2 * self.step.number)
        self.seen.append(embeddings)
        return {"term": embeddings.stack().square().sum() * 0 + self.bias.square()}

    def after_step(self, network):
        self.calls.append("after_step")


def trained_recorder(cls=Recorder, steps=2):
    dataset = synthetic_dataset()
    method = cls(cls.Hyperparameters())
    network = network_of(method, dataset, SIZES, CPU)
    curves = train_stage(network, method, dataset, Stage(CONTINUED, "pretrain", steps, 16), 0, CPU, lambda *_: {})
    return dataset, network, method, curves


def test_hooks_are_called_in_the_documented_order():
    dataset, _, method, curves = trained_recorder()
    begin = f"begin continued {len(dataset.indices('pretrain'))}"
    steps = ["loss 0/2", "after_step", "loss 1/2", "after_step"]
    assert method.calls == ["__init__", "new_network", "setup", begin, *steps]
    assert [row for row in curves.rows if row[1] == "twice"] == [(0, "twice", 0.0), (1, "twice", 2.0)]


def test_a_method_knows_the_sizes_of_the_data():
    dataset, _, method, _ = trained_recorder()
    sizes = method.sizes
    assert sizes.modalities == dataset.modalities and sizes.anchor == dataset.anchor
    assert sizes.network.dimension == 8 and sizes.items == len(dataset.items)
    assert sizes.shapes["alpha"].features == dataset.pooled["alpha"].shape[1]
    assert sizes.classes == len(dataset.classes)


def test_labels_ids_and_features_are_those_of_the_batch():
    dataset, network, method, _ = trained_recorder()
    batch: Embeddings = method.seen[-1]
    assert len(set(batch.ids.tolist())) == len(batch), "no instance twice in a batch"
    raw = network.standardize(contract_batch(dataset))
    for row, identity in enumerate(batch.ids.tolist()):
        torch.testing.assert_close(batch.features.pooled["alpha"][row], raw.pooled["alpha"][identity])
        label = dataset.items["label"].iloc[identity]
        assert label == (dataset.classes[batch.labels[row]] if batch.labels[row] >= 0 else "")
    part = batch.rows(torch.tensor([3, 1]))
    assert part.ids.tolist() == batch.ids[[3, 1]].tolist() and len(part.features) == 2


def contract_batch(dataset):
    from pmrl.method import Batch

    return Batch.from_dataset(dataset, range(len(dataset.items)), CPU)


def test_what_is_not_wanted_is_not_there():
    class Modest(Recorder):
        wants = ()

    *_, method, _ = trained_recorder(Modest)
    for name in ("features", "labels", "ids"):
        with pytest.raises(UserError, match=f"embeddings.{name} .* write wants = .*'{name}'"):
            getattr(method.seen[0], name)


def test_groups_have_rates_of_their_own_and_the_rest_the_common_one():
    _, network, method, _ = trained_recorder()
    optimizer = Optimizer(network, method, Stage(CONTINUED, "pretrain", 10, 16, weight_decay=0.5))
    common, own = optimizer.inner.param_groups
    assert own["initial_lr"] == pytest.approx(3 * common["initial_lr"]) and own["weight_decay"] == 0
    assert common["weight_decay"] == 0.5 and len(own["params"]) == 1
    assert len(common["params"]) == len(list(network.parameters()))


@pytest.mark.parametrize("hook", ["setup", "begin_stage", "after_step", "parameter_groups", "new_optimizer"])
def test_a_hook_that_fails_is_named_with_its_method(hook):
    def fail(self, *_):
        raise KeyError("nothing here")

    broken = type("Broken", (Recorder,), {hook: fail})
    with pytest.raises(UserError, match=rf"Method 'Recorder': {hook} failed in .*KeyError"):
        trained_recorder(broken)


def test_a_method_may_only_want_what_there_is():
    greedy = type("Greedy", (Recorder,), {"wants": ("features", "captions")})
    with pytest.raises(UserError, match=r"'Recorder': wants 'captions'; a batch has features, labels, ids"):
        trained_recorder(greedy)
