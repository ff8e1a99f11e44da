"""Copy this file to baselines/<name>.py, rename the class, and put <name> into `methods:` of a config.

It runs as it is: InfoNCE between the centroids of two random halves of the modalities. Describe your method here:
what it does, which equation of which paper the loss implements, and what it leaves out.
"""

import torch
from torch import Tensor

from pmrl.method import Embeddings, Method, Temperature, info_nce, searched


class Template(Method):
    """What the method does, in one line; the title appears in tables and figures."""

    title = "Template"
    reference = "authors, year, where to find it"
    color = "#A6761D"

    class Hyperparameters(Method.Hyperparameters):
        """Values that a config may override: the default, the other values that tuning tries, and which are allowed.

        ``value(0.1, at_least=0, below=1)`` declares one that tuning leaves alone.
        """

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)  # parameters of its own are made here

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Named scalar terms, already weighted; ``embeddings.mask()`` says which modalities are present."""
        order = torch.randperm(len(embeddings.modalities)).tolist()
        names = [embeddings.modalities[place] for place in order]
        first, second = embeddings.select(names[::2]), embeddings.select(names[1::2])
        usable = first.mask().any(dim=1) & second.mask().any(dim=1)
        logits = first.centroid() @ second.centroid().T / self.temperature()
        return {"contrastive": info_nce(logits, usable)}

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Scores (queries, gallery items), higher is better; each side holds the modalities that it has."""
        return query.centroid() @ gallery.centroid().T
