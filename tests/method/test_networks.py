"""The shared networks against the same computation done plainly."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from example_data import synthetic_dataset
from torch import nn
from torch.nn import functional

from pmrl.method.batch import Batch, Lazy
from pmrl.method.encoders import TwoLayerEncoders
from pmrl.method.heads import Attention
from pmrl.method.networks import Network
from pmrl.method.sizes import NetworkSettings, Shape

SMALL = NetworkSettings(dimension=16, hidden=16, width=8, attention_heads=2)


def test_attention_is_that_of_torch():
    """Multi-head attention with the same weights, as PyTorch has it, tokens missing."""
    torch.manual_seed(0)
    ours, reference = Attention(8, 2), torch.nn.MultiheadAttention(8, 2, batch_first=True)
    x, context = torch.randn(3, 4, 8), torch.randn(3, 5, 8)
    absent = torch.rand(3, 5) < 0.4
    absent[:, 0] = False
    query, offset = ours.query[1], torch.randn(8)  # any offset of the keys: softmax does not see it
    with torch.no_grad():
        maps = [query.weight, ours.key.flatten(0, 1), ours.value.mT.flatten(0, 1)]
        reference.in_proj_weight.copy_(torch.cat(maps))
        reference.in_proj_bias.copy_(torch.cat([query.bias, offset, torch.zeros(8)]))
        reference.out_proj.load_state_dict(ours.output.state_dict())
    keys = ours.norm(context)
    expected, _ = reference(ours.query[0](x), keys, keys, key_padding_mask=absent)
    found = ours.attend(ours.queries(x), keys, absent)
    torch.testing.assert_close(found, expected)


def test_encoding_all_modalities_at_once_is_encoding_each_alone():
    dataset = synthetic_dataset(absent=0.3)
    encoders, batch = encoders_and_batch(dataset, "two_layers")
    vectors, tokens = encoders(batch)
    for i, name in enumerate(dataset.modalities):
        present = batch.present[name]
        hidden = functional.gelu(encoders.first[name](batch.pooled[name][present]))
        hidden = functional.gelu(hidden @ encoders.second.weight[i] + encoders.second.bias[i])
        projected = functional.layer_norm(hidden, (16,)) @ encoders.projection.weight[i] + encoders.projection.bias[i]
        torch.testing.assert_close(vectors[name][present], functional.normalize(projected[:, :16], dim=1))
        torch.testing.assert_close(tokens[name][present][:, 0], projected[:, 16:])
        assert_stored_tokens_follow(encoders, batch, vectors, tokens, name)


def test_linear_encoders_project_the_features_of_each_modality():
    dataset = synthetic_dataset(absent=0.3)
    encoders, batch = encoders_and_batch(dataset, "linear")
    vectors, tokens = encoders(batch)
    for i, name in enumerate(dataset.modalities):
        present, layer = batch.present[name], encoders.first[name]
        projected = batch.pooled[name][present] @ layer.weight.T + layer.bias
        torch.testing.assert_close(vectors[name][present], projected / projected.norm(dim=1, keepdim=True))
        leading = projected @ encoders.leading.weight[i] + encoders.leading.bias[i]
        torch.testing.assert_close(tokens[name][present][:, 0], leading)
        assert_stored_tokens_follow(encoders, batch, vectors, tokens, name)


def encoders_and_batch(dataset, encoder):
    """The encoders of a network in evaluation mode, and the standardised test split."""
    torch.manual_seed(0)
    network = Network(dataset, replace(SMALL, encoder=encoder)).eval()
    batch = network.standardize(Batch.from_dataset(dataset, dataset.indices("test"), torch.device("cpu")))
    return network.encoders, batch


def assert_stored_tokens_follow(encoders, batch, vectors, tokens, name):
    present = batch.present[name]
    following = batch.tokens[name][present] @ encoders.tokens[name].weight.T + encoders.position[name]
    torch.testing.assert_close(tokens[name][present][:, 1:], following)
    assert not vectors[name][~present].any() and not tokens[name][~present].any()


def test_tokens_that_nobody_reads_are_not_computed():
    dataset = synthetic_dataset()
    encoders, batch = encoders_and_batch(dataset, "linear")
    for layer in encoders.tokens.values():
        layer.register_forward_hook(lambda *_: pytest.fail("tokens were computed"))
    vectors, tokens = encoders(batch)
    assert set(vectors) == set(tokens) == set(dataset.modalities)


def test_what_padding_holds_changes_nothing():
    dataset, device = synthetic_dataset(), torch.device("cpu")
    random = np.random.default_rng(0)
    lengths = {m: random.integers(1, 1 + x.shape[1], len(x)).astype(np.int32) for m, x in dataset.tokens.items()}
    padding = {m: np.arange(x.shape[1]) >= lengths[m][:, None] for m, x in dataset.tokens.items()}

    def logits(filler):
        tokens = {m: np.where(padding[m][:, :, None], x.dtype.type(filler), x) for m, x in dataset.tokens.items()}
        padded = replace(dataset, tokens=tokens, lengths=lengths)
        torch.manual_seed(0)
        network = Network(padded, replace(SMALL, layers=2)).eval()
        embeddings = network(Batch.from_dataset(padded, padded.indices("test"), device))
        rows = torch.arange(len(embeddings))
        return network.heads.matching(network.heads.matching.read(embeddings), rows.unsqueeze(1), rows.roll(1))

    assert any(some.any() for some in padding.values())
    torch.testing.assert_close(logits(0), logits(50), rtol=0, atol=0)


def test_layers_per_modality_start_like_linear_layers():
    torch.manual_seed(0)
    layer = TwoLayerEncoders(
        {"a": Shape(9, (2, 4)), "b": Shape(3, (2, 4))}, NetworkSettings(hidden=400, dimension=300, width=100)
    ).second
    plain = nn.Linear(400, 400)
    for values, reference in ((layer.weight, plain.weight), (layer.bias, plain.bias)):
        assert values.abs().max() <= 400**-0.5
        torch.testing.assert_close(values.std(), reference.std(), rtol=0.1, atol=0)


def test_lazy_tensors_are_computed_once_and_only_those_that_are_read():
    computed = []

    def double(name, x):
        computed.append(name)
        return 2 * x

    lazy = Lazy({"a": torch.ones(2), "b": torch.ones(3), "c": torch.ones(1)}, double, ["b", "a"])
    assert list(lazy) == ["b", "a"] and len(lazy) == 2 and not computed
    assert torch.equal(lazy["a"], 2 * torch.ones(2)) and lazy["a"] is lazy["a"]
    assert computed == ["a"]
    with pytest.raises(KeyError):
        lazy["c"]
