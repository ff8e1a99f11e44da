"""Train one method, variant and seed in all regimes of the study, and measure it at the end of each stage."""

from __future__ import annotations

from collections.abc import Iterable

from pmrl.evaluation.retrieval import evaluate_two_to_one
from pmrl.experiments.classifying import classify_target
from pmrl.experiments.folds import classify_inside_folds
from pmrl.experiments.foundation import foundation_of, load_foundation
from pmrl.experiments.measuring import (
    count_parameters,
    keep_for_figures,
    measure_final_scores,
    measure_missing,
    measure_pairs,
    measure_retrieval,
    measure_robustness,
    measure_space,
)
from pmrl.experiments.resume import RANDOM_WEIGHTS, Trained, train_or_resume
from pmrl.experiments.run import REGIME_STAGES, STAGE_REGIMES, Run, new_method, new_network
from pmrl.experiments.signal_noise import check_noise_levels
from pmrl.experiments.writing import Measured, finish
from pmrl.method.base import is_supported
from pmrl.method.networks import embed
from pmrl.records import (
    CONTINUED,
    FINE_TUNED,
    INSIDE_FOLDS,
    MAIN,
    MISMATCHES,
    MISSING_TRAINING,
    SCRATCH,
    TEST,
    ZERO_SHOT,
)
from pmrl.training.stage import Stage


def run_method(run: Run) -> None:
    """Train and evaluate one method, variant and seed in all regimes, starting from the foundation."""
    measured = Measured(run.context, run.items(TEST), run.identity(TEST))
    supported, reason = is_supported(run.method, run.dataset.card)
    if not supported:
        for regime in run.settings["regimes"]:
            measured.add_unsupported(regime, reason)
        finish(run, run.method, {}, measured)
        return
    check_noise_levels(run)
    stages: dict[str, Trained] = {}
    for name in needed_stages([*run.settings["regimes"], run.settings["classification"]]):
        stages[name] = train(run, run.stage(name), stages[CONTINUED] if name == FINE_TUNED else None)
        measure(run, STAGE_REGIMES[name], stages[name], measured)
    for kind in MISMATCHES:
        for percent in run.settings["corruption"][kind]:
            embeddings = embed(train(run, run.stage(CONTINUED, **{kind: percent})).network, run.batch(TEST))
            measure_pairs(embeddings, embeddings, kind, percent / 100, measured)
    for percent in run.settings["corruption"][MISSING_TRAINING]:
        trained = train(run, run.stage(CONTINUED, missing=percent))
        measure_missing(run, trained, MISSING_TRAINING, percent, measured)
    if run.settings["classification"] == INSIDE_FOLDS:
        classify_inside_folds(run, measured)
    finish(run, run.method, stages, measured)


def needed_stages(regimes: Iterable[str]) -> list[str]:
    """The stages that the regimes need, each once, in the order of training; other words need none."""
    needed = {stage for regime in regimes for stage in REGIME_STAGES.get(regime, ())}
    return [stage for stage in STAGE_REGIMES if stage in needed]


def train(run: Run, stage: Stage, before: Trained | None = None) -> Trained:
    """Train one stage, from ``before`` if given, else from the foundation, or from random weights for ``scratch``."""
    if before is not None:
        return train_or_resume(run, stage, before.network, run.method, before.method, before.fingerprint)
    method = new_method(run, run.method, run.settings["hyperparameters"])
    network = new_network(run, method)
    needs_no_foundation = method.closed_form or stage.name == SCRATCH
    start = RANDOM_WEIGHTS if needs_no_foundation else load_foundation(foundation_of(run), network, method)
    return train_or_resume(run, stage, network, run.method, method, start)


def measure(run: Run, regime: str, trained: Trained, measured: Measured) -> None:
    """Measure all that the settings require in a regime; the clean test split is embedded only once."""
    measured.parameters = count_parameters(trained.network)
    clean = run.batch(TEST)
    embeddings = embed(trained.network, clean)
    if regime in run.settings["regimes"]:
        measure_retrieval(embeddings, trained.method, regime, measured)
        if run.settings["two_to_one"]:
            results = evaluate_two_to_one(embeddings, trained.method, measured.identity)
            measured.add_two_to_one(regime, results)
        measure_final_scores(run, trained, regime, measured)
    if regime == ZERO_SHOT:
        measure_robustness(run, trained, clean, embeddings, measured)
        if run.variant == MAIN:
            measure_space(embeddings, regime, measured)
        if run.is_shown:
            keep_for_figures(embeddings, measured)
    if regime == run.settings["classification"] and run.variant == MAIN:
        classify_target(run, trained, embeddings, measured)
