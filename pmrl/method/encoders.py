"""Encoders of the shared network: from the stored features of each modality to unit vectors z^m in R^d and tokens.

``linear`` is a linear projection of frozen features, as VAST, GRAM and PMRL have it; ``two_layers`` has two hidden
layers before the projection. Modalities share no weights.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from pmrl.losses.spectral import widen
from pmrl.method.batch import Batch, Lazy
from pmrl.method.sizes import NetworkSettings, Shape


class Encoders(nn.Module):
    """What both encoders share: presence, and the tokens that matching reads.

    The tokens of a modality are its stored tokens, projected to one width. Before them stands a token that is projected
    from what the unit vector is made of, so that matching reads what retrieval reads.

    Args:
        shapes: sizes of the features of each modality.
        settings: sizes of the networks.
    """

    def __init__(self, shapes: Mapping[str, Shape], settings: NetworkSettings) -> None:
        super().__init__()
        self.tokens = nn.ModuleDict(
            {name: nn.Linear(shape.tokens[1], settings.width, bias=False) for name, shape in shapes.items()}
        )
        self.position = nn.ParameterDict(
            {name: nn.Parameter(0.02 * torch.randn(shape.tokens[0], settings.width)) for name, shape in shapes.items()}
        )

    def project(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Vectors (modalities, batch, dimension), not yet normalised, and leading tokens (modalities, batch, width)."""
        raise TypeError(f"{type(self).__name__} does not define project(batch)")

    def forward(self, batch: Batch) -> tuple[dict[str, Tensor], Mapping[str, Tensor]]:
        """Unit vectors (batch, dimension) and tokens (batch, 1 + tokens, width) by modality; both zero where absent."""
        vectors, leading = self.project(batch)
        present = torch.stack([batch.present[name] for name in self.tokens]).unsqueeze(-1)
        unit = functional.normalize(widen(vectors), dim=-1) * present
        first = dict(zip(self.tokens, leading.unsqueeze(2), strict=True))

        def sequence(name: str, stored: Tensor) -> Tensor:
            following = self.tokens[name](stored) + self.position[name]
            return torch.cat([first[name], following], dim=1) * batch.present[name].view(-1, 1, 1)

        return dict(zip(self.tokens, unit, strict=True)), Lazy(batch.tokens, sequence)


class LinearEncoders(Encoders):
    """One linear map for each modality, with dropout of its features; its result is projected to the leading token."""

    def __init__(self, shapes: Mapping[str, Shape], settings: NetworkSettings) -> None:
        super().__init__(shapes, settings)
        self.dropout = nn.Dropout(settings.dropout)
        self.first = nn.ModuleDict(
            {name: nn.Linear(shape.features, settings.dimension) for name, shape in shapes.items()}
        )
        self.leading = LinearPerModality(len(shapes), settings.dimension, settings.width)

    def project(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """As the base class says."""
        vectors = torch.stack([layer(self.dropout(batch.pooled[name])) for name, layer in self.first.items()])
        return vectors, self.leading(vectors)


class TwoLayerEncoders(Encoders):
    """Two hidden layers and a projection; what has the same size for all modalities is computed in one product."""

    def __init__(self, shapes: Mapping[str, Shape], settings: NetworkSettings) -> None:
        super().__init__(shapes, settings)
        count, hidden = len(shapes), settings.hidden
        self.sizes = settings.dimension, settings.width
        self.first = nn.ModuleDict({name: nn.Linear(shape.features, hidden) for name, shape in shapes.items()})
        self.dropout = nn.Dropout(settings.dropout)
        self.second = LinearPerModality(count, hidden, hidden)
        # the next layer has a scale and a bias of its own
        self.norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.projection = LinearPerModality(count, hidden, sum(self.sizes))

    def project(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """As the base class says."""
        hidden = torch.stack([layer(batch.pooled[name]) for name, layer in self.first.items()])
        hidden = self.norm(functional.gelu(self.second(self.dropout(functional.gelu(hidden)))))
        vectors, leading = self.projection(hidden).split(self.sizes, dim=-1)
        return vectors, leading


ENCODERS = {"linear": LinearEncoders, "two_layers": TwoLayerEncoders}


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
