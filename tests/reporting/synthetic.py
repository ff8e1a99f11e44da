"""A small results folder with known answers: every value of the records is a function written below."""

import json
import shutil
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

METHODS = {
    "pmrl": {
        "title": "PMRL",
        "reference": "Liu et al. 2026",
        "color": "#0072B2",
        "variants": ["main", "without_regularization", "without_matching"],
    },
    "pairwise": {
        "title": "Pairwise",
        "reference": "Girdhar et al. 2023",
        "color": "#009E73",
        "variants": ["main"],
    },
    "vast": {"title": "VAST", "reference": "Chen et al. 2023", "color": "#E69F00", "variants": ["main"]},
    "gram": {"title": "GRAM", "reference": "Cicchetti et al. 2025", "color": "#D55E00", "variants": ["main"]},
}
DATASETS = {
    "digits": ["fou", "kar", "zer", "pix", "fac", "mor"],
    "emoji": ["text", "picture", "speech", "subtitle"],
}
BASE = {"pmrl": 30.0, "pairwise": 25.0, "vast": 24.0, "gram": 20.0}
VARIANT = {"main": 0.0, "without_regularization": -8.0, "without_matching": -1.0}
SEEDS = (0, 1, 2)
ITEMS = 100
CHANCE = {"recall@1": 1.0, "recall@5": 5.0, "recall@10": 10.0}
METRICS = {"recall@1": 0.0, "recall@5": 20.0, "recall@10": 30.0}
SHIFT = {"zero_shot": 0.0, "fine_tuned": 10.0, "scratch": -10.0}


def recall(method: str, variant: str, regime: str, seed: int, query: str, gallery: str, metric: str) -> float:
    """The recall in percent: a sum of integers, so that 100 items can show it exactly; seeds differ by 1."""
    pair = sum(map(ord, query + gallery)) % 5 + (13 if method == "gram" and "pi" in query + gallery else 0)
    anchored = 6 if method == "pmrl" and "o" in query else 0
    return BASE[method] + VARIANT[variant] + SHIFT[regime] + pair + anchored + (seed - 1) + METRICS[metric]


def contestants() -> list[tuple[str, str]]:
    return [(method, variant) for method, about in METHODS.items() for variant in about["variants"]]


def tasks(modalities: list[str]) -> list[tuple[str, bool, str, str]]:
    singles = [("cosine", False, *pair) for pair in permutations(modalities, 2)]
    anchored = [
        (score, reranked, *pair)
        for score in ("own", "cosine")
        for reranked in (False, True)
        for pair in ((modalities[0], "others"), ("others", modalities[0]))
    ]
    return singles + anchored


def records() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Records and, for recall@1, ranks that agree with them: the first r items are found at rank 1."""
    rows, ranks = [], []
    for dataset, modalities in DATASETS.items():
        for method, variant in contestants():
            for regime in SHIFT:
                for seed in SEEDS:
                    for score, reranked, query, gallery in tasks(modalities):
                        run = {
                            "dataset": dataset,
                            "method": method,
                            "variant": variant,
                            "regime": regime,
                            "seed": seed,
                        }
                        task = {"score": score, "reranked": reranked, "query": query, "gallery": gallery}
                        where = (method, variant, regime, seed, query, gallery)
                        values = {metric: recall(*where, metric) for metric in METRICS} | {"median_rank": 8.0}
                        rest = {
                            "split": "test",
                            "corruption": "none",
                            "level": 0.0,
                            "n": ITEMS,
                            "gallery_size": ITEMS,
                            "reason": "",
                        }
                        rows += [{**run, **task, **rest, "metric": m, "value": v} for m, v in values.items()]
                        found = np.arange(ITEMS) < values["recall@1"]
                        ranks += [
                            {**run, **task, "item": f"i{item:03d}", "rank": 1.0 if hit else 50.0}
                            for item, hit in enumerate(found)
                            if regime == "zero_shot"
                        ]
    return pd.DataFrame(rows), pd.DataFrame(ranks)


def curves() -> pd.DataFrame:
    """σ1 rises from 1 towards √k; the other singular values share what is left of Σσ² = k."""
    rows = []
    for dataset, modalities in DATASETS.items():
        k = len(modalities)
        for method in METHODS:
            for seed in SEEDS:
                generator = np.random.default_rng(seed)
                for step in range(0, 210, 10):
                    share = 1 - np.exp(-step / (60 if method == "pmrl" else 120)) * 0.9
                    first = np.sqrt(1 + (k - 1) * share**2 * 0.9) + 0.02 * seed
                    rest = np.sqrt((k - first**2) / (k - 1))
                    values = {"sigma_1": first}
                    values |= {f"sigma_{j}": rest * (1.3 - 0.6 * (j - 2) / (k - 1)) for j in range(2, k + 1)}
                    values["uniformity"] = -1 - 2 * share + 0.05 * seed
                    values["gradient_norm"] = np.exp(generator.normal(0, 0.5 if method == "gram" else 0.15))
                    values["loss"] = 3 - 2 * share
                    run = {
                        "dataset": dataset,
                        "method": method,
                        "variant": "main",
                        "stage": "continued",
                        "seed": seed,
                        "step": step,
                    }
                    rows += [{**run, "quantity": name, "value": value} for name, value in values.items()]
    return pd.DataFrame(rows)


def card(dataset: str) -> dict:
    modalities = DATASETS[dataset]
    return {
        "name": dataset,
        "title": f"Synthetic {dataset}",
        "anchor": modalities[0],
        "modalities": {
            name: {"description": name, "encoder": "raw", "dimension": 10 + i, "tokens": [4, 8]}
            for i, name in enumerate(modalities)
        },
        "origin": "made for a test",
        "license": "CC BY 4.0",
        "citation": "none",
        "split_rule": "group",
        "flaws": [],
        "counts": {"pretrain": 1000, "train": 400, "validation": 100, "test": ITEMS},
    }


def write(folder: Path) -> Path:
    """The results folder."""
    folder.mkdir(parents=True, exist_ok=True)
    values, ranks = records()
    values.astype({"method": "category", "query": "category"}).to_parquet(folder / "records.parquet")
    ranks.to_parquet(folder / "ranks.parquet")
    curves().to_parquet(folder / "curves.parquet")
    (folder / "methods.json").write_text(json.dumps(METHODS))
    for dataset in DATASETS:
        (folder / "data" / dataset).mkdir(parents=True, exist_ok=True)
        (folder / "data" / dataset / "card.yaml").write_text(yaml.safe_dump(card(dataset), sort_keys=False))
    return folder


def copy(folder: Path, target: Path) -> Path:
    """An independent copy of a results folder."""
    return Path(shutil.copytree(folder, target))


def drop(folder: Path, condition: str) -> None:
    """Remove the records and ranks that a query names, as if those runs were missing."""
    for name in ("records", "ranks"):
        frame = pd.read_parquet(folder / f"{name}.parquet")
        frame.drop(frame.query(condition).index).to_parquet(folder / f"{name}.parquet")
