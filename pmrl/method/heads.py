"""The heads that read several modalities at once: the fused head and the matching transformer.

Both follow VAST (Chen et al. 2023, arXiv 2305.18500).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pmrl.method.embeddings import Embeddings
from pmrl.method.sizes import NetworkSettings


class FusedHead(nn.Module):
    """A linear map of the concatenated vectors of several modalities (never the anchor), normalised.

    Absent modalities enter as zeros. The map starts as the sum of the vectors, so that an untrained head gives the
    centroid.
    """

    def __init__(self, others: Sequence[str], dimension: int) -> None:
        super().__init__()
        self.order = {name: index for index, name in enumerate(others)}
        self.maps = nn.Parameter(torch.eye(dimension).repeat(len(others), 1, 1))
        self.bias = nn.Parameter(torch.zeros(dimension))

    def forward(self, embeddings: Embeddings, subsets: Sequence[Sequence[str]]) -> Tensor:
        """Unit vectors (subsets, batch, dimension), one for each subset of the embedded modalities."""
        indices = [self.order[name] for name in embeddings.modalities]
        mapped = torch.einsum("bmd,mde->mbe", embeddings.stack(), self.maps[indices])
        membership = mapped.new_tensor([[name in subset for name in embeddings.modalities] for subset in subsets])
        return functional.normalize(torch.einsum("sm,mbe->sbe", membership, mapped) + self.bias, dim=-1)


class MatchingHead(nn.Module):
    """Judges whether the anchor of one instance and the other modalities of another belong together.

    Self-attention reads the anchor's tokens; the first token then attends to the other modalities' tokens, passes
    through a feed-forward block and is classified by a 2-way head. With one layer this is a transformer decoder layer
    of which only the classified token is computed. What depends on one instance only is computed once per instance.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        width, heads = settings.width, settings.attention_heads
        self.reader = nn.ModuleList(Attention(width, heads) for _ in range(settings.layers))
        self.context = Attention(width, heads)
        self.feed_forward = feed_forward(width)
        self.decision = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2))

    def read(self, embeddings: Embeddings) -> MatchingInputs:
        """What the head needs from each instance, computed once for any number of pairs."""
        sequence = embeddings.tokens[embeddings.anchor]
        padding = embeddings.padding(embeddings.anchor)
        for layer in self.reader[:-1]:
            sequence = layer(sequence, sequence, padding)
        first = self.reader[-1](sequence[:, :1], sequence, padding)
        context = torch.cat([embeddings.tokens[name] for name in embeddings.others], dim=1)
        present = [embeddings.present[m].unsqueeze(1) & ~embeddings.padding(m) for m in embeddings.others]
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
            anchor_rows: (n, anchors) indices of the instances whose anchor is judged; it must be present.
            other_rows: (n,) indices of the instances whose other modalities are judged; at least one must be present.

        Returns:
            Logits (n, anchors, 2) of "no match" and "match".
        """
        context, present = inputs.context.index_select(0, other_rows), inputs.present.index_select(0, other_rows)
        update = self.context.attend(_rows(inputs.queries, anchor_rows), context, ~present)
        token = _rows(inputs.first, anchor_rows) + update
        logits: Tensor = self.decision(token + self.feed_forward(token))
        return logits


def _rows(x: Tensor, index: Tensor) -> Tensor:
    """``x[index]`` for an index of several dimensions, but faster."""
    return torch.unflatten(x.index_select(0, index.flatten()), 0, index.shape)


class MatchingInputs(NamedTuple):
    """What matching needs from each instance.

    Attributes:
        first: (batch, width) the anchor's first token, after self-attention.
        queries: (batch, heads, width) its queries, see :meth:`Attention.queries`.
        context: (batch, context tokens, width) the other modalities' tokens, normalised.
        present: (batch, context tokens) booleans.
    """

    first: Tensor
    queries: Tensor
    context: Tensor
    present: Tensor


class Attention(nn.Module):
    """Multi-head attention on normalised inputs. Its parts can be called separately, so that pairs can share them.

    Let x be a token of the context, K_h and V_h the maps of head h to keys and values, and q_h a query. The score is
    q_hᵀ(K_h x) = (K_hᵀ q_h)ᵀx and the result Σ w (V_h x) = V_h Σ w x, so the keys and values of many tokens are never
    formed for a few queries. Keys need no bias, because it cancels in the softmax; the bias of the values is part of
    the output's.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))
        # the next maps have scales of their own
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        bound = width**-0.5
        self.key = nn.Parameter(torch.empty(heads, width // heads, width).uniform_(-bound, bound))
        self.value = nn.Parameter(torch.empty(heads, width, width // heads).uniform_(-bound, bound))
        self.output = nn.Linear(width, width)

    def queries(self, x: Tensor) -> Tensor:
        """K_hᵀ q_h/√s, with s the size of a head, (batch, tokens, heads, width), of ``x`` (batch, tokens, width)."""
        heads, size, _ = self.key.shape
        return torch.einsum("bthe,hew->bthw", self.query(x).unflatten(-1, (heads, size)) / size**0.5, self.key)

    def attend(self, queries: Tensor, context: Tensor, absent: Tensor | None = None) -> Tensor:
        """What the queries read from the normalised ``context``, without the tokens that are ``absent``.

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
        mixtures = (scores.softmax(dim=-1) @ context).view_as(queries)
        result: Tensor = self.output(torch.einsum("bqhw,hwe->bqhe", mixtures, self.value).flatten(2))
        return result

    def forward(self, x: Tensor, context: Tensor, absent: Tensor) -> Tensor:
        """``x`` (batch, tokens, width) plus what its tokens read from ``context`` (batch, context tokens, width).

        ``absent`` (batch, context tokens) says which tokens of the context are not read.
        """
        return x + self.attend(self.queries(x), self.norm(context), absent)


def feed_forward(width: int) -> nn.Module:
    """The transformer's feed-forward block, on normalised input."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


class Heads(nn.Module):
    """The heads that work on several modalities at once."""

    def __init__(self, modalities: Sequence[str], anchor: str, settings: NetworkSettings) -> None:
        super().__init__()
        self.fused = FusedHead([name for name in modalities if name != anchor], settings.dimension)
        self.matching = MatchingHead(settings)
