"""A small results folder with known answers: every value of the records is a function written below."""

import io
import json
import shutil
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import trials
import yaml
from PIL import Image, ImageDraw

from pmrl.records import CELL, COLUMNS, FINAL_SCORES

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
KINDS = {"pix": "picture", "picture": "picture", "text": "text", "subtitle": "text", "speech": "audio"}
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
    return singles + [("cosine", False, *pair) for pair in anchored(modalities)] + finals(modalities)


def anchored(modalities: list[str]) -> list[tuple[str, str]]:
    return [(modalities[0], "others"), ("others", modalities[0])]


def finals(modalities: list[str]) -> list[tuple[str, bool, str, str]]:
    """The own score and all re-rankings of it, which have the same recall on test data."""
    scorings = [("own", False), ("own", True), *((name, True) for name in FINAL_SCORES)]
    return [(*scoring, *pair) for scoring in scorings for pair in anchored(modalities)]


def validation() -> pd.DataFrame:
    """On validation every method is best by the final score of ``PREFERRED``, by one point; PMRL is a tie."""
    rows = [
        {
            "dataset": dataset, "method": method, "variant": variant, "regime": regime, "seed": seed,
            "split": "validation", "score": score, "reranked": reranked, "query": query, "gallery": gallery,
            "corruption": "none", "level": 0.0, "folds": "", "metric": "recall@1",
            "value": 20.0 + (PREFERRED.get(method) == (score, reranked)), "n": 50, "gallery_size": 50, "reason": "",
        }
        for dataset, modalities in DATASETS.items()
        for method, variant in contestants()
        for regime in SHIFT
        for seed in SEEDS
        for score, reranked, query, gallery in finals(modalities)
    ]  # fmt: skip
    return pd.DataFrame(rows)


PREFERRED = {"vast": ("mixture_25", True), "gram": ("own", True)}


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
                            "folds": "",
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
            name: {
                "description": name,
                "encoder": "raw",
                "kind": KINDS.get(name, "measurement"),
                "dimension": 10 + i,
                "tokens": [4, 8],
            }
            for i, name in enumerate(modalities)
        },
        "origin": "made for a test",
        "license": "CC BY 4.0",
        "citation": "none",
        "split_rule": "by group",
        "flaws": [],
        "counts": {"pretrain": 1000, "train": 400, "validation": 100, "test": ITEMS},
    }


def write(folder: Path) -> Path:
    """The results folder."""
    folder.mkdir(parents=True, exist_ok=True)
    values, ranks = records()
    values = pd.concat([values, noise(), probes(), validation(), space(), better()], ignore_index=True)
    values.astype({"method": "category", "query": "category"}).to_parquet(folder / "records.parquet")
    ranks.to_parquet(folder / "ranks.parquet")
    curves().to_parquet(folder / "curves.parquet")
    contributions().to_parquet(folder / "contributions.parquet")
    examples().to_parquet(folder / "examples.parquet")
    embeddings().to_parquet(folder / "embeddings.parquet")
    costs().to_parquet(folder / "costs.parquet")
    sweep().to_parquet(folder / "sweep.parquet")
    (folder / "methods.json").write_text(json.dumps(METHODS))
    trials.searched().to_csv(folder / "tuning_records.csv", index=False)
    for dataset in DATASETS:
        (folder / "data" / dataset).mkdir(parents=True, exist_ok=True)
        items(dataset).to_parquet(folder / "data" / dataset / "items.parquet")
        views(dataset).to_parquet(folder / "data" / dataset / "views.parquet")
        (folder / "data" / dataset / "card.yaml").write_text(yaml.safe_dump(card(dataset), sort_keys=False))
    return folder


def copy(folder: Path, target: Path) -> Path:
    """An independent copy of a results folder."""
    return Path(shutil.copytree(folder, target))


def drop(folder: Path, condition: str, names: tuple[str, ...] = ("records", "ranks")) -> None:
    """Remove the records and ranks that a query names, as if those runs were missing."""
    for name in names:
        frame = pd.read_parquet(folder / f"{name}.parquet")
        frame.drop(frame.query(condition).index).to_parquet(folder / f"{name}.parquet")


LEVELS = {
    "gaussian": (0.5, 1.0, 2.0),
    "blur": (1.0, 2.0, 4.0),
    "sound_noise": (1.0, 4.0),
    "missing": (0.25, 0.5, 1.0),
    "mismatched_anchor": (0.1, 0.3, 0.5),
    "mismatched_modality": (0.1, 0.3, 0.5),
}
# The modality whose signal can have a kind of noise, by data set.
NOISY = {"blur": {"digits": "pix", "emoji": "picture"}, "sound_noise": {"emoji": "speech"}}
LOSS = {"pmrl": 8.0, "pairwise": 10.0, "vast": 9.0, "gram": 12.0}


