"""The shared warm start of a data set and seed, from which every method continues."""

from __future__ import annotations

from pathlib import Path

import torch

from pmrl.errors import UserError
from pmrl.evaluation.retrieval import evaluate_pairs
from pmrl.experiments.classifying import classify_raw_target
from pmrl.experiments.folds import classify_raw_inside_folds
from pmrl.experiments.measuring import count_parameters, measure_final_scores, measure_retrieval, measure_space
from pmrl.experiments.resume import RANDOM_WEIGHTS, Trained, fingerprint, train_or_resume
from pmrl.experiments.run import Run, new_method, new_network
from pmrl.experiments.writing import Measured, finish
from pmrl.files import sha256, write_json
from pmrl.method import Method, Network
from pmrl.method.base import is_supported
from pmrl.method.networks import embed
from pmrl.records import FOUNDATION, INSIDE_FOLDS, MAIN, OUTSIDE, TEST, VALIDATION
from pmrl.training import processes
from pmrl.training.checkpoints import read_fingerprint, save_checkpoint, start_network
from pmrl.training.loop import Curves, set_mode
from pmrl.training.outside import load_outside


def run_foundation(run: Run) -> None:
    """Train and evaluate the shared warm start of one data set and seed, and probe the raw features."""
    measured = Measured(run.context, run.items(TEST), run.identity(TEST))
    trained = train_foundation(run)
    measured.parameters = count_parameters(trained.network)
    embeddings = embed(trained.network, run.batch(TEST))
    measure_retrieval(embeddings, trained.method, FOUNDATION, measured)
    measure_final_scores(run, trained, FOUNDATION, measured)
    measure_space(embeddings, FOUNDATION, measured)
    if run.settings["classification"] == INSIDE_FOLDS:
        classify_raw_inside_folds(run, measured)
    elif run.settings["classification"]:
        classify_raw_target(run, measured)
    finish(run, run.settings["method"], {FOUNDATION: trained}, measured)


def train_foundation(run: Run) -> Trained:
    """Train the warm start, or load it from its checkpoint or from one that was made outside this project.

    Raises:
        UserError: its method does not support the data set, or the weights from outside do not fit or know nothing.
    """
    name, method = foundation_method(run)
    supported, reason = is_supported(name, run.dataset.card)
    if not supported:
        raise UserError(f"The foundation method {name!r} does not support {run.dataset.card.name!r}: {reason}")
    network = new_network(run, method)
    if OUTSIDE in run.settings:
        return from_outside(run, network, name, method)
    return train_or_resume(run, run.stage(FOUNDATION), network, name, method, RANDOM_WEIGHTS)


def from_outside(run: Run, network: Network, name: str, method: Method) -> Trained:
    """The warm start from a checkpoint that was made outside this project; see ``pmrl.training.outside``.

    Raises:
        UserError: the weights do not fit, or retrieve no better than chance.
    """
    files = run.settings[OUTSIDE]
    load_outside(Path(files["checkpoint"]), Path(files["mapping"]), network, method)
    set_mode(False, network, method)
    check_above_chance(run, network, files["checkpoint"])
    expected = foundation_fingerprint(run, name, method)
    if processes.leads():
        path = run.folder / f"{FOUNDATION}.safetensors"
        write_json(path.with_suffix(".json"), {"seconds": 0.0, "curves": []})
        save_checkpoint(path, network, method, expected)
    return Trained(network, method, expected, Curves(), 0.0)


def check_above_chance(run: Run, network: Network, checkpoint: str) -> None:
    """Check that a network retrieves validation items better than chance, by three standard deviations at least.

    Raises:
        UserError: it does not.
    """
    embeddings = embed(network, run.batch(VALIDATION))
    results = evaluate_pairs(embeddings, embeddings, run.identity(VALIDATION))
    queries = sum(len(result.ranks) for result in results)
    hits = sum(int((result.ranks <= 1).sum()) for result in results)
    by_chance = sum(len(result.ranks) / result.gallery_size for result in results)
    if hits <= by_chance + 3 * by_chance**0.5:
        raise UserError(
            f"{checkpoint}: with these weights {hits} of {queries} validation queries of {run.dataset.card.name} find "
            f"their item, by chance {by_chance:.0f} would. The encoders of the data set are probably others than "
            "those of the checkpoint, or the mapping takes a wrong tensor."
        )


def foundation_fingerprint(run: Run, name: str, method: Method) -> str:
    """Fingerprint of the warm start that ``run`` makes."""
    start = RANDOM_WEIGHTS
    if OUTSIDE in run.settings:
        start = sha256(*(Path(run.settings[OUTSIDE][file]) for file in ("checkpoint", "mapping")))
    return fingerprint(run, run.stage(FOUNDATION), name, vars(method.hyperparameters), start)


def foundation_method(run: Run) -> tuple[str, Method]:
    """The method that trains the shared foundation, with its default hyper-parameters."""
    name = run.settings["method"]
    return name, new_method(run, name, {})


def foundation_of(run: Run) -> Run:
    """The foundation that a method's run continues from."""
    return Run(run.dataset, FOUNDATION, MAIN, run.settings["foundation"], run.seed, run.results, run.device)


def load_foundation(base: Run, network: Network, continued: Method) -> str:
    """Let the ``continued`` method start its network from the foundation ``base``; return the weights' fingerprint.

    Raises:
        UserError: the foundation is missing or was trained with other data, settings, code, torch or kind of device.
    """
    path = base.folder / f"{FOUNDATION}.safetensors"
    name, method = foundation_method(base)
    expected = foundation_fingerprint(base, name, method)
    if read_fingerprint(path) != expected:
        raise UserError(
            f"{path}: the foundation is missing or was trained with other data, settings, code, torch or kind of "
            f"device than now (torch {torch.__version__}, {base.device.type}). Delete the folder {base.folder} and run "
            "snakemake again, which trains the foundation and everything that continues from it again."
        )
    start_network(path, network, continued, base.device)
    return expected
