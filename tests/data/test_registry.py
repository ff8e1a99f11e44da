"""Molecules, kanji and names in 14 languages: counts, groups, and the features that are ours."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pmrl.data.pictures import cells, decode, lines, png
from pmrl.data.sources import kanji, molecules, polyglot


@pytest.fixture(scope="module")
def chemistry():
    return molecules.read_table()


@pytest.fixture(scope="module")
def characters():
    return kanji.read_table()


def shares(table):
    return table["split"].value_counts(normalize=True)


@pytest.mark.parametrize("name", ["chemistry", "characters"])
def test_no_group_is_in_two_splits(name, request):
    table = request.getfixturevalue(name)
    assert (table.groupby("group")["split"].nunique() == 1).all()
    assert table["id"].is_unique
    assert 300 <= (table["split"] == "test").sum() <= 1000


def test_enough_molecules_are_complete_and_more_have_gaps(chemistry):
    complete = chemistry[molecules.PROPERTIES].notna().all(axis=1)
    assert complete.sum() >= 1900 and len(chemistry) > complete.sum()
    assert chemistry.loc[complete].groupby("split").size().min() >= 200
    assert chemistry["smiles"].is_unique


def test_measured_properties_are_those_of_the_substance(chemistry):
    """Acetone melts at -95 °C, boils at 56 °C, and weighs 0.79 g/cm³ (any handbook)."""
    acetone = chemistry.set_index("caption").loc["Acetone"]
    assert acetone["smiles"] == "CC(C)=O" and acetone["label"] == "ketone"
    np.testing.assert_allclose(acetone["Tm"], 178, atol=1)
    np.testing.assert_allclose(acetone["Tb"], 329, atol=1)
    np.testing.assert_allclose(acetone["rho"], 788, atol=10)


@pytest.mark.parametrize(
    ("smiles", "group"),
    [
        ("CCO", "alcohol or phenol"),
        ("CC(=O)O", "carboxylic acid"),
        ("CCOC(C)=O", "ester"),
        ("CC=O", "aldehyde"),
        ("CC#N", "nitrile"),
        ("CCN", "amine"),
        ("COC", "ether"),
        ("CC(N)=O", "amide"),
        ("C[N+](=O)[O-]", "nitro"),
        ("CCCl", "halide"),
        ("c1ccccc1", molecules.OTHER),
    ],
)
def test_functional_groups_of_known_molecules(smiles, group):
    from rdkit import Chem

    assert molecules.functional_groups([Chem.MolFromSmiles(smiles)]) == [group]


def test_substituted_benzenes_share_a_scaffold_and_chains_have_none():
    from rdkit import Chem

    toluene, phenol, hexane = (Chem.MolFromSmiles(smiles) for smiles in ("Cc1ccccc1", "Oc1ccccc1", "CCCCCC"))
    assert molecules.scaffold(toluene) == molecules.scaffold(phenol) == "c1ccccc1"
    assert molecules.scaffold(hexane) == ""


def test_fingerprints_count_atoms_at_radius_zero():
    """Every atom is one environment of radius 0; the square root is undone."""
    _, tokens = molecules.fingerprints(["CCO", "CCCCCC"])
    np.testing.assert_allclose((tokens[:, 0] ** 2).sum(axis=1), [3, 6], rtol=1e-6)
    pooled, _ = molecules.fingerprints(["OCC", "CCO"])
    np.testing.assert_array_equal(pooled[0], pooled[1])


def test_a_structural_formula_is_drawn():
    pixels = decode(molecules.draw("c1ccccc1O", 96), 96)
    assert pixels.shape == (96, 96, 3)
    assert 0.01 < (pixels.min(axis=2) < 128).mean() < 0.5


def test_a_fingerprint_is_drawn_darker_where_it_counts_more():
    shown = decode(cells(np.array([0.0, 1.0, 2.0, 0.0]), 2), 2)[:, :, 0]
    assert shown[0, 0] == shown[1, 1] == 255
    assert 255 > shown[0, 1] > shown[1, 0]


def plain(text):
    return text.replace("\u00a0", " ")


def test_molecules_show_what_their_modalities_hold(chemistry):
    table = chemistry[chemistry["caption"].isin(["Acetone", "Pyrene"])]
    views = molecules.views(table, molecules.fingerprints(list(table["smiles"]))[1][:, -1])
    assert list(views) == list(molecules.CARD.modalities)
    key = table.set_index("caption")["id"]["Acetone"]
    assert views["name"][key] == "Acetone" and views["structure"][key] == "CC(C)=O"
    assert plain(views["properties"][key]) == "melts 178 K, boils 329 K, 785 kg/m³, n 1.359"
    assert decode(views["drawing"][key], 96).min() < 128
    # One atom counts once or more, so that the cells with ink are as many as there are different environments.
    assert 1 < (plt.imread(io.BytesIO(views["fingerprint"][key])) < 0.8).sum() < 10
    assert [entry.kind for entry in molecules.CARD.modalities.values()] == [
        *["text", "text", "picture", "measurement", "measurement"]
    ]


def test_unknown_properties_are_left_out():
    said = molecules.describe({"Tm": 300.4, "Tb": np.nan, "rho": 1012.0, "RI": np.nan})
    assert plain(said) == "melts 300 K, 1012 kg/m³"


def test_six_thousand_kanji_by_radical(characters):
    assert len(characters) >= 6000
    assert characters["group"].nunique() == 214
    assert set(characters["label"]) == {"primary school", "secondary school", "names", "not taught"}


def test_known_kanji(characters):
    tree = characters.set_index("character").loc["林"]
    assert tree["parts"] == "木木" and "grove" in tree["meaning"]
    assert "リン" in tree["pronunciation"] and tree["group"] == "radical 75"
    assert len(tree["strokes"]) == 8


def test_no_kanji_is_its_own_part(characters):
    assert not any(
        character in parts for character, parts in zip(characters["character"], characters["parts"], strict=True)
    )


def test_a_path_of_absolute_and_relative_curves_is_the_same():
    absolute = kanji.trace("M10,20C20,20,30,30,30,40S40,60,50,60")
    relative = kanji.trace("m10,20c10,0,20,10,20,20s10,20,20,20")
    np.testing.assert_allclose(absolute, relative)
    np.testing.assert_allclose(absolute[0], [10, 20])
    np.testing.assert_allclose(absolute[-1], [50, 60])


def test_a_smooth_curve_continues_by_reflection():
    """S takes the mirror image of the last control point, here (30, 30) about (30, 40)."""
    smooth = kanji.trace("M10,20C20,20,30,30,30,40S40,60,50,60")
    explicit = kanji.trace("M10,20C20,20,30,30,30,40C30,50,40,60,50,60")
    np.testing.assert_allclose(smooth, explicit)


def test_a_cubic_curve_passes_its_middle():
    """At t = 1/2 a cubic Bézier curve is (p0 + 3 p1 + 3 p2 + p3) / 8."""
    curve = kanji.trace("M0,0C0,8,8,8,8,0", samples=2)
    np.testing.assert_allclose(curve[1], [4, 6])


def test_ink_is_the_length_of_the_strokes_in_their_direction():
    third = kanji.CANVAS / 3
    path = f"M0,{third}C{third},{third},{2 * third},{third},{kanji.CANVAS},{third}"
    ink, tokens = kanji.describe_strokes([path])
    ink = ink.reshape(kanji.CELLS, kanji.CELLS, kanji.DIRECTIONS)
    np.testing.assert_allclose(ink.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(ink[2, :, 0].sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(tokens[0].reshape(-1, 2)[:, 0], np.linspace(0, 1, 6), atol=1e-6)
    assert not tokens[1:].any()


def test_the_direction_of_the_pen_is_taken_modulo_half_a_turn():
    there, _ = kanji.describe_strokes(["M10,10C40,40,60,60,90,90"])
    back, _ = kanji.describe_strokes(["M90,90C60,60,40,40,10,10"])
    np.testing.assert_allclose(there, back, atol=1e-5)


def test_glyphs_are_ink_on_white_and_differ():
    one, three = kanji.glyph("一", 64), kanji.glyph("三", 64)
    assert one.shape == (64, 64) and one[0, 0] == 255
    # 三 has three strokes like the one of 一.
    assert 2 < (255 - three.astype(int)).sum() / (255 - one.astype(int)).sum() < 4


def test_strokes_are_drawn_where_the_pen_goes_and_fade_in_the_order_of_writing():
    left, right = ([[x, 0.1], [x, 0.9]] for x in (0.25, 0.75))
    shown = decode(lines([np.array(left), np.array(right)], 64), 64)[:, :, 0]
    assert shown[32, 16] < 50 < shown[32, 48] < 200
    assert (shown[:, 28:36] > 250).all() and (shown[:3] > 250).all()


def test_kanji_show_what_their_modalities_hold(characters):
    chosen = characters["character"].isin(["林", "一"])
    views = kanji.views(characters[chosen].assign(parts=["", "木木"]))
    assert views["parts"] == {"6797": "木木"}
    assert "grove" in views["meaning"]["6797"] and "リン" in views["pronunciation"]["6797"]
    for modality in ("glyph", "strokes"):
        one, forest = (decode(views[modality][key], 64)[:, :, 0] for key in ("4E00", "6797"))
        # 一 is one stroke across the middle; 林 is two trees side by side.
        assert (one[20:44] < 128).any() and not (one[:16] < 128).any()
        assert (forest[:, :30] < 128).any() and (forest[:, 34:] < 128).any()
    kinds = [modality.kind for modality in kanji.CARD.modalities.values()]
    assert kinds == ["picture", "measurement", "text", "text", "text"]


def test_a_picture_survives_its_file():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode(png(pixels), 9), pixels)


def test_fourteen_languages_name_every_emoji():
    from pmrl.data.sources import emoji

    table = emoji.read_table()
    names = polyglot.read_names(table["symbol"])
    assert names.shape == (1914, 14)
    assert (names != "").all().all()
    heart = names[table["caption"] == "red heart"].iloc[0]
    assert heart["german"] == "rotes herz" and heart["spanish"] == "corazón rojo"
    # Different languages are different strings: no column is a copy of another.
    assert not any((names[a] == names[b]).mean() > 0.3 for a in names for b in names if a != b)


def test_polyglot_is_one_item_in_fourteen_languages_each_with_its_mask(monkeypatch, tmp_path):
    """The whole data set, with features that are quick to make."""

    def lengths(texts, tokens):
        values = np.array([[len(text), sum(map(ord, text))] for text in texts], dtype=np.float32)
        return values, np.zeros((len(texts), tokens, 1), dtype=np.float16)

    monkeypatch.setattr(polyglot.use_multilingual, "encode_texts", lengths)
    dataset = polyglot.build(tmp_path)
    assert len(dataset.modalities) == 14 and dataset.anchor in dataset.modalities
    assert len(dataset.items) > 1500
    present = np.stack([dataset.present[name] for name in dataset.modalities])
    assert present.any(axis=0).all()
    for name in dataset.modalities:
        assert len(dataset.pooled[name]) == len(dataset.items)
        assert not dataset.pooled[name][~dataset.present[name]].any()
        assert list(dataset.views[name]) == list(dataset.items["id"][dataset.present[name]])
    assert {modality.kind for modality in dataset.card.modalities.values()} == {"text"}
    heart = dataset.items.set_index("caption")["id"]["red heart"]
    assert dataset.views["spanish"][heart] == "corazón rojo" and dataset.views["german"][heart] == "rotes herz"
    assert (dataset.items.groupby("group")["split"].nunique() == 1).all()
