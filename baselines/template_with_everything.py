"""One of each: what a method may need beyond a loss and a score, in code that runs; copy what you need.

The method contrasts two halves of the modalities with each other and with a queue of earlier instances, whose vectors a
slowly moving copy of the network embeds. It serves no other purpose than to show who is called when:

1. ``__init__``; 2. ``new_network``; 3. ``setup``; 4. ``start_from``, if there is a foundation; then for each stage
5. ``new_optimizer`` with the groups of ``parameter_groups``; 6. ``begin_stage``; and for each step 7. ``loss`` and
8. ``after_step``. A checkpoint holds all parameters and buffers of network and method.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn, optim

from pmrl.method import (
    Batch,
    Dataset,
    Embeddings,
    Method,
    Network,
    NetworkSettings,
    ParameterGroup,
    Sizes,
    Temperature,
    info_nce,
    searched,
    value,
)


class TemplateWithEverything(Method):
    """Two halves of the modalities, a teacher and a queue."""

    title = "Template with everything"
    reference = "authors, year, where to find it"
    color = "#666666"
    wants = ("features", "labels", "ids")  # what loss needs of the batch beside its embeddings

    queue: Tensor
    queued: Tensor

    class Hyperparameters(Method.Hyperparameters):
        """``warm_up`` is the share of a stage without the queue, ``momentum`` the teacher's."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
        momentum: float = value(0.99, at_least=0, below=1)
        warm_up: float = value(0.2, at_least=0, at_most=1)
        queue_length: int = value(128, at_least=1, at_most=65536)

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def new_network(self, dataset: Dataset, settings: NetworkSettings) -> Network:
        """Encoders of its own: here the shared ones, with one more linear map for each modality."""
        network = super().new_network(dataset, settings)
        network.encoders = Rotated(network.encoders, dataset.modalities, settings.dimension)
        return network

    def setup(self, sizes: Sizes, network: Network) -> None:
        """Parameters by the number of modalities, a queue by their length, and a copy of the network."""
        self.weight = nn.Parameter(torch.zeros(len(sizes.modalities)))
        length, width = self.hyperparameters.queue_length, sizes.network.dimension
        self.register_buffer("queue", torch.zeros(length, width))
        self.register_buffer("queued", torch.full((length,), -1))  # ids; −1 where nothing is queued yet
        self.teacher = copy.deepcopy(network).requires_grad_(False)

    def start_from(self, network: Network, weights: dict[str, Tensor]) -> None:
        """The foundation knows the shared encoders; the maps added here stay as they are."""
        inner = {name.replace("encoders.", "encoders.inner.", 1): tensor for name, tensor in weights.items()}
        kept = {name: tensor for name, tensor in network.state_dict().items() if name.startswith("encoders.turns.")}
        network.load_state_dict(inner | kept)

    def parameter_groups(self, network: Network) -> Sequence[ParameterGroup]:
        """The weights of the modalities learn ten times as fast as the rest, without decay."""
        return [ParameterGroup([self.weight], rate=10.0, weight_decay=0.0)]

    def new_optimizer(self, groups: list[dict[str, Any]]) -> optim.Optimizer:
        """An optimiser of its own."""
        return optim.NAdam(groups, betas=(0.9, 0.98))

    def begin_stage(self, network: Network, examples: Batch) -> None:
        """The teacher starts each stage as the network, and the queue empty."""
        self.teacher.load_state_dict(network.state_dict())
        self.queued = torch.full_like(self.queued, -1)

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Contrast of two halves of the modalities; from ``warm_up`` on with the queue as further negatives."""
        first, second = embeddings.modalities[::2], embeddings.modalities[1::2]
        query, key = self.side(embeddings, first), self.side(embeddings, second)
        usable = embeddings.select(first).mask().any(dim=1) & embeddings.select(second).mask().any(dim=1)
        logits = query @ key.T
        if self.step.share >= self.hyperparameters.warm_up:  # a second phase
            known = self.queued.unsqueeze(0) == embeddings.ids.unsqueeze(1)  # an instance is not its own negative
            logits = torch.cat([logits, (query @ self.queue.T).masked_fill(known | (self.queued < 0), -1)], dim=1)
        self.step.log("labelled", (embeddings.labels >= 0).float().mean())  # stands in curves.parquet
        self.remember(embeddings)
        return {"contrastive": info_nce(logits / self.temperature(), usable)}

    def side(self, embeddings: Embeddings, names: Sequence[str]) -> Tensor:
        """Unit vectors (batch, dimension) along the weighted sums of some modalities."""
        weights = dict(zip(embeddings.modalities, self.weight.exp(), strict=True))
        total = torch.stack([weights[name] * embeddings.vectors[name] for name in names]).sum(dim=0)
        return nn.functional.normalize(total, dim=-1)

    @torch.no_grad()
    def remember(self, embeddings: Embeddings) -> None:
        """Queue what the teacher makes of the features."""
        vectors = self.side(self.teacher.encode(embeddings.features), embeddings.modalities[1::2])
        length = len(self.queued)
        self.queue = torch.cat([vectors, self.queue])[:length]
        self.queued = torch.cat([embeddings.ids, self.queued])[:length]

    @torch.no_grad()
    def after_step(self, network: Network) -> None:
        """The teacher follows the network slowly."""
        for slow, fast in zip(self.teacher.parameters(), network.parameters(), strict=True):
            slow.lerp_(fast, 1 - self.hyperparameters.momentum)


class Rotated(nn.Module):
    """Encoders followed by a linear map for each modality, which starts as the identity."""

    def __init__(self, inner: nn.Module, modalities: Sequence[str], dimension: int) -> None:
        super().__init__()
        self.inner = inner
        self.turns = nn.ParameterDict({name: nn.Parameter(torch.eye(dimension)) for name in modalities})

    def forward(self, batch: Batch) -> tuple[dict[str, Tensor], Any]:
        """Unit vectors and tokens by modality."""
        vectors, tokens = self.inner(batch)
        return {m: nn.functional.normalize(x @ self.turns[m], dim=-1) for m, x in vectors.items()}, tokens
