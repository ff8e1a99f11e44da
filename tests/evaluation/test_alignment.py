"""Scores of alignment against closed forms and NumPy, and which items look better after noise."""

import numpy as np
import pytest
import torch
from test_diagnosis import embeddings, unit

from pmrl.evaluation.alignment import after_noise, alignments


def equal_cosines(k, c):
    """k unit vectors with equal pairwise cosines c, (1, k, k): the rows of a Cholesky factor of their Gram matrix."""
    gram = np.full((k, k), c) + (1 - c) * np.eye(k)
    return torch.from_numpy(np.linalg.cholesky(gram))[None]


def everything(z):
    return torch.ones(z.shape[:2], dtype=torch.bool)


@pytest.mark.parametrize("k", [2, 3, 6, 14])
@pytest.mark.parametrize("c", [0.0, 0.3, 0.9])
def test_equal_cosines_have_the_volume_and_sigma_of_the_closed_form(k, c):
    z = equal_cosines(k, c)
    found = {name: value.item() for name, value in alignments(z, everything(z)).items()}
    assert found["volume"] == pytest.approx(-np.sqrt((1 + (k - 1) * c) * (1 - c) ** (k - 1)), rel=1e-6)
    assert found["sigma_1"] == pytest.approx(np.sqrt(1 + (k - 1) * c))
    assert found["mean_cosine"] == pytest.approx(c, abs=1e-12)


def test_three_coplanar_vectors_have_no_volume_and_are_not_aligned():
    angles = 2 * np.pi * torch.arange(3, dtype=torch.float64) / 3
    z = torch.stack([angles.cos(), angles.sin(), torch.zeros(3)], dim=1)[None]
    found = alignments(z, everything(z))
    assert found["volume"].item() == pytest.approx(0, abs=1e-7)
    assert found["sigma_1"].item() == pytest.approx(np.sqrt(1.5))
    assert found["mean_cosine"].item() == pytest.approx(-0.5)


def test_only_present_vectors_count():
    z, mask = unit(20, 5, 8), torch.rand(20, 5, generator=torch.Generator().manual_seed(1)) < 0.6
    mask[:, :2] = True
    found = alignments(z, mask)
    for i in range(20):
        own = z[i][mask[i]].double().numpy()
        gram = own @ own.T
        above = gram[np.triu_indices(len(own), 1)]
        assert found["volume"][i].item() == pytest.approx(-np.sqrt(np.linalg.det(gram)), rel=1e-5)
        assert found["sigma_1"][i].item() == pytest.approx(np.linalg.svd(own)[1][0])
        assert found["mean_cosine"][i].item() == pytest.approx(above.mean(), abs=1e-7)


def test_nothing_looks_better_where_nothing_changed():
    clean = embeddings(unit(4, 50, 8))
    parts = list(after_noise(clean, clean))
    assert [part.modality for part in parts] == ["a", "b", "c", "d"]
    assert not any(better.any() for part in parts for better in part.better.values())


def test_nothing_looks_better_than_perfect_alignment_and_everything_better_than_opposition():
    z = unit(1, 200, 8)
    noisy = embeddings(unit(4, 200, 8)[1:])
    perfect = list(after_noise(embeddings(z.expand(3, -1, -1)), noisy))
    assert not any(part.better[score].any() for part in perfect for score in ("sigma_1", "mean_cosine"))
    opposed = {part.modality: part for part in after_noise(embeddings(torch.cat([z, z, -z])), noisy)}
    # σ1 is blind to the sign: what stood against the others was perfectly aligned by it
    assert opposed["c"].better["mean_cosine"].all() and not opposed["c"].better["sigma_1"].any()


def test_the_volume_takes_coplanar_vectors_for_aligned_ones_and_the_others_do_not():
    """The third of three vectors with cosines ½ turns into the plane of the first two, away from one of them.

    The cosines become ½, ½ and −½, so det G falls from ½ to 0, but σ1² from 2 to 1.5, too.
    """
    z = equal_cosines(3, 0.5).transpose(0, 1)
    turned = torch.stack([z[0], z[1], z[1] - z[0]])
    third = list(after_noise(embeddings(z), embeddings(turned)))[2]
    assert {name: better.tolist() for name, better in third.better.items()} == {
        "volume": [True],
        "sigma_1": [False],
        "mean_cosine": [False],
    }


def test_two_modalities_are_judged_alike_by_volume_and_sigma():
    clean, noisy = unit(4, 500, 4).split(2)
    for part in after_noise(embeddings(clean), embeddings(noisy)):
        np.testing.assert_array_equal(part.better["volume"], part.better["sigma_1"])
        assert 0 < part.better["volume"].mean() < 1


def test_one_modality_is_noisy_at_a_time_and_only_where_it_has_company():
    clean, noisy = unit(6, 40, 8).split(3)
    present = torch.ones(3, 40, dtype=torch.bool)
    present[1, :20] = present[2, :10] = False  # items 0–9 have one modality, 10–19 two, 20–39 three
    parts = {part.modality: part for part in after_noise(*(embeddings(z, present) for z in (clean, noisy)))}
    assert {name: part.items.tolist() for name, part in parts.items()} == {
        "a": list(range(10, 40)),
        "b": list(range(20, 40)),
        "c": list(range(10, 40)),
    }
    for place, item in enumerate(range(10, 40)):
        own = [m for m in range(3) if present[m, item]]
        for m in set(own) & {0, 2}:
            before = torch.stack([clean[i, item] for i in own]).double().numpy()
            after = torch.stack([noisy[i, item] if i == m else clean[i, item] for i in own]).double().numpy()
            smaller = np.linalg.det(after @ after.T) < np.linalg.det(before @ before.T)
            assert parts["abc"[m]].better["volume"][place] == smaller
