"""The example trains with another library's loop, and learns."""

import importlib.util

import pytest

from pmrl.discovery import ROOT


def test_our_loss_trains_in_another_librarys_loop(one_thread):
    pytest.importorskip("pytorch_metric_learning", reason="pytorch-metric-learning is not installed")
    path = ROOT / "docs" / "examples" / "train_elsewhere.py"
    spec = importlib.util.spec_from_file_location("train_elsewhere", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    before, after = example.main()
    chance = 100 / 297  # test pictures
    assert before < 4 * chance < 10 < after
