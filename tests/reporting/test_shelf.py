"""Items as a person sees them: a picture, a text in any script, or bars of features."""

import sys
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from data_examples import dataset
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.ft2font import FT2Font

from pmrl.data import store
from pmrl.reporting import style
from pmrl.reporting.results import Results
from pmrl.reporting.shelf import DEVIATIONS, Shelf, show_text, wrap


@pytest.fixture(autouse=True)
def in_style():
    with style.applied():
        yield


@pytest.fixture
def shelf(tmp_path):
    """Sounds without views, present for every other item, and words with a text for the first two."""
    tiny = replace(dataset(), views={"word": dataset().views["word"]})
    tiny.present["sound"][1::2] = False
    store.save(tiny, tmp_path / "data" / "tiny")
    return Shelf(Results(tmp_path, {"datasets": ["tiny"]}, reads=("stores",)), "tiny")


def test_modalities_are_found_by_their_kind(shelf):
    assert shelf.modalities == ["sound", "word"]
    assert shelf.shown("text", "picture") == ["word"]
    assert shelf.shown("audio") == []


def test_features_are_in_standard_deviations_of_the_test_part(shelf):
    rows = (shelf.items["split"] == "test").to_numpy() & (np.arange(len(shelf.items)) % 2 == 0)
    found = shelf.features("sound")
    np.testing.assert_allclose(found[rows].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found[rows].std(axis=0), 1, rtol=1e-4)
    assert np.isnan(found[1::2]).all()


def test_a_modality_without_views_is_drawn_as_bars_of_its_features(shelf):
    _, axes = plt.subplots()
    shelf.show(axes, "item-1-2", "sound")
    expected = np.clip(shelf.features("sound")[6], -DEVIATIONS, DEVIATIONS)
    lengths = np.array([bar.get_height() for bar in axes.patches])
    assert len(lengths) == 6
    np.testing.assert_allclose(lengths / lengths[0], expected / expected[0], rtol=1e-5)
    assert [text.get_text() for text in axes.texts] == ["sound"]
    low, high = axes.get_ylim()
    assert all(low < bar.get_y() + min(0, bar.get_height()) and bar.get_y() < high for bar in axes.patches)


def test_a_dollar_is_a_dollar(shelf):
    figure, axes = plt.subplots()
    shelf.show(axes, "item-0-1", "word")
    figure.canvas.draw()
    assert axes.texts[0].get_text() == "$x"


def test_every_script_has_its_letters():
    fonts = [fontManager.findfont(FontProperties(family=family)) for family in style.text_family()]
    assert len(fonts) == 2
    covered = set().union(*(FT2Font(font).get_charmap() for font in fonts))
    assert {ord(letter) for letter in "ñ$жقرسخ红心ハート하트³"} <= covered


def test_without_the_font_for_chinese_texts_are_drawn_all_the_same(monkeypatch):
    monkeypatch.setitem(sys.modules, "noto_cjk_sans_jp_regular", None)
    style.text_family.cache_clear()
    assert style.text_family() == ["DejaVu Sans"]
    figure, axes = plt.subplots()
    show_text(axes, "ñandú")
    figure.canvas.draw()
    style.text_family.cache_clear()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("চেয়ারে মানুষ", "[Bengali] [Bengali]"),
        ("bell, ঘণ্টা", "bell, [Bengali]"),
        ("ñ 心 русский", "ñ 心 русский"),
        ("a\u0981b", "ab"),
        ("", ""),
    ],
)
@pytest.mark.filterwarnings("error:Glyph")
def test_letters_that_no_font_has_are_no_boxes(text, shown):
    with style.applied():
        assert style.legible(text) == shown
        figure, axes = plt.subplots()
        show_text(axes, wrap(text, 40, 1))
        figure.canvas.draw()


TEXTS = ["mano con señal de victoria", "坐手动轮椅的男人坐手动轮椅的男人", "O=[N+]([O-])c1ccc(Cl)cc1"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("lines", [1, 2, 6])
def test_wide_letters_count_twice_and_what_does_not_fit_is_cut(text, lines):
    shown = wrap(text, 12, lines).split("\n")
    assert len(shown) <= lines
    assert all(sum(2 if ord(letter) > 0x2E80 else 1 for letter in line) <= 12 for line in shown)
    whole = "".join(shown).replace(" ", "") == text.replace(" ", "")
    assert whole != shown[-1].endswith("…")
    assert lines < 6 or whole
