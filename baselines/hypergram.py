"""HyperGRAM: GRAM's volume mixed with that of vectors on a hyperboloid (CVPR 2026).

The logits are −[(1 − α)·√|det G_L| + α·vol], with the Lorentz Gram matrix G_L of the vectors after the exponential map,
contrasted as in GRAM, plus 0.1 times instance matching. As in the authors' release, the curvature is learned, at ten
times the learning rate, and hyperbolic volumes are scaled to the mean of the Euclidean ones.

Ours: any number of modalities and missing ones by the identity in ``pmrl/losses/hyperbolic.py``; the scale of the score
is a running mean of the batches' scales, so that a score depends on its pair only; α, which is not known to us, is
searched.
"""

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pmrl.losses import hypergram_score, info_nce
from pmrl.losses.gram import around
from pmrl.losses.hyperbolic import common_scale, mixture, volumes
from pmrl.method import (
    Embeddings,
    Method,
    Network,
    ParameterGroup,
    Temperature,
    instance_matching,
    one_against_several,
    searched,
    value,
)

MOMENTUM = 0.9  # of the running scale


class HyperGram(Method):
    """Contrasts the anchor with the others by a mixture of hyperbolic and Euclidean volume; scores by minus it."""

    title = "HyperGRAM"
    reference = "CVPR 2026"
    color = "#6B5C65"

    scale: Tensor

    class Hyperparameters(Method.Hyperparameters):
        """``euclidean_share`` is α, ``curvature`` the initial value of the learnable one; the rest are GRAM's."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
        label_smoothing: float = value(0.1, at_least=0, below=1)
        matching_weight: float = searched(0.1, 0.05, 0.3, at_least=0)
        euclidean_share: float = searched(0.5, 0.0, 0.2, 0.8, at_least=0, at_most=1)
        curvature: float = value(1.0, above=0, at_most=10)

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)
        self.logarithm_of_curvature = nn.Parameter(torch.tensor(math.log(hyperparameters.curvature)))
        self.register_buffer("scale", torch.ones(()))

    def parameter_groups(self, network: Network) -> Sequence[ParameterGroup]:
        """The curvature learns ten times as fast, and is not decayed."""
        return [ParameterGroup([self.logarithm_of_curvature], rate=10.0, weight_decay=0.0)]

    @property
    def curvature(self) -> Tensor:
        """κ, kept between 0.1 and 10, where hyperbolic functions neither vanish nor overflow."""
        return self.logarithm_of_curvature.clamp(math.log(0.1), math.log(10)).exp()

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Contrastive term over the mixed volumes, and the matching term with negatives drawn by the same logits."""
        values = self.hyperparameters
        place = embeddings.modalities.index(embeddings.anchor)
        anchor, others, mask, usable = around(embeddings.stack(), embeddings.mask(), place)
        flat, curved = volumes(anchor, others, mask, self.curvature)
        scale = common_scale(flat, curved)
        self.scale = scale if self.step.number == 0 else MOMENTUM * self.scale + (1 - MOMENTUM) * scale
        self.step.log("curvature", self.curvature)
        logits = mixture(flat, curved, values.euclidean_share, scale) / self.temperature()
        terms = {"contrastive": info_nce(logits, usable, values.label_smoothing)}
        if values.matching_weight:
            terms["matching"] = values.matching_weight * instance_matching(embeddings, logits)
        return terms

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Minus the mixed volume, (queries, gallery items); one of the two sides has a single modality."""
        share = self.hyperparameters.euclidean_share
        mixed = functools.partial(hypergram_score, curvature=self.curvature, euclidean_share=share, scale=self.scale)
        return one_against_several(mixed, query, gallery)
