"""What networks and methods exchange: the embeddings of some instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor
from torch.nn import functional

from pmrl.errors import UserError
from pmrl.losses.spectral import spectrum
from pmrl.method.batch import Batch, Lazy

if TYPE_CHECKING:
    from pmrl.method.heads import MatchingHead


@dataclass(frozen=True)
class Joint:
    """A batch that several processes embed together; the loss of the batch is the mean of the processes' losses.

    Attributes:
        own: embeddings of the part of this process, consecutive rows of the batch.
        place: which of the processes this one is, from 0.
        count: how many there are.
        gather: (rows of the part, …) to (rows of the batch, …), with gradient; all processes call it together.
    """

    own: Embeddings
    place: int
    count: int
    gather: Callable[[Tensor], Tensor]


class JointHeads(Protocol):
    """The heads that read several modalities, as embeddings use them; see ``pmrl.method.heads``."""

    @property
    def fused(self) -> Callable[[Embeddings, Sequence[Sequence[str]]], Tensor]:
        """Unit vectors (subsets, batch, dimension) of subsets of the embedded modalities."""

    @property
    def matching(self) -> MatchingHead:
        """Judges pairs of instances."""


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of some instances: all that a method works with.

    Attributes:
        vectors: (batch, dimension) unit vectors of each modality, zero where the modality is absent.
        tokens: (batch, tokens, width) of each modality, for the matching transformer; computed when first read.
        present: (batch,) booleans of each modality.
        lengths: (batch,) how many tokens of each modality after the first are not padding.
        anchor: the modality that anchored methods contrast with the others, as named by the data card.
        heads: the network's fused and matching heads.
        extra: what a method wants to know besides, by name, while it trains; see ``features``, ``labels``, ``ids``.
        joint: how several processes share this batch; None where one process has all of it, or these are not all
            modalities and rows.
    """

    vectors: dict[str, Tensor]
    tokens: Mapping[str, Tensor]
    present: dict[str, Tensor]
    lengths: dict[str, Tensor]
    anchor: str
    heads: JointHeads
    extra: Mapping[str, Any] = field(default_factory=dict)
    joint: Joint | None = None

    def __len__(self) -> int:
        return len(next(iter(self.vectors.values())))

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the embedded modalities, in the data card's order."""
        return tuple(self.vectors)

    @property
    def others(self) -> tuple[str, ...]:
        """Names of the embedded modalities without the anchor."""
        return tuple(name for name in self.vectors if name != self.anchor)

    @property
    def features(self) -> Batch:
        """The standardised features that were embedded, for methods that want them."""
        return cast(Batch, self._wanted("features"))

    @property
    def labels(self) -> Tensor:
        """(batch,) the number of each item's label, −1 where it has none, for methods that want them."""
        return cast(Tensor, self._wanted("labels"))

    @property
    def ids(self) -> Tensor:
        """(batch,) the number of each item's instance in the data set, for methods that want them."""
        return cast(Tensor, self._wanted("ids"))

    def _wanted(self, name: str) -> Any:
        if name not in self.extra:
            raise UserError(
                f"embeddings.{name} is there in training only, and for methods that ask: write wants = ({name!r},) in "
                "the class."
            )
        return self.extra[name]

    def select(self, modalities: Sequence[str]) -> Embeddings:
        """The same instances with only the named modalities."""
        return self._mapped(lambda part: {m: part[m] for m in modalities}, Lazy(self.tokens, _same, modalities))

    def rows(self, index: Tensor | slice) -> Embeddings:
        """The instances at ``index``."""
        tokens = Lazy(self.tokens, lambda _, x: x[index])
        chosen = self._mapped(lambda part: {m: x[index] for m, x in part.items()}, tokens)
        extra = {name: x.rows(index) if isinstance(x, Batch) else x[index] for name, x in self.extra.items()}
        return replace(chosen, extra=extra)

    def _mapped(
        self, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], tokens: Mapping[str, Tensor]
    ) -> Embeddings:
        return replace(
            self,
            vectors=change(self.vectors),
            tokens=tokens,
            present=change(self.present),
            lengths=change(self.lengths),
            joint=None,
        )

    def stack(self) -> Tensor:
        """All unit vectors, (batch, modalities, dimension)."""
        return torch.stack(tuple(self.vectors.values()), dim=1)

    def mask(self) -> Tensor:
        """Which modalities are present, (batch, modalities) booleans."""
        return torch.stack(tuple(self.present.values()), dim=1)

    def padding(self, modality: str) -> Tensor:
        """Which tokens of a modality are padding, (batch, tokens) booleans; the first never is."""
        places = torch.arange(self.tokens[modality].shape[1], device=self.lengths[modality].device)
        return places > self.lengths[modality].unsqueeze(1)

    def centroid(self) -> Tensor:
        """Unit vector along the sum of the present vectors, (batch, dimension)."""
        return functional.normalize(self.stack().sum(dim=1), dim=-1)

    def leading_direction(self, shift: float = 0.0) -> Tensor:
        """Leading direction u1 of the present vectors, (batch, dimension); see :func:`pmrl.losses.spectrum`."""
        return spectrum(self.stack(), self.mask(), shift).direction

    def fused(self, subsets: Sequence[Sequence[str]]) -> Tensor:
        """The fused head's unit vectors (subsets, batch, dimension) of subsets of the modalities but the anchor."""
        return self.heads.fused(self.select(self.others), subsets)

    def side_vector(self) -> Tensor:
        """The vector of the only modality, or the fused vector of all modalities but the anchor; (batch, dimension)."""
        return self.vectors[self.modalities[0]] if len(self.modalities) == 1 else self.fused([self.others])[0]


def _same(_: str, x: Tensor) -> Tensor:
    return x
