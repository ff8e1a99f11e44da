"""Nearest neighbours: against slow loops, and what they must and must not see."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from pmrl.evaluation.neighbours import TEMPERATURE, VOTERS, neighbour_probes, neighbours_across_probes, voted


def unit(values):
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def clustered(count=60, classes=3, dimension=8, spread=0.2, seed=0):
    """Unit vectors around a centre per class, their classes, and the instances."""
    random = np.random.default_rng(seed)
    codes = np.arange(count) % classes
    vectors = unit(
        unit(random.normal(size=(classes, dimension)))[codes] + spread * random.normal(size=(count, dimension))
    )
    return vectors, np.array([f"class {code}" for code in codes]), np.array([f"item{row}" for row in range(count)])


def test_the_vote_is_that_of_a_slow_loop():
    random = np.random.default_rng(0)
    queries, voters = unit(random.normal(size=(7, 4))), unit(random.normal(size=(30, 4)))
    excluded, codes = random.random((7, 30)) < 0.2, random.integers(3, size=30)
    found = voted(queries, voters, excluded, np.eye(3)[codes])
    for row, query in enumerate(queries):
        allowed = sorted((-query @ voters[v], v) for v in range(30) if not excluded[row, v])[:VOTERS]
        votes = np.zeros(3)
        for negative, v in allowed:
            votes[codes[v]] += np.exp(-negative / TEMPERATURE)
        assert found[row] == pytest.approx(votes / votes.sum())


def test_clusters_are_found_and_noise_is_not():
    vectors, labels, instances = clustered()
    (found,) = neighbour_probes({"one": vectors}, labels, instances)
    assert found.accuracy > 95 and found.auc > 95 and found.chance == pytest.approx(100 / 3)
    noise = unit(np.random.default_rng(1).normal(size=(300, 8)))
    labels = np.repeat(["a", "b", "c"], 100)
    (found,) = neighbour_probes({"one": noise}, labels, np.arange(300).astype(str))
    assert found.accuracy == pytest.approx(100 / 3, abs=9)


def test_neither_an_instance_nor_its_other_views_vote():
    """Copies of random vectors: whoever sees the copy knows the class."""
    noise = unit(np.random.default_rng(2).normal(size=(150, 8)))
    labels = np.random.default_rng(3).permutation(np.repeat(["a", "b"], 75))
    parts, twice = {"one": np.repeat(noise, 2, axis=0)}, np.repeat(labels, 2)
    items, instances = np.arange(300).astype(str), np.repeat(np.arange(150), 2).astype(str)
    (cheating,), (honest,) = (neighbour_probes(parts, twice, names) for names in (items, instances))
    assert cheating.accuracy > 90
    assert honest.accuracy == pytest.approx(50, abs=12)
    across = neighbours_across_probes({"one": noise, "two": noise}, labels, items[:150])
    assert across[0].accuracy == pytest.approx(50, abs=12), "an instance's own other modality has voted"


def test_neighbours_within_modalities_need_no_shared_space_and_neighbours_across_do():
    vectors, labels, instances = clustered(count=240, classes=4)
    turned = vectors @ ortho_group.rvs(8, random_state=0)
    aligned, apart = {"one": vectors, "two": vectors}, {"one": vectors, "two": turned}
    (within_aligned,), (within_apart,) = (neighbour_probes(parts, labels, instances) for parts in (aligned, apart))
    assert within_aligned.accuracy == pytest.approx(within_apart.accuracy), "a rotation changes no cosine"
    (across_aligned,), (across_apart,) = (
        neighbours_across_probes(parts, labels, instances) for parts in (aligned, apart)
    )
    assert across_aligned.accuracy > 95
    assert across_apart.accuracy < 60


def test_absent_modalities_neither_ask_nor_vote():
    vectors, labels, instances = clustered(count=120, classes=2)
    partial = vectors.copy()
    partial[:40] = 0
    (found,) = neighbours_across_probes({"one": vectors, "two": partial}, labels, instances)
    (alone,) = neighbours_across_probes({"one": vectors[40:], "two": partial[40:]}, labels[40:], instances[40:])
    assert found.accuracy == pytest.approx(alone.accuracy, abs=3)
    assert 100 * found.correct.mean() == pytest.approx(found.accuracy)
    assert neighbours_across_probes({"one": vectors, "two": np.zeros_like(vectors)}, labels, instances) == []
