"""CalMRL: missing modality vectors are imputed by a linear latent model, then PMRL's loss (arXiv 2511.12034).

The vectors of an instance are z^m = W_m h + μ_m + ε with a common latent h ~ N(0, I) and ε ~ N(0, σ_m² I), a
probabilistic PCA in which each modality has a noise of its own. Given the present modalities, h is Gaussian, and W_m
E[h] + μ_m stands for a missing z^m. Expectation maximisation alternates with training.

Ours: W, μ and σ² are buffers that a step of expectation maximisation moves after each batch, by a running mean of its
sufficient statistics; imputed vectors are normalised, enter the loss without a gradient, and are used from the second
tenth of a stage on, when the statistics have settled; with fewer present modalities than one nothing is imputed. The
number of latents, which is not known to us, is 32. Without missing modalities the loss is PMRL's.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pmrl.losses import alignment_loss, instance_regularization
from pmrl.losses.spectral import spectrum
from pmrl.method import Embeddings, Method, Network, Sizes, instance_matching, searched, value

MOMENTUM = 0.9  # of the sufficient statistics
SETTLED = 0.1  # share of a stage before vectors are imputed
NOISE_FLOOR = 1e-4


class CalMrl(Method):
    """PMRL on completed instances; scores by the cosine of the two sides' leading directions."""

    title = "CalMRL"
    reference = "arXiv 2511.12034, 2025"
    color = "#CFE850"

    loadings: Tensor
    means: Tensor
    noise: Tensor
    cross: Tensor
    latent: Tensor
    weights: Tensor

    class Hyperparameters(Method.Hyperparameters):
        """PMRL's temperatures and matching weight; ``latents`` is the dimension of h."""

        alignment_temperature: float = searched(0.5, 0.05, 0.1, 0.2, 1.0, above=0)
        instance_temperature: float = searched(0.1, 0.05, 0.2, above=0)
        matching_weight: float = searched(0.1, 0.05, 0.3, at_least=0)
        latents: int = value(32, at_least=1, at_most=256)

    def setup(self, sizes: Sizes, network: Network) -> None:
        """The latent model, and the sufficient statistics that it is fitted to."""
        count, width = len(sizes.modalities), sizes.network.dimension
        latents = min(self.hyperparameters.latents, width)
        self.register_buffer("loadings", torch.randn(count, width, latents) / width**0.5)
        self.register_buffer("means", torch.zeros(count, width))
        self.register_buffer("noise", torch.full((count,), 1 / width))
        self.register_buffer("cross", torch.zeros(count, width, latents))
        self.register_buffer("latent", torch.zeros(count, latents, latents))
        self.register_buffer("weights", torch.zeros(count))

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """PMRL's terms on instances whose missing vectors are imputed."""
        values = self.hyperparameters
        vectors, mask = embeddings.stack(), embeddings.mask()
        known = vectors.detach()
        completed, complete = vectors, mask
        if self.step.share >= SETTLED and not mask.all():
            filled = mask | mask.any(dim=1, keepdim=True)
            completed, complete = torch.where(mask.unsqueeze(-1), vectors, self.imputed(known, mask)), filled
        if self.training:
            self.learn(known, mask)
        singular_values, direction = spectrum(completed, complete)
        terms = {
            "alignment": alignment_loss(singular_values, values.alignment_temperature, complete),
            "regularization": instance_regularization(direction, values.instance_temperature, complete.any(dim=1)),
        }
        if values.matching_weight:
            similarity = embeddings.vectors[embeddings.anchor] @ direction.T / values.instance_temperature
            terms["matching"] = values.matching_weight * instance_matching(embeddings, similarity)
        return terms

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Cosine of the two sides' leading directions, (queries, gallery items)."""
        return query.leading_direction() @ gallery.leading_direction().T

    def posterior(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (batch, latents) and covariance (batch, latents, latents) of h given the present vectors.

        The precision is I + Σ_m W_mᵀW_m/σ_m², the mean its inverse times Σ_m W_mᵀ(z^m − μ_m)/σ_m².
        """
        present = mask.to(vectors.dtype) / self.noise
        squares = self.loadings.mT @ self.loadings
        identity = torch.eye(squares.shape[-1], dtype=vectors.dtype, device=vectors.device)
        covariance = torch.linalg.inv(identity + torch.einsum("bm,mlk->blk", present, squares))
        pulled = torch.einsum("bmd,mdl->bml", vectors - self.means, self.loadings)
        return torch.einsum("blk,bm,bmk->bl", covariance, present, pulled), covariance

    @torch.no_grad()
    def imputed(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """The unit vectors (batch, modalities, dimension) that the model expects given the present ones."""
        mean, _ = self.posterior(vectors, mask)
        return normalize(torch.einsum("mdl,bl->bmd", self.loadings, mean) + self.means, dim=-1)

    @torch.no_grad()
    def learn(self, vectors: Tensor, mask: Tensor) -> None:
        """One step of expectation maximisation on running sufficient statistics."""
        mean, covariance = self.posterior(vectors, mask)
        present = mask.to(vectors.dtype)
        count = present.sum(dim=0)
        some = count > 0
        batch_means = torch.einsum("bm,bmd->md", present, vectors) / count.clamp_min(1).unsqueeze(-1)
        known = (self.weights > 0).to(vectors.dtype)
        momentum = torch.where(some, MOMENTUM * known, torch.ones_like(known))
        self.means = _moved(self.means, batch_means, momentum)
        centred = (vectors - self.means) * present.unsqueeze(-1)
        second = covariance + mean.unsqueeze(-1) * mean.unsqueeze(-2)
        share = present / count.clamp_min(1)
        self.cross = _moved(self.cross, torch.einsum("bm,bmd,bl->mdl", share, centred, mean), momentum)
        self.latent = _moved(self.latent, torch.einsum("bm,blk->mlk", share, second), momentum)
        self.weights = torch.where(some, torch.ones_like(known), self.weights)
        identity = torch.eye(self.latent.shape[-1], dtype=vectors.dtype, device=vectors.device)
        fitted = torch.linalg.solve(self.latent + NOISE_FLOOR * identity, self.cross.mT).mT
        self.loadings = torch.where(self.weights.view(-1, 1, 1) > 0, fitted, self.loadings)
        # σ_m² = mean of |z − μ|² − 2 (z − μ)ᵀW E[h] + tr(WᵀW E[hhᵀ]) over the dimensions
        lengths = (share.unsqueeze(-1) * centred.square()).sum(dim=(0, 2))
        explained = (self.loadings * self.cross).sum(dim=(1, 2))
        spread = ((self.loadings.mT @ self.loadings) * self.latent).sum(dim=(1, 2))
        residual = ((lengths - 2 * explained + spread) / vectors.shape[-1]).clamp_min(NOISE_FLOOR / vectors.shape[-1])
        self.noise = _moved(self.noise, residual, torch.where(some, torch.full_like(known, MOMENTUM), momentum))


def _moved(old: Tensor, new: Tensor, momentum: Tensor) -> Tensor:
    """A running mean for each modality, (modalities, …)."""
    share = momentum.view(-1, *(1,) * (old.dim() - 1))
    return share * old + (1 - share) * new
