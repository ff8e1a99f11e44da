"""The raw files of the clips, in formats that any program opens: video and depth as mp4, sound as wav, tables as csv.

clips/E1M1-00.mp4    video, 160 × 120 pixels, 11.7 frames per second
sounds/E1M1-00.wav   stereo sound, 22,050 Hz, as long as the video
depth/E1M1-00.mp4    grey video, farther is brighter
telemetry/E1M1-00.csv  health, ammunition, position and more, one row per frame
items.csv            id, group (map), label, caption, subtitle (empty where the game said nothing)
captions.csv         id, caption: five rows per clip
"""

from __future__ import annotations

import shutil
import wave
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from fractions import Fraction
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from pmrl import provenance
from pmrl.data.freedoom import engine
from pmrl.data.freedoom.captions import captions
from pmrl.data.freedoom.player import TICS_PER_FRAME, Clip, Player
from pmrl.data.freedoom.scene import describe, is_eventful, label
from pmrl.files import read_json, replacing, sha256, write_json
from pmrl.progress import progress
from pmrl.seeds import derived_seed

PACKAGES = (*engine.PACKAGES, "av")
PER_MAP = 23
ATTEMPTS = 4  # for each clip that is wanted
WORKERS = 2  # processes that play; the files are the same for any number
ITEMS, CAPTIONS = "items.csv", "captions.csv"
CHECKSUM = "checksum.json"
VIDEOS, SOUNDS, DEPTHS, TELEMETRY = "clips/{id}.mp4", "sounds/{id}.wav", "depth/{id}.mp4", "telemetry/{id}.csv"
QUALITY = {"crf": "23", "preset": "superfast", "threads": "1"}  # one thread, so that equal frames give equal files


def kept(cache: Path) -> Path:
    """The folder below ``cache`` with the files of all clips; generated unless they are there, whole and by this code.

    Raises:
        UserError: the engine does not run here, its sound is silent, or the folder cannot be written.
    """
    folder = Path(cache) / "freedoom"
    recipe = provenance.text_digest(
        provenance.code("pmrl/data/freedoom/files.py"), *(f"{name}=={metadata.version(name)}" for name in PACKAGES)
    )
    if not _is_whole(folder, recipe):
        (folder / CHECKSUM).unlink(missing_ok=True)
        generate(folder)
        write_json(folder / CHECKSUM, {"recipe": recipe, "sha256": sha256(*_content(folder))})
    return folder


def _is_whole(folder: Path, recipe: str) -> bool:
    if not (folder / CHECKSUM).is_file():
        return False
    expected = read_json(folder / CHECKSUM)
    return bool(expected == {"recipe": recipe, "sha256": sha256(*_content(folder))})


def _content(folder: Path) -> list[Path]:
    """All files of the clips and the tables, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CHECKSUM)


def generate(folder: Path, maps: Sequence[str] = tuple(engine.MAPS), per_map: int = PER_MAP) -> None:
    """Play the maps and write the files; the tables come last, so that a folder without them is unfinished.

    Args:
        folder: where the files go; it is emptied first.
        maps: names from ``engine.MAPS``.
        per_map: clips to keep of each map; fewer where so many do not turn up in time.

    Raises:
        UserError: the engine does not run here, its sound is silent, or the folder cannot be written.
    """
    engine.require_sound()
    folder = Path(folder)
    if folder.exists():
        shutil.rmtree(folder)
    for pattern in (VIDEOS, SOUNDS, DEPTHS, TELEMETRY):
        (folder / pattern).parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(play_map, folder, name, per_map) for name in maps]
        try:
            for done in progress(as_completed(waiting), "maps played", total=len(waiting)):
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)
        rows = [row for played in waiting for row in played.result()]
    items = pd.DataFrame(rows)
    wordings = items[["id", "captions"]].explode("captions").rename(columns={"captions": "caption"})
    _write_table(wordings, folder / CAPTIONS)
    _write_table(items.drop(columns="captions"), folder / ITEMS)


def play_map(folder: Path, name: str, per_map: int) -> list[dict[str, object]]:
    """Play one map, write the files of its eventful clips, and return their rows for the tables."""
    rows: list[dict[str, object]] = []
    with engine.start(name, derived_seed("freedoom", name)) as game:
        player = Player(game)
        for attempt in range(ATTEMPTS * per_map):
            generator = np.random.default_rng(derived_seed("freedoom", name, attempt))
            clip = player.play(generator)
            if clip is None:
                continue
            scene = describe(clip)
            if not is_eventful(clip, scene):
                continue
            key = f"{name}-{len(rows):02d}"
            write_clip(clip, folder, key)
            wordings = captions(scene, generator)
            subtitle = " ".join(dict.fromkeys(clip.messages))
            rows.append(
                {
                    "id": key,
                    "group": name,
                    "label": label(scene),
                    "caption": wordings[0],
                    "subtitle": subtitle,
                    "captions": wordings,
                }
            )
            if len(rows) == per_map:
                break
    return rows


def write_clip(clip: Clip, folder: Path, key: str) -> None:
    """Write the four files of a clip."""
    grey = np.repeat(clip.depth[..., np.newaxis], 3, axis=3)
    write_video(folder / VIDEOS.format(id=key), clip.frames, Fraction(engine.TICS, TICS_PER_FRAME))
    write_video(folder / DEPTHS.format(id=key), grey, Fraction(engine.TICS, TICS_PER_FRAME))
    write_sound(folder / SOUNDS.format(id=key), clip.sound, engine.RATE)
    _write_table(clip.telemetry.round(2), folder / TELEMETRY.format(id=key))


def write_video(path: Path, frames: np.ndarray, rate: Fraction) -> None:
    """Write uint8 frames (frames, height, width, 3) as H.264 in an mp4 file."""
    import av

    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options=QUALITY)
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = frames.shape[1:3]
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def write_sound(path: Path, samples: np.ndarray, rate: int) -> None:
    """Write int16 samples (samples, channels) as a wav file."""
    with replacing(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(samples, dtype="<i2").tobytes())


def _write_table(table: pd.DataFrame, path: Path) -> None:
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n")
