"""What happens in a clip, measured: the place, the movement, shots, hits, finds, and the things in view."""

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pmrl.data.freedoom.engine import HEIGHT
from pmrl.data.freedoom.player import SMALLEST, Clip, Sighting
from pmrl.data.freedoom.words import KINDS, SCENERY, thing

AUDIBLE = 300  # of 32,767
DARKEST = 10  # of 255
SEEN = 3  # frames in which a thing must be in view to be mentioned
SPARSE = 4  # steps between the frames, rows and columns of which means are taken
MENTIONED = 3  # kinds of things, the largest in view
NEAR, FAR = 0.4, 0.12  # height of a thing as a part of the picture's height


@dataclass(frozen=True)
class Subject:
    """One kind of thing in view.

    Attributes:
        name: in words.
        category: the engine's category, such as Monster.
        count: the most at a time.
        side: left, ahead or right.
        distance: near, halfway or far.
    """

    name: str
    category: str
    count: int
    side: str
    distance: str


@dataclass(frozen=True)
class Scene:
    """What happens in a clip.

    Attributes:
        weapon: in hand, in words.
        shots: how many were fired.
        kills: how many monsters died by them.
        wounds: damage taken by the player.
        found: lines of the game's messages.
        movement: forward, backward, sideways or still.
        turn: left, right or none.
        light: dark, dim or bright.
        colour: of the place.
        space: narrow, middling or open.
        subjects: the things in view, the largest first.
    """

    weapon: str
    shots: int
    kills: int
    wounds: float
    found: tuple[str, ...]
    movement: str
    turn: str
    light: str
    colour: str
    space: str
    subjects: tuple[Subject, ...]


def describe(clip: Clip) -> Scene:
    """Measure what happens in a clip."""
    telemetry = clip.telemetry
    movement, turn = _movement(clip)
    return Scene(
        weapon=clip.weapon,
        shots=int(telemetry["SHOTS"].sum()),
        kills=_gain(telemetry["KILLCOUNT"]),
        wounds=_gain(telemetry["DAMAGE_TAKEN"]),
        found=tuple(clip.messages),
        movement=movement,
        turn=turn,
        light=_level(brightness(clip.frames), (42, 75), ("dark", "dim", "bright")),
        colour=colour(clip.frames),
        space=_level(
            float(np.median(clip.depth[::SPARSE, ::SPARSE, ::SPARSE])), (9, 22), ("narrow", "middling", "open")
        ),
        subjects=_subjects(clip.sightings),
    )


def is_eventful(clip: Clip, scene: Scene) -> bool:
    """Whether something is seen, something is heard, and something happens: a shot, a find, a wound, a movement."""
    happens = scene.shots or scene.kills or scene.wounds or scene.found or scene.movement != "still" or scene.turn
    heard = np.abs(clip.sound.astype(np.int32)).max() >= AUDIBLE
    return bool(scene.subjects and happens and heard and brightness(clip.frames) >= DARKEST)


def label(scene: Scene) -> str:
    """The weapon that is fired, otherwise the kind of the largest thing in view."""
    return scene.weapon if scene.shots else KINDS.get(scene.subjects[0].category, SCENERY)


def colour(frames: np.ndarray) -> str:
    """The word for the mean colour of all frames: grey unless one channel or two stand out."""
    red, green, blue = _mean_colour(frames)
    strongest, weakest = max(red, green, blue), min(red, green, blue)
    if strongest - weakest < 0.12 * strongest:
        return "grey"
    if red == strongest:
        return "red" if green - weakest < 0.3 * (red - weakest) else "brown"
    return "green" if green == strongest else "blue"


def brightness(frames: np.ndarray) -> float:
    """Mean of all frames, from 0 to 255."""
    return float(np.mean(_mean_colour(frames)))


def _mean_colour(frames: np.ndarray) -> tuple[float, float, float]:
    """Means of red, green and blue over a grid of pixels in some of the frames, which is quick."""
    red, green, blue = frames[::SPARSE, ::SPARSE, ::SPARSE].reshape(-1, 3).mean(axis=0)
    return float(red), float(green), float(blue)


def _movement(clip: Clip) -> tuple[str, str]:
    telemetry = clip.telemetry
    angle = np.radians(telemetry["ANGLE"].to_numpy())
    dx, dy = np.diff(telemetry["POSITION_X"]), np.diff(telemetry["POSITION_Y"])
    ahead = float((dx * np.cos(angle[1:]) + dy * np.sin(angle[1:])).sum())
    aside = float((-dx * np.sin(angle[1:]) + dy * np.cos(angle[1:])).sum())
    turned = math.degrees(float(np.diff(np.unwrap(angle)).sum()))
    turn = "" if abs(turned) < 30 else "left" if turned > 0 else "right"
    if max(abs(ahead), abs(aside)) < 48:
        return "still", turn
    if abs(aside) > abs(ahead):
        return f"sideways to the {'left' if aside > 0 else 'right'}", turn
    return "forward" if ahead > 0 else "backward", turn


def _subjects(frames: list[list[Sighting]]) -> tuple[Subject, ...]:
    by_name: dict[str, list[list[Sighting]]] = defaultdict(list)
    for seen in frames:
        at_once: dict[str, list[Sighting]] = defaultdict(list)
        for sighting in seen:
            if sighting.area >= SMALLEST:
                at_once[thing(sighting.name)].append(sighting)
        for name, together in at_once.items():
            by_name[name].append(together)
    lasting = {name: groups for name, groups in by_name.items() if len(groups) >= SEEN}
    largest = sorted(lasting, key=lambda name: (-sum(one.area for group in lasting[name] for one in group), name))
    return tuple(_subject(name, lasting[name]) for name in largest[:MENTIONED])


def _subject(name: str, groups: list[list[Sighting]]) -> Subject:
    ones = [max(group, key=lambda one: (one.area, one.number)) for group in groups]
    middle = float(np.median([one.middle for one in ones]))
    height = float(np.median([one.height for one in ones])) / HEIGHT
    return Subject(
        name=name,
        category=ones[0].category,
        count=max(map(len, groups)),
        side=_level(middle, (-0.25, 0.25), ("left", "ahead", "right")),
        distance=_level(height, (FAR, NEAR), ("far", "halfway", "near")),
    )


def _level(value: float, bounds: tuple[float, float], names: tuple[str, str, str]) -> str:
    return names[sum(value >= bound for bound in bounds)]


def _gain(values: pd.Series) -> int:
    return int(values.iloc[-1] - values.iloc[0])
