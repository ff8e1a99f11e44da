"""The baselines' losses against slow loops written from their papers, closed forms, and the closed-form methods."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from example_data import synthetic_dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines import gcca
from pmrl.discovery import method_files
from pmrl.errors import UserError
from pmrl.evaluation.retrieval import evaluate
from pmrl.losses import symile, triangle
from pmrl.method.base import build_method, load_method
from pmrl.method.batch import Batch
from pmrl.method.heads import NetworkSettings
from pmrl.method.networks import Network, embed
from pmrl.training.loop import train_stage
from pmrl.training.stage import Stage

SMALL = NetworkSettings(dimension=16, hidden=16, width=8, attention_heads=2, dropout=0.0)
CPU = torch.device("cpu")


def embedded(absent=0.0, modalities=4, per_split=12, seed=0):
    """An untrained network's embeddings of the pre-training part."""
    dataset = synthetic_dataset(absent=absent, per_split=per_split, modalities=modalities)
    torch.manual_seed(seed)
    return embed(Network(dataset, SMALL), Batch.from_dataset(dataset, dataset.indices("pretrain"), CPU))


@pytest.fixture(params=[0.0, 0.4], ids=["complete", "with gaps"])
def embeddings(request):
    return embedded(request.param)


def without(embeddings, modality, row):
    """The same embeddings, but one instance lacks one modality."""
    vectors = {m: x.clone() for m, x in embeddings.vectors.items()}
    present = {m: x.clone() for m, x in embeddings.present.items()}
    vectors[modality][row], present[modality][row] = 0, False
    return replace(embeddings, vectors=vectors, present=present)


def of_vectors(embeddings, vectors):
    """Embeddings with the given vectors (batch, modalities, dimension), all present."""
    names = embeddings.modalities[: vectors.shape[1]]
    return replace(
        embeddings,
        vectors={name: vectors[:, m] for m, name in enumerate(names)},
        tokens={name: embeddings.tokens[name] for name in names},
        present={name: torch.ones(len(vectors), dtype=torch.bool) for name in names},
    )


def plain(embeddings, name):
    return embeddings.vectors[name].double().numpy(), embeddings.present[name].numpy()


def cross_entropy(logits, right, smoothing=0.0):
    """−Σ_j target_j log softmax(logits)_j for one list of logits."""
    logits = np.array(logits)
    log_probability = logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
    target = np.full(len(logits), smoothing / len(logits))
    target[right] += 1 - smoothing
    return -(target * log_probability).sum()


def both_ways(logits, smoothing=0.0):
    n = len(logits)
    rows = [cross_entropy(logits[i], i, smoothing) for i in range(n)]
    columns = [cross_entropy(logits[:, i], i, smoothing) for i in range(n)]
    return np.mean(rows + columns)


