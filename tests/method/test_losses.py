"""Losses against slow loops written from the papers, and the facts that they rest on."""

import math

import numpy as np
import pytest
import torch
from example_data import synthetic_dataset

from pmrl.errors import UserError
from pmrl.method import Temperature, info_nce
from pmrl.method.base import build_method
from pmrl.method.batch import Batch
from pmrl.method.heads import NetworkSettings
from pmrl.method.matching import draw_negatives, instance_matching, matchable
from pmrl.method.networks import Network, embed

SMALL = NetworkSettings(dimension=16, hidden=16, width=8, attention_heads=2, dropout=0.0)


@pytest.fixture(params=[0.0, 0.4], ids=["complete", "with gaps"])
def embeddings(request):
    dataset = synthetic_dataset(absent=request.param, per_split=12)
    torch.manual_seed(0)
    network = Network(dataset, SMALL)
    torch.nn.init.normal_(network.heads.fused.maps)
    return embed(network, Batch.from_dataset(dataset, dataset.indices("pretrain"), torch.device("cpu")))


def slow_info_nce(logits, smoothing=0.0):
    """Cross-entropy with label smoothing, entry by entry, in both directions."""
    logits = np.asarray(logits, dtype=np.float64)
    n, losses = len(logits), []
    for matrix in (logits, logits.T):
        for i in range(n):
            probability = np.exp(matrix[i]) / np.exp(matrix[i]).sum()
            target = np.full(n, smoothing / n)
            target[i] += 1 - smoothing
            losses.append(-(target * np.log(probability)).sum())
    return np.mean(losses)


def vectors(embeddings, name):
    return embeddings.vectors[name].double().numpy()


