"""The networks that all methods share: encoders, projection heads, fused head and matching transformer.

Each modality is encoded from its stored features and projected to a unit vector z^m in R^d; the fused head
and the cross-attending matching transformer follow VAST (Chen et al. 2023, arXiv 2305.18500).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pmrl.data.store import Dataset
from pmrl.spectral import spectrum


@dataclass(frozen=True)
class Batch:
    """Stored features of some instances, by modality.

    Attributes:
        pooled: (batch, features) of each modality.
        tokens: (batch, tokens, token width) of each modality.
        present: (batch,) booleans of each modality; absent rows hold zeros.
    """

    pooled: dict[str, Tensor]
    tokens: dict[str, Tensor]
    present: dict[str, Tensor]

    @classmethod
    def from_dataset(cls, dataset: Dataset, indices: np.ndarray, device: torch.device) -> Batch:
        """The instances of ``dataset`` at ``indices``, moved to ``device``."""

        def gather(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
            return {name: torch.from_numpy(array[indices]).to(device) for name, array in arrays.items()}

        return cls(gather(dataset.pooled), gather(dataset.tokens), gather(dataset.present))

    def __len__(self) -> int:
        return len(next(iter(self.present.values())))

    def rows(self, index: Tensor | slice) -> Batch:
        """The instances at ``index``."""
        return Batch(*({m: x[index] for m, x in part.items()} for part in (self.pooled, self.tokens, self.present)))


@dataclass(frozen=True)
class Embeddings:
    """What a method sees of some instances.

    Attributes:
        vectors: (batch, dimension) unit vectors of each modality, zero where the modality is absent.
        tokens: (batch, tokens, width) of each modality, for the matching transformer.
        present: (batch,) booleans of each modality.
        anchor: the modality that anchored methods start from, named by the data card.
        heads: the network's fused and matching heads.
    """

    vectors: dict[str, Tensor]
    tokens: dict[str, Tensor]
    present: dict[str, Tensor]
    anchor: str
    heads: Heads

    def __len__(self) -> int:
        return len(next(iter(self.vectors.values())))

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities at hand, in the data card's order."""
        return tuple(self.vectors)

    @property
    def others(self) -> tuple[str, ...]:
        """Names of the modalities at hand without the anchor."""
        return tuple(name for name in self.vectors if name != self.anchor)

    def select(self, modalities: Sequence[str]) -> Embeddings:
        """The same instances with only the named modalities."""
        parts = ({m: part[m] for m in modalities} for part in (self.vectors, self.tokens, self.present))
        return Embeddings(*parts, anchor=self.anchor, heads=self.heads)

    def rows(self, index: Tensor | slice) -> Embeddings:
        """The instances at ``index``."""
        parts = ({m: x[index] for m, x in part.items()} for part in (self.vectors, self.tokens, self.present))
        return Embeddings(*parts, anchor=self.anchor, heads=self.heads)

    def stack(self) -> Tensor:
        """All unit vectors, (batch, modalities, dimension)."""
        return torch.stack(tuple(self.vectors.values()), dim=1)

    def mask(self) -> Tensor:
        """Which modalities are present, (batch, modalities) booleans."""
        return torch.stack(tuple(self.present.values()), dim=1)

    def centroid(self) -> Tensor:
        """Unit vector along the sum of the present vectors, (batch, dimension)."""
        return functional.normalize(self.stack().sum(dim=1), dim=-1)

    def leading_direction(self) -> Tensor:
        """Leading direction u1 of the present vectors, (batch, dimension)."""
        return spectrum(self.stack(), self.mask()).direction

    def fused(self, subsets: Sequence[Sequence[str]]) -> Tensor:
        """The fused head's unit vectors (subsets, batch, dimension) of subsets of the modalities but the anchor."""
        return self.heads.fused(self.select(self.others), subsets)

    def side_vector(self) -> Tensor:
        """The vector of the only modality at hand, or the fused one of all but the anchor; (batch, dimension)."""
        return self.vectors[self.modalities[0]] if len(self.modalities) == 1 else self.fused([self.others])[0]

    def match(self, anchor_rows: Tensor, other_rows: Tensor) -> Tensor:
        """Matching logits (pairs, 2) of the anchor of ``anchor_rows`` with the others of ``other_rows``."""
        matching = self.heads.matching
        return matching(matching.read(self), anchor_rows, other_rows)


