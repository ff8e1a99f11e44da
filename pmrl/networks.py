"""The networks that all methods share: encoders, projection heads, fused head and matching transformer.

Each modality is encoded from its stored features and projected to a unit vector z^m in R^d; the fused head
and the cross-attending matching transformer follow VAST (Chen et al. 2023, arXiv 2305.18500).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


@dataclass(frozen=True)
class Shape:
    """Sizes of one modality's stored features: of the pooled vector, and tokens as (number, width)."""

    features: int
    tokens: tuple[int, int]


class Encoders(nn.Module):
    """Every modality's pooled features to a hidden vector and a unit vector; stored tokens to tokens of one width.

    The hidden vector leads the token sequence, so that matching reads what retrieval reads. Modalities share no
    weights; layers that have one size for all of them are computed in one product of matrices.

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
        # the layer behind has a gain and an offset of its own
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
    """The tokens (batch, 1 + tokens, width) of encoders that have none, by modality."""
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

    Self-attention reads the anchor's tokens; the first token then attends to the others' tokens, passes a
    feed-forward block and is judged by a 2-way head. With one layer this is a transformer decoder layer of which
    only the token that is judged is computed, so that all that depends on one instance is computed once for it.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        width, heads = settings.width, settings.attention_heads
        self.reader = nn.ModuleList(Attention(width, heads) for _ in range(settings.layers))
        self.context = Attention(width, heads)
        self.feed_forward = feed_forward(width)
        self.decision = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2))

    def read(self, embeddings: Embeddings) -> MatchingInputs:
        """All that the head needs of each instance, computed once for any number of pairs."""
        sequence = embeddings.tokens[embeddings.anchor]
        for layer in self.reader[:-1]:
            sequence = layer(sequence, sequence)
        first = self.reader[-1](sequence[:, :1], sequence)
        context = torch.cat([embeddings.tokens[name] for name in embeddings.others], dim=1)
        present = [embeddings.present[m][:, None].expand(embeddings.tokens[m].shape[:2]) for m in embeddings.others]
        return MatchingInputs(
            first.squeeze(1),
            self.context.queries(first).squeeze(1),
            self.context.norm(context),
            torch.cat(present, dim=1),
        )

    def forward(self, inputs: MatchingInputs, anchor_rows: Tensor, other_rows: Tensor) -> Tensor:
        """Judge pairs of instances, several anchors at a time against the same others.

        Args:
            inputs: from :meth:`read`.
            anchor_rows: (n, anchors) instances whose anchor is asked for; each has it.
            other_rows: (n,) instances whose other modalities are asked for; each has one at least.

        Returns:
            Logits (n, anchors, 2), "no" first.
        """
        context, present = inputs.context.index_select(0, other_rows), inputs.present.index_select(0, other_rows)
        read = self.context.attend(_rows(inputs.queries, anchor_rows), context, ~present)
        token = _rows(inputs.first, anchor_rows) + read
        return self.decision(token + self.feed_forward(token))


def _rows(x: Tensor, index: Tensor) -> Tensor:
    """``x[index]`` for an index of several dimensions, by the faster way."""
    return x.index_select(0, index.flatten()).unflatten(0, index.shape)


class MatchingInputs(NamedTuple):
    """What matching needs of each instance.

    Attributes:
        first: (batch, width) the anchor's first token, read.
        queries: (batch, heads, width) its queries, see :meth:`Attention.queries`.
        context: (batch, context tokens, width) the others' tokens, normalised.
        present: (batch, context tokens) booleans.
    """

    first: Tensor
    queries: Tensor
    context: Tensor
    present: Tensor


class Attention(nn.Module):
    """Multi-head attention, normalised before. Its parts can be called one by one, to share them between pairs.

    With x a token to read, K_h and V_h the maps of head h to keys and values, and q_h the query, the score is
    q_hᵀ(K_h x) = (K_hᵀ q_h)ᵀx, and what is read Σ w (V_h x) = V_h Σ w x: keys and values of many tokens for a few
    queries are never formed. Keys need no offset, as softmax does not see it, and the output has that of the values.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))
        # the maps behind have gains of their own
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        bound = width**-0.5
        self.key = nn.Parameter(torch.empty(heads, width // heads, width).uniform_(-bound, bound))
        self.value = nn.Parameter(torch.empty(heads, width, width // heads).uniform_(-bound, bound))
        self.output = nn.Linear(width, width)

    def queries(self, x: Tensor) -> Tensor:
        """K_hᵀ q_h/√w of each head h of ``x`` (batch, tokens, width); (batch, tokens, heads, width)."""
        heads, size, _ = self.key.shape
        return torch.einsum("bthe,hew->bthw", self.query(x).unflatten(-1, (heads, size)) / size**0.5, self.key)

    def attend(self, queries: Tensor, context: Tensor, absent: Tensor | None = None) -> Tensor:
        """What the queries read of the normalised ``context``, without the tokens that are ``absent``.

        Args:
            queries: (batch, queries, heads, width) from :meth:`queries`.
            context: (batch, tokens, width).
            absent: (batch, tokens) booleans.

        Returns:
            (batch, queries, width).
        """
        scores = queries.flatten(1, 2) @ context.mT
        if absent is not None and absent.any():
            scores = scores.masked_fill(absent[:, None], -torch.inf)
        read = (scores.softmax(dim=-1) @ context).view_as(queries)
        return self.output(torch.einsum("bqhw,hwe->bqhe", read, self.value).flatten(2))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Tokens (batch, tokens, width) that have read ``context`` (batch, any number, width), plus themselves."""
        return x + self.attend(self.queries(x), self.norm(context))


def feed_forward(width: int) -> nn.Module:
    """The transformer's feed-forward block, normalised before."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


class Heads(nn.Module):
    """The heads that work on several modalities at once."""

    def __init__(self, modalities: Sequence[str], anchor: str, settings: NetworkSettings) -> None:
        super().__init__()
        self.fused = FusedHead([name for name in modalities if name != anchor], settings.dimension)
        self.matching = MatchingHead(settings)


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
    """Standardised features, encoders of all modalities of a data set, and the heads.

    Args:
        dataset: gives the sizes of features and tokens, and the statistics of the pre-training part.
        settings: sizes of the networks.
        encoders: makes the module that encodes all modalities, see :class:`Encoders`.
    """

    def __init__(
        self,
        dataset: Dataset,
        settings: NetworkSettings,
        encoders: Callable[[Mapping[str, Shape], NetworkSettings], nn.Module] = Encoders,
    ) -> None:
        super().__init__()
        self.anchor = dataset.anchor
        self.pooled, self.tokens, shapes = nn.ModuleDict(), nn.ModuleDict(), {}
        rows = dataset.indices("pretrain")
        for name in dataset.modalities:
            known = rows[dataset.present[name][rows]]
            self.pooled[name] = Standardize(dataset.pooled[name][known])
            self.tokens[name] = Standardize(dataset.tokens[name][known])
            shapes[name] = Shape(dataset.pooled[name].shape[1], dataset.tokens[name].shape[1:])
        self.encoders = encoders(shapes, settings)
        self.heads = Heads(dataset.modalities, dataset.anchor, settings)

    def standardize(self, batch: Batch) -> Batch:
        """Stored features as float32 of mean 0 and deviation 1 in the pre-training part."""
        pooled = {name: layer(batch.pooled[name]) for name, layer in self.pooled.items()}
        tokens = {name: layer(batch.tokens[name]) for name, layer in self.tokens.items()}
        return Batch(pooled, tokens, batch.present)

    def encode(self, batch: Batch) -> Embeddings:
        """Embed standardised features; modalities keep the data card's order."""
        vectors, tokens = self.encoders(batch)
        return Embeddings(vectors, tokens, batch.present, self.anchor, self.heads)

    def forward(self, batch: Batch) -> Embeddings:
        """Embed stored features."""
        return self.encode(self.standardize(batch))
