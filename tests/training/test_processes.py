"""Several processes that train together: loss and gradients are those of one process with the joint batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from example_data import synthetic_dataset
from together import together

from pmrl.discovery import method_files
from pmrl.errors import UserError
from pmrl.method import Sizes
from pmrl.method.base import build_method, load_method
from pmrl.method.batch import Batch
from pmrl.method.heads import NetworkSettings
from pmrl.method.networks import Network
from pmrl.training import processes
from pmrl.training.batches import About
from pmrl.training.loop import Training, set_mode, train_stage
from pmrl.training.stage import Stage

SMALL = NetworkSettings(dimension=16, hidden=16, width=8, attention_heads=2)
CPU = torch.device("cpu")
METHODS = [name for name in method_files() if not load_method(name).closed_form]


def training_of(name, stage, absent=0.3):
    dataset = synthetic_dataset(absent=absent, modalities=3)
    torch.manual_seed(0)
    network, method = Network(dataset, SMALL), build_method(name, {})
    method.setup(Sizes.of(dataset, SMALL), network)
    examples = network.standardize(Batch.from_dataset(dataset, dataset.indices("pretrain"), CPU))
    about = About.of(dataset, "pretrain", CPU)
    set_mode(True, network, method)
    training = Training(network, method, stage, examples, about, examples, None, name, CPU)
    method.begin_stage(network, examples)
    return training


def loss_and_gradients(name, stage):
    """Loss of a batch of 15, mean over the processes, and the gradient of every parameter."""
    training = training_of(name, stage)
    torch.manual_seed(1)
    own, embeddings = training.embedded(next(training.drawn([np.arange(15)])))
    loss = torch.stack(tuple(training.method.loss(embeddings).values())).sum()
    training.optimizer.backward(loss)
    own.finish()
    processes.average_gradients(training.optimizer.parameters)
    named = {**dict(training.network.named_parameters()), **dict(training.method.named_parameters())}
    return loss.item(), {n: None if p.grad is None else p.grad.numpy() for n, p in named.items()}


def all_methods(stage):
    return {name: loss_and_gradients(name, stage) for name in METHODS}


STAGE = Stage("continued", "pretrain", 4, 15)


@pytest.fixture(scope="module")
def alone():
    return all_methods(STAGE)


@pytest.fixture(scope="module", params=[(2, 0), (3, 2)], ids=["two", "three, two instances at once"])
def shared(request):
    count, at_once = request.param
    return together(count, all_methods, replace(STAGE, embedded_at_once=at_once))


@pytest.mark.parametrize("name", METHODS)
def test_loss_and_gradients_are_those_of_one_process_with_the_joint_batch(name, alone, shared):
    loss, gradients = alone[name]
    assert np.mean([results[name][0] for results in shared]) == pytest.approx(loss, abs=1e-5, rel=1e-5)
    assert any(gradient is not None and np.abs(gradient).max() > 1e-3 for gradient in gradients.values())
    for results in shared:
        for parameter, gradient in gradients.items():
            found = results[name][1][parameter]
            if gradient is None:
                assert found is None, parameter
            else:
                np.testing.assert_allclose(found, gradient, rtol=1e-5, atol=1e-5, err_msg=parameter)


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_embedded_in_parts_has_the_loss_and_gradients_of_the_whole(name, alone):
    loss, gradients = alone[name]
    in_parts, found = loss_and_gradients(name, replace(STAGE, embedded_at_once=4))
    assert in_parts == pytest.approx(loss, rel=1e-5, abs=1e-6)
    for parameter, gradient in gradients.items():
        if gradient is not None:
            np.testing.assert_allclose(found[parameter], gradient, rtol=1e-5, atol=1e-5, err_msg=parameter)


def trained_weights(dropout=0.0):
    dataset = synthetic_dataset(absent=0.2, modalities=3)
    torch.manual_seed(0)
    network = Network(dataset, replace(SMALL, dropout=dropout))
    curves = train_stage(network, build_method("pmrl", {}), dataset, Stage("continued", "pretrain", 6, 15), 0, CPU)
    return {n: x.numpy() for n, x in network.state_dict().items()}, curves.rows


def test_a_training_by_two_processes_ends_with_the_weights_of_one():
    (weights, curve), (first, _), (second, _) = trained_weights(), *together(2, trained_weights)
    for name in weights:
        np.testing.assert_array_equal(first[name], second[name])
        np.testing.assert_allclose(first[name], weights[name], atol=2e-4, err_msg=name)
    assert all(quantity == "gradient_norm" for _, quantity, _ in curve)


def test_processes_drop_out_different_features_and_still_agree_on_the_weights():
    (first, _), (second, _) = together(2, trained_weights, 0.5)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def own_masks():
    torch.manual_seed(0)
    with processes.own_draws("test", device=CPU):
        own = torch.rand(5)
    return own.numpy(), torch.rand(5).numpy()


def test_draws_of_the_encoders_differ_between_processes_and_those_of_the_loss_do_not():
    (first, common), (second, same) = together(2, own_masks)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(common, same)


def refused():
    with pytest.raises(UserError, match=r"2 processes share a batch of 1 instances"):
        processes.check_share(1)
    return True


def test_more_processes_than_instances_of_a_batch_are_refused():
    assert together(2, refused) == [True, True]


def survivor():
    if processes.place() == 1:
        return "gone"
    with pytest.raises(UserError, match="Another process of this training has stopped"):
        for _ in range(3):
            processes.gathered(torch.ones(2, 2), [2, 2])
    return "told"


def test_a_process_whose_neighbour_is_gone_says_so():
    assert together(2, survivor) == ["told", "gone"]


def test_gradients_flow_through_rows_of_unequal_parts():
    """Each process sums w_p · x over all rows with its own w_p: the gradient of a row is the sum of all w_p."""
    assert together(2, _unequal) == [[[3.0]] * 3, [[3.0]] * 2]


def _unequal():
    rows = torch.ones(3 - processes.place(), 1, requires_grad=True)
    (processes.gathered(rows, [3, 2]).sum() * (1 + processes.place())).backward()
    return rows.grad.tolist()
