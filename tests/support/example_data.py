"""What tests of several folders share: a small synthetic data set, and where the shared test data lie."""

from pathlib import Path

import numpy as np
import pandas as pd

from pmrl.data.dataset import Card, Dataset, Modality
from pmrl.data.pictures import png

SHARED = Path(__file__).resolve().parents[3] / "shared"
KINDS = {"alpha": "text", "beta": "audio", "gamma": "picture"}  # the others are measurements


def synthetic_dataset(
    name: str = "synthetic",
    modalities: int = 3,
    per_split: int = 40,
    absent: float = 0.0,
    noise: float = 0.1,
    apart: bool = False,
) -> Dataset:
    """``per_split`` instances in each split; every modality is a random linear view of the same latent vector.

    With ``apart`` every instance has the anchor ``alpha`` and one other modality only.
    """
    random = np.random.default_rng(0)
    splits = ("pretrain", "train", "validation", "test")
    count = per_split * len(splits)
    latent = random.normal(size=(count, 6))
    names = ["alpha", "beta", "gamma", "delta", "epsilon"][:modalities]
    pooled, tokens, present = {}, {}, {}
    for m, modality in enumerate(names):
        view = latent @ random.normal(size=(6, 8 + m)) + noise * random.normal(size=(count, 8 + m))
        pooled[modality] = view.astype(np.float32)
        tokens[modality] = view[:, :8].reshape(count, 2, 4).astype(np.float16)
        present[modality] = random.random(count) >= (absent if m else 0.0)
    for split in range(len(splits)):
        for modality in names:  # at least one instance of each modality in each split
            present[modality][split * per_split : split * per_split + 4] = True
    items = pd.DataFrame(
        {
            "id": [f"item{i:03d}" for i in range(count)],
            "group": [f"group{i:03d}" for i in range(count)],
            "label": [f"class{int(x > 0)}" for x in latent[:, 0]],
            "split": np.repeat(splits, per_split),
            "caption": [f"the item number {i}" for i in range(count)],
        }
    )
    if apart:
        for row, modality in enumerate(names[1:]):
            present[modality] &= np.arange(count) % (modalities - 1) == row
    card = Card(
        name=name,
        title="Synthetic views",
        anchor="alpha",
        modalities={
            modality: Modality(f"view {modality}", "none", kind=KINDS.get(modality, "measurement"))
            for modality in names
        },
        origin="made by the tests",
        license="MIT",
        citation="none",
        split_rule="by position",
        flaws=["not real"],
    )
    views = {
        "alpha": dict(zip(items["id"], items["caption"], strict=True)),
        "gamma": {key: png(np.full((4, 4), row % 256, dtype=np.uint8)) for row, key in enumerate(items["id"])},
    }
    return Dataset(card, items, pooled, tokens, present, {name: views[name] for name in names if name in views})
