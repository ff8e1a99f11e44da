"""The trainings of one search for hyper-parameters: each is made once, and its outcome kept in a journal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pmrl import provenance
from pmrl.data.dataset import Dataset
from pmrl.evaluation import retrieval
from pmrl.evaluation.retrieval import evaluate, mean_recall, of_anchor, of_pairs
from pmrl.experiments.foundation import train_foundation
from pmrl.experiments.resume import RANDOM_WEIGHTS, fingerprint
from pmrl.experiments.run import REGIME_STAGES, Run, new_method, new_network
from pmrl.method import Method, Network
from pmrl.method.base import load_method
from pmrl.method.networks import embed
from pmrl.records import ANCHOR, FOUNDATION, MAIN, OWN, PAIRS, VALIDATION, ZERO_SHOT
from pmrl.study.plan import foundation_settings
from pmrl.training.checkpoints import start_network
from pmrl.training.loop import Diverged, train_stage
from pmrl.training.stage import Stage

Outcome = dict[str, Any]
Model = tuple[Network, Method]


class Trials:
    """Trains and measures a method with given hyper-parameters, seed and share of the steps.

    Args:
        config: the study's config.
        dataset: the data set.
        method: name of the method.
        fixed: the hyper-parameters that its variant sets.
        results: the results folder, in which foundations are.
        device: where to compute.
        path: the file of the search; the journal is beside it.
    """

    def __init__(
        self,
        config: dict[str, Any],
        dataset: Dataset,
        method: str,
        fixed: dict[str, Any],
        results: Path,
        device: torch.device,
        path: Path,
    ) -> None:
        self.dataset, self.method, self.fixed, self.results, self.device = dataset, method, fixed, results, device
        self.regime = config["tuning"]["regime"]
        self.settings = foundation_settings(config, dataset.card.name)
        self.closed_form = load_method(method).closed_form
        self.journal = Journal(path.with_suffix(".jsonl"))
        self.code = provenance.code(__file__, retrieval.__file__)
        self.starts: dict[int, tuple[str, Outcome]] = {}
        self.models: dict[str, Model] = {}  # those in full length, which are measured on two splits

    def outcome(self, values: dict[str, Any], seed: int, share: float, split: str) -> Outcome:
        """The steps, the measures and the queries, those of the foundation, and the problem if the loss diverged."""
        base = self.base(seed)
        start, before = self.start(seed)
        method = new_method(base, self.method, values | self.fixed)
        stage = self.stage(base, share)
        trained = fingerprint(base, stage, self.method, vars(method.hyperparameters), start)
        key = provenance.text_digest(trained, self.code, split)
        found = self.journal.get(key)
        if found is None:
            found = self.measured(trained, base, stage, method, split)
            self.journal.add(key, found)
        return found | (before if split == VALIDATION else dict.fromkeys(before))

    def base(self, seed: int) -> Run:
        """The foundation of a seed."""
        return Run(self.dataset, FOUNDATION, MAIN, self.settings, seed, self.results, self.device)

    def stage(self, base: Run, share: float) -> Stage:
        """The training of a trial; a closed form has no steps."""
        (name,) = REGIME_STAGES[self.regime]
        stage = base.stage(name)
        return replace(stage, steps=0 if self.closed_form else max(1, round(share * stage.steps)))

    def start(self, seed: int) -> tuple[str, Outcome]:
        """The fingerprint of the starting weights, and the foundation's own measures on validation.

        The foundation is trained if it is not yet there; training from scratch has none.
        """
        if seed not in self.starts:
            fingerprint, measured = RANDOM_WEIGHTS, {}
            if self.regime == ZERO_SHOT:
                base = self.base(seed)
                foundation = train_foundation(base)
                measured = measures(foundation.network, foundation.method, base, VALIDATION)
                fingerprint = RANDOM_WEIGHTS if self.closed_form else foundation.fingerprint
            before = {"pairs_before": measured.get(PAIRS), "anchor_before": measured.get(ANCHOR)}
            self.starts[seed] = fingerprint, before
        return self.starts[seed]

    def measured(self, trained: str, base: Run, stage: Stage, method: Method, split: str) -> Outcome:
        """Train, unless this was just trained for another split, and measure; recall is 0 if the loss diverged."""
        try:
            network, method = self.models.get(trained) or self.train(base, stage, method)
        except Diverged as error:
            nothing = {PAIRS: 0.0, ANCHOR: 0.0, "queries": len(base.items(split))}
            return {"steps": stage.steps, **nothing, "problem": str(error)}
        if stage.steps in (0, base.stage(stage.name).steps):
            self.models[trained] = network, method
        return {"steps": stage.steps, **measures(network, method, base, split), "problem": ""}

    def train(self, base: Run, stage: Stage, method: Method) -> Model:
        """The network and method at the end of the stage."""
        network = new_network(base, method)
        if self.regime == ZERO_SHOT and not self.closed_form:
            start_network(base.folder / f"{FOUNDATION}.safetensors", network, method, base.device)
        train_stage(network, method, self.dataset, stage, base.seed, self.device)
        return network, method


def measures(network: Network, method: Method, run: Run, split: str) -> Outcome:
    """Both measures on a split in percent, and the number of queries of the direction that has most."""
    results = evaluate(embed(network, run.batch(split)), method, rerank=False, identity=run.identity(split))
    anchored = of_anchor(results) or [result for result in results if result.score == OWN]  # of two modalities
    queries = max(len(result.queries) for result in results)
    recalls = {PAIRS: mean_recall(of_pairs(results)), ANCHOR: mean_recall(anchored)}
    return {**{name: round(value, 4) for name, value in recalls.items()}, "queries": queries}


class Journal:
    """Outcomes by key, one line of JSON each, written as soon as they exist.

    Args:
        path: the file; a last line that was half written when a search stopped does not count.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.known = path, {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            try:
                self.known.update(json.loads(line))
            except ValueError:
                continue

    def get(self, key: str) -> Outcome | None:
        """The outcome under a key, or None."""
        return self.known.get(key)

    def add(self, key: str, outcome: Outcome) -> None:
        """Keep an outcome."""
        self.known[key] = outcome
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps({key: outcome}))