def noise() -> pd.DataFrame:
    """Recall falls linearly with the level: by LOSS × level, for every method."""
    rows = []
    for dataset, modalities in DATASETS.items():
        for method in METHODS:
            for seed in SEEDS:
                tasks = [(*pair, "cosine") for pair in permutations(modalities, 2)]
                tasks += [(modalities[0], "others", "own"), ("others", modalities[0], "own")]
                for query, gallery, score in tasks:
                    clean = recall(method, "main", "zero_shot", seed, query, gallery, "recall@1")
                    for corruption, levels in LEVELS.items():
                        if (corruption == "missing") != (score == "own") or not can_be(corruption, dataset, query):
                            continue
                        for level in levels:
                            rows.append(
                                {
                                    "dataset": dataset, "method": method, "variant": "main", "regime": "zero_shot",
                                    "seed": seed, "split": "test", "score": score, "reranked": False,
                                    "query": query, "gallery": gallery, "corruption": corruption, "level": level,
                                    "folds": "",
                                    "metric": "recall@1", "value": clean - LOSS[method] * level, "n": ITEMS,
                                    "gallery_size": ITEMS, "reason": "",
                                }
                            )  # fmt: skip
    return pd.DataFrame(rows)


def can_be(corruption: str, dataset: str, query: str) -> bool:
    """Whether a query can have this corruption: noise on a signal needs the signal."""
    return corruption not in NOISY or NOISY[corruption].get(dataset) == query


def mean_recall(dataset: str, method: str, seed: int, own: bool = False, noise: str = "none") -> float:
    """Mean clean recall@1 over all ordered pairs whose query can have the noise, or of anchor and others both ways."""
    anchored = [(DATASETS[dataset][0], "others"), ("others", DATASETS[dataset][0])]
    ordered = permutations(DATASETS[dataset], 2)
    pairs = anchored if own else [pair for pair in ordered if can_be(noise, dataset, pair[0])]
    return float(np.mean([recall(method, "main", "zero_shot", seed, *pair, "recall@1") for pair in pairs]))


def contributions() -> pd.DataFrame:
    """Every item adds the same: the mean itself, falling by LOSS × level; and to accuracy, ACCURACY."""
    rows = []
    for dataset in DATASETS:
        for seed in SEEDS:
            for method in METHODS:
                run = {"dataset": dataset, "method": method, "variant": "main", "seed": seed}
                measures = {kind: {"missing": "anchor"}.get(kind, "pairs") for kind in LEVELS}
                measures |= {kind: kind for kind in NOISY}
                for measure in sorted(set(measures.values())):
                    if measure in NOISY and dataset not in NOISY[measure]:
                        continue
                    clean = mean_recall(dataset, method, seed, own=measure == "anchor", noise=measure)
                    kinds = [kind for kind in LEVELS if measures[kind] == measure]
                    points = [("none", 0.0), *((kind, level) for kind in kinds for level in LEVELS[kind])]
                    rows += [
                        {**run, "measure": measure, "corruption": kind, "level": level, "folds": "",
                         "item": f"i{item:03d}",
                         "value": clean - LOSS[method] * level}
                        for kind, level in points for item in range(ITEMS)
                    ]  # fmt: skip
                rows += [
                    {**run, "measure": f"better_by_{score}", "corruption": "gaussian", "level": level, "folds": "",
                     "item": f"i{item:03d}", "value": better_share(method, score, level)}
                    for score in BETTER for level in LEVELS["gaussian"] for item in range(ITEMS)
                ]  # fmt: skip
            for method, accuracy in ACCURACY.items():
                rows += [
                    {"dataset": dataset, "method": method, "variant": "main", "seed": seed, "measure": "accuracy",
                     "corruption": "none", "level": 0.0, "folds": folds,
                     "item": f"i{item:03d}", "value": share * accuracy + seed - 1}
                    for item in range(ITEMS) for folds, share in PROTOCOLS.items()
                ]  # fmt: skip
    return pd.DataFrame(rows)


ACCURACY = {"pmrl": 68.0, "pairwise": 66.0, "vast": 67.0, "gram": 64.0, "raw_features": 69.0}
PROTOCOLS = {"random": 1.0, "few_1": 0.5}  # by one label per class half as good
CHANCE_ACCURACY = 35.0


BETTER = {"volume": 40.0, "sigma_1": 20.0, "mean_cosine": 10.0}
GAP = {"pmrl": 10.0, "pairwise": 30.0, "vast": 20.0, "gram": 60.0}


