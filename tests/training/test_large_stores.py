"""A data set whose features lie in files trains as one in memory does, for every method."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from example_data import synthetic_dataset
from together import together

from pmrl.data import large, store
from pmrl.discovery import method_files
from pmrl.method.base import build_method, load_method
from pmrl.method.batch import Batch, StoredBatch
from pmrl.method.networks import Network, embed
from pmrl.method.sizes import NetworkSettings, Sizes
from pmrl.training.loop import train_stage
from pmrl.training.reading import drawn
from pmrl.training.stage import Stage

SMALL = NetworkSettings(dimension=16, hidden=16, width=8, attention_heads=2)
CPU = torch.device("cpu")
STAGE = Stage("continued", "pretrain", 6, 15)


@pytest.fixture
def in_files(tmp_path, monkeypatch):
    """The data set from its store, where everything is large, and from memory."""
    dataset = store.save(synthetic_dataset(absent=0.3, modalities=3), tmp_path / "memory")
    monkeypatch.setattr(large, "LARGE", 1)
    store.save(dataset, tmp_path / "files")
    read = store.load(tmp_path / "files")
    assert read.lies_in_files and not dataset.lies_in_files
    return dataset, read


def trained(dataset, name, stage=STAGE):
    """The weights of network and method at the end."""
    torch.manual_seed(0)
    method = build_method(name, {})
    network = method.new_network(dataset, SMALL)
    method.setup(Sizes.of(dataset, SMALL), network)
    train_stage(network, method, dataset, stage, 0, CPU)
    return {**network.state_dict(), **{f"method.{key}": x for key, x in method.state_dict().items()}}, network


@pytest.mark.parametrize("name", method_files())
def test_every_method_ends_with_the_same_weights(name, in_files):
    memory, files = (trained(dataset, name)[0] for dataset in in_files)
    assert all(torch.equal(memory[key], files[key]) for key in memory)
    assert load_method(name).closed_form or any(memory[key].abs().sum() > 0 for key in memory)


@pytest.mark.parametrize(
    "changes",
    [{"mismatched_anchor": 50.0}, {"mismatched_modality": 50.0}, {"missing": 50.0}, {"embedded_at_once": 4}],
    ids=lambda changes: next(iter(changes)),
)
def test_corruptions_and_embedding_in_parts_do_the_same(changes, in_files):
    memory, files = (trained(dataset, "pmrl", replace(STAGE, **changes))[0] for dataset in in_files)
    assert all(torch.equal(memory[key], files[key]) for key in memory)


def test_embeddings_are_the_same(in_files):
    _, network = trained(in_files[0], "pmrl")
    memory, files = (Batch.from_dataset(dataset, dataset.indices("test"), CPU) for dataset in in_files)
    assert isinstance(files, StoredBatch)
    memory, files = embed(network, memory, chunk=7), embed(network, files, chunk=7)
    for name in memory.vectors:
        assert torch.equal(memory.vectors[name], files.vectors[name])
        assert torch.equal(memory.tokens[name], files.tokens[name])


def test_statistics_of_parts_are_those_of_all_rows(in_files, monkeypatch):
    memory = Network(in_files[0], SMALL)
    monkeypatch.setattr(large, "BLOCK", 200)
    files = Network(in_files[1], SMALL)
    for (key, expected), found in zip(memory.state_dict().items(), files.state_dict().values(), strict=True):
        if key.endswith(("mean", "deviation")):
            torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_tokens_are_read_only_where_a_method_reads_them(in_files, monkeypatch):
    read = []
    reading = large.taken
    monkeypatch.setattr(large, "taken", lambda array, rows: read.append(array.ndim) or reading(array, rows))
    _, network = trained(in_files[1], "pairwise")
    read.clear()
    trained_again = build_method("pairwise", {})
    train_stage(network, trained_again, in_files[1], STAGE, 0, CPU)
    assert set(read) == {2}
    train_stage(network, build_method("pmrl", {}), in_files[1], STAGE, 0, CPU)
    assert set(read) == {2, 3}


def test_the_next_batches_are_read_while_one_is_used_and_an_error_is_raised_in_its_turn(in_files):
    examples = Batch.from_dataset(in_files[1], np.arange(40), CPU)
    indices = [np.arange(5), np.arange(5, 10), np.array([99])]  # there is no such row
    draws = drawn(examples, iter(indices), CPU)
    for index, draw in zip(indices[:2], draws, strict=False):
        assert draw.rows.tolist() == index.tolist()
        np.testing.assert_array_equal(draw.own.pooled["beta"], in_files[0].pooled["beta"][index])
    with pytest.raises(IndexError):
        next(draws)


def weights_of(folder):
    large.LARGE = 1
    weights, _ = trained(store.load(folder), "pmrl")
    return {key: x.numpy() for key, x in weights.items()}


def test_two_processes_read_their_parts_and_end_with_the_same_weights(in_files, tmp_path):
    alone = weights_of(tmp_path / "files")
    first, second = together(2, weights_of, tmp_path / "files")
    for key, expected in alone.items():
        np.testing.assert_array_equal(first[key], second[key])
        np.testing.assert_allclose(first[key], expected, atol=2e-4, err_msg=key)
