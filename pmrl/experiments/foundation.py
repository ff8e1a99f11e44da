"""The shared warm start of a data set and seed, from which every method continues."""

from __future__ import annotations

import torch

from pmrl.errors import UserError
from pmrl.experiments.classifying import classify_raw_target
from pmrl.experiments.folds import classify_raw_inside_folds
from pmrl.experiments.measuring import count_parameters, measure_final_scores, measure_retrieval, measure_space
from pmrl.experiments.resume import RANDOM_WEIGHTS, Trained, fingerprint, train_or_resume
from pmrl.experiments.run import Run, new_method, new_network
from pmrl.experiments.writing import Measured, finish
from pmrl.method import Method, Network
from pmrl.method.base import is_supported
from pmrl.method.networks import embed
from pmrl.records import FOUNDATION, INSIDE_FOLDS, MAIN, TEST
from pmrl.training.checkpoints import read_fingerprint, start_network


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
    """Train the warm start, or load it from its checkpoint.

    Raises:
        UserError: its method does not support the data set.
    """
    name, method = foundation_method(run)
    supported, reason = is_supported(name, run.dataset.card)
    if not supported:
        raise UserError(f"The foundation method {name!r} does not support {run.dataset.card.name!r}: {reason}")
    return train_or_resume(run, run.stage(FOUNDATION), new_network(run, method), name, method, RANDOM_WEIGHTS)


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
    expected = fingerprint(base, base.stage(FOUNDATION), name, vars(method.hyperparameters), RANDOM_WEIGHTS)
    if read_fingerprint(path) != expected:
        raise UserError(
            f"{path}: the foundation is missing or was trained with other data, settings, code, torch or kind of "
            f"device than now (torch {torch.__version__}, {base.device.type}). Delete the folder {base.folder} and run "
            "snakemake again, which trains the foundation and everything that continues from it again."
        )
    start_network(path, network, continued, base.device)
    return expected
