"""Everything that a baseline imports; see docs/adding_a_baseline.md."""

from pmrl.data.dataset import Card, Dataset
from pmrl.method.base import Hyperparameters, Method, searched, value
from pmrl.method.contrastive import Temperature, info_nce
from pmrl.method.embeddings import Batch, Embeddings
from pmrl.method.encoders import zero_tokens
from pmrl.method.matching import instance_matching, matchable
from pmrl.method.networks import Network
from pmrl.method.sizes import NetworkSettings, Shape

__all__ = [
    "Batch",
    "Card",
    "Dataset",
    "Embeddings",
    "Hyperparameters",
    "Method",
    "Network",
    "NetworkSettings",
    "Shape",
    "Temperature",
    "info_nce",
    "instance_matching",
    "matchable",
    "searched",
    "value",
    "zero_tokens",
]