class Standardize(nn.Module):
    """Centres and scales each feature by the statistics of the pre-training part.

    A feature that hardly varies there is centred only. The statistics are part of the checkpoint.
    """

    def __init__(self, examples: np.ndarray) -> None:
        super().__init__()
        flat = examples.reshape(-1, examples.shape[-1]).astype(np.float64)
        deviation = flat.std(axis=0)
        deviation[deviation < 1e-6] = 1.0
        self.register_buffer("mean", torch.from_numpy(flat.mean(axis=0)).float())
        self.register_buffer("deviation", torch.from_numpy(deviation).float())

    def forward(self, x: Tensor) -> Tensor:
        """(…, features) in any float type to float32 of mean 0 and deviation 1."""
        return (x.float() - self.mean) / self.deviation


class Encoder(nn.Module):
    """One modality: pooled features to a hidden vector and a unit vector; stored tokens to tokens of one width.

    The hidden vector leads the token sequence, so that matching reads what retrieval reads.
    """

    def __init__(self, pooled: np.ndarray, tokens: np.ndarray, settings: NetworkSettings) -> None:
        super().__init__()
        self.standardize_pooled = Standardize(pooled)
        self.standardize_tokens = Standardize(tokens)
        hidden = settings.hidden
        self.trunk = nn.Sequential(
            nn.Linear(pooled.shape[-1], hidden),
            nn.GELU(),
            nn.Dropout(settings.dropout),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.LayerNorm(hidden),
        )
        self.projection = nn.Linear(hidden, settings.dimension)
        self.leading_token = nn.Linear(hidden, settings.width)
        self.token_projection = nn.Linear(tokens.shape[-1], settings.width)
        self.position = nn.Parameter(0.02 * torch.randn(tokens.shape[-2], settings.width))

    def forward(self, pooled: Tensor, tokens: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors (batch, dimension) and tokens (batch, 1 + tokens, width); both zero where absent."""
        hidden = self.trunk(self.standardize_pooled(pooled))
        vectors = functional.normalize(self.projection(hidden), dim=-1)
        projected = self.token_projection(self.standardize_tokens(tokens)) + self.position
        sequence = torch.cat([self.leading_token(hidden).unsqueeze(1), projected], dim=1)
        return vectors * present.unsqueeze(-1), sequence * present[:, None, None]


class FusedHead(nn.Module):
    """A linear map of the concatenated vectors of several modalities (never the anchor), normalised.

    Absent modalities enter as zeros. The map starts as the sum, so that an untrained head gives the centroid.
    """

    def __init__(self, others: Sequence[str], dimension: int) -> None:
        super().__init__()
        self.order = {name: place for place, name in enumerate(others)}
        self.maps = nn.Parameter(torch.eye(dimension).repeat(len(others), 1, 1))
        self.bias = nn.Parameter(torch.zeros(dimension))

    def forward(self, embeddings: Embeddings, subsets: Sequence[Sequence[str]]) -> Tensor:
        """Unit vectors (subsets, batch, dimension), one for each subset of the modalities at hand."""
        places = [self.order[name] for name in embeddings.modalities]
        mapped = torch.einsum("bmd,mde->mbe", embeddings.stack(), self.maps[places])
        member = mapped.new_tensor([[name in subset for name in embeddings.modalities] for subset in subsets])
        return functional.normalize(torch.einsum("sm,mbe->sbe", member, mapped) + self.bias, dim=-1)


class MatchingHead(nn.Module):
    """Does the anchor of one instance belong to the other modalities of another?

    Self-attention layers read the anchor's tokens; the first token then attends to the others' tokens, passes a
    feed-forward block and is judged by a 2-way head. With one layer this is a transformer decoder layer of which
    only the token that is judged is computed, so that all that depends on one instance is computed once for it.
    """

    def __init__(self, modalities: Sequence[str], settings: NetworkSettings) -> None:
        super().__init__()
        width = settings.width
        self.attention_heads = settings.attention_heads
        self.kind = nn.ParameterDict({name: nn.Parameter(0.02 * torch.randn(width)) for name in modalities})
        self.reader = nn.ModuleList(SelfAttention(width, settings.attention_heads) for _ in range(settings.layers))
        self.query = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))
        self.key_value = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width))
        self.output = nn.Linear(width, width)
        self.feed_forward = feed_forward(width)
        self.decision = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2))

    def read(self, embeddings: Embeddings) -> MatchingInputs:
        """All that the head needs of each instance, computed once for any number of pairs."""
        anchor = embeddings.anchor
        sequence = embeddings.tokens[anchor] + self.kind[anchor]
        for layer in self.reader:
            sequence = layer(sequence)
        first = sequence[:, 0]
        context = torch.cat([embeddings.tokens[m] + self.kind[m] for m in embeddings.others], dim=1)
        present = torch.cat(
            [embeddings.present[m][:, None].expand(embeddings.tokens[m].shape[:2]) for m in embeddings.others], dim=1
        )
        keys, values = self.key_value(context).chunk(2, dim=-1)
        heads = (self.attention_heads, -1)
        return MatchingInputs(
            first,
            self.query(first).unflatten(-1, heads).unsqueeze(-1),
            keys.unflatten(-1, heads).transpose(1, 2),
            values.unflatten(-1, heads).transpose(1, 2),
            present[:, None, :, None],
        )

    def forward(self, inputs: MatchingInputs, anchor_rows: Tensor, other_rows: Tensor) -> Tensor:
        """Logits (pairs, 2), "no" first; every named row has its anchor, or at least one other, present."""
        # softmax(K q/√w) V for the one query of each pair
        absent = ~inputs.present.index_select(0, other_rows)
        keys, values = (x.index_select(0, other_rows) for x in (inputs.keys, inputs.values))
        scores = keys @ inputs.query.index_select(0, anchor_rows) / keys.shape[-1] ** 0.5
        weights = scores.masked_fill(absent, -torch.inf).softmax(dim=2)
        attended = (weights.mT @ values).flatten(1)
        token = inputs.first.index_select(0, anchor_rows) + self.output(attended)
        return self.decision(token + self.feed_forward(token))


class MatchingInputs(NamedTuple):
    """What matching needs of each instance.

    Attributes:
        first: (batch, width) the anchor's first token, read.
        query: (batch, heads, width / heads, 1).
        keys: (batch, heads, context tokens, width / heads).
        values: as ``keys``.
        present: (batch, 1, context tokens, 1).
    """

    first: Tensor
    query: Tensor
    keys: Tensor
    values: Tensor
    present: Tensor


class SelfAttention(nn.Module):
    """Self-attention with a residual connection, normalised before (no feed-forward block)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.projection = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 3 * width))
        self.output = nn.Linear(width, width)

    def forward(self, sequence: Tensor) -> Tensor:
        """(batch, tokens, width) to the same shape."""
        parts = self.projection(sequence).unflatten(-1, (3 * self.heads, -1)).transpose(1, 2).chunk(3, dim=1)
        return sequence + self.output(functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2))


