"""Figures from synthetic records: the numbers drawn are the right ones, and nothing is cut off."""

import importlib

import matplotlib.pyplot as plt
import numpy as np
import pytest
import synthetic
from matplotlib.colors import to_hex
from matplotlib.text import Text
from PIL import Image

from pmrl import figures
from pmrl.errors import UserError
from pmrl.figures import ablation, any_modality, singular_values, style
from pmrl.results import Results


@pytest.fixture(autouse=True)
def in_style():
    with style.applied():
        yield


def grids(figure):
    return {axes.get_title(loc="left").split(":")[0]: axes for axes in figure.axes if axes.get_title(loc="left")}


def test_every_cell_shows_the_recall_and_the_difference(results):
    grid = grids(any_modality.draw(Results(results)))["emoji"]
    modalities = synthetic.DATASETS["emoji"]
    shown = {tuple(map(int, text.get_position())): text.get_text() for text in grid.texts}
    assert len(shown) == 12  # 4 × 4 without the diagonal
    for (x, y), text in shown.items():
        where = (1, modalities[y], modalities[x], "recall@1")
        own = synthetic.recall("pmrl", "main", "zero_shot", *where)
        gram = synthetic.recall("gram", "main", "zero_shot", *where)
        assert text.replace("−", "-").split("\n") == [f"{own:.1f}", f"{own - gram:+.1f}"]


def test_colour_says_who_is_better_and_the_diagonal_is_white(results):
    grid = grids(any_modality.draw(Results(results)))["emoji"]
    modalities = synthetic.DATASETS["emoji"]
    coloured = set()
    for patch in grid.patches:
        x, y = round(patch.get_x() + 0.48), round(patch.get_y() + 0.48)
        worse = "pi" in modalities[x] + modalities[y]
        assert to_hex(patch.get_facecolor()).upper() == (any_modality.WORSE if worse else any_modality.BETTER)
        coloured.add((x, y))
    assert not any((i, i) in coloured for i in range(4))


def test_the_title_counts_the_better_pairs(results):
    titles = [axes.get_title(loc="left") for axes in grids(any_modality.draw(Results(results))).values()]
    assert titles[1] == "emoji: better in 6 of 12 pairs, n = 3 seeds"


def test_a_missing_pair_is_a_dash(own_results):
    synthetic.drop(own_results, "method == 'gram' and query == 'text' and gallery == 'speech'")
    grid = grids(any_modality.draw(Results(own_results)))["emoji"]
    assert [text.get_position() for text in grid.texts if text.get_text() == "–"] == [(2, 0)]


def test_any_other_rival_can_be_asked_for(results, tmp_path):
    paths = figures.write("any_modality", results, tmp_path, rival="vast")
    assert [path.name for path in paths] == ["any_modality-vast.pdf", "any_modality-vast.png"]
    with pytest.raises(UserError, match=r"'clip'.*pairwise, vast, gram"):
        figures.write("any_modality", results, tmp_path, rival="clip")


def test_bars_are_as_long_as_the_means(results):
    figure = ablation.draw(Results(results))
    panel = grids(figure)["digits, fine-tuned"]
    contestants = Results(results).contestants()
    assert len(panel.patches) == len(contestants)
    for bar, contestant in zip(panel.patches, contestants, strict=True):
        expected = synthetic.recall(*contestant, "fine_tuned", 1, "fou", "others", "recall@1")
        assert bar.get_width() == pytest.approx(expected)


def test_the_chance_line_stands_at_chance(results):
    panel = grids(ablation.draw(Results(results)))["digits, zero-shot"]
    dotted = [line for line in panel.lines if line.get_linestyle() == ":"]
    assert [list(line.get_xdata()) for line in dotted] == [[1, 1]]


def test_singular_values_are_drawn_with_their_bound(results):
    figure = singular_values.draw(Results(results))
    panel = next(axes for axes in figure.axes if axes.get_title(loc="left") == "emoji: PMRL")
    dashed = [line.get_ydata()[0] for line in panel.lines if line.get_linestyle() == "--"]
    assert dashed == [pytest.approx(2.0)]  # √4
    curves = np.array([line.get_ydata() for line in panel.lines if line.get_linestyle() == "-"])
    assert curves.shape[0] == 4
    table = synthetic.curves()
    chosen = table.query("dataset == 'emoji' and method == 'pmrl' and quantity == 'sigma_1'")
    assert curves[0] == pytest.approx(chosen.groupby("step")["value"].mean().to_numpy())


@pytest.mark.parametrize("name", figures.available())
def test_every_figure_is_written_twice_and_again_the_same(name, results, tmp_path):
    first = figures.write(name, results, tmp_path / "a")
    second = figures.write(name, results, tmp_path / "b")
    assert [path.suffix for path in first] == [".pdf", ".png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("name", figures.available())
def test_nothing_is_cut_off_and_the_width_fits_the_page(name, results):
    figure = importlib.import_module(f"pmrl.figures.{name}").draw(Results(results))
    assert figure.get_figwidth() <= style.FULL_WIDTH
    figure.canvas.draw()
    box = figure.get_tightbbox()  # inches, of everything that is drawn
    assert box.x0 >= -0.01 and box.x1 <= figure.get_figwidth() + 0.01
    assert box.y0 >= -0.01 and box.y1 <= figure.get_figheight() + 0.01


def test_a_saved_picture_has_the_resolution_of_print(results, tmp_path):
    png = figures.write("ablation", results, tmp_path)[1]
    with Image.open(png) as picture:
        assert picture.width == round(style.FULL_WIDTH * 300)


def test_a_new_method_has_a_colour_that_depends_on_its_name_alone(results):
    source = Results(results)
    assert style.color(source, "brand_new") == style.color(source, "brand_new") in style.PALETTE
    assert style.color(source, "gram") == synthetic.METHODS["gram"]["color"]


def test_an_unknown_name_lists_the_valid_ones(results, tmp_path):
    with pytest.raises(UserError, match=r"'grid'.*ablation, any_modality"):
        figures.write("grid", results, tmp_path)


def test_no_curves_give_a_figure_that_says_so(own_results, tmp_path):
    synthetic.curves().iloc[:0].to_parquet(own_results / "curves.parquet")
    texts = [text.get_text() for text in singular_values.draw(Results(own_results)).findobj(Text)]
    assert any("No curves" in text for text in texts)


def test_drawing_leaves_no_figure_open(results, tmp_path):
    figures.write("ablation", results, tmp_path)
    assert plt.get_fignums() == []
