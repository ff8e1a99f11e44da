"""What all methods share is chosen once, on validation data, for all of them together: heads, optimiser and steps.

Each setting trains a foundation and continues it with every method, with default hyper-parameters, on seeds that the
study never uses. `docs/verdicts.md` shows what was chosen and why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from pmrl.data.dataset import Dataset
from pmrl.errors import UserError
from pmrl.evaluation.retrieval import evaluate, mean_recall, of_anchor, of_pairs
from pmrl.experiments.foundation import foundation_method
from pmrl.experiments.run import Run, new_method, new_network
from pmrl.files import replacing
from pmrl.method import Method, Network
from pmrl.method.base import is_supported
from pmrl.method.networks import embed
from pmrl.progress import progress
from pmrl.records import CALIBRATION_COLUMNS, CONTINUED, FOUNDATION, MAIN, VALIDATION
from pmrl.study.plan import FIRST_TUNING_SEED, calibrated, calibration_files, foundation_settings
from pmrl.training.loop import train_stage


def calibrate(config: dict[str, Any], dataset: Dataset, setting: str, results: Path, device: torch.device) -> Path:
    """Measure the foundation and every method on a data set under one setting; return the path of the table.

    Args:
        config: a study, see ``pmrl.study.plan.calibration_settings``.
        dataset: the data set.
        setting: a name from ``calibration.settings``.
        results: the results folder.
        device: where to compute.
    """
    study, values = calibrated(config, setting)
    seeds = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + study["seeds"])
    about = foundation_settings(study, dataset.card.name)
    rows = []
    for seed in progress(seeds, f"calibration of {setting} on {dataset.card.name}"):
        run = Run(dataset, FOUNDATION, MAIN, about, seed, results, device)
        network, method = trained(run, FOUNDATION, foundation_method(run)[0], values, None)
        rows.append(measured(run, FOUNDATION, network, method))
        weights = network.state_dict()
        for name in study["methods"]:
            if is_supported(name, dataset.card)[0]:
                rows.append(measured(run, name, *trained(run, CONTINUED, name, values, weights)))
    about_setting = {"setting": setting, **{key: study["training"][f"{key}_steps"] for key in (FOUNDATION, CONTINUED)}}
    table = pd.DataFrame(rows).assign(dataset=dataset.card.name, **about_setting)
    path = Path(results) / "calibration" / dataset.card.name / f"{setting}.csv"
    with replacing(path) as temporary:
        table[list(CALIBRATION_COLUMNS)].to_csv(temporary, index=False, float_format="%.3f")
    return path


def trained(
    run: Run, stage: str, name: str, values: dict[str, Any], start: dict[str, torch.Tensor] | None
) -> tuple[Network, Method]:
    """A method's network at the end of a stage, from the weights ``start`` if given."""
    method = new_method(run, name, values)
    network = new_network(run, method)
    if start is not None and not method.closed_form:
        method.start_from(network, start)
    train_stage(network, method, run.dataset, run.stage(stage), run.seed, run.device)
    return network, method


def measured(run: Run, name: str, network: Network, method: Method) -> dict[str, Any]:
    """Recall@1 on validation, in percent: mean over ordered pairs by cosine, and of the anchor's directions."""
    embeddings = embed(network, run.batch(VALIDATION))
    results = evaluate(embeddings, method, rerank=False, identity=run.identity(VALIDATION))
    pairs, anchor = of_pairs(results), of_anchor(results) or of_pairs(results)
    return {"method": name, "seed": run.seed, "pairs": mean_recall(pairs), "anchor": mean_recall(anchor)}


def adopt(config: dict[str, Any], results: Path, target: Path) -> None:
    """Join the tables of all settings and data sets in one committed file.

    What the file says of other settings and data sets stays as it is.

    Raises:
        UserError: a table is missing.
    """
    paths = [Path(results) / file for file in calibration_files(config)]
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise UserError(f"{missing[0]}: not found ({len(missing)} such tables). Run `make calibrate` again.")
    new = pd.concat([pd.read_csv(path) for path in paths])
    former = pd.read_csv(target) if Path(target).exists() else new.head(0)
    one_cell = ["setting", "dataset"]
    stays = ~former.set_index(one_cell).index.isin(new.set_index(one_cell).index)
    with replacing(target) as temporary:
        pd.concat([former[stays], new]).to_csv(temporary, index=False)
