"""Zero-shot classification by class names: who takes part, and that the nearest name is found."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from example_data import synthetic_dataset
from torch import nn
from torch.nn import functional

from pmrl.evaluation.class_names import class_name_probes
from pmrl.method import Embeddings, Method
from pmrl.records import TEXT

SIZE = 8


class FirstFeatures(nn.Module):
    """Embeds every modality by its first features, normalised."""

    def __init__(self, anchor):
        super().__init__()
        self.anchor, self.heads = anchor, None
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, batch):
        vectors = {
            name: functional.normalize(self.scale * values[:, :SIZE], dim=1) * batch.present[name].unsqueeze(1)
            for name, values in batch.pooled.items()
        }
        return Embeddings(vectors, batch.tokens, batch.present, batch.lengths, self.anchor, self.heads)


class Cosine(Method):
    title, reference, color = "Cosine", "none", "#000000"


METHOD = Cosine(Method.Hyperparameters())


def named_dataset(texts=("alpha",)):
    """Instances around one centre per class in every modality, where the name of a class is its centre."""
    random = np.random.default_rng(0)
    dataset = synthetic_dataset()
    centres = random.normal(size=(2, SIZE)).astype(np.float32)
    codes = (dataset.items["label"] == "class1").to_numpy().astype(int)
    pooled = {
        name: np.pad(centres[codes] + 0.3 * random.normal(size=(len(codes), SIZE)), ((0, 0), (0, x.shape[1] - SIZE)))
        for name, x in dataset.pooled.items()
    }
    modalities = {
        name: replace(modality, kind=TEXT if name in texts else "picture")
        for name, modality in dataset.card.modalities.items()
    }
    names = centres, np.zeros((2, *dataset.tokens["alpha"].shape[1:]), np.float16)
    arrays = {name: values.astype(np.float32) for name, values in pooled.items()}
    return replace(dataset, card=replace(dataset.card, modalities=modalities), pooled=arrays, class_names=names)


def probes(dataset, rows=None):
    rows = np.arange(len(dataset.items)) if rows is None else rows
    return class_name_probes(FirstFeatures("alpha"), METHOD, dataset, rows)


def test_the_nearest_name_is_the_class():
    (found,) = probes(named_dataset())
    assert found.accuracy > 95 and found.auc > 95 and found.classes == 2 and found.n == 160


def test_exchanged_names_turn_every_answer_round():
    dataset = named_dataset()
    pooled, tokens = dataset.class_names
    (right,), (wrong,) = probes(dataset), probes(replace(dataset, class_names=(pooled[::-1].copy(), tokens)))
    assert (right.correct + wrong.correct == 1).all()


def test_texts_take_no_part():
    dataset = named_dataset(texts=("alpha", "gamma"))
    scrambled = {name: np.roll(x, 1, axis=0) if name != "beta" else x for name, x in dataset.pooled.items()}
    (found,), (again,) = probes(dataset), probes(replace(dataset, pooled=scrambled))
    assert (found.correct == again.correct).all()
    moved = {name: np.roll(x, 80, axis=0) if name == "beta" else x for name, x in dataset.pooled.items()}
    assert (probes(replace(dataset, pooled=moved))[0].correct != found.correct).any(), "what is no text takes part"


def test_only_instances_with_something_else_than_a_text_are_classified():
    dataset = named_dataset(texts=("alpha", "gamma"))
    present = {**dataset.present, "beta": np.arange(160) >= 30}
    (found,) = probes(replace(dataset, present=present), np.arange(20, 120))
    assert (found.rows == np.arange(10, 100)).all(), "rows count within what was asked for"


@pytest.mark.parametrize("texts", [("alpha", "beta", "gamma"), ()], ids=["nothing but texts", "no names"])
def test_without_names_or_without_other_modalities_there_is_no_probe(texts):
    dataset = named_dataset(texts)
    assert probes(dataset if texts else replace(dataset, class_names=None)) == []
