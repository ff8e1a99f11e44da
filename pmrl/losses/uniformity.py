"""UniAlign: alignment of instances and uniformity of each modality, without cross-modal negatives.

arXiv 2602.09507, ICML 2026: λu Σ_m log mean_{i≠j} exp(−‖z_i^m − z_j^m‖²/2τ²) + λa mean ‖z^anchor − z^n‖² + λv·vol.
The weights are not known to us; ours are 1 and tuned. A missing modality takes no part in any term.
"""

import torch
from torch import Tensor

from pmrl.losses.inputs import all_present, check_vectors, full_precision
from pmrl.losses.spectral import spectrum, widen


@full_precision
def unialign_loss(
    z: Tensor,
    mask: Tensor | None = None,
    *,
    anchor: int = 0,
    bandwidth: float = 0.5,
    uniformity_weight: float = 1.0,
    alignment_weight: float = 1.0,
    volume_weight: float = 1.0,
) -> Tensor:
    """λu·uniformity + λa·alignment + λv·volume; gradients are first-order only if there is a volume.

    Args:
        z: (batch, modalities, dimension) unit vectors; what stands in absent places is ignored.
        mask: (batch, modalities), true where a modality is present; None means that all are.
        anchor: place of the anchor.
        bandwidth: τ > 0 of the uniformity.
        uniformity_weight: λu.
        alignment_weight: λa.
        volume_weight: λv.

    Returns:
        A scalar.

    Example:
        >>> import torch
        >>> z = torch.nn.functional.normalize(torch.randn(8, 4, 32), dim=-1).requires_grad_()
        >>> unialign_loss(z).backward()
    """
    z, present = check_vectors(z, mask, "unialign_loss", least=2)
    mask = all_present(z.shape[:2], z.device) if present is None else present
    loss = uniformity_weight * uniformity(z, mask, bandwidth) + alignment_weight * anchor_distance(z, mask, anchor)
    return loss + volume_weight * own_volume(z, mask) if volume_weight else loss


@full_precision
def uniformity(z: Tensor, mask: Tensor, bandwidth: float) -> Tensor:
    """Σ_m log mean_{i≠j} exp(−‖z_i^m − z_j^m‖²/2τ²) ≤ 0, over the instances that have modality m.

    A modality with fewer than two instances counts as 0 (Wang and Isola, ICML 2020, arXiv 2005.10242).
    """
    vectors, usable = widen(z).transpose(0, 1), mask.bool().mT
    # ‖a − b‖² = 2 − 2 a·b for unit vectors
    exponents = (vectors @ vectors.mT - 1) / bandwidth**2
    own = torch.eye(len(z), dtype=torch.bool, device=z.device)
    pairs = usable.unsqueeze(-1) & usable.unsqueeze(-2) & ~own
    count = usable.sum(-1)
    # a finite stand-in for −∞, so that a modality without pairs has a finite gradient
    total = exponents.masked_fill(~pairs, -1e30).flatten(1).logsumexp(1)
    logarithms = total - (count * (count - 1)).clamp_min(1).log()
    return torch.where(count > 1, logarithms, 0).sum()


@full_precision
def anchor_distance(z: Tensor, mask: Tensor, anchor: int = 0) -> Tensor:
    """Mean of ‖z^anchor − z^n‖² over all instances and other modalities that have both."""
    others = [place for place in range(z.shape[1]) if place != anchor]
    both = mask[:, anchor, None] & mask[:, others]
    distances = (z[:, anchor, None] - z[:, others]).square().sum(-1).masked_fill(~both, 0)
    return distances.sum() / both.sum().clamp_min(1)


@full_precision
def own_volume(z: Tensor, mask: Tensor) -> Tensor:
    """Mean volume that the present vectors of an instance span: the product of their singular values."""
    values = spectrum(z, mask).singular_values
    absent = torch.arange(z.shape[1], device=z.device) >= mask.sum(1, keepdim=True)
    usable = mask.sum(1) > 1
    volumes = values.masked_fill(absent, 1).prod(1).masked_fill(~usable, 0)
    return volumes.sum() / usable.sum().clamp_min(1)
