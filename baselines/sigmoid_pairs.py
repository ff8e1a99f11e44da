"""SigLIP's sigmoid loss over every pair of modalities (Zhai et al., ICCV 2023, arXiv 2303.15343).

For one pair of modalities x, y and n instances the loss is

    −(1/n) Σ_i Σ_j log σ(s_ij (t x_i·y_j + b)),  s_ij = 1 if i = j and −1 otherwise,

so each pair of instances is judged on its own, with a learnable scale t = exp(t′) and a learnable bias b. Both start
at the paper's values, t′ = log 10 and b = −10. That bias suits large batches (with n = 64 the share of matched pairs
is e^−4.1), so a bias closer to 0 is in the search space. The mean over all pairs of modalities is our choice.
"""

import math

import torch
from torch import Tensor, nn

from pmrl.losses import sigmoid_loss
from pmrl.method import Embeddings, Method, searched


class SigmoidPairs(Method):
    """Judges pairs of instances for every two modalities; scores by the cosine of the two sides' centroids."""

    title = "Sigmoid pairs"
    reference = "Zhai et al. 2023, arXiv 2303.15343"
    color = "#785EF0"

    class Hyperparameters(Method.Hyperparameters):
        """Initial values of the learnable ``scale`` t and ``bias`` b."""

        scale: float = searched(10.0, 5.0, 20.0, above=0)
        bias: float = searched(-10.0, -5.0, at_least=-100, at_most=100)

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.logarithm_of_scale = nn.Parameter(torch.tensor(math.log(hyperparameters.scale)))
        self.bias = nn.Parameter(torch.tensor(hyperparameters.bias))

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Mean of the sigmoid loss over all pairs of modalities, each over the instances that have both."""
        scale, bias = self.logarithm_of_scale.exp(), self.bias
        return {"sigmoid": sigmoid_loss(embeddings.stack(), embeddings.mask(), scale=scale, bias=bias)}
