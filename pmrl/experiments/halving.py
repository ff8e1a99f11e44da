"""Successive halving over a grid by Optuna: many candidates train briefly, the better ones again and longer.

A rung is a training of its own with its own warm-up and decay, and not the first part of a longer one: half-way through
a decay, candidates differ mostly by how far their learning rate has fallen.

Source: K. Jamieson and A. Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, 2016;
L. Li et al., A system for massively parallel hyperparameter tuning, 2020 (a candidate need not wait for the others).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna

RUNGS = (1, 2, 4)
"""Lengths of the trainings of a candidate, in quarters of a full one."""
FULL = (4,)
"""The only length of a closed form, which has no steps."""
HALVING = 2  # the best half of the candidates so far goes on to the next rung

Evaluate = Callable[[int, dict[str, Any], float], float]
"""``evaluate(number, values, share)`` trains a candidate for a share of the full steps and returns its value."""


def search(
    grids: Mapping[str, Sequence[Any]],
    defaults: dict[str, Any],
    evaluate: Evaluate,
    budget: int,
    seed: int,
    rungs: Sequence[int] = RUNGS,
) -> None:
    """Evaluate candidates, the defaults first and none twice, until the budget or the grid is exhausted.

    The order of the candidates depends on the grids and the seed only, so that searches under several criteria differ
    in who goes on, not in who comes. A candidate that the rest of the budget cannot take to its next rung stops, and
    the rest goes to others; so all searches but those that exhaust their grid spend the same.

    Args:
        grids: {hyper-parameter: its values}, not empty.
        defaults: a value for each.
        evaluate: higher is better.
        budget: in full trainings.
        seed: of the order.
        rungs: ascending lengths in quarters of a full training, each twice the one before.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.BruteForceSampler(seed=seed)
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=rungs[0], reduction_factor=HALVING)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.enqueue_trial(defaults)
    left = budget * RUNGS[-1]

    def objective(trial: optuna.Trial) -> float:
        nonlocal left
        values = {name: trial.suggest_categorical(name, grid) for name, grid in grids.items()}
        value = float("nan")
        for rung in rungs:
            if rung > left or trial.should_prune():
                raise optuna.TrialPruned
            left -= rung
            value = evaluate(trial.number, values, rung / RUNGS[-1])
            trial.report(value, rung)
        return value

    def stop(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if left < rungs[0]:
            study.stop()

    study.optimize(objective, callbacks=[stop])
