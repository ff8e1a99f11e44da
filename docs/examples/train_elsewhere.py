"""Train with pytorch-metric-learning's loop and our loss: `python docs/examples/train_elsewhere.py`.

The data are scikit-learn's handwritten digits. Their three modalities are every third pixel of a picture, from the
first, second and third on; the loss aligns them. Any other loss of pmrl.losses takes the same place. Prints how often
the first part of a test picture finds its own third part among all, before and after training.
"""

import logging

import numpy as np
import torch
from pytorch_metric_learning import trainers
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.utils.data import TensorDataset

from pmrl.losses import centroid_score, pmrl_loss

MODALITIES, WIDTH = 3, 32


class Encoders(nn.Module):
    """One linear map for each part of the picture, to unit vectors (batch, modalities × width), side by side."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(size, WIDTH) for size in sizes)

    def forward(self, pictures: Tensor) -> Tensor:
        """From (batch, pixels)."""
        parts = (layer(pictures[:, start::MODALITIES]) for start, layer in enumerate(self.maps))
        return torch.cat([normalize(part, dim=1) for part in parts], dim=1)


class Alignment(nn.Module):
    """PMRL's loss, aware of signs, in the shape that the library's trainers call."""

    def forward(self, embeddings: Tensor, _labels: Tensor, _tuples: object = None) -> Tensor:
        """From embeddings (batch, modalities × width)."""
        return pmrl_loss(embeddings.unflatten(1, (MODALITIES, WIDTH)), shift=1.0)


def recall(encoders: nn.Module, pictures: Tensor) -> float:
    """Percentage of first parts whose nearest third part is their own."""
    with torch.no_grad():
        z = encoders(pictures).unflatten(1, (MODALITIES, WIDTH))
    scores = centroid_score(z[:, :1], z[:, 2:])
    return 100 * (scores.argmax(dim=1) == torch.arange(len(scores))).float().mean().item()


def main(epochs: int = 20) -> tuple[float, float]:
    """Train; return recall before and after."""
    torch.manual_seed(0)
    logging.getLogger().setLevel(logging.WARNING)
    pictures, labels = load_digits(return_X_y=True)
    pictures = torch.from_numpy((pictures / 16 - 0.3).astype(np.float32))
    train, test = pictures[:1500], pictures[1500:]
    encoders = Encoders([22, 21, 21])
    before = recall(encoders, test)
    trainer = trainers.MetricLossOnly(
        models={"trunk": encoders},
        optimizers={"trunk_optimizer": torch.optim.AdamW(encoders.parameters(), lr=5e-3)},
        batch_size=100,
        loss_funcs={"metric_loss": Alignment()},
        dataset=TensorDataset(train, torch.from_numpy(labels[:1500])),
        data_device=torch.device("cpu"),
        dataloader_num_workers=0,
    )
    trainer.train(num_epochs=epochs)
    return before, recall(encoders, test)


if __name__ == "__main__":
    print("recall@1 of the third part by the first, test pictures: {:.1f} % before, {:.1f} % after".format(*main()))
