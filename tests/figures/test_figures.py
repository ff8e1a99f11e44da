"""Figures from synthetic records: the numbers drawn are the right ones, and nothing is cut off."""

import ast
import importlib
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import synthetic
from matplotlib.colors import is_color_like, to_hex, to_rgb
from matplotlib.text import Text
from mpl_toolkits.mplot3d import proj3d
from PIL import Image

from pmrl import discovery
from pmrl.discovery import ROOT
from pmrl.errors import UserError
from pmrl.figures import (
    ablation,
    any_modality,
    embedding_map,
    geometry,
    noise_robustness,
    retrieval_examples,
    sensitivity,
    singular_values,
)
from pmrl.method.base import load_method
from pmrl.reporting import style
from pmrl.reporting.results import Results
from pmrl.reporting.write_figure import write_figure


@pytest.fixture
def coarse(monkeypatch):
    """Few pixels, for tests that do not look at them."""
    monkeypatch.setitem(style.SETTINGS, "savefig.dpi", 40)


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
        expected = any_modality.WORSE if worse else synthetic.METHODS["pmrl"]["color"]
        assert to_hex(patch.get_facecolor()) == to_hex(expected)
        coloured.add((x, y))
    assert not any((i, i) in coloured for i in range(4))


def test_the_title_counts_the_better_pairs(results):
    titles = [axes.get_title(loc="left") for axes in grids(any_modality.draw(Results(results))).values()]
    assert titles[1] == "emoji: better in 6 of 12 pairs, n = 3 seeds"


def test_a_missing_pair_is_a_dash(own_results):
    synthetic.drop(own_results, "method == 'gram' and query == 'text' and gallery == 'speech'")
    grid = grids(any_modality.draw(Results(own_results)))["emoji"]
    assert [text.get_position() for text in grid.texts if text.get_text() == "–"] == [(2, 0)]


def test_any_other_rival_can_be_asked_for(results, tmp_path, coarse):
    paths = write_figure("any_modality", results, tmp_path, rival="vast")
    assert [path.name for path in paths] == ["any_modality-vast.pdf", "any_modality-vast.png"]
    with pytest.raises(UserError, match=r"'clip'.*pairwise, vast, gram"):
        write_figure("any_modality", results, tmp_path, rival="clip")


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


