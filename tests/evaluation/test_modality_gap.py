"""The modality gap of vectors whose clusters are known."""

import numpy as np
import pytest
import torch
from sklearn.metrics import homogeneity_completeness_v_measure
from test_diagnosis import embeddings, unit

from pmrl.evaluation.modality_gap import centroid_distance, cluster_agreement, space_metrics, variance_between


def flat(z):
    """(modalities, items, d) as vectors and the modality of each."""
    return z.reshape(-1, z.shape[-1]).double().numpy(), np.repeat(np.arange(len(z)), z.shape[1])


def test_identical_modalities_have_no_gap():
    z = unit(1, 60, 8).expand(3, -1, -1)
    assert centroid_distance(*flat(z)) == pytest.approx(0, abs=1e-12)
    assert variance_between(*flat(z)) == pytest.approx(0, abs=1e-12)


def test_modalities_that_are_points_have_nothing_but_a_gap():
    points = torch.eye(3)[:, None].expand(-1, 50, -1)
    found = space_metrics(embeddings(points), np.array([""] * 50), seed=0)
    assert found["centroid_distance"] == pytest.approx(np.sqrt(2))
    assert found["between_modalities"] == pytest.approx(100)
    assert found["modality_v_measure"] == pytest.approx(100)
    assert "class_v_measure" not in found, "no item has a label"


def test_equal_vectors_have_no_variance_that_could_lie_anywhere():
    z = unit(1, 1, 8).expand(3, 50, -1)
    assert variance_between(*flat(z)) == 0


def test_variance_within_and_between_add_up():
    vectors, modality = flat(unit(4, 30, 6) + torch.arange(4.0)[:, None, None])
    within = sum(len(part) * part.var(axis=0).sum() for part in (vectors[modality == m] for m in range(4)))
    total = len(vectors) * vectors.var(axis=0).sum()
    assert variance_between(vectors, modality) == pytest.approx(1 - within / total)


def test_a_gap_does_not_depend_on_rotation_and_its_share_not_on_scale():
    z = unit(3, 40, 8)
    vectors, modality = flat(z + torch.eye(8)[:3, None])
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
    assert centroid_distance(vectors @ rotation, modality) == pytest.approx(centroid_distance(vectors, modality))
    assert variance_between(0.1 * vectors + 1, modality) == pytest.approx(variance_between(vectors, modality))
    assert centroid_distance(0.1 * vectors, modality) == pytest.approx(0.1 * centroid_distance(vectors, modality))


def near(centres, random, deviation=0.05):
    z = centres + deviation * random.normal(size=centres.shape)
    return torch.from_numpy(z / np.linalg.norm(z, axis=-1, keepdims=True)).float()


@pytest.mark.parametrize("gap", [True, False])
def test_vectors_cluster_by_what_sets_them_apart(gap):
    """20 items of each of three classes in two modalities, near the axis of their modality or of their class."""
    random, axes = np.random.default_rng(0), np.eye(6)
    classes = np.repeat([0, 1, 2], 20)
    centres = np.stack([np.tile(axes[4 + m], (60, 1)) if gap else axes[classes] for m in range(2)])
    names = np.array(["cat", "dog", "owl"])[classes]
    found = space_metrics(embeddings(near(centres, random)), names, seed=0)
    by_modality, by_class = found["modality_v_measure"], found["class_v_measure"]
    assert (by_modality, by_class) == ((pytest.approx(100), pytest.approx(0, abs=25)) if gap else (
        pytest.approx(0, abs=25), pytest.approx(100)))  # fmt: skip
    assert (found["between_modalities"] > 90) == gap


def test_agreement_is_sklearns_v_measure_of_separate_clusters():
    """Four tight clusters found by two: sklearn's V-measure of the only sensible merger, and the formula by hand."""
    vectors = np.repeat([[0.0, 0.0], [0.0, 1.0], [100.0, 0.0], [100.0, 1.0]], 25, axis=0)
    vectors += 0.01 * np.random.default_rng(0).normal(size=vectors.shape)
    truth = np.tile(np.repeat(["left", "right"], 25), 2)  # by the second coordinate, which k-means with k = 2 ignores
    found = np.repeat([0, 1], 50)
    assert cluster_agreement(vectors, truth, 0) == pytest.approx(
        homogeneity_completeness_v_measure(truth, found)[2], abs=1e-9
    )
    assert cluster_agreement(vectors, found.astype(str), 0) == pytest.approx(1)


def test_absent_vectors_and_small_classes_do_not_count():
    random, axes = np.random.default_rng(0), np.eye(8)
    labels = np.array(["cat"] * 20 + ["dog"] * 20 + ["rare"] * 5 + [""] * 15)
    centres = np.stack([axes[[0] * 20 + [1] * 20 + [2] * 5 + [3] * 15]] * 3)
    present = torch.ones(3, 60, dtype=torch.bool)
    present[1, ::3] = present[2, :5] = False
    z = near(centres, random)
    found = space_metrics(embeddings(torch.where(present[..., None], z, 0), present), labels, seed=1)
    assert found["class_v_measure"] == pytest.approx(100), "two large classes are two clusters"
    means = [z[m][present[m]].double().numpy().mean(axis=0) for m in range(3)]
    distances = [np.linalg.norm(means[a] - means[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert found["centroid_distance"] == pytest.approx(np.mean(distances), abs=1e-6)


def test_one_modality_has_no_gap():
    present = torch.zeros(3, 30, dtype=torch.bool)
    present[1] = True
    z = unit(3, 30, 8) * present[..., None]
    assert space_metrics(embeddings(z, present), np.array([""] * 30), seed=0) == {}
