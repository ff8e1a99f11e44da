"""The geometry of an instance's vectors, logged while a method trains."""

import torch
from torch import Tensor

from pmrl.losses.spectral import spectrum
from pmrl.method.embeddings import Embeddings


def watch(terms: dict[str, Tensor] | None, embeddings: Embeddings) -> dict[str, float]:
    """The geometry of held-out instances, which every training logs; see ``pmrl.training.loop.Watch``."""
    return geometry(embeddings) if terms is None else {}


@torch.no_grad()
def geometry(embeddings: Embeddings) -> dict[str, float]:
    """Mean singular values over instances with all modalities, and the uniformity of leading directions.

    Uniformity is log mean exp(−2‖u_i − u_j‖²) over pairs i ≠ j (Wang and Isola, ICML 2020): lower is more uniform.
    Singular values need at least one instance with all modalities, uniformity at least two.
    """
    complete = embeddings.mask().all(dim=1)
    if not complete.any():
        return {}
    values, direction = spectrum(embeddings.stack()[complete])
    result = {f"sigma_{j + 1}": value for j, value in enumerate(values.mean(dim=0).tolist())}
    if len(direction) > 1:
        result["uniformity"] = torch.pdist(direction).square().mul(-2).exp().mean().log().item()
    return result
