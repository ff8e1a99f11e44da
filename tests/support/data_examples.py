"""A small data set made of a shared latent vector seen through two or three linear views."""

import numpy as np
import pandas as pd

from pmrl.data.dataset import Card, Dataset, Modality
from pmrl.data.pictures import png

KINDS = {"sound": "audio", "word": "text"}


def card(modalities=("sound", "word"), **changes):
    entries = {
        "name": "tiny",
        "title": "A tiny data set",
        "anchor": modalities[-1],
        "modalities": {
            name: Modality(f"a {name}", "linear view", kind=KINDS.get(name, "measurement")) for name in modalities
        },
        "origin": "random numbers",
        "license": "CC0",
        "citation": "none",
        "split_rule": "by group",
        "flaws": ["not real"],
    }
    return Card(**{**entries, **changes})


def items(groups=20, per_group=4):
    splits = ["pretrain"] * (groups // 2) + ["train"] * (groups // 4)
    splits += ["validation"] * (groups // 10)
    splits += ["test"] * (groups - len(splits))
    rows = [
        (f"item-{group}-{row}", f"group-{group}", f"label-{group % 3}", splits[group], f"thing {group}.{row}")
        for group in range(groups)
        for row in range(per_group)
    ]
    return pd.DataFrame(rows, columns=["id", "group", "label", "split", "caption"])


def dataset(modalities=("sound", "word"), seed=0, noise=0.1, groups=20):
    generator = np.random.default_rng(seed)
    table = items(groups)
    latent = generator.normal(size=(len(table), 4))
    pooled, tokens = {}, {}
    for name in modalities:
        view = latent @ generator.normal(size=(4, 6))
        pooled[name] = (view + noise * generator.normal(size=view.shape)).astype(np.float32)
        tokens[name] = pooled[name].reshape(len(table), 2, 3).astype(np.float16)
    present = {name: np.ones(len(table), dtype=bool) for name in modalities}
    shown = {
        "sound": {"item-0-0": png(np.full((2, 2), 128, dtype=np.uint8))},
        "word": {"item-0-0": "corazón", "item-0-1": "$x"},
    }
    views = {name: shown[name] for name in modalities if name in shown}
    return Dataset(card(modalities), table, pooled, tokens, present, views)
