"""Which items of a split are views of one instance, such as five captions of one clip, and which of these are copies.

Retrieval counts by instance: every item of the query's instance is relevant, and the best of them counts. A side holds
each distinct content of an instance once, so that a clip that stands beside five captions is one query and one
candidate, while its captions are five of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pmrl.method.batch import Batch


@dataclass(frozen=True)
class Identity:
    """Instances and contents as numbers.

    Attributes:
        instance: (items,) the same number for items of one instance.
        content: by modality (items,), the same number for equal features of one instance; empty if every item is an
            instance of its own.
    """

    instance: Tensor
    content: dict[str, Tensor]

    @classmethod
    def distinct(cls, count: int, device: torch.device | None = None) -> Identity:
        """Every item is an instance of its own."""
        return cls(torch.arange(count, device=device), {})

    @classmethod
    def of(cls, batch: Batch, instances: np.ndarray) -> Identity:
        """The identity of the items of a batch, by the names of their instances."""
        device = next(iter(batch.present.values())).device
        _, numbers, counts = np.unique(instances, return_inverse=True, return_counts=True)
        if counts.max(initial=1) == 1:
            return cls.distinct(len(instances), device)
        repeated = np.flatnonzero(counts[numbers] > 1)
        content = {name: _contents(batch, name, numbers, repeated) for name in batch.present}
        return cls(
            torch.from_numpy(numbers).to(device), {name: torch.from_numpy(x).to(device) for name, x in content.items()}
        )

    def entries(self, modalities: Sequence[str], rows: Tensor) -> Tensor:
        """Those ``rows`` (ascending) that are the first of their instance with this content in the modalities."""
        if not self.content:
            return rows
        keys = torch.stack([self.instance, *(self.content[name] for name in modalities)], dim=1)[rows]
        _, group = keys.unique(dim=0, return_inverse=True)
        order = group.sort(stable=True)
        first = torch.ones_like(order.values, dtype=torch.bool)
        first[1:] = order.values[1:] != order.values[:-1]
        return rows[order.indices[first].sort().values]


def _contents(batch: Batch, name: str, instances: np.ndarray, repeated: np.ndarray) -> np.ndarray:
    """(items,) numbers of a modality's contents; items that are alone in their instance keep a number of their own."""
    numbers = np.arange(len(instances))
    seen: dict[bytes, int] = {}
    for row in repeated:
        parts = (batch.pooled[name][row], batch.tokens[name][row], batch.present[name][row])
        key = instances[row].tobytes() + b"".join(part.cpu().numpy().tobytes() for part in parts)
        numbers[row] = seen.setdefault(key, int(row))
    return numbers
