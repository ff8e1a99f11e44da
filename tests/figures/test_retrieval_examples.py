"""The figure of retrieved items: each is drawn as its modality holds it, whatever the modality is called."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import synthetic
import yaml
from data_examples import items
from matplotlib.colors import to_hex
from matplotlib.text import Text

from pmrl.data import registry
from pmrl.data.pictures import png
from pmrl.figures import retrieval_examples
from pmrl.records import COLUMNS
from pmrl.reporting import style
from pmrl.reporting.results import Results

TABLE = items()
QUERY, *FOUND = TABLE["id"][TABLE["split"] == "test"][:6]


@pytest.fixture
def photos(tmp_path):
    """A data set of the user's own, photo and note, with the five photos that a method found for one note."""
    folder = tmp_path / "datasets" / "album"
    generator = np.random.default_rng(0)
    for row, key in enumerate(TABLE["id"]):
        for name, content in {
            f"photos/{key}.png": png(np.full((8, 16), row, dtype=np.uint8)),
            f"notes/{key}.txt": f"número {row}: 5 $ o 6 $".encode(),
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    TABLE.to_csv(folder / "items.csv", index=False)
    for name in ("photo", "note"):
        np.save(folder / f"{name}.npy", generator.normal(size=(len(TABLE), 6)))
    content = {
        "name": "album",
        "anchor": "note",
        "items": "items.csv",
        "modalities": {
            "photo": {"file": "photo.npy", "kind": "picture", "view": "photos/{id}.png"},
            "note": {"file": "note.npy", "kind": "text", "view": "notes/{id}.txt"},
        },
    }
    (folder / "card.yaml").write_text(yaml.safe_dump(content))
    registry.prepare(folder / "card.yaml", tmp_path / "results" / "data")
    answers = enumerate(FOUND[:5], start=1)
    rows = [("album", "pmrl", "note", "photo", QUERY, rank, key, rank == 2) for rank, key in answers]
    pd.DataFrame(rows, columns=COLUMNS["examples"]).to_parquet(tmp_path / "results" / "examples.parquet")
    (tmp_path / "results" / "methods.json").write_text(json.dumps({"pmrl": synthetic.METHODS["pmrl"]}))
    return Results(tmp_path / "results", {"datasets": ["album"]}, reads=retrieval_examples.READS)


def test_a_users_photos_and_notes_are_drawn_as_they_are(photos):
    with style.applied():
        figure = retrieval_examples.draw(photos)
        images = [axes.images[0] for axes in figure.findobj(plt.Axes) if axes.images]
        assert [round(float(image.get_array()[0, 0]) * 255) for image in images] == [
            TABLE.index[TABLE["id"] == key][0] for key in FOUND[:5]
        ]
        row = TABLE.index[TABLE["id"] == QUERY][0]
        notes = [text for text in figure.findobj(Text) if "número" in text.get_text()]
        assert [text.get_text().replace("\n", " ") for text in notes] == [f"número {row}: 5 $ o 6 $"]
        assert not notes[0].get_parse_math()


def test_a_picture_keeps_its_proportions(photos):
    with style.applied():
        figure = retrieval_examples.draw(photos)
        figure.canvas.draw()
        for axes in figure.findobj(plt.Axes):
            for image in axes.images:
                left, right, bottom, top = image.get_extent()
                (x0, y0), (x1, y1) = axes.transData.transform([(left, bottom), (right, top)])
                assert (x1 - x0) / (y1 - y0) == pytest.approx(2, rel=0.01)


def test_the_frames_have_no_methods_colour(photos):
    with style.applied():
        figure = retrieval_examples.draw(photos)
        framed = {
            to_hex(axes.spines["top"].get_edgecolor()): axes.get_title()
            for axes in figure.findobj(plt.Axes)
            if axes.axison
        }
    assert framed[retrieval_examples.RIGHT] == "✓ 2"
    assert not {about["color"].lower() for about in synthetic.METHODS.values()} & set(framed)
    for color in framed:
        red, green, blue = color[1:3], color[3:5], color[5:7]
        assert red == green == blue