def rows_with(embeddings, *names):
    """Instances that have every one of the named modalities."""
    return np.flatnonzero(np.all([embeddings.present[name].numpy() for name in names], axis=0))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_info_nce_is_the_slow_loop(smoothing):
    logits = torch.randn(7, 7, generator=torch.Generator().manual_seed(0))
    assert info_nce(logits, label_smoothing=smoothing).item() == pytest.approx(
        slow_info_nce(logits, smoothing), rel=1e-5
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_info_nce_ignores_instances_that_do_not_take_part(smoothing):
    logits = torch.randn(7, 7, generator=torch.Generator().manual_seed(1))
    usable = torch.tensor([1, 0, 1, 1, 0, 1, 1]).bool()
    part = logits[usable][:, usable]
    loss = info_nce(logits, usable, smoothing)
    assert loss.item() == pytest.approx(slow_info_nce(part, smoothing), rel=1e-5)


def test_info_nce_of_one_instance_is_zero_with_a_finite_gradient():
    logits = torch.randn(3, 3, requires_grad=True)
    loss = info_nce(logits, torch.tensor([False, True, False]), 0.1)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros(3, 3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("masked", [False, True])
def test_info_nce_in_half_precision_is_near_that_in_single(dtype, smoothing, masked):
    """300 instances at the lowest temperature: the sum over them does not fit float16."""
    logits = 100 * (2 * torch.rand(300, 300, generator=torch.Generator().manual_seed(0)) - 1)
    usable = torch.arange(300) % 3 > 0 if masked else None
    short = logits.to(dtype).requires_grad_()
    expected, found = info_nce(logits, usable, smoothing), info_nce(short, usable, smoothing)
    assert found.item() == pytest.approx(expected.item(), rel=1e-2)
    found.backward()
    assert torch.isfinite(short.grad).all() and short.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_info_nce_in_half_precision_of_no_usable_instance_is_zero(dtype):
    logits = torch.randn(2, 4, 4).to(dtype).requires_grad_()
    loss = info_nce(logits, torch.zeros(2, 4, dtype=torch.bool), 0.1)
    loss.sum().backward()
    assert loss.tolist() == [0, 0] and torch.equal(logits.grad, torch.zeros_like(logits))


def test_info_nce_of_equal_logits_is_the_logarithm_of_their_number():
    assert info_nce(torch.zeros(5, 8, 8)).tolist() == pytest.approx([math.log(8)] * 5)


def test_temperature_starts_where_it_is_told_and_stays_above_its_minimum():
    temperature = Temperature(0.07)
    assert temperature().item() == pytest.approx(0.07)
    with torch.no_grad():
        temperature.logarithm.fill_(-20.0)
    assert temperature().item() == pytest.approx(0.01)


def test_a_temperature_that_starts_below_its_minimum_is_refused():
    """It would stay there without a gradient, and the config's value would stand in the tables."""
    with pytest.raises(UserError, match=r"starts at 0\.005; expected at least its minimum, 0\.01"):
        Temperature(0.005)
    with pytest.raises(UserError, match=r"'Pairwise': __init__: a learnable temperature starts at 0\.005"):
        build_method("pairwise", {"temperature": 0.005})


def test_pairwise_loss_is_the_slow_loop(embeddings):
    method = build_method("pairwise", {"temperature": 0.1})
    losses = []
    for name in ("beta", "gamma"):
        rows = rows_with(embeddings, "alpha", name)
        losses.append(slow_info_nce(vectors(embeddings, "alpha")[rows] @ vectors(embeddings, name)[rows].T / 0.1))
    assert method.loss(embeddings)["contrastive"].item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_vast_loss_is_the_slow_loop_over_subsets(embeddings):
    method = build_method("vast", {"temperature": 0.1})
    head = embeddings.heads.fused
    maps, bias = head.maps.detach().double().numpy(), head.bias.detach().double().numpy()
    anchor, losses = vectors(embeddings, "alpha"), []
    for subset in (["beta"], ["gamma"], ["beta", "gamma"]):
        fused = []
        for i in range(len(embeddings)):
            if len(subset) == 1:
                fused.append(vectors(embeddings, subset[0])[i])
                continue
            total = bias.copy()
            for name in subset:
                total += vectors(embeddings, name)[i] @ maps[head.order[name]]
            fused.append(total / (np.linalg.norm(total) or 1))
        has_any = [i for i in rows_with(embeddings, "alpha") if any(embeddings.present[name][i] for name in subset)]
        losses.append(slow_info_nce(anchor[has_any] @ np.array(fused)[has_any].T / 0.1, smoothing=0.1))
    assert method.loss(embeddings)["contrastive"].item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_gram_loss_is_the_slow_loop_over_volumes(embeddings):
    method = build_method("gram", {"temperature": 0.1})
    usable = [
        i for i in rows_with(embeddings, "alpha") if embeddings.present["beta"][i] or embeddings.present["gamma"][i]
    ]
    logits = np.empty((len(usable), len(usable)))
    for a, i in enumerate(usable):
        for b, j in enumerate(usable):
            present = [name for name in ("beta", "gamma") if embeddings.present[name][j]]
            stacked = np.array([vectors(embeddings, "alpha")[i], *(vectors(embeddings, name)[j] for name in present)])
            logits[a, b] = -math.sqrt(abs(np.linalg.det(stacked @ stacked.T))) / 0.1
    assert method.loss(embeddings)["contrastive"].item() == pytest.approx(slow_info_nce(logits, 0.1), rel=1e-3)


def test_pmrl_loss_is_the_slow_loop_over_singular_values(embeddings):
    values = {"alignment_temperature": 0.3, "instance_temperature": 0.2, "matching_weight": 0.0}
    terms = build_method("pmrl", values).loss(embeddings)
    alignment, directions = [], []
    for i in range(len(embeddings)):
        z = np.array([vectors(embeddings, name)[i] for name in embeddings.modalities if embeddings.present[name][i]])
        u, s, _ = np.linalg.svd(z.T, full_matrices=False)
        alignment.append(-math.log(math.exp(s[0] / 0.3) / sum(math.exp(value / 0.3) for value in s)))
        # two vectors at an obtuse angle are as far from their sum's side either way: the first one decides
        orientation = u[:, 0] @ z.sum(axis=0)
        directions.append(u[:, 0] * np.sign(orientation if abs(orientation) > 1e-5 else u[:, 0] @ z[0]))
    similarity = np.array(directions) @ np.array(directions).T / 0.2
    regularization = [-math.log(math.exp(row[i]) / sum(map(math.exp, row))) for i, row in enumerate(similarity)]
    assert terms["alignment"].item() == pytest.approx(np.mean(alignment), rel=1e-4)
    assert terms["regularization"].item() == pytest.approx(np.mean(regularization), rel=1e-4)


@pytest.mark.parametrize("shift", [0.5, 1.0])
def test_sign_aware_pmrl_is_the_slow_loop_over_shifted_gram_matrices(embeddings, shift):
    values = {"alignment_temperature": 0.3, "instance_temperature": 0.2, "matching_weight": 0.0, "shift": shift}
    method = build_method("pmrl", values)
    alignment, directions = [], []
    for i in range(len(embeddings)):
        z = np.array([vectors(embeddings, name)[i] for name in embeddings.modalities if embeddings.present[name][i]])
        eigenvalues, right = np.linalg.eigh((z @ z.T + shift**2) / (1 + shift**2))
        # v1 = (1, −1)/√2 for two vectors that are opposed by more than the shift: the first decides, as without one
        sign = np.sign(right[:, -1].sum() if abs(right[:, -1].sum()) > 1e-5 else right[0, -1])
        s, along = np.sqrt(eigenvalues.clip(0)), sign * z.T @ right[:, -1]
        alignment.append(-math.log(math.exp(s[-1] / 0.3) / sum(math.exp(value / 0.3) for value in s)))
        directions.append(along / np.linalg.norm(along))
    similarity = np.array(directions) @ np.array(directions).T
    regularization = [-math.log(math.exp(row[i] / 0.2) / sum(np.exp(row / 0.2))) for i, row in enumerate(similarity)]
    terms = method.loss(embeddings)
    assert terms["alignment"].item() == pytest.approx(np.mean(alignment), rel=1e-4)
    assert terms["regularization"].item() == pytest.approx(np.mean(regularization), rel=1e-4)
    np.testing.assert_allclose(method.score(embeddings, embeddings).detach(), similarity, atol=1e-4)


def test_direction_contrast_is_the_slow_loop(embeddings):
    values = {"instance_temperature": 0.2, "direction_contrast_weight": 1.0}
    term = build_method("pmrl", values).loss(embeddings)["direction_contrast"]
    directions, losses = embeddings.leading_direction().double().numpy(), []
    for name in embeddings.modalities:
        rows = rows_with(embeddings, name)
        losses.append(slow_info_nce(vectors(embeddings, name)[rows] @ directions[rows].T / 0.2))
    assert term.item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_ablations_leave_out_exactly_their_term(embeddings):
    full = {"alignment", "regularization", "matching"}
    assert set(build_method("pmrl", {}).loss(embeddings)) == full
    for term in full:
        assert set(build_method("pmrl", {f"{term}_weight": 0.0}).loss(embeddings)) == full - {term}


def test_a_negative_is_never_the_instance_itself():
    similarity = 50 * torch.eye(6)  # the own index is by far the most similar
    drawn = torch.stack([draw_negatives(similarity) for _ in range(200)])
    assert not (drawn == torch.arange(6)).any()


def test_a_hard_negative_is_drawn_as_often_as_softmax_plus_epsilon_says():
    similarity = torch.tensor([[0.0, 2.0, 1.0, -1.0]]).repeat(4, 1)
    torch.manual_seed(0)
    drawn = torch.stack([draw_negatives(similarity) for _ in range(4000)])[:, 0]
    weights = np.exp([0.0, 2.0, 1.0, -1.0])
    weights = weights / weights.sum() + 1e-4
    weights[0] = 0
    observed = np.bincount(drawn.numpy(), minlength=4) / 4000
    np.testing.assert_allclose(observed, weights / weights.sum(), atol=0.03)


def test_matching_judges_three_pairs_for_each_instance_that_can_be_matched(embeddings, monkeypatch):
    judged = []

    def record(self, inputs, anchor_rows, other_rows):
        judged.extend((a.item(), o.item()) for row, o in zip(anchor_rows, other_rows, strict=True) for a in row)
        return torch.zeros(*anchor_rows.shape, 2)

    monkeypatch.setattr(type(embeddings.heads.matching), "forward", record)
    loss = instance_matching(embeddings, torch.zeros(len(embeddings), len(embeddings)))
    rows = matchable(embeddings).nonzero().squeeze(1).tolist()
    assert len(judged) == 3 * len(rows)
    assert {row for row, other in judged if row == other} == set(rows), "every instance with itself"
    wrong = [pair for pair in judged if pair[0] != pair[1]]
    assert len(wrong) == 2 * len(rows) and {i for pair in wrong for i in pair} <= set(rows)
    assert {row for row, _ in wrong} == {other for _, other in wrong} == set(rows), "both sides meet a negative"
    assert loss.item() == pytest.approx(math.log(2)), "an undecided head pays ln 2 for each pair"


def test_matching_needs_two_instances(embeddings):
    assert instance_matching(embeddings.rows(slice(0, 1)), torch.zeros(1, 1)).item() == 0


def test_pmrl_scores_agree_where_theory_says_so(embeddings):
    """With one vector on each side: σ1² = 1 + |cos| (P4 with k = 2), and both directions are the vectors."""
    query, gallery = embeddings.select(["alpha"]), embeddings.select(["beta"])
    both = torch.outer(embeddings.present["alpha"], embeddings.present["beta"])
    cosine = query.stack()[:, 0] @ gallery.stack()[:, 0].T
    scores = {name: build_method("pmrl", {"score": name}).score(query, gallery)[both] for name in
              ("leading_direction", "centroid", "singular_value", "fused")}  # fmt: skip
    for name in ("leading_direction", "centroid", "fused"):
        torch.testing.assert_close(scores[name], cosine[both], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(scores["singular_value"].square(), 1 + cosine[both].abs(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shift", [0.5, 1.0])
def test_sign_aware_singular_values_rank_two_vectors_by_their_signed_cosine(embeddings, shift):
    """λ1 = 1 + |cos + c²|/(1 + c²) for two vectors; an absent vector leaves a side with λ1 = 1, whatever the shift."""
    query, gallery = embeddings.select(["alpha"]), embeddings.select(["beta"])
    both = torch.outer(embeddings.present["alpha"], embeddings.present["beta"])
    any_side = embeddings.present["alpha"].unsqueeze(1) | embeddings.present["beta"]
    squares = build_method("pmrl", {"score": "singular_value", "shift": shift}).score(query, gallery).square()
    cosine = query.stack()[:, 0] @ gallery.stack()[:, 0].T
    expected = 1 + (cosine + shift**2).abs() / (1 + shift**2)
    torch.testing.assert_close(squares[both], expected[both], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(squares[any_side & ~both], torch.ones_like(squares[any_side & ~both]))


def test_an_untrained_fused_head_gives_the_centroid():
    dataset = synthetic_dataset(per_split=12)
    network = Network(dataset, SMALL)
    embedded = embed(network, Batch.from_dataset(dataset, dataset.indices("test"), torch.device("cpu")))
    others = embedded.select(["beta", "gamma"])
    torch.testing.assert_close(embedded.fused([("beta", "gamma")])[0], others.centroid())
