"""Retrieval by queries whose picture is blurred or whose sound is noisy: the noise is on the signal, not on features.

One modality at a time is the noisy query; galleries are clean. The noisy features are in the feature store, so that all
methods and seeds are tested on the same ones; each network scales them as it scales the clean ones.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from pmrl.data.dataset import NoisyFeatures
from pmrl.errors import UserError
from pmrl.evaluation.retrieval import evaluate_pairs
from pmrl.experiments.resume import Trained
from pmrl.experiments.run import Run
from pmrl.experiments.writing import Measured
from pmrl.method import Batch, Embeddings
from pmrl.method.networks import embed
from pmrl.records import CLEAN, SIGNAL_NOISES, SOUND_NOISE, ZERO_SHOT

INAUDIBLE = 60.0
"""Ratio of signal to noise, in dB, at which the noise changes nothing: the features of emoji's speech move by less than
0.005 of their deviations on average. The levels in the records count from here, upwards."""


def check_noise_levels(run: Run) -> None:
    """Check that the store has each level of the config, for every modality that can have this kind of noise.

    Raises:
        UserError: it lacks one; the message names those that it has.
    """
    for kind, modality in sorted({(features.kind, features.modality) for features in run.dataset.noisy}):
        available = sorted(f.level for f in run.dataset.noisy if (f.kind, f.modality) == (kind, modality))
        lacking = sorted(set(run.settings["corruption"][kind]) - set(available))
        if lacking:
            raise UserError(
                f"Data set {run.dataset.card.name!r}: corruption.{kind}: the feature store has no level {lacking[0]:g} "
                f"of the modality {modality!r}. Choose from {', '.join(f'{level:g}' for level in available)}."
            )


def measure_signal_noise(run: Run, trained: Trained, clean: Batch, gallery: Embeddings, measured: Measured) -> None:
    """Retrieval from a noisy modality to each other one, by cosine, at the config's levels.

    Args:
        run: the run, for its data set and levels.
        trained: the model.
        clean: the test items.
        gallery: their embeddings.
        measured: gets records of each level, and contributions of each level and of the clean queries.
    """
    for kind in SIGNAL_NOISES:
        levels = run.settings["corruption"][kind]
        noisy = [features for features in run.dataset.noisy if features.kind == kind and features.level in levels]
        if not noisy:
            continue
        modalities = sorted({features.modality for features in noisy})
        unharmed = [r for name in modalities for r in evaluate_pairs(gallery, gallery, measured.identity, name)]
        measured.add_contributions(kind, unharmed, CLEAN)
        for level in levels:
            results = []
            for features in (features for features in noisy if features.level == level):
                queries = embed(trained.network, with_noise(clean, features))
                results += evaluate_pairs(queries, gallery, measured.identity, features.modality)
            measured.add_results(ZERO_SHOT, results, kind, recorded_level(kind, level))
            measured.add_contributions(kind, results, kind, recorded_level(kind, level))


def with_noise(clean: Batch, features: NoisyFeatures) -> Batch:
    """The test items with the noisy features of one modality in place of its clean ones."""
    device = clean.pooled[features.modality].device
    pooled, tokens = (torch.from_numpy(part).to(device) for part in (features.pooled, features.tokens))
    return replace(
        clean,
        pooled={**clean.pooled, features.modality: pooled},
        tokens={**clean.tokens, features.modality: tokens},
    )


def recorded_level(kind: str, level: float) -> float:
    """A level of the config in the unit of the records, where 0 is clean and more is noisier."""
    return INAUDIBLE - level if kind == SOUND_NOISE else level
