"""Noise on signals, measured: the noisy modality is the query, galleries are clean, and level 0 is the clean recall."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from contract import run_of

from pmrl.data import store
from pmrl.data.dataset import NoisyFeatures
from pmrl.errors import UserError
from pmrl.experiments.resume import Trained
from pmrl.experiments.run import new_method, new_network
from pmrl.experiments.signal_noise import measure_signal_noise
from pmrl.experiments.train import run_method
from pmrl.experiments.writing import Measured
from pmrl.method.networks import embed
from pmrl.records import TEST
from pmrl.training.loop import Curves

OTHER_NOISE = {
    "gaussian": [],
    "missing": [],
    "missing_training": [],
    "mismatched_anchor": [],
    "mismatched_modality": [],
}


def noisy_features(dataset, kind, level, modality, strength):
    """The test items' features with noise of that many deviations."""
    rows = dataset.indices(TEST)
    random = np.random.default_rng(0)

    def changed(values):
        noise = random.standard_normal(values[rows].shape) * values.std(axis=0, dtype=np.float64)
        return (values[rows] + strength * noise).astype(values.dtype)

    return NoisyFeatures(kind, level, modality, changed(dataset.pooled[modality]), changed(dataset.tokens[modality]))


@pytest.fixture
def dataset(make_store):
    """A stored data set: gamma can be blurred, from not at all to beyond recognition, and beta be noisy."""
    clean = make_store()
    levels = [("blur", 1.0, "gamma", 0.0), ("blur", 4.0, "gamma", 100.0), ("sound_noise", 20.0, "beta", 0.0)]
    return replace(clean, noisy=[noisy_features(clean, *level) for level in levels])


def run_with(dataset, folder, blur=(), sound_noise=(), method="pmrl"):
    run = run_of(method, folder, dataset)
    corruption = {**OTHER_NOISE, "blur": list(blur), "sound_noise": list(sound_noise)}
    return replace(run, settings={**run.settings, "corruption": corruption, "regimes": ["zero_shot"]})


def measured_by(run):
    method = new_method(run, run.method, {})
    trained = Trained(new_network(run, method), method, "", Curves(), 0.0)
    clean, measured = run.batch(TEST), Measured(run.context, run.items(TEST), run.identity(TEST))
    gallery = embed(trained.network, clean)
    measure_signal_noise(run, trained, clean, gallery, measured)
    records = pd.DataFrame(measured.records)
    kept = pd.concat(measured.contributions) if measured.contributions else pd.DataFrame()
    return records, kept, gallery, trained


def recall_by_sorting(queries, candidates):
    """Recall@1 in percent of vectors whose partners are in the same rows; no ties."""
    scores = queries @ candidates.T
    return 100 * np.mean(scores.argmax(axis=1) == np.arange(len(scores)))


def test_only_the_noisy_modality_is_a_query_and_galleries_are_clean(dataset, tmp_path):
    run = run_with(dataset, tmp_path, blur=[4.0])
    records, _, gallery, trained = measured_by(run)
    recalls = records[records["metric"] == "recall@1"].set_index(["query", "gallery"])["value"]
    assert set(recalls.index) == {("gamma", "alpha"), ("gamma", "beta")}
    rows = dataset.indices(TEST)
    blurred = dataset.noisy[1]
    everything = {name: array.copy() for name, array in dataset.pooled.items()}
    everything["gamma"][rows] = blurred.pooled
    by_hand = embed(trained.network, replace(run, dataset=replace(dataset, pooled=everything)).batch(TEST))
    for (query, other), value in recalls.items():
        expected = recall_by_sorting(by_hand.vectors[query].numpy(), gallery.vectors[other].numpy())
        assert value == pytest.approx(expected)
    assert records["n"].eq(len(rows)).all() and records["gallery_size"].eq(len(rows)).all()


def test_without_any_noise_the_recall_is_the_clean_one(dataset, tmp_path):
    records, kept, gallery, _ = measured_by(run_with(dataset, tmp_path, blur=[1.0], sound_noise=[20.0]))
    for row in records[records["metric"] == "recall@1"].itertuples():
        expected = recall_by_sorting(gallery.vectors[row.query].numpy(), gallery.vectors[row.gallery].numpy())
        assert row.value == pytest.approx(expected)
    for kind in ("blur", "sound_noise"):
        clean, noisy = (kept.query(f"measure == {kind!r} and corruption == {c!r}") for c in ("none", kind))
        assert clean["level"].eq(0).all() and len(clean) == len(noisy)
        np.testing.assert_array_equal(clean["value"], noisy["value"])


def test_items_contribute_what_the_records_say(dataset, tmp_path):
    records, kept, *_ = measured_by(run_with(dataset, tmp_path, blur=[1.0, 4.0]))
    recalls = records[records["metric"] == "recall@1"].groupby("level")["value"].mean()
    means = kept[kept["corruption"] == "blur"].groupby("level")["value"].mean()
    assert list(means.index) == [1.0, 4.0]
    assert means.to_numpy() == pytest.approx(recalls.to_numpy(), rel=1e-5)


def test_a_higher_level_in_the_records_is_more_noise(dataset, tmp_path):
    """The other way round than in the config, where fewer dB are more noise."""
    features = noisy_features(dataset, "sound_noise", 0.0, "beta", 3.0)
    louder = replace(dataset, noisy=[*dataset.noisy, features])
    records, *_ = measured_by(run_with(louder, tmp_path, sound_noise=[20, 0]))
    assert list(records["level"].unique()) == [40.0, 60.0]
    assert set(records["corruption"]) == {"sound_noise"}


def test_a_data_set_without_the_signal_is_left_out(make_store, tmp_path):
    records, kept, *_ = measured_by(run_with(make_store(), tmp_path, blur=[1], sound_noise=[20]))
    assert records.empty and kept.empty


def test_a_level_that_the_store_lacks_is_refused_before_training(dataset, tmp_path):
    run = run_with(dataset, tmp_path / "results", blur=[1, 3])
    with pytest.raises(UserError, match=r"corruption\.blur: .* no level 3 of the modality 'gamma'.*Choose from 1, 4"):
        run_method(run)
    assert not (tmp_path / "results").exists()


def test_every_method_is_tested_on_the_same_noise(dataset, tmp_path, monkeypatch):
    from pmrl.experiments import signal_noise

    original, seen = signal_noise.with_noise, {}
    for method in ("pmrl", "gram", "pairwise"):
        batches = seen.setdefault(method, [])
        monkeypatch.setattr(signal_noise, "with_noise", lambda *a, b=batches: b.append(original(*a)) or b[-1])
        torch.rand(len(method))
        measured_by(run_with(dataset, tmp_path, blur=[1, 4], sound_noise=[20], method=method))
    first = seen["pmrl"]
    assert len(first) == 3
    for batches in seen.values():
        for batch, expected in zip(batches, first, strict=True):
            for part in ("pooled", "tokens", "present"):
                for name, tensor in getattr(batch, part).items():
                    assert torch.equal(tensor, getattr(expected, part)[name])


def test_noise_survives_the_store(dataset, tmp_path):
    store.save(dataset, tmp_path / "again")
    copy = store.load(tmp_path / "again")
    assert [(f.kind, f.level, f.modality) for f in copy.noisy] == [
        ("blur", 1.0, "gamma"), ("blur", 4.0, "gamma"), ("sound_noise", 20.0, "beta")
    ]  # fmt: skip
    for found, saved in zip(copy.noisy, dataset.noisy, strict=True):
        np.testing.assert_array_equal(found.pooled, saved.pooled)
        np.testing.assert_array_equal(found.tokens, saved.tokens)
