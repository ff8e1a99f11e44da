"""The methods of the field after PMRL: what their files add to the losses, against slow loops and probability."""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from example_data import synthetic_dataset
from scipy.special import logsumexp
from scipy.stats import chisquare, multivariate_normal
from torch.nn.functional import gelu, normalize

from pmrl.experiments.run import network_of
from pmrl.method import Batch
from pmrl.method.base import build_method
from pmrl.training.loop import Optimizer, Stage

CPU = torch.device("cpu")
SIZES = {"dimension": 16, "hidden": 16, "width": 8, "attention_heads": 2}
GAPS = pytest.mark.parametrize("absent", [0.0, 0.4], ids=["complete", "with gaps"])


def prepared(name, absent=0.0, modalities=4, **values):
    dataset = synthetic_dataset(absent=absent, modalities=modalities)
    torch.manual_seed(0)
    method = build_method(name, values)
    network = network_of(method, dataset, SIZES, CPU)
    embeddings = network(Batch.from_dataset(dataset, dataset.indices("pretrain")[:12], CPU))
    return method, network, embeddings


def info_nce(logits):
    both = [logsumexp(array, axis=1) - np.diag(array) for array in (logits, logits.T)]
    return (both[0].mean() + both[1].mean()) / 2


@GAPS
def test_confu_is_the_slow_loop_over_pairs_and_thirds(absent):
    method, _, embeddings = prepared("confu", absent, temperature=0.3, fused_share=0.4)
    z, present = embeddings.stack().detach(), embeddings.mask()
    names, pairwise, fused = embeddings.modalities, [], []
    for a, b in combinations(range(4), 2):
        rows = (present[:, a] & present[:, b]).nonzero()[:, 0]
        pairwise.append(info_nce((z[rows, a] @ z[rows, b].T / 0.3).numpy()))
        index = method.pairs.index((names[a], names[b]))
        hidden = gelu(torch.cat([z[:, a], z[:, b]], dim=1) @ method.hidden[index])
        mixed = normalize(z[:, a] + z[:, b] + hidden @ method.output[index], dim=1)
        for c in set(range(4)) - {a, b}:
            rows = ((present[:, a] | present[:, b]) & present[:, c]).nonzero()[:, 0]
            fused.append(info_nce((mixed[rows] @ z[rows, c].T / 0.3).detach().numpy()))
    triples = [(i, c) for i, pair in enumerate(method.pairs) for c in range(4) if names[c] not in pair]
    method.triples = lambda modalities: tuple(map(list, zip(*triples, strict=True)))
    terms = method.loss(embeddings)
    assert len(fused) == 12
    assert terms["pairwise"].item() == pytest.approx(0.6 * np.mean(pairwise), rel=1e-4)
    assert terms["fused"].item() == pytest.approx(0.4 * np.mean(fused), rel=1e-4)


def test_confu_draws_a_pair_for_every_modality_anew_and_all_of_them_alike():
    method, _, embeddings = prepared("confu", modalities=6)
    names = embeddings.modalities
    drawn = [tuple(zip(*method.triples(names), strict=True)) for _ in range(600)]
    counts = Counter(triple for triples in drawn for triple in triples)
    assert len(names) == 5 and len(counts) == 5 * 6 and len(set(drawn)) > 500
    assert all(sorted(place for _, place in triples) == list(range(5)) for triples in drawn)
    assert all(names[place] not in method.pairs[index] for index, place in counts)
    assert chisquare(list(counts.values())).pvalue > 1e-4


def test_confu_needs_no_draw_for_three_modalities():
    method, _, embeddings = prepared("confu", modalities=3)
    pairs, thirds = method.triples(embeddings.modalities)
    assert [(*method.pairs[pair], embeddings.modalities[third]) for pair, third in zip(pairs, thirds, strict=True)] == [
        ("beta", "gamma", "alpha"),
        ("alpha", "gamma", "beta"),
        ("alpha", "beta", "gamma"),
    ]


def test_confu_scores_two_against_one_by_the_fused_vector():
    method, _, embeddings = prepared("confu")
    pair, third = embeddings.select(["beta", "delta"]), embeddings.select(["gamma"])
    vectors, _ = method.fused(embeddings, [method.pairs.index(("beta", "delta"))])
    torch.testing.assert_close(method.score(pair, third), vectors[0] @ embeddings.vectors["gamma"].T)


# CalMRL ---------------------------------------------------------------------------------------------------------------


def latent_model(method, seed=0, latents=3):
    """Give the method a model of known parameters, and draw instances from it."""
    rng = np.random.default_rng(seed)
    loadings, means = rng.normal(size=(4, 16, latents)), rng.normal(size=(4, 16))
    noise = np.array([0.1, 0.3, 0.2, 0.5])
    for name, content in {"loadings": loadings, "means": means, "noise": noise}.items():
        setattr(method, name, torch.from_numpy(content))
    h = rng.normal(size=(200, latents))
    drawn = np.einsum("mdl,bl->bmd", loadings, h) + means + rng.normal(size=(200, 4, 16)) * np.sqrt(noise)[:, None]
    return loadings, means, noise, torch.from_numpy(drawn)