def better_share(method: str, score: str, level: float) -> float:
    """The share of items that look better after noise falls with the level; it is 5 points higher for GRAM."""
    return BETTER[score] - 2 * level + (5 if method == "gram" else 0)


def better() -> pd.DataFrame:
    """The modalities differ by one point from one to the next, and by none on average."""
    rows = []
    for dataset, modalities in DATASETS.items():
        middle = (len(modalities) - 1) / 2
        points = [(score, level) for score in BETTER for level in LEVELS["gaussian"]]
        rows += [
            {**OF_ALL, "dataset": dataset, "method": method, "seed": seed, "query": modality, "corruption": "gaussian",
             "level": level, "metric": f"better_by_{score}", "value": better_share(method, score, level) + i - middle}
            for method in METHODS for seed in SEEDS for score, level in points for i, modality in enumerate(modalities)
        ]  # fmt: skip
    return pd.DataFrame(rows)


OF_ALL = {
    "variant": "main", "regime": "zero_shot", "split": "test", "score": "own", "reranked": False, "query": "all",
    "gallery": "", "corruption": "none", "level": 0.0, "folds": "", "n": ITEMS, "gallery_size": 0, "reason": "",
}  # fmt: skip


def space() -> pd.DataFrame:
    """The modality gap of each method; seeds differ by 1 point, or by 0.01 in the distance of the centroids."""
    rows = []
    for dataset in DATASETS:
        for method, gap in GAP.items():
            for seed in SEEDS:
                values = {"between_modalities": gap + seed - 1, "centroid_distance": (gap + seed - 1) / 100}
                values |= {"modality_v_measure": gap + seed - 1, "class_v_measure": 50.0 + seed - 1}
                run = {"dataset": dataset, "method": method, "seed": seed}
                rows += [{**OF_ALL, **run, "metric": metric, "value": value} for metric, value in values.items()]
    return pd.DataFrame(rows)


def probes() -> pd.DataFrame:
    rows = []
    shifts = {"accuracy": 0, "auc": 5, "sensitivity": -2, "specificity": 2}
    for dataset in DATASETS:
        for method, accuracy in ACCURACY.items():
            for seed in SEEDS:
                for folds, share in PROTOCOLS.items():
                    values = {metric: share * accuracy + shift + (seed - 1) for metric, shift in shifts.items()}
                    rows += [
                        {
                            "dataset": dataset, "method": method, "variant": "main", "regime": "probe",
                            "seed": seed, "split": "test", "score": "own", "reranked": False, "query": "all",
                            "gallery": "", "corruption": "none", "level": 0.0, "folds": folds, "metric": metric,
                            "value": value, "n": ITEMS, "gallery_size": 2 if dataset == "digits" else 5, "reason": "",
                        }
                        for metric, value in (values | {"chance": CHANCE_ACCURACY}).items()
                    ]  # fmt: skip
    return pd.DataFrame(rows)


def costs() -> pd.DataFrame:
    rows = [
        (method, k, 100_000 * k + 1000 * i, (2.0 + i) * k, 0.1 * k * (2 + i), 300.0 + 20 * k)
        for i, method in enumerate(METHODS)
        for k in (3, 6, 14)
    ]
    return pd.DataFrame(
        rows,
        columns=["method", "modalities", "parameters", "step_milliseconds", "epoch_seconds", "peak_megabytes"],
    )


def sweep() -> pd.DataFrame:
    """Best at τ1 = 0.5, τ2 = 0.05; a weight of matching makes no difference."""
    rows = []
    for dataset in DATASETS:
        for seed in SEEDS:
            for first in (0.01, 0.05, 0.1, 0.5, 1.0):
                for second in (0.05, 0.1, 0.5):
                    value = 35 - 4 * abs(np.log(first / 0.5)) - 2 * abs(np.log(second / 0.05)) + (seed - 1)
                    rows.append((dataset, seed, "temperatures", first, second, 0.1, value))
            rows += [(dataset, seed, "matching_weight", 0.5, 0.05, w, 35.0 + (seed - 1)) for w in (0, 0.1, 1.0)]
    return pd.DataFrame(
        rows,
        columns=[
            *["dataset", "seed", "parameter", "alignment_temperature", "instance_temperature"],
            *["matching_weight", "value"],
        ],
    )


def items(dataset: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [f"i{item:03d}" for item in range(ITEMS)],
            "group": [f"g{item // 2}" for item in range(ITEMS)],
            "label": [f"class {item % 5}" for item in range(ITEMS)],
            "split": "test",
            "caption": [f"{dataset} number {item}, described in a few words" for item in range(ITEMS)],
        }
    )