def test_all_pairs_loss_is_the_slow_loop(embeddings):
    losses = []
    for first, second in combinations(embeddings.modalities, 2):
        (x, has_x), (y, has_y) = plain(embeddings, first), plain(embeddings, second)
        rows = np.flatnonzero(has_x & has_y)
        losses.append(both_ways(np.array([[x[i] @ y[j] / 0.2 for j in rows] for i in rows]), 0.1))
    method = build_method("all_pairs", {"temperature": 0.2, "label_smoothing": 0.1})
    assert method.loss(embeddings)["contrastive"].item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_all_pairs_of_two_modalities_is_pairwise():
    two = embedded(0.4, modalities=2)
    losses = [build_method(name, {}).loss(two)["contrastive"].item() for name in ("all_pairs", "pairwise")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_centroid_loss_is_the_slow_loop(embeddings):
    stacked, mask = embeddings.stack().double().numpy(), embeddings.mask().numpy()
    centroid = np.array([sum(z[m] for m in range(4) if p[m]) for z, p in zip(stacked, mask, strict=True)])
    centroid = centroid / np.linalg.norm(centroid, axis=1, keepdims=True)
    losses = []
    for m in range(4):
        rows = [i for i in range(len(mask)) if mask[i, m] and mask[i].sum() > 1]
        losses.append(both_ways(np.array([[centroid[i] @ stacked[j, m] / 0.2 for j in rows] for i in rows])))
    method = build_method("centroid", {"temperature": 0.2})
    assert method.loss(embeddings)["contrastive"].item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_sigmoid_loss_is_the_slow_loop(embeddings):
    losses = []
    for first, second in combinations(embeddings.modalities, 2):
        (x, has_x), (y, has_y) = plain(embeddings, first), plain(embeddings, second)
        rows = np.flatnonzero(has_x & has_y)
        total = 0.0
        for i in rows:
            for j in rows:
                logit = 7 * (x[i] @ y[j]) - 3
                total += math.log1p(math.exp(-logit if i == j else logit))
        losses.append(total / len(rows))
    method = build_method("sigmoid_pairs", {"scale": 7.0, "bias": -3.0})
    assert method.loss(embeddings)["sigmoid"].item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_sigmoid_loss_starts_where_the_paper_has_it():
    """At t = 10, b = −10 a matched pair with cosine 1 costs ln 2, and mismatched ones at cosine −1 next to nothing."""
    vectors = torch.zeros(2, 2, 16)
    vectors[:, :, 0] = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    loss = build_method("sigmoid_pairs", {}).loss(of_vectors(embedded(per_split=12).rows(slice(0, 2)), vectors))
    assert loss["sigmoid"].item() == pytest.approx(math.log(2), rel=1e-5)


def slow_area(t, v, a):
    u, w = t - v, v - a
    return 0.5 * math.sqrt(max((u @ u) * (w @ w) - (u @ w) ** 2, 0))


def test_triangle_loss_of_three_modalities_is_the_slow_loop_of_the_paper():
    embeddings = embedded(modalities=3)
    t, v, a = (plain(embeddings, name)[0] for name in ("alpha", "beta", "gamma"))
    n = len(t)
    logits = np.array([[-slow_area(t[i], v[j], a[j]) / 0.1 for j in range(n)] for i in range(n)])
    method = build_method("triangle", {"temperature": 0.1})
    assert method.loss(embeddings)["contrastive"].item() == pytest.approx(both_ways(logits, 0.1), rel=1e-4)


def test_triangle_with_more_modalities_and_gaps_is_a_mean_with_orthogonal_stand_ins():
    """An absent modality is a unit vector along an axis of its own, so it is orthogonal to all others."""
    embeddings = embedded(0.4)
    wide = []
    for m, name in enumerate(embeddings.modalities):
        vectors, present = plain(embeddings, name)
        wide.append(np.hstack([vectors, np.zeros((len(vectors), 4))]))
        wide[-1][~present, 16 + m] = 1
    rows = [i for i in range(len(embeddings)) if embeddings.mask()[i, 1:].any()]
    pairs = list(combinations((1, 2, 3), 2))
    logits = np.array(
        [
            [-np.mean([slow_area(wide[0][i], wide[v][j], wide[a][j]) for v, a in pairs]) / 0.1 for j in rows]
            for i in rows
        ]
    )
    method = build_method("triangle", {"temperature": 0.1})
    assert method.loss(embeddings)["contrastive"].item() == pytest.approx(both_ways(logits, 0.1), rel=1e-4)


def test_area_of_known_triangles():
    def area(*corners):
        t, v, a = (torch.tensor([corner], dtype=torch.float32) for corner in corners)
        return triangle.mean_area(t, torch.stack([v, a], dim=1)).item()

    third = 2 * math.pi / 3
    around = [(math.cos(k * third), math.sin(k * third), 0.0) for k in range(3)]
    assert area(*around) == pytest.approx(3 * math.sqrt(3) / 4), "equilateral, inscribed in the unit circle"
    axes = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    assert area(*axes) == pytest.approx(math.sqrt(3) / 2), "equilateral with side √2"
    assert area(axes[0], axes[0], axes[0]) < 1e-4
    assert area(axes[0], axes[0], axes[1]) < 1e-4
    assert area(*axes) == pytest.approx(area(axes[2], axes[0], axes[1])), "the corners have no order"


def test_a_flat_triangle_has_a_finite_gradient():
    corner = torch.nn.functional.normalize(torch.ones(3, 8), dim=1).requires_grad_()
    triangle.mean_area(corner, corner.unsqueeze(1).expand(-1, 2, -1)).sum().backward()
    assert torch.isfinite(corner.grad).all()


def test_triangle_scores_two_single_modalities_by_cosine_and_refuses_two_in_all():
    embeddings = embedded()
    method = build_method("triangle", {})
    scores = method.score(embeddings.select(["beta"]), embeddings.select(["gamma"]))
    torch.testing.assert_close(scores, embeddings.vectors["beta"] @ embeddings.vectors["gamma"].T)
    supported, reason = load_method("triangle").supports(synthetic_dataset(modalities=2).card)
    assert not supported and "three modalities" in reason
    assert load_method("triangle").supports(synthetic_dataset(modalities=3).card)[0]


def test_triangle_score_is_minus_area_plus_weighted_mean_cosine():
    embeddings = embedded(modalities=3)
    t, v, a = (plain(embeddings, name)[0] for name in ("alpha", "beta", "gamma"))
    method = build_method("triangle", {"cosine_weight": 0.3})
    query, gallery = embeddings.select(["alpha"]), embeddings.select(["beta", "gamma"])
    expected = -slow_area(t[2], v[5], a[5]) + 0.3 * (t[2] @ v[5] + t[2] @ a[5]) / 2
    assert method.score(query, gallery)[2, 5].item() == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(method.score(gallery, query), method.score(query, gallery).T)


def slow_product(factors):
    """d^(k/2 − 1) Σ_d Π_m z^m_d of the k given vectors."""
    k, d = len(factors), len(factors[0])
    return d ** (k / 2 - 1) * sum(math.prod(z[entry] for z in factors) for entry in range(d))


def test_symile_loss_with_negatives_kept_together_is_the_slow_loop(embeddings):
    stacked, mask = embeddings.stack().double().numpy(), embeddings.mask().numpy()
    losses = []
    for m in range(4):
        rest = [x for x in range(4) if x != m]
        rows = [i for i in range(len(mask)) if mask[i, m] and mask[i, rest].any()]
        losses.append(
            np.mean(
                [
                    cross_entropy(
                        [slow_product([stacked[i, m], *stacked[j, rest][mask[j, rest]]]) / 0.5 for j in rows],
                        rows.index(i),
                    )
                    for i in rows
                ]
            )
        )
    method = build_method("symile", {"temperature": 0.5, "negatives": "together"})
    assert method.loss(embeddings)["contrastive"].item() == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize("absent", [0.0, 0.4, 0.7])
def test_symile_loss_with_shuffled_negatives_is_the_slow_loop(absent, monkeypatch):
    """Known permutations: the second other modality is one instance away, the third two. Empty ones are left out."""
    embeddings = embedded(absent)

    def rolled(usable, modalities):
        order = torch.arange(len(usable)).unsqueeze(1).repeat(1, modalities)
        rows = usable.nonzero().squeeze(1)
        order[rows] = torch.stack([rows.roll(m) for m in range(modalities)], dim=1)
        return order

    monkeypatch.setattr(symile, "shuffled_rows", rolled)
    stacked, mask = embeddings.stack().double().numpy(), embeddings.mask().numpy()
    losses = []
    for m in range(4):
        rest = [x for x in range(4) if x != m]
        rows = [i for i in range(len(mask)) if mask[i, m] and mask[i, rest].any()]
        for a, i in enumerate(rows):
            own = slow_product([stacked[i, m], *stacked[i, rest][mask[i, rest]]])
            logits = [own / 0.5]
            for b in range(len(rows)):
                sources = [(rows[(b - shift) % len(rows)], x) for shift, x in enumerate(rest)]
                factors = [stacked[source] for source in sources if mask[source]]
                if b != a and factors:
                    logits.append(slow_product([stacked[i, m], *factors]) / 0.5)
            losses.append(cross_entropy(logits, 0) / len(rows))
    method = build_method("symile", {"temperature": 0.5, "negatives": "shuffled"})
    assert method.loss(embeddings)["contrastive"].item() == pytest.approx(sum(losses) / 4, rel=1e-4)


def test_shuffling_keeps_every_modality_a_permutation_and_the_first_in_place():
    usable = torch.rand(12, generator=torch.Generator().manual_seed(0)) > 0.3
    kept = usable.nonzero().squeeze(1).tolist()
    torch.manual_seed(0)
    order = symile.shuffled_rows(usable, 5)
    assert order[:, 0].tolist() == list(range(12))
    assert torch.equal(order[~usable], order[~usable, :1].expand(-1, 5)), "what takes no part is left alone"
    for m in range(1, 5):
        assert sorted(order[usable, m].tolist()) == kept != order[usable, m].tolist()


@given(st.integers(2, 14), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_symile_product_of_equal_sign_vectors_is_one_or_their_mean_sign(count, seed):
    """Entries ±1/√d: the product of an even number of equal vectors is 1, of an odd number the mean sign."""
    signs = torch.from_numpy(np.random.default_rng(seed).choice([-1.0, 1.0], size=64)).float()
    vectors = (signs / 8).expand(1, count, 64)
    mean = symile.product(vectors, torch.ones(1, count, dtype=torch.bool)).mean().item()
    assert mean == pytest.approx(1.0 if count % 2 == 0 else signs.mean().item(), abs=1e-4)


def test_symile_scores_single_modalities_by_cosine_and_sets_by_the_product():
    embeddings = embedded()
    method = build_method("symile", {})
    beta, gamma = embeddings.select(["beta"]), embeddings.select(["gamma"])
    torch.testing.assert_close(method.score(beta, gamma), embeddings.vectors["beta"] @ embeddings.vectors["gamma"].T)
    z = embeddings.stack().double().numpy()
    score = method.score(beta, embeddings.select(["alpha", "gamma", "delta"]))[3, 6].item()
    assert score == pytest.approx(slow_product([z[3, 1], z[6, 0], z[6, 2], z[6, 3]]), abs=1e-5)


@pytest.mark.parametrize("negatives", ["shuffled", "together"])
def test_symile_of_fourteen_modalities_has_a_finite_loss_and_gradient(negatives):
    base = embedded(modalities=5, per_split=40)
    vectors = torch.nn.functional.normalize(torch.randn(40, 14, 128, generator=torch.Generator().manual_seed(0)), dim=2)
    names = [f"m{m}" for m in range(14)]
    mask = torch.rand(40, 14, generator=torch.Generator().manual_seed(1)) > 0.3
    vectors = (vectors * mask.unsqueeze(2)).requires_grad_()
    wide = replace(
        base,
        vectors={name: vectors[:, m] for m, name in enumerate(names)},
        present={name: mask[:, m] for m, name in enumerate(names)},
        tokens={},
    )
    loss = build_method("symile", {"negatives": negatives}).loss(wide)["contrastive"]
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(vectors.grad).all()


def test_symile_names_the_kinds_of_negatives():
    with pytest.raises(UserError, match=r"'negatives' is 'none'; expected one of shuffled, together"):
        build_method("symile", {"negatives": "none"})


@pytest.mark.parametrize("name", ["all_pairs", "centroid", "sigmoid_pairs", "symile", "triangle"])
def test_an_absent_modality_gets_no_gradient_and_leaves_the_others_one(name):
    embeddings = without(embedded(), "beta", 3)
    stacked = embeddings.stack().clone().requires_grad_()
    vectors = {m: stacked[:, i] * embeddings.present[m].unsqueeze(1) for i, m in enumerate(embeddings.modalities)}
    torch.manual_seed(0)
    contrast = next(iter(build_method(name, {}).loss(replace(embeddings, vectors=vectors)).values()))
    contrast.backward()
    assert (stacked.grad[3, 1] == 0).all()
    assert (stacked.grad[3, [0, 2, 3]].abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("name", ["all_pairs", "centroid", "sigmoid_pairs", "symile", "triangle"])
def test_loss_is_lower_when_modalities_agree_than_when_instances_are_mixed(name):
    embeddings = embedded()
    shared = torch.nn.functional.normalize(torch.randn(12, 16, generator=torch.Generator().manual_seed(3)), dim=1)
    aligned = shared.sign().unsqueeze(1).repeat(1, 4, 1) / 4
    mixed = torch.stack([aligned[:, m].roll(m, dims=0) for m in range(4)], dim=1)
    losses = []
    for vectors in (aligned, mixed):
        torch.manual_seed(0)
        losses.append(next(iter(build_method(name, {}).loss(of_vectors(embeddings, vectors)).values())).item())
    assert losses[0] < losses[1]


# GCCA ---------------------------------------------------------------------------------------------------------------


def views(absent=0.0, count=60, sizes=(7, 9, 12), noise=0.3, seed=0):
    """Centred noisy linear views of four shared variables, zero where absent; and the shared variables."""
    random = np.random.default_rng(seed)
    shared = random.normal(size=(count, 4))
    present = random.random((count, len(sizes))) >= absent
    features = []
    for size, seen in zip(sizes, present.T, strict=True):
        x = shared @ random.normal(size=(4, size)) + noise * random.normal(size=(count, size))
        features.append((x - x[seen].mean(axis=0)) * seen[:, None])
    return features, present, shared


def solved(features, present, ridge, directions):
    """The problem written out: the n × n sum of ridge projections, weighted by presence, and its eigenvectors."""
    total, inverses = 0, []
    for x in features:
        inverses.append(np.linalg.inv(x.T @ x + ridge * np.trace(x.T @ x) / x.shape[1] * np.eye(x.shape[1])))
        total = total + x @ inverses[-1] @ x.T
    root = np.diag(1 / np.sqrt(np.maximum(present.sum(axis=1), 1)))
    values, vectors = np.linalg.eigh(root @ total @ root)
    shared = root @ vectors[:, ::-1][:, :directions]
    return values[::-1][:directions], [inverse @ x.T @ shared for x, inverse in zip(features, inverses, strict=True)]


@pytest.mark.parametrize("absent", [0.0, 0.4])
@pytest.mark.parametrize("count", [20, 60], ids=["more features", "more instances"])
def test_gcca_maps_are_those_of_the_written_out_problem(absent, count):
    features, present, _ = views(absent, count)
    _, expected = solved(features, present, 0.1, 4)
    found = gcca.maxvar(features, present, 0.1, 4)
    for x, w, v in zip(features, found, expected, strict=True):
        signs = np.sign((x @ w * (x @ v)).sum(axis=0))
        np.testing.assert_allclose(w * signs, v, atol=1e-8)
    signs = [np.sign((w * v).sum(axis=0)) for w, v in zip(found, expected, strict=True)]
    assert np.array_equal(signs[0], signs[1]) and np.array_equal(signs[0], signs[2]), "one G for all modalities"


def test_gcca_without_noise_and_ridge_finds_the_shared_space_in_every_modality():
    features, present, shared = views(noise=0.0)
    maps = gcca.maxvar(features, present, 0.0, 4)
    variates = [x @ w for x, w in zip(features, maps, strict=True)]
    for variate in variates[1:]:
        np.testing.assert_allclose(variate, variates[0], atol=1e-4)
    centred = shared - shared.mean(axis=0)
    residual = centred - variates[0] @ np.linalg.lstsq(variates[0], centred, rcond=None)[0]
    assert np.linalg.norm(residual) < 1e-4 * np.linalg.norm(centred)


def test_gcca_returns_no_more_directions_than_there_are():
    features, present, _ = views(noise=0.0)
    assert all(w.shape[1] == 4 for w in gcca.maxvar(features, present, 0.1, 16))


def test_gcca_of_two_modalities_has_the_canonical_correlations():
    """With two sets MAXVAR is classical CCA: the eigenvalues of P_1 + P_2 are 1 + ρ."""
    features, present, _ = views(sizes=(5, 6))
    maps = gcca.maxvar(features, present, 0.0, 5)
    correlations = [np.corrcoef(features[0] @ maps[0][:, [d]], features[1] @ maps[1][:, [d]], rowvar=False)[0, 1]
                    for d in range(5)]  # fmt: skip
    basis = [np.linalg.qr(x)[0] for x in features]
    np.testing.assert_allclose(correlations, np.linalg.svd(basis[0].T @ basis[1])[1], atol=1e-6)


@pytest.mark.parametrize("absent", [0.0, 0.3])
def test_gcca_finds_held_out_instances_of_an_easy_data_set(absent):
    dataset = synthetic_dataset(absent=absent, modalities=4)
    method = build_method("gcca", {})
    network = method.new_network(dataset, SMALL)
    train_stage(network, method, dataset, Stage("continued", "pretrain", 1, 8), 0, CPU)
    held_out = embed(network, Batch.from_dataset(dataset, dataset.indices("test"), CPU))
    recalls = [result.metrics()["recall@1"] for result in evaluate(held_out, method)]
    assert np.mean(recalls) > 60
    lengths, mask = held_out.stack().norm(dim=-1), held_out.mask()
    torch.testing.assert_close(lengths[mask], torch.ones(int(mask.sum())))
    assert (lengths[~mask] == 0).all()


# Chance -------------------------------------------------------------------------------------------------------------


def chance_embeddings(dataset, order=None):
    torch.manual_seed(0)
    network = build_method("random", {}).new_network(dataset, SMALL)
    indices = dataset.indices("test") if order is None else dataset.indices("test")[order]
    return embed(network, Batch.from_dataset(dataset, indices, CPU))


def test_chance_finds_as_many_as_guessing_does():
    dataset = synthetic_dataset(per_split=500)
    results = evaluate(chance_embeddings(dataset), build_method("random", {}))
    for result in results:
        metrics = result.metrics()
        # 500 queries at 2 % hit 10 times, deviation 3.2
        assert metrics["recall@10"] == pytest.approx(2.0, abs=4 * 0.63)
        assert metrics["median_rank"] == pytest.approx(250, abs=60)


def test_chance_does_not_see_equal_modalities_or_the_order_of_instances():
    dataset = synthetic_dataset(per_split=200)
    dataset.pooled["beta"] = dataset.pooled["alpha"]
    embeddings = chance_embeddings(dataset)
    assert (embeddings.vectors["alpha"] * embeddings.vectors["beta"]).sum(dim=1).mean().abs() < 0.1
    order = np.random.default_rng(0).permutation(200)
    torch.testing.assert_close(chance_embeddings(dataset, order).stack(), embeddings.stack()[order])


# All ----------------------------------------------------------------------------------------------------------------

# Linear RGB as seen by people without one kind of cone (Machado, Oliveira and Fernandes 2009, severity 1).
VISION = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)


def cie_lab(color, vision):
    """CIE L*a*b* (D65) of an sRGB colour such as #0072B2, as seen with the given vision."""
    encoded = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    relative = TO_XYZ @ np.clip(np.array(vision) @ linear, 0, 1) / TO_XYZ.sum(axis=1)
    f = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
def test_colours_of_all_methods_can_be_told_apart(vision):
    colors = {name: cie_lab(load_method(name).color, VISION[vision]) for name in method_files()}
    for first, second in combinations(colors, 2):
        assert np.linalg.norm(colors[first] - colors[second]) > 12, f"{first} and {second} look alike"


# Broken baselines ---------------------------------------------------------------------------------------------------


class Broken(load_method("all_pairs")):
    """A baseline with something wrong in it."""

    title = "My method"


THREE = ValueError("three is not two")


def fails(error):
    def part(*arguments):
        raise error

    return part


def stage_of(method):
    dataset = synthetic_dataset()
    return train_stage(
        method.new_network(dataset, SMALL), method, dataset, Stage("continued", "pretrain", 2, 8), 0, CPU
    )


def broken(**parts):
    method = Broken(Broken.Hyperparameters())
    for name, part in parts.items():
        setattr(method, name, part)
    return method


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (fails(THREE), "ValueError: three is not two"),
        (lambda embeddings: embeddings.stack().sum(), "has no attribute 'items'"),
        (lambda embeddings: {"contrastive": embeddings.stack()}, r"'contrastive' has the shape \(8, 3, 16\)"),
        (lambda embeddings: {"contrastive": torch.tensor(math.nan)}, "'contrastive' is nan at step 0"),
    ],
    ids=["exception", "no dictionary", "no scalar", "NaN"],
)
def test_a_broken_loss_fails_by_the_name_of_its_method(part, message):
    with pytest.raises(UserError, match=rf"(?s)'My method'.*loss.*{message}"):
        stage_of(broken(loss=part))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (fails(THREE), "ValueError: three is not two"),
        (lambda query, gallery: None, "NoneType"),
        (lambda query, gallery: torch.zeros(3), r"shape \(3,\); expected .* \(12, 12\)"),
        (lambda query, gallery: torch.full((12, 12), math.inf), "not finite"),
    ],
    ids=["exception", "nothing", "wrong shape", "infinite"],
)
def test_a_broken_score_fails_by_the_name_of_its_method(part, message):
    with pytest.raises(UserError, match=rf"(?s)'My method'.*score.*{message}"):
        evaluate(embedded(), broken(score=part))


