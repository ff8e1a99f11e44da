"""ConFu: contrast of fused pairs of modalities with a third (arXiv 2511.21331, CVPR 2026).

λ·InfoNCE(fuse(i, j), k), averaged over all pairs i, j and third modalities k, plus (1 − λ)·InfoNCE averaged over all
pairs; τ 0.07, λ 0.5. fuse is a small perceptron on the concatenation of two vectors, one for each pair.

Ours: means in place of sums, so that λ means the same for any number of modalities; in each step every modality is the
third of one pair of the others, drawn at random, so that the cost does not grow with the cube of their number (with
three this is the whole sum; with more, its mean over the draws is); the perceptron corrects the sum of the two vectors;
an absent modality enters it as zeros, and a fused vector of which both are absent takes no part. A side of several
modalities is scored by the centroid of the fused vectors of its pairs.
"""

from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize

from pmrl.losses import all_pairs_loss, info_nce
from pmrl.method import Embeddings, Method, Network, Sizes, Temperature, searched, value


class ConFu(Method):
    """Contrasts fused pairs with a third modality, and all pairs; scores by the cosine of fused vectors."""

    title = "ConFu"
    reference = "arXiv 2511.21331, CVPR 2026"
    color = "#AB5B39"

    class Hyperparameters(Method.Hyperparameters):
        """``fused_share`` is λ, ``temperature`` the initial value of the learnable τ."""

        temperature: float = searched(0.07, 0.05, 0.1, 0.2, above=0)
        fused_share: float = searched(0.5, 0.2, 0.8, at_least=0, at_most=1)
        label_smoothing: float = value(0.0, at_least=0, below=1)

    def __init__(self, hyperparameters: Hyperparameters) -> None:
        super().__init__(hyperparameters)
        self.temperature = Temperature(hyperparameters.temperature)

    def setup(self, sizes: Sizes, network: Network) -> None:
        """One perceptron for each pair of modalities, all of one size, with a narrow hidden layer."""
        self.pairs = list(combinations(sizes.modalities, 2))
        width = sizes.network.dimension
        narrow, bound = max(1, width // 8), (2 * width) ** -0.5
        self.hidden = nn.Parameter(torch.empty(len(self.pairs), 2 * width, narrow).uniform_(-bound, bound))
        self.output = nn.Parameter(torch.empty(len(self.pairs), narrow, width).uniform_(-bound, bound))

    def loss(self, embeddings: Embeddings) -> dict[str, Tensor]:
        """Contrast of fused pairs with third modalities, and of all pairs."""
        share, temperature = self.hyperparameters.fused_share, self.temperature()
        smoothing = self.hyperparameters.label_smoothing
        vectors, mask = embeddings.stack(), embeddings.mask()
        pairwise = all_pairs_loss(vectors, mask, temperature=temperature, label_smoothing=smoothing)
        terms = {"pairwise": (1 - share) * pairwise}
        if len(embeddings.modalities) > 2:
            pair, third = self.triples(embeddings.modalities)
            fused, known = self.fused(embeddings, pair)
            logits = fused @ vectors.transpose(0, 1)[third].mT / temperature
            usable = known & mask.mT[third]
            terms["fused"] = share * info_nce(logits, usable, smoothing).mean()
        return terms

    def triples(self, modalities: tuple[str, ...]) -> tuple[list[int], list[int]]:
        """Indices of pairs, and the places of a third modality for each: every modality once, with a random pair."""
        pairs = []
        for name in modalities:
            others = [index for index, pair in enumerate(self.pairs) if set(pair) <= set(modalities) - {name}]
            pairs.append(others[int(torch.randint(len(others), ()))])
        return pairs, list(range(len(modalities)))

    def fused(self, embeddings: Embeddings, indices: list[int]) -> tuple[Tensor, Tensor]:
        """Unit vectors (pairs, batch, dimension) of some pairs, and which instances (pairs, batch) have either."""
        names = [self.pairs[index] for index in indices]
        first, second = (torch.stack([embeddings.vectors[pair[side]] for pair in names]) for side in (0, 1))
        hidden = gelu(torch.cat([first, second], dim=-1) @ self.hidden[indices])
        # the perceptron corrects the sum, which is where two aligned modalities point
        vectors = normalize(first + second + hidden @ self.output[indices], dim=-1)
        known = torch.stack([embeddings.present[pair[0]] | embeddings.present[pair[1]] for pair in names])
        return vectors * known.unsqueeze(-1), known

    def side(self, embeddings: Embeddings) -> Tensor:
        """Unit vectors (items, dimension) of one side: its only modality, or the centroid of its fused pairs."""
        if len(embeddings.modalities) == 1:
            return embeddings.centroid()
        indices = [index for index, pair in enumerate(self.pairs) if set(pair) <= set(embeddings.modalities)]
        return normalize(self.fused(embeddings, indices)[0].sum(dim=0), dim=-1)

    def score(self, query: Embeddings, gallery: Embeddings) -> Tensor:
        """Cosine of the two sides' vectors, (queries, gallery items)."""
        return self.side(query) @ self.side(gallery).T