def views(dataset: str) -> pd.DataFrame:
    """The discs for each modality that is a picture or a sound, captions for each that is a text."""
    texts = dict(zip(items(dataset)["id"], items(dataset)["caption"], strict=True))
    rows = [
        (name, key, None, texts[key]) if KINDS[name] == "text" else (name, key, png, None)
        for name in DATASETS[dataset]
        if name in KINDS
        for key, png in pictures().items()
    ]
    return pd.DataFrame(rows, columns=["modality", "id", "png", "text"])


def pictures() -> dict[str, bytes]:
    """A filled disc of another colour and size for every item."""
    shown = {}
    for item in range(ITEMS):
        picture = Image.new("RGB", (32, 32), "white")
        size = 5 + item % 10
        color = tuple(int(value) for value in np.random.default_rng(item).integers(0, 200, 3))
        ImageDraw.Draw(picture).ellipse((16 - size, 16 - size, 16 + size, 16 + size), fill=color)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        shown[f"i{item:03d}"] = buffer.getvalue()
    return shown


def examples() -> pd.DataFrame:
    """PMRL finds the item at rank 1, GRAM at rank 3 or not at all."""
    rows = []
    for query, gallery, item in (("text", "picture", 7), ("picture", "text", 21)):
        for method, place in (("pmrl", 1), ("gram", 3 if item == 7 else None)):
            for rank in range(1, 6):
                right = rank == place
                found = item if right else (item + 13 * rank) % ITEMS
                rows.append(("emoji", method, query, gallery, f"i{item:03d}", rank, f"i{found:03d}", right))
    columns = ["dataset", "method", "query", "gallery", "item", "rank", "retrieved", "correct"]
    return pd.DataFrame(rows, columns=columns)


def embeddings(d: int = 8) -> pd.DataFrame:
    """Unit vectors near a centre per class, closer together for PMRL."""
    rows = []
    for dataset, modalities in DATASETS.items():
        for method in METHODS:
            generator = np.random.default_rng(5)
            centres = generator.normal(size=(5, d))
            for item in range(ITEMS):
                base = centres[item % 5] + generator.normal(0, 0.5, d)
                spread = 0.4 if method == "pmrl" else 0.8
                vectors = base + generator.normal(0, spread, (len(modalities), d))
                vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
                leading = np.linalg.svd(vectors)[2][0]
                leading *= np.sign(leading @ vectors.sum(axis=0))
                for name, vector in zip([*modalities, "leading_direction"], [*vectors, leading], strict=True):
                    rows.append((dataset, method, 0, f"i{item:03d}", f"class {item % 5}", name, *vector))
    columns = ["dataset", "method", "seed", "item", "label", "modality", *[f"e{i}" for i in range(d)]]
    return pd.DataFrame(rows, columns=columns)


SCORES = {"score_centroid": 0, "score_fused": -12}


def add_scores(folder: Path) -> Path:
    """Give PMRL variants whose own recall@1 differs from the main one's by ``SCORES`` points, also between pairs."""
    records, ranks = (pd.read_parquet(folder / f"{name}.parquet") for name in ("records", "ranks"))
    keys = ["dataset", "regime", "seed", "query", "gallery"]
    chosen = "method == 'pmrl' and variant == 'main' and not reranked"
    clean = records.query(f"{chosen} and metric == 'recall@1' and corruption == 'none' and score == 'cosine'")
    found = ranks.query(f"{chosen} and score == 'cosine'")
    item = found["item"].str[1:].astype(int)
    hits = found["rank"].eq(1).groupby([found[key] for key in keys]).transform("sum")
    new_records, new_ranks = [], []
    for variant, shift in {"main": 0, **SCORES}.items():
        own = {"variant": variant, "score": "own"}
        new_records.append(clean.assign(**own, value=clean["value"] + shift))
        new_ranks.append(found.assign(**own, rank=np.where(item < hits + shift, 1.0, 50.0)))
    # The main variant has own scores of the anchor's directions already; they are the same.
    records = pd.concat([records, *new_records], ignore_index=True).drop_duplicates(CELL["records"])
    ranks = pd.concat([ranks, *new_ranks], ignore_index=True).drop_duplicates(COLUMNS["ranks"][:-1])
    records.to_parquet(folder / "records.parquet")
    ranks.to_parquet(folder / "ranks.parquet")
    methods = METHODS | {"pmrl": METHODS["pmrl"] | {"variants": [*METHODS["pmrl"]["variants"], *SCORES]}}
    (folder / "methods.json").write_text(json.dumps(methods))
    return folder