def feed_forward(width: int) -> nn.Module:
    """The transformer's feed-forward block, normalised before."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


class Heads(nn.Module):
    """The heads that work on several modalities at once."""

    def __init__(self, modalities: Sequence[str], anchor: str, settings: NetworkSettings) -> None:
        super().__init__()
        self.fused = FusedHead([name for name in modalities if name != anchor], settings.dimension)
        self.matching = MatchingHead(modalities, settings)


@dataclass(frozen=True)
class NetworkSettings:
    """Sizes of the shared networks; the keys of ``network:`` in the config."""

    dimension: int = 128
    hidden: int = 256
    width: int = 64
    layers: int = 1
    attention_heads: int = 4
    dropout: float = 0.1


class Network(nn.Module):
    """Encoders of all modalities of a data set, and the heads.

    Args:
        dataset: gives the sizes of features and tokens, and the statistics of the pre-training part.
        settings: sizes of the networks.
        encoder: made for each modality from examples of its pooled features and tokens, and the settings.
    """

    def __init__(
        self,
        dataset: Dataset,
        settings: NetworkSettings,
        encoder: Callable[[np.ndarray, np.ndarray, NetworkSettings], nn.Module] = Encoder,
    ) -> None:
        super().__init__()
        self.anchor = dataset.anchor
        rows = dataset.indices("pretrain")
        self.encoders = nn.ModuleDict()
        for name in dataset.modalities:
            known = rows[dataset.present[name][rows]]
            self.encoders[name] = encoder(dataset.pooled[name][known], dataset.tokens[name][known], settings)
        self.heads = Heads(dataset.modalities, dataset.anchor, settings)

    def forward(self, batch: Batch) -> Embeddings:
        """Embed a batch; modalities keep the data card's order."""
        vectors, tokens = {}, {}
        for name, encoder in self.encoders.items():
            vectors[name], tokens[name] = encoder(batch.pooled[name], batch.tokens[name], batch.present[name])
        return Embeddings(vectors, tokens, batch.present, self.anchor, self.heads)
