"""Encoders and projection heads, from the stored features of each modality to unit vectors z^m in R^d and tokens."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from pmrl.method.embeddings import Batch
from pmrl.method.sizes import NetworkSettings, Shape


class Encoders(nn.Module):
    """Maps each modality's pooled features to a hidden vector and a unit vector, and its tokens to one width.

    A projection of the hidden vector comes first in the token sequence, so that matching reads what retrieval reads.
    Modalities share no weights; layers that have the same size for all modalities are computed in one matrix product.

    Args:
        shapes: sizes of the features of each modality.
        settings: sizes of the networks.
    """

    def __init__(self, shapes: Mapping[str, Shape], settings: NetworkSettings) -> None:
        super().__init__()
        count, hidden = len(shapes), settings.hidden
        self.sizes = settings.dimension, settings.width
        self.first = nn.ModuleDict({name: nn.Linear(shape.features, hidden) for name, shape in shapes.items()})
        self.dropout = nn.Dropout(settings.dropout)
        self.second = LinearPerModality(count, hidden, hidden)
        # the next layer has a scale and a bias of its own
        self.norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.projection = LinearPerModality(count, hidden, sum(self.sizes))
        self.tokens = nn.ModuleDict(
            {name: nn.Linear(shape.tokens[1], settings.width, bias=False) for name, shape in shapes.items()}
        )
        self.position = nn.ParameterDict(
            {name: nn.Parameter(0.02 * torch.randn(shape.tokens[0], settings.width)) for name, shape in shapes.items()}
        )

    def forward(self, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Unit vectors (batch, dimension) and tokens (batch, 1 + tokens, width) by modality; both zero where absent."""
        hidden = torch.stack([layer(batch.pooled[name]) for name, layer in self.first.items()])
        hidden = self.norm(functional.gelu(self.second(self.dropout(functional.gelu(hidden)))))
        vectors, leading = self.projection(hidden).split(self.sizes, dim=-1)
        present = torch.stack([batch.present[name] for name in self.first]).unsqueeze(-1)
        vectors = functional.normalize(vectors, dim=-1) * present
        sequences = {}
        for i, (name, layer) in enumerate(self.tokens.items()):
            following = layer(batch.tokens[name]) + self.position[name]
            sequences[name] = torch.cat([leading[i].unsqueeze(1), following], dim=1) * present[i].unsqueeze(-1)
        return dict(zip(self.first, vectors, strict=True)), sequences


def zero_tokens(batch: Batch, width: int) -> dict[str, Tensor]:
    """Zero tokens (batch, 1 + tokens, width) by modality, for encoders that make no tokens."""
    return {name: x.new_zeros(len(x), 1 + x.shape[1], width) for name, x in batch.tokens.items()}


class LinearPerModality(nn.Module):
    """A linear layer for each of several modalities, all of one size, initialised like ``nn.Linear``."""

    def __init__(self, modalities: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(modalities, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(modalities, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(modalities, batch, inputs) to (modalities, batch, outputs)."""
        return torch.baddbmm(self.bias, x, self.weight)