def test_calmrl_posterior_is_that_of_the_joint_gaussian():
    method, *_ = prepared("calmrl", latents=3)
    loadings, means, noise, drawn = latent_model(method)
    mask = torch.tensor([[True, False, True, False]])
    found, covariance = method.posterior(drawn[:1], mask)
    stacked = np.concatenate([loadings[0], loadings[2]])
    joint = stacked @ stacked.T + np.diag(np.repeat(noise[[0, 2]], 16))
    gain = stacked.T @ np.linalg.inv(joint)
    seen = np.concatenate([drawn[0, place].numpy() - means[place] for place in (0, 2)])
    np.testing.assert_allclose(found[0], gain @ seen, atol=1e-10)
    np.testing.assert_allclose(covariance[0], np.eye(3) - gain @ stacked, atol=1e-10)


def log_likelihood(method, drawn):
    loadings, noise = method.loadings.numpy().reshape(64, -1), np.repeat(method.noise.numpy(), 16)
    joint = loadings @ loadings.T + np.diag(noise)
    return multivariate_normal(method.means.numpy().reshape(64), joint).logpdf(drawn.reshape(-1, 64).numpy()).mean()


def test_calmrl_learning_raises_the_likelihood_and_imputes_better_than_the_mean():
    method, *_ = prepared("calmrl", latents=3)
    *_, drawn = latent_model(method)
    fresh, *_ = prepared("calmrl", latents=3)
    for name, buffer in fresh.named_buffers():
        setattr(fresh, name, buffer.double())
    every = torch.ones(200, 4, dtype=torch.bool)
    likelihood = []
    for _ in range(200):
        fresh.learn(drawn, every)
        likelihood.append(log_likelihood(fresh, drawn))
    assert likelihood[-1] > likelihood[20] > likelihood[5]
    assert likelihood[-1] > log_likelihood(method, drawn) - 1, "as good as the model that drew the data"
    mask = every.clone()
    mask[:, 1] = False
    imputed = fresh.imputed(drawn, mask)[:, 1]
    target, constant = normalize(drawn[:, 1], dim=-1), normalize(fresh.means[1], dim=-1)
    assert (imputed * target).sum(1).mean() > (constant * target).sum(1).mean() + 0.3


def test_calmrl_of_complete_instances_is_pmrl():
    method, _, embeddings = prepared("calmrl")
    pmrl = build_method("pmrl", {})
    torch.manual_seed(1)
    expected = pmrl.loss(embeddings)
    torch.manual_seed(1)
    found = method.loss(embeddings)
    assert found.keys() == expected.keys()
    for name, term in found.items():
        torch.testing.assert_close(term, expected[name])


def test_calmrl_imputes_only_after_its_model_has_settled():
    method, _, embeddings = prepared("calmrl", absent=0.4, matching_weight=0.0)
    plain = build_method("pmrl", {"matching_weight": 0.0}).loss(embeddings)["alignment"]
    method.step = replace(method.step, number=0, steps=100)
    torch.testing.assert_close(method.loss(embeddings)["alignment"], plain)
    method.step = replace(method.step, number=50, steps=100)
    assert method.loss(embeddings)["alignment"] != plain


# Others ---------------------------------------------------------------------------------------------------------------


def test_hypergram_learns_its_curvature_ten_times_as_fast_and_scores_by_one_scale():
    method, network, embeddings = prepared("hypergram")
    common, own = Optimizer(network, method, Stage("continued", "pretrain", 10, 8)).inner.param_groups
    assert own["params"] == [method.logarithm_of_curvature] and own["initial_lr"] == 10 * common["initial_lr"]
    method.loss(embeddings)["contrastive"].backward()
    assert method.logarithm_of_curvature.grad != 0 and method.scale != 1 and "curvature" in method.step.logged
    query, gallery = embeddings.select(["alpha"]), embeddings.select(["beta", "gamma", "delta"])
    part = method.score(query.rows(slice(0, 2)), gallery.rows(slice(3, 5)))
    torch.testing.assert_close(part, method.score(query, gallery)[:2, 3:5])


@pytest.mark.parametrize("name", ["pmrl", "pairwise", "all_pairs"])
def test_scalar_is_a_score_of_pmrl_and_of_the_pairwise_methods(name):
    method, _, embeddings = prepared(name, score="scalar")
    query, gallery = embeddings.select(["alpha"]), embeddings.select(["beta", "gamma", "delta"])
    scores = method.score(query, gallery)
    t, z = embeddings.vectors["alpha"], gallery.stack()
    weights = (z[5] @ t[2] / 0.1).softmax(0)
    expected = t[2] @ normalize(weights @ z[5], dim=0)
    torch.testing.assert_close(scores[2, 5], expected)
    torch.testing.assert_close(method.score(gallery, query), scores.T)