def test_a_broken_fit_fails_by_the_name_of_its_method_and_keeps_the_cause():
    cause = ZeroDivisionError("by zero")
    with pytest.raises(UserError, match=r"'My method': fit failed.*ZeroDivisionError: by zero") as caught:
        stage_of(broken(closed_form=True, fit=fails(cause)))
    assert caught.value.__cause__ is cause


def test_a_failure_names_the_line_in_the_methods_file():
    method = build_method("all_pairs", {})
    method.temperature = None
    line = next(
        number
        for number, text in enumerate(method_files()["all_pairs"].read_text().splitlines(), start=1)
        if "self.temperature()" in text
    )
    with pytest.raises(UserError, match=rf"'All pairs': loss failed in all_pairs\.py, line {line}: TypeError"):
        stage_of(method)


def test_a_missing_dependency_and_a_missing_loss_name_the_method(tmp_path, monkeypatch):
    source = method_files()["all_pairs"].read_text()
    folder = tmp_path / "baselines"
    folder.mkdir()
    (folder / "needs_more.py").write_text("import a_package_that_nobody_has\n" + source)
    monkeypatch.setattr("pmrl.method.base.ROOT", tmp_path)
    monkeypatch.setattr("pmrl.method.base.method_file", lambda name: folder / f"{name}.py")
    monkeypatch.setattr("baselines.__path__", [str(folder)])
    with pytest.raises(UserError, match=r"'needs_more': needs_more\.py cannot be imported.*a_package_that_nobody_has"):
        load_method("needs_more")
    (folder / "no_loss.py").write_text(source.replace("def loss(", "def forgotten("))
    with pytest.raises(UserError, match=r"'All pairs': loss failed in .*does not define loss"):
        stage_of(build_method("no_loss", {}))
