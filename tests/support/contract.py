"""What a run needs of a method: each check takes a run, and fails for a method that breaks its part."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from example_data import synthetic_dataset

from pmrl.data.dataset import Dataset
from pmrl.errors import UserError
from pmrl.experiments.resume import RANDOM_WEIGHTS, Trained, train_or_resume
from pmrl.experiments.run import Run, new_method, new_network
from pmrl.method.base import build_method, load_method, type_name
from pmrl.method.networks import embed
from pmrl.records import CONTINUED, FINE_TUNED, MAIN, TEST
from pmrl.study.config import check_config
from pmrl.study.plan import run_settings

CPU = torch.device("cpu")
CONFIG = check_config(
    {
        "network": {"dimension": 8, "hidden": 8, "width": 8, "attention_heads": 2},
        "training": {"batch_size": 16, "foundation_steps": 3, "continued_steps": 3, "fine_tuned_steps": 3},
    },
    "config",
)


def run_of(method: str, results: Path, dataset: Dataset | None = None, seed: int = 0) -> Run:
    """A run of a few steps with small networks."""
    dataset = dataset or synthetic_dataset()
    settings = run_settings(CONFIG, dataset.card.name, method, MAIN)
    return Run(dataset, method, MAIN, {**settings, "hyperparameters": {}}, seed, results, CPU)


def trained(run: Run, *stages: str) -> Trained:
    """The method at the end of the stages, each continued from the one before, and loaded if already trained."""
    method = new_method(run, run.method, run.settings["hyperparameters"])
    network, fingerprint = new_network(run, method), RANDOM_WEIGHTS
    for name in stages:
        result = train_or_resume(run, run.stage(name), network, run.method, method, fingerprint)
        fingerprint = result.fingerprint
    return result


@torch.no_grad()
def scores(run: Run, result: Trained) -> torch.Tensor:
    """Scores of the anchor's against the others' test items, as retrieval asks for them."""
    embeddings = embed(result.network, run.batch(TEST))
    return result.method.score(embeddings.select([embeddings.anchor]), embeddings.select(embeddings.others))


def assert_same(run: Run, first: Trained, second: Trained, what: str) -> None:
    """Two trained models have the same weights and give the same scores, bit for bit."""
    for part in ("network", "method"):
        states = [getattr(result, part).state_dict() for result in (first, second)]
        assert states[0].keys() == states[1].keys(), what
        for name, tensor in states[0].items():
            assert torch.equal(tensor, states[1][name]), f"{what}: {part}.{name} differs"
    assert torch.equal(scores(run, first), scores(run, second)), f"{what}: scores differ"


def check_scores_are_repeatable(run: Run) -> None:
    """One set of weights gives one set of scores, also after it is loaded: nothing is drawn while evaluating."""
    result = trained(run, CONTINUED)
    first = scores(run, result)
    assert torch.equal(scores(run, result), first), "two evaluations of one model differ"
    assert torch.equal(scores(run, trained(run, CONTINUED)), first), "the model scores otherwise after it is loaded"


def check_seeds_are_independent(run: Run) -> None:
    """A seed gives the same model alone and after another seed."""
    alone, after = (replace(run, seed=1, results=run.results / place) for place in ("alone", "after"))
    first = trained(alone, CONTINUED)
    trained(replace(after, seed=0), CONTINUED)
    assert_same(run, first, trained(after, CONTINUED), "seed 1 alone and after seed 0")


def check_everything_is_trained(run: Run) -> None:
    """Every parameter of the method's own is changed by training."""
    method = new_method(run, run.method, run.settings["hyperparameters"])
    new_network(run, method)
    result = trained(run, CONTINUED)
    before = dict(method.named_parameters())
    for name, parameter in result.method.named_parameters():
        if not parameter.requires_grad:  # such as a teacher's
            continue
        assert name in before, f"{name} does not exist before training"
        assert not torch.equal(parameter, before[name]), f"{name} is not trained"


def check_training_can_stop_between_stages(run: Run, stages: Sequence[str] = (CONTINUED, FINE_TUNED)) -> None:
    """Two stages in one go, and with an interruption between them, end in the same weights."""
    through = trained(run, *stages)
    (run.folder / f"{run.stage(stages[-1]).label}.safetensors").unlink()
    assert_same(run, through, trained(run, *stages), "training through and training after a restart")


def check_values_have_ranges(run: Run) -> None:
    """Every hyper-parameter says which values it may have, and a value outside is refused by name, value and range."""
    for field in dataclasses.fields(load_method(run.method).Hyperparameters):
        allowed = field.metadata.get("range")
        assert type_name(field) == "bool" or (allowed and (allowed.limits or allowed.choices)), (
            f"{field.name} has neither a range nor choices"
        )
        for value in outside(field):
            with pytest.raises(UserError) as refusal:
                build_method(run.method, {field.name: value})
            for part in (repr(run.method), repr(field.name), f"is {value!r}; expected "):
                assert part in str(refusal.value)


def outside(field: dataclasses.Field) -> list:
    """Values that a declared hyper-parameter must refuse."""
    allowed = field.metadata["range"]
    if allowed.choices:
        return ["no such choice", None]
    beyond = {"above": -1, "at_least": -1, "below": 1, "at_most": 1}
    values = [limit + beyond[name] for name, limit in allowed.limits.items()]
    values += [limit for name, limit in allowed.limits.items() if name in ("above", "below")]
    halves = [field.default + 0.5] if type_name(field) == "int" else []
    return [*values, *halves, float("nan"), float("inf"), -float("inf"), True, "much"]


RUN_CHECKS = (
    check_scores_are_repeatable,
    check_seeds_are_independent,
    check_everything_is_trained,
    check_training_can_stop_between_stages,
)
