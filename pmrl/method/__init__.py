"""Everything that a baseline imports; see docs/adding_a_baseline.md."""

from pmrl.data.dataset import Card, Dataset
from pmrl.losses import info_nce
from pmrl.method.base import Hyperparameters, Method, searched, value
from pmrl.method.batch import Batch
from pmrl.method.embeddings import Embeddings
from pmrl.method.encoders import zero_tokens
from pmrl.method.matching import instance_matching, matchable
from pmrl.method.networks import Network
from pmrl.method.scores import attended, one_against_several
from pmrl.method.sizes import NetworkSettings, Shape, Sizes
from pmrl.method.steps import ParameterGroup, Step
from pmrl.method.temperature import Temperature

__all__ = [
    "Batch",
    "Card",
    "Dataset",
    "Embeddings",
    "Hyperparameters",
    "Method",
    "Network",
    "NetworkSettings",
    "ParameterGroup",
    "Shape",
    "Sizes",
    "Step",
    "Temperature",
    "attended",
    "info_nce",
    "instance_matching",
    "matchable",
    "one_against_several",
    "searched",
    "value",
    "zero_tokens",
]
