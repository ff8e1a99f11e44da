"""Classification without training: the classes of the nearest other instances, by cosine.

Each of the nearest instances votes for its class with the weight exp(cosine / temperature), as in Wu et al. 2018
(arXiv 1805.01978). Views of the classified instance do not vote.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import numpy as np

from pmrl.evaluation.probing import Probe, Trial, classified, judged
from pmrl.records import NEIGHBOURS, NEIGHBOURS_ACROSS

VOTERS = 10
TEMPERATURE = 0.07

Parts = Mapping[str, np.ndarray]
"""By modality (instances, dimension) unit vectors, zero where the modality is absent."""


def neighbour_probes(parts: Parts, labels: np.ndarray, instances: np.ndarray) -> list[Probe]:
    """By the mean over the modalities of the cosine within each, to which an absent one adds 0.

    Args:
        parts: each instance's vectors.
        labels: (instances,) class names; see `pmrl.evaluation.probing.classified`.
        instances: (instances,) what each row is a view of.

    Returns:
        One probe, or none if fewer than two classes are large enough.
    """
    rows = classified(labels)
    if not len(rows):
        return []
    together = {NEIGHBOURS: np.concatenate([part[rows] for part in parts.values()], axis=1) / len(parts) ** 0.5}
    return [
        judged(NEIGHBOURS, rows, labels[rows], trials(together, [(NEIGHBOURS,) * 2], labels[rows], instances[rows]))
    ]


def neighbours_across_probes(parts: Parts, labels: np.ndarray, instances: np.ndarray) -> list[Probe]:
    """By the cosine from an instance in one modality to the others in another; the mean over all ordered pairs.

    The arguments are those of `neighbour_probes`; the vectors are of one space.

    Returns:
        One probe, or none if fewer than two classes are large enough, or no pair has instances of every class.
    """
    rows = classified(labels)
    inside = {name: part[rows] for name, part in parts.items()}
    found = trials(inside, list(permutations(parts, 2)), labels[rows], instances[rows]) if len(rows) else []
    return [judged(NEIGHBOURS_ACROSS, rows, labels[rows], found)] if found else []


def trials(parts: Parts, pairs: list[tuple[str, str]], labels: np.ndarray, instances: np.ndarray) -> list[Trial]:
    """What the votes say for each pair of modalities, that of the query and that of the voters.

    A pair needs queries of every class, and more voters than are asked.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    numbers = np.unique(instances, return_inverse=True)[1]
    present = {name: np.flatnonzero(part.any(axis=1)) for name, part in parts.items()}
    found = []
    for query, voter in pairs:
        asking, voting = present[query], present[voter]
        if len(set(codes[asking])) == len(classes) and len(voting) > VOTERS:
            same = numbers[asking][:, None] == numbers[voting]
            votes = voted(parts[query][asking], parts[voter][voting], same, np.eye(len(classes))[codes[voting]])
            found.append((asking, votes))
    return found


def voted(queries: np.ndarray, voters: np.ndarray, excluded: np.ndarray, ballots: np.ndarray) -> np.ndarray:
    """Share of the votes for each class, (queries, classes), of the ``VOTERS`` nearest.

    Args:
        queries: (queries, dimension) vectors of length 1 at most.
        voters: (voters, dimension) likewise.
        excluded: (queries, voters) booleans: who may not vote.
        ballots: (voters, classes) the vote of each.
    """
    cosines = queries @ voters.T
    cosines[excluded] = -np.inf
    nearest = np.argpartition(cosines, -VOTERS, axis=1)[:, -VOTERS:]
    weights = np.exp((np.take_along_axis(cosines, nearest, axis=1) - 1) / TEMPERATURE)
    votes = np.einsum("qv,qvc->qc", weights, ballots[nearest])
    return votes / np.maximum(votes.sum(axis=1, keepdims=True), np.finfo(float).tiny)
