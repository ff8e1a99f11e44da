"""Embeddings of a training batch: at once, or a few instances at a time where the activations of all take too much.

A contrastive loss needs the whole batch, so a batch cannot simply be split. In parts, the embeddings are computed first
without activations, then the loss and its gradient with respect to them; then each part is embedded again, with
activations, and takes its share of that gradient. Loss and gradient are those of the whole batch (gradient caching:
Gao et al. 2021, arXiv 2101.06983).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from pmrl.losses.spectral import widen
from pmrl.method.batch import Batch, Lazy
from pmrl.method.embeddings import Embeddings
from pmrl.method.networks import Network
from pmrl.training.seeding import drawing_again, random_state
from pmrl.training.stage import FLOAT32, Stage


class Encoded(NamedTuple):
    """Embeddings, and what remains to be done after the backward pass of a loss of them.

    Attributes:
        embeddings: of the batch.
        finish: hands the gradient of the embeddings on to the encoders.
    """

    embeddings: Embeddings
    finish: Callable[[], None]


def encoded(network: Network, batch: Batch, stage: Stage) -> Encoded:
    """Embeddings of standardised instances, in the stage's precision and so many at a time as it says."""
    if not 0 < stage.embedded_at_once < len(batch):
        return Encoded(_encode(network, batch, stage), lambda: None)
    return _in_parts(network, batch, stage)


def _encode(network: Network, batch: Batch, stage: Stage) -> Embeddings:
    if stage.precision == FLOAT32:
        return network.encode(batch)
    device = next(iter(batch.present.values())).device.type
    with torch.autocast(device, getattr(torch, stage.precision)):
        embeddings = network.encode(batch)
    tokens = Lazy(embeddings.tokens, lambda _, x: widen(x))
    return replace(embeddings, vectors={name: widen(x) for name, x in embeddings.vectors.items()}, tokens=tokens)


def _in_parts(network: Network, batch: Batch, stage: Stage) -> Encoded:
    size, device = stage.embedded_at_once, next(iter(batch.present.values())).device
    places = [slice(start, start + size) for start in range(0, len(batch), size)]
    states, parts = [], []
    with torch.no_grad():
        for place in places:
            states.append(random_state(device))
            parts.append(_encode(network, batch.rows(place), stage))

    def whole(of: str, name: str) -> Tensor:
        with torch.no_grad():
            return torch.cat([getattr(part, of)[name] for part in parts]).requires_grad_()

    vectors = {name: whole("vectors", name) for name in parts[0].vectors}
    tokens = Lazy(parts[0].tokens, lambda name, _: whole("tokens", name), vectors)

    def finish() -> None:
        for place, state in zip(places, states, strict=True):
            with drawing_again(state, device):
                part = _encode(network, batch.rows(place), stage)
            pairs = [(part.vectors[name], x.grad) for name, x in vectors.items()]
            pairs += [(part.tokens[name], x.grad) for name, x in tokens.computed.items()]
            used = [(output, gradient[place]) for output, gradient in pairs if gradient is not None]
            torch.autograd.backward([output for output, _ in used], [gradient for _, gradient in used])

    return Encoded(
        replace(parts[0], vectors=vectors, tokens=tokens, present=batch.present, lengths=batch.lengths), finish
    )
