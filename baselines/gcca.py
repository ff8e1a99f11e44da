"""MAXVAR generalised canonical correlation analysis (GCCA): linear maps in closed form, without training.

Kettenring, Canonical analysis of several sets of variables, Biometrika 58, 1971; with a ridge as in Takane, Hwang and
Abdi, Regularized multiple-set canonical correlation analysis, Psychometrika 73, 2008; with missing rows as in van de
Velden and Takane, Generalized canonical correlation analysis with missing values, Computational Statistics 27, 2012.

Over the shared variables G (instances, directions) and the maps W_m it minimises

    Σ_m ‖K_m (G − X_m W_m)‖² + r_m ‖W_m‖²   with   Gᵀ (Σ_m K_m) G = I,

where X_m holds the centred features of modality m and the diagonal matrix K_m says where it is present. With
C_m = X_mᵀX_m + r_m I (rows of absent modalities are zero) and K = Σ_m K_m, the columns of K^½ G are the leading
eigenvectors of K^−½ (Σ_m X_m C_m⁻¹ X_mᵀ) K^−½, and W_m = C_m⁻¹ X_mᵀ G. Without a ridge and without missing rows the
sum in brackets is that of the projections onto the modalities. GCCA is the classical relative of PMRL, whose leading
direction solves the same problem for the vectors of one instance instead of for the instances of one direction.

Instances are mapped by X_m W_m, which shrinks directions that the modality does not explain, and then normalised.
"""

from collections.abc import Mapping
from typing import cast

import numpy as np
import scipy.linalg
import torch
from torch import Tensor, nn
from torch.nn import functional

from pmrl.method import Batch, Dataset, Method, Network, NetworkSettings, Shape, searched, zero_tokens


class LinearEncoders(nn.Module):
    """A linear map of each modality's standardised features to a unit vector; tokens are zero.

    Args:
        shapes: sizes of the features of each modality.
        settings: sizes of the networks.
    """

    def __init__(self, shapes: Mapping[str, Shape], settings: NetworkSettings) -> None:
        super().__init__()
        self.maps = nn.ModuleDict(
            {name: nn.Linear(shape.features, settings.dimension) for name, shape in shapes.items()}
        )
        self.width = settings.width

    def forward(self, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Unit vectors (batch, dimension), zero where absent, and tokens, by modality."""
        vectors = {
            name: functional.normalize(layer(batch.pooled[name]), dim=-1) * batch.present[name].unsqueeze(-1)
            for name, layer in self.maps.items()
        }
        return vectors, zero_tokens(batch, self.width)


class Gcca(Method):
    """Leading shared variables of all modalities; scores by the cosine of the two sides' centroids."""

    title = "GCCA"
    reference = "Kettenring 1971, Biometrika 58"
    color = "#7A0403"
    closed_form = True

    class Hyperparameters(Method.Hyperparameters):
        """Sizes of the solution.

        Attributes:
            ridge: r_m in units of the mean diagonal entry of X_mᵀX_m.
            directions: number of shared variables (at most the network's dimension).
        """

        ridge: float = searched(0.1, 0.01, 0.3, 1.0, 10.0, at_least=0)
        directions: int = searched(128, 32, 64, at_least=1)

    def new_network(self, dataset: Dataset, settings: NetworkSettings) -> Network:
        """A network with linear encoders."""
        return Network(dataset, settings, encoders=LinearEncoders)

    @torch.no_grad()
    def fit(self, network: Network, examples: Batch) -> None:
        """Set the encoders' linear maps; dimensions beyond the number of directions stay zero."""
        maps = linear_maps(network)
        features, present = {}, {}
        for name in maps:
            present[name] = examples.present[name].cpu().numpy()
            features[name] = network.pooled[name](examples.pooled[name]).double().cpu().numpy()
        means = {name: x[present[name]].mean(axis=0) for name, x in features.items()}
        centred = [(x - means[name]) * present[name][:, None] for name, x in features.items()]
        solution = maxvar(centred, np.stack(list(present.values()), axis=1), *self.sizes(network))
        for (name, layer), weights in zip(maps.items(), solution, strict=True):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
            directions = weights.shape[1]
            layer.weight[:directions] = torch.from_numpy(weights.T)
            layer.bias[:directions] = -torch.from_numpy(means[name] @ weights)

    def sizes(self, network: Network) -> tuple[float, int]:
        """The ridge, and the number of directions, at most the network's dimension."""
        dimension = min(layer.out_features for layer in linear_maps(network).values())
        return self.hyperparameters.ridge, min(self.hyperparameters.directions, dimension)


def linear_maps(network: Network) -> dict[str, nn.Linear]:
    """The encoder of each modality in a network of :meth:`Gcca.new_network`."""
    maps = cast(LinearEncoders, network.encoders).maps
    return {name: cast(nn.Linear, layer) for name, layer in maps.items()}


def maxvar(features: list[np.ndarray], present: np.ndarray, ridge: float, directions: int) -> list[np.ndarray]:
    """The maps W_m of MAXVAR, as described at the top of this module.

    Σ_m X_m C_m⁻¹ X_mᵀ = T Tᵀ for T = [X_1 L_1⁻ᵀ, …, X_k L_k⁻ᵀ] with C_m = L_m L_mᵀ, so its leading eigenvectors are
    computed from the smaller of T Tᵀ and TᵀT.

    Args:
        features: (instances, features) of each modality, centred, zero where absent.
        present: (instances, modalities) booleans.
        ridge: see :class:`Gcca.Hyperparameters`.
        directions: number of columns; fewer are returned if the rank is smaller.

    Returns:
        (features, directions) for each modality.
    """
    factors = [ridge_factor(x, ridge) for x in features]
    whitened = [
        scipy.linalg.solve_triangular(factor, x.T, lower=True).T for x, factor in zip(features, factors, strict=True)
    ]
    weight = 1 / np.sqrt(present.sum(axis=1).clip(min=1))
    shared = weight[:, None] * leading_left_vectors(weight[:, None] * np.hstack(whitened), directions)
    return [
        scipy.linalg.solve_triangular(factor, x.T @ shared, lower=True, trans="T")
        for x, factor in zip(whitened, factors, strict=True)
    ]


def ridge_factor(features: np.ndarray, ridge: float) -> np.ndarray:
    """Lower Cholesky factor of XᵀX + ridge·v·I, where v is the mean diagonal entry of XᵀX.

    The ridge is at least 1e-9, so that the factor exists for linearly dependent features. If all features are 0, the
    factor is that of the identity.
    """
    matrix = features.T @ features
    mean = np.trace(matrix) / len(matrix)
    matrix[np.diag_indices_from(matrix)] += max(ridge, 1e-9) * mean if mean else 1.0
    factor: np.ndarray = scipy.linalg.cholesky(matrix, lower=True)
    return factor


def leading_left_vectors(matrix: np.ndarray, count: int) -> np.ndarray:
    """Left singular vectors (rows, ≤ count) of the largest non-zero singular values, largest first."""
    rows, columns = matrix.shape
    gram = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    size = len(gram)
    values, vectors = scipy.linalg.eigh(gram, subset_by_index=(max(size - count, 0), size - 1))
    nonzero = (values > size * np.finfo(float).eps * values[-1])[::-1]
    values, vectors = values[::-1][nonzero], vectors[:, ::-1][:, nonzero]
    left: np.ndarray = vectors if rows <= columns else matrix @ vectors / np.sqrt(values)
    return left
