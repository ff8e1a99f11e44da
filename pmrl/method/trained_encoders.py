"""Encoders that are trained from raw clips, instead of the frozen ones that made the stored features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pmrl.errors import UserError
from pmrl.losses.spectral import widen
from pmrl.method.sizes import Shape
from pmrl.records import VIDEO

if TYPE_CHECKING:
    from pmrl.data.raw_clips import RawModality


class TrainedEncoder(nn.Module):
    """A model of one modality, from what it reads to pooled features and tokens as the store has them.

    Args:
        raw: the modality.
        shape: of its features in the store.
        frozen_layers: how many layers, counted from the input, keep their weights, with all that comes before them.
        checkpointing: whether activations are computed again in the backward pass instead of kept.

    Raises:
        UserError: the model has fewer layers, or cannot be checkpointed.
    """

    def __init__(self, raw: RawModality, shape: Shape, frozen_layers: int = 0, checkpointing: bool = False) -> None:
        super().__init__()
        self.raw, self.shape, self.tower = raw, shape, raw.tower()
        self.model = self.tower.model  # a module, so that its weights are trained and saved
        self.where = f"network.trained_encoders.{raw.raw.name}"
        self.freeze(frozen_layers)
        if checkpointing:
            try:
                self.model.activation_checkpointing_enable({"use_reentrant": False})
            except ValueError as error:
                raise UserError(f"{self.where}.checkpointing: {error}") from error

    def freeze(self, count: int) -> None:
        """Keep the weights of the first ``count`` layers, and of all that comes before the first."""
        lists = [part for part in self.model.modules() if isinstance(part, nn.ModuleList)]
        layers = max(lists, key=len, default=nn.ModuleList())
        if count > len(layers):
            raise UserError(
                f"{self.where}.frozen_layers: found {count}, expected at most {len(layers)}, the layers of "
                f"{self.tower.family}."
            )
        if not count:
            return
        of_layers = {id(parameter) for parameter in layers.parameters()}
        before = True
        for parameter in self.model.parameters():
            before = before and id(parameter) not in of_layers
            if before:
                parameter.requires_grad_(False)
        layers[:count].requires_grad_(False)

    def inputs(self, rows: np.ndarray, present: Tensor) -> dict[str, Tensor]:
        """What the model reads of some items of the data set; nothing if none of them has the modality.

        Another item stands in for one that has not, and is masked later.

        Raises:
            UserError: an item cannot be read.
        """
        there = present.cpu().numpy()
        if not there.any():
            return {}
        signals = self.raw.signals(np.where(there, rows, rows[there][0]))
        if self.raw.kind == VIDEO and not self.tower.frames:  # a model of pictures reads frames
            frames = self.tower.inputs([frame for video in signals for frame in video])
            return {name: x.reshape(len(signals), -1, *x.shape[1:]) for name, x in frames.items()}
        return self.tower.inputs(signals)

    def forward(self, inputs: Mapping[str, Tensor], present: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features (batch, features) and tokens (batch, tokens, width) as in the store, not yet standardised.

        Raises:
            UserError: the store has other features than the model gives.
        """
        from pmrl.data.media.encoders.local import part_means

        count, width = self.shape.tokens
        if not inputs:
            nothing = torch.zeros(len(present), count + 1, max(width, self.shape.features), device=present.device)
            return nothing[:, 0, : self.shape.features], nothing[:, 1:, :width]
        if self.raw.kind == VIDEO and not self.tower.frames:
            vectors, _ = self.tower({name: values.flatten(0, 1) for name, values in inputs.items()})
            tokens = widen(vectors).reshape(len(present), -1, vectors.shape[1])
            pooled = tokens.mean(dim=1)
        else:
            vectors, states = self.tower(dict(inputs))
            pooled, tokens = widen(vectors), part_means(widen(states))
        if (pooled.shape[1], tokens.shape[2]) != (self.shape.features, width):
            raise UserError(
                f"{self.where}: the store has {self.shape.features} features and tokens of {width}, the model gives "
                f"{pooled.shape[1]} and {tokens.shape[2]}. Features that are constant over a data set are left out of "
                "its store; then this encoder cannot be trained on it."
            )
        return pooled, functional.pad(tokens[:, :count], (0, 0, 0, max(0, count - tokens.shape[1])))
