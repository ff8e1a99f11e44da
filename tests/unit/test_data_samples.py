"""The figure of samples: items of the test part, as they are in the store."""

from dataclasses import replace

import numpy as np
import pytest
from data_examples import card, dataset, items

from pmrl import figures
from pmrl.data import store
from pmrl.data.pictures import png
from pmrl.figures import samples
from pmrl.results import Results


@pytest.fixture
def stores(tmp_path):
    """One data set with grey pictures of known brightness, one without pictures and with a gap."""
    pictured, plain = dataset(), dataset(groups=40)
    brightness = {key: 2 * row for row, key in enumerate(pictured.items["id"])}
    pictures = {key: png(np.full((12, 12), value, dtype=np.uint8)) for key, value in brightness.items()}
    store.save(replace(pictured, pictures=pictures), tmp_path / "data" / "tiny")
    plain.present["sound"][:] = np.arange(len(plain.items)) % 2 == 0
    store.save(replace(plain, card=card(name="plain"), pictures={}), tmp_path / "data" / "plain")
    return tmp_path


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


def test_pictures_are_drawn_and_gaps_left_blank(stores):
    figure = samples.draw(Results(stores, {"datasets": ["tiny", "plain"]}))
    first, second = np.array(figure.axes).reshape(2, samples.COLUMNS)
    for axes, row in zip(first, samples.choose(dataset().items), strict=True):
        shown = np.asarray(axes.images[0].get_array())
        np.testing.assert_allclose(shown, 2 * row / 255, atol=0.003)
        assert axes.get_title().replace("\n", " ") == dataset().items["caption"][row]
    blank = [np.isnan(np.ma.filled(axes.images[0].get_array(), np.nan)[0]).all() for axes in second]
    table = dataset(groups=40).items
    assert blank == [row % 2 == 1 for row in samples.choose(table)]


def test_it_is_written_as_pdf_and_png(stores):
    paths = figures.write("samples", stores, stores / "figures", {"datasets": ["tiny", "plain"]})
    assert [path.suffix for path in paths] == [".pdf", ".png"]
    assert all(path.stat().st_size > 1000 for path in paths)


@pytest.mark.parametrize(
    "caption", ["red heart", "N,N-Diethyl-1,2-ethanediamine", "one two three four five six seven eight nine ten"]
)
def test_captions_take_two_lines_and_say_when_they_are_cut(caption):
    lines = samples.wrap(caption).split("\n")
    assert len(lines) <= 2 and max(map(len, lines)) <= samples.LINE
    whole = "".join(lines).replace(" ", "") == caption.replace(" ", "")
    assert whole != lines[-1].endswith("…")