@pytest.mark.parametrize("name", discovery.figures())
def test_every_figure_fits_the_page_and_is_drawn_again_the_same(name, results, tmp_path, coarse):
    with style.applied():
        figure = importlib.import_module(f"pmrl.figures.{name}").draw(Results(results))
        first = style.save(figure, tmp_path / "first" / name)
        box = figure.get_tightbbox()  # inches, of everything that is drawn
    assert figure.get_figwidth() <= style.FULL_WIDTH
    assert box.x0 >= -0.01 and box.x1 <= figure.get_figwidth() + 0.01
    assert box.y0 >= -0.01 and box.y1 <= figure.get_figheight() + 0.01
    second = write_figure(name, results, tmp_path / "second")
    assert [path.suffix for path in second] == [".pdf", ".png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_saved_picture_has_the_resolution_of_print(results, tmp_path):
    png = write_figure("ablation", results, tmp_path)[1]
    with Image.open(png) as picture:
        assert picture.width == round(style.FULL_WIDTH * 300)


def test_a_method_has_its_own_colour_and_one_that_nothing_is_known_of_has_ink(results):
    source = Results(results)
    assert style.color(source, "gram") == synthetic.METHODS["gram"]["color"]
    assert style.color(source, "brand_new") == style.INK


def test_no_two_methods_share_a_colour_and_none_has_the_foundations():
    colors = [load_method(name).color.upper() for name in discovery.method_files()]
    assert len({*colors, style.FOUNDATION_COLOR}) == len(colors) + 1


@pytest.mark.parametrize("path", [*(ROOT / "pmrl" / "figures").glob("*.py"), ROOT / "pmrl/reporting/style.py"], ids=str)
def test_every_colour_that_a_figure_names_is_neutral(path):
    """Colours of methods come from the methods; a constant that is red, green or blue would be mistaken for one."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    specs = [node.format_spec for node in ast.walk(tree) if isinstance(node, ast.FormattedValue) and node.format_spec]
    formats = [part for spec in specs for part in ast.walk(spec)]
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    for node in texts:
        if node not in formats and node.value != "none" and is_color_like(node.value):
            red, green, blue = to_rgb(node.value)
            assert red == green == blue, f"line {node.lineno}: {node.value!r}"


def test_an_unknown_name_lists_the_valid_ones(results, tmp_path):
    with pytest.raises(UserError, match=r"'grid'.*ablation, any_modality"):
        write_figure("grid", results, tmp_path)


def test_no_curves_give_a_figure_that_says_so(own_results, tmp_path):
    synthetic.curves().iloc[:0].to_parquet(own_results / "curves.parquet")
    texts = [text.get_text() for text in singular_values.draw(Results(own_results)).findobj(Text)]
    assert any("No curves" in text for text in texts)


def test_drawing_leaves_no_figure_open(results, tmp_path, coarse):
    write_figure("ablation", results, tmp_path)
    assert plt.get_fignums() == []


def test_the_heat_map_frames_the_papers_temperatures(results):
    panel = grids(sensitivity.draw(Results(results)))["digits"]
    frames = [patch for patch in panel.patches if not patch.get_fill()]
    assert len(frames) == 1
    x, y = frames[0].get_center()
    column, row = np.abs(panel.get_xticks() - x).argmin(), np.abs(panel.get_yticks() - y).argmin()
    assert (panel.get_xticklabels()[column].get_text(), panel.get_yticklabels()[row].get_text()) == ("0.05", "0.1")


def test_noise_curves_start_at_the_clean_value(results):
    figure = noise_robustness.draw(Results(results))
    panels = np.array(figure.axes).reshape(len(synthetic.DATASETS), -1)
    titles = [axes.get_title(loc="left").replace("\n", " ") for axes in panels[0]]
    rows = [axes.get_ylabel().split("\n")[0] for axes in panels[:, 0]]
    panel = panels[rows.index("emoji"), titles.index("missing modality")]
    levels, heights = panel.lines[0].get_data()
    assert list(levels) == [0, 25, 50, 100]
    assert heights[0] - heights[-1] == pytest.approx(synthetic.LOSS["pmrl"])
    blurred = panels[rows.index("emoji"), titles.index("blurred picture")]
    levels, heights = blurred.lines[0].get_data()
    assert list(levels) == [0, 1, 2, 4]
    assert heights[0] - heights[-1] == pytest.approx(4 * synthetic.LOSS["pmrl"])


def test_a_data_set_without_sound_has_no_panel_for_noise_on_sound(results):
    figure = noise_robustness.draw(Results(results))
    panels = np.array(figure.axes).reshape(len(synthetic.DATASETS), -1)
    column = next(column for column in panels.T if column[0].get_title(loc="left") == "noise on\nsound")
    assert [bool(axes.lines) for axes in column] == [axes.axison for axes in column] == [False, True]
    assert column[1].get_xlabel()


def test_the_right_answer_alone_is_framed(results):
    figure = retrieval_examples.draw(Results(results))
    framed = [
        axes.get_title()
        for axes in figure.findobj(plt.Axes)
        if axes.axison and to_hex(axes.spines["top"].get_edgecolor()).upper() == retrieval_examples.RIGHT
    ]
    assert framed == ["✓ 1", "✓ 3", "✓ 1"]
    assert any("not found" in text.get_text() for text in figure.findobj(Text))


def test_principal_components_find_the_plane_of_the_points():
    plane = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 2)))[0]
    flat = np.random.default_rng(1).normal(size=(50, 2)) @ np.diag([3, 1])
    points, shares = embedding_map.components(flat @ plane.T)
    assert shares.sum() == pytest.approx(1)
    distances = [np.linalg.norm(x[:, None] - x[None], axis=2) for x in (points, flat)]
    assert distances[0] == pytest.approx(distances[1])


def test_three_dimensions_keep_the_angles_to_the_leading_direction():
    vectors = np.random.default_rng(2).normal(size=(3, 7)) + 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    points, first = geometry.in_three_dimensions(vectors)
    leading = np.linalg.svd(vectors)[2][0]
    assert np.abs(points @ first) == pytest.approx(np.abs(vectors @ leading))  # three vectors span three dimensions
    assert (points @ first).sum() > 0


@pytest.mark.parametrize("name", discovery.figures())
def test_a_partial_study_still_gives_every_figure(name, own_results, tmp_path, coarse):
    synthetic.drop(own_results, "dataset == 'emoji' or seed == 2 or regime == 'probe'")
    synthetic.drop(own_results, "corruption != 'none'", ("records",))
    for missing in ("sweep", "examples", "embeddings"):
        (own_results / f"{missing}.parquet").unlink()
    paths = write_figure(name, own_results, tmp_path, {"datasets": ["digits"]})
    assert all(path.stat().st_size for path in paths)


def test_every_figure_and_table_has_a_caption():
    captions = ROOT / "workflow" / "report"
    for name in {*discovery.figures(), *discovery.tables()}:
        assert (captions / f"{name}.rst").read_text().strip(), name


@pytest.mark.parametrize("methods", [["pmrl"], ["pmrl", "vast"], ["vast", "pairwise"]])
@pytest.mark.parametrize("name", ["any_modality", "singular_values", "ablation", "retrieval_examples"])
def test_a_study_without_gram_or_without_pmrl_gives_figures(name, methods, own_results, tmp_path, coarse):
    synthetic.drop(own_results, f"method not in {methods}", ("records", "ranks", "curves", "examples"))
    described = {method: synthetic.METHODS[method] for method in methods}
    (own_results / "methods.json").write_text(json.dumps(described))
    assert all(path.stat().st_size for path in write_figure(name, own_results, tmp_path))


@pytest.mark.parametrize(
    ("name", "rival", "message"),
    [("ablation", "vast", "takes no option 'rival'"), ("any_modality", "gramm", "No records of the method 'gramm'")],
)
def test_an_option_that_makes_no_sense_is_refused(name, rival, message, results, tmp_path):
    with pytest.raises(UserError, match=message):
        write_figure(name, results, tmp_path, rival=rival)
    assert not list(tmp_path.iterdir())


def test_the_name_of_a_vector_that_points_down_to_the_viewer_is_on_the_page(results, monkeypatch):
    def downwards(vectors):
        around = np.deg2rad(geometry.VIEW["azim"] + 15 * np.arange(len(vectors)))
        return np.column_stack([0.97 * np.cos(around), 0.97 * np.sin(around), np.full(len(vectors), -0.24)]), np.eye(3)[
            2
        ]

    monkeypatch.setattr(geometry, "in_three_dimensions", downwards)
    figure = geometry.draw(Results(results))
    figure.canvas.draw()
    for panel in figure.axes:
        for text in panel.texts:
            x, y, _ = proj3d.proj_transform(*text.get_position_3d(), panel.get_proj())
            place = figure.transFigure.inverted().transform(panel.transData.transform((x, y)))
            assert (place > 0.02).all() and (place < 0.98).all(), text.get_text()


@pytest.mark.parametrize("text", ["$x_$", "costs $5", "$5 to $10", "$\\frac{", "a_b^c"])
@pytest.mark.parametrize("name", ["embedding_map", "geometry"])
def test_texts_of_the_data_are_drawn_as_they_are(name, text, own_results, tmp_path, coarse):
    embeddings = pd.read_parquet(own_results / "embeddings.parquet")
    embeddings["label"] = text
    embeddings["item"] = text + embeddings["item"]
    embeddings.to_parquet(own_results / "embeddings.parquet")
    figure = importlib.import_module(f"pmrl.figures.{name}").draw(Results(own_results))
    shown = [part.get_text().replace(r"\$", "$") for part in figure.findobj(Text)]
    assert any(text in part for part in shown)
    assert all(path.stat().st_size for path in style.save(figure, tmp_path / name))
