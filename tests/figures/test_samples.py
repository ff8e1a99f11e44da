"""The figure of samples: items of the test part, as they are in the store."""

from dataclasses import replace

import numpy as np
import pytest
from data_examples import card, dataset, items

from pmrl.data import store
from pmrl.data.dataset import Modality
from pmrl.data.pictures import png
from pmrl.figures import samples
from pmrl.reporting import style
from pmrl.reporting.results import Results

DATASETS = ["tiny", "texts", "plain"]


def described(name, **kinds):
    modalities = {modality: Modality(modality, "none", kind=kind) for modality, kind in kinds.items()}
    return replace(card(name=name), modalities=modalities)


@pytest.fixture
def stores(tmp_path):
    """Grey pictures of known brightness beside texts, texts alone, and features alone with a gap."""
    keys = items()["id"]
    pictures = {key: png(np.full((12, 12), 2 * row, dtype=np.uint8)) for row, key in enumerate(keys)}
    texts = {key: f"{row} $ cosas" for row, key in enumerate(keys)}
    pictured = replace(dataset(), card=described("tiny", sound="picture", word="text"))
    store.save(replace(pictured, views={"sound": pictures, "word": texts}), tmp_path / "data" / "tiny")
    captions = dict(zip(keys, items()["caption"], strict=True))
    written = replace(dataset(), card=described("texts", sound="text", word="text"))
    store.save(replace(written, views={"sound": captions, "word": texts}), tmp_path / "data" / "texts")
    plain = replace(dataset(groups=40), card=described("plain", sound="audio", word="measurement"), views={})
    plain.present["sound"][:] = np.arange(len(plain.items)) % 2 == 0
    store.save(plain, tmp_path / "data" / "plain")
    return tmp_path


@pytest.fixture
def panels(stores):
    """The panels of each data set."""
    with style.applied():
        figure = samples.draw(Results(stores, {"datasets": DATASETS}, reads=samples.READS))
        figure.canvas.draw()
        yield dict(zip(DATASETS, np.array(figure.axes).reshape(len(DATASETS), samples.COLUMNS), strict=True))


def test_samples_are_test_items_of_different_groups():
    table = items(groups=100)
    chosen = table.loc[samples.choose(table)]
    assert len(chosen) == samples.COLUMNS
    assert set(chosen["split"]) == {"test"}
    assert chosen["group"].is_unique


def test_few_groups_still_fill_the_row():
    table = items(groups=20)
    chosen = samples.choose(table)
    assert len(set(chosen)) == samples.COLUMNS
    assert set(table.loc[chosen, "group"]) == {"group-17", "group-18", "group-19"}


def test_a_picture_is_drawn_where_a_modality_is_one(panels):
    for axes, row in zip(panels["tiny"], samples.choose(items()), strict=True):
        shown = np.asarray(axes.images[0].get_array())
        np.testing.assert_allclose(shown, 2 * row / 255, atol=0.003)
        assert axes.get_title().replace("\n", " ") == items()["caption"][row]


def test_texts_that_tell_more_than_the_captions_are_written_where_there_is_no_picture(panels):
    for axes, row in zip(panels["texts"], samples.choose(items()), strict=True):
        (text,) = axes.texts
        assert text.get_text() == f"{row} $ cosas" and not text.get_parse_math()
        assert not axes.images


def test_features_are_drawn_where_there_are_no_views_and_gaps_left_blank(panels):
    table = items(groups=40)
    images = [axes.images[0] for axes in panels["plain"]]
    blank = [np.isnan(np.ma.filled(image.get_array(), np.nan)[0]).all() for image in images]
    assert blank == [row % 2 == 1 for row in samples.choose(table)]
    for axes, image in zip(panels["plain"], images, strict=True):
        assert image.get_extent() == [*axes.get_xlim(), *axes.get_ylim()]


def test_an_item_without_a_picture_is_shown_by_its_texts(stores):
    row, *_ = samples.choose(items())
    folder = stores / "data" / "tiny"
    tiny = store.load(folder)
    pictures = {key: view for key, view in tiny.views["sound"].items() if key != items()["id"][row]}
    store.save(replace(tiny, views={**tiny.views, "sound": pictures}), folder)
    with style.applied():
        first, *others = samples.draw(Results(stores, {"datasets": ["tiny"]}, reads=samples.READS)).axes
    assert [text.get_text() for text in first.texts] == [f"{row} $ cosas"]
    assert all(axes.images for axes in others)


def test_nothing_reaches_beyond_its_panel(panels):
    for axes in panels["texts"]:
        inner = axes.texts[0].get_window_extent()
        outer = axes.get_window_extent()
        assert outer.x0 <= inner.x0 and inner.x1 <= outer.x1 and outer.y0 <= inner.y0 and inner.y1 <= outer.y1


@pytest.mark.parametrize(
    "caption", ["red heart", "N,N-Diethyl-1,2-ethanediamine", "one two three four five six seven eight nine ten"]
)
def test_captions_take_two_lines_and_say_when_they_are_cut(caption):
    lines = samples.caption(caption).split("\n")
    assert len(lines) <= 2 and max(map(len, lines)) <= samples.LINE
    whole = "".join(lines).replace(" ", "") == caption.replace(" ", "")
    assert whole != lines[-1].endswith("…")
