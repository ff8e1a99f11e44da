"""A scripted player: put at a place of the map with a weapon, it does one thing for two seconds and records it.

All its choices are drawn from one generator, so that the same seed plays the same clip.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pmrl.data.freedoom import engine
from pmrl.data.freedoom.words import TRANSIENT, WEAPONS

if TYPE_CHECKING:
    from vizdoom import DoomGame

FRAMES, TICS_PER_FRAME = 24, 3
FRAME_RATE = engine.TICS / TICS_PER_FRAME
ITEMS = ("Health", "Armor", "Ammo", "Weapon", "Powerup", "Key")
AMMUNITION = {"Clip": 50, "Shell": 20, "RocketAmmo": 10, "Cell": 100}
SMALLEST = 24  # pixels; what is smaller in view is hardly seen
# Units of the map, in which a player is 56 high: still at a place, and within reach of the eye.
NEARLY, REACH = 48.0, 1500.0
SHORTEST = 4  # letters of a message; large letters on the screen arrive one by one
DECISION = 4  # tics between two decisions
INTENTS = {"attack": 0.5, "collect": 0.2, "explore": 0.15, "retreat": 0.08, "look round": 0.07}


@dataclass(frozen=True)
class Sighting:
    """A thing in view: its name in the engine, its number, and its box in pixels."""

    name: str
    category: str
    number: int
    x: int
    y: int
    width: int
    height: int

    @property
    def area(self) -> int:
        """Pixels of the box."""
        return self.width * self.height

    @property
    def middle(self) -> float:
        """Horizontal place of the middle in [-1, 1], negative on the left."""
        return (self.x + self.width / 2) / (engine.WIDTH / 2) - 1


@dataclass(frozen=True)
class Clip:
    """What was seen, heard and measured.

    Attributes:
        weapon: in the player's hands, in words.
        frames: uint8 (FRAMES, height, width, 3).
        depth: uint8 (FRAMES, height, width), farther is brighter.
        sound: int16 (samples, 2), left and right.
        telemetry: one row per frame, columns ``engine.VARIABLES`` and ``SHOTS``, those since the frame before.
        sightings: per frame, the things in view.
        messages: the game's own messages.
    """

    weapon: str
    frames: np.ndarray
    depth: np.ndarray
    sound: np.ndarray
    telemetry: pd.DataFrame
    sightings: list[list[Sighting]]
    messages: list[str]


class Player:
    """Plays clip after clip on one running map."""

    def __init__(self, game: "DoomGame") -> None:
        self.game = game
        self.places = _places(game.get_state())
        self._equip()

    def play(self, generator: np.random.Generator) -> Clip | None:
        """One clip; None where the place is taken, the weapon is not to be had, or the map ends."""
        try:
            return self._play(generator)
        except engine.MapEnded:
            self.game.new_episode()
            self._equip()
            return None

    def _equip(self) -> None:
        """Carry all weapons, and never die."""
        for command in ("give weapons", "give backpack", "buddha"):
            self.game.send_game_command(command)

    def _play(self, generator: np.random.Generator) -> Clip | None:
        if not self._arrive(generator):
            return None
        weapon = self._arm(generator)
        if int(engine.variables(self.game)["SELECTED_WEAPON"]) != WEAPONS[weapon][1]:
            return None
        self._look_at_something()
        intent = str(generator.choice(list(INTENTS), p=list(INTENTS.values())))
        return self._record(weapon, intent, side=1 if generator.random() < 0.5 else -1)

    def _arrive(self, generator: np.random.Generator) -> bool:
        """Stand at a place; whether it was free."""
        x, y = self.places[generator.integers(len(self.places))]
        self.game.send_game_command(f"warp {x:.0f} {y:.0f}")
        engine.step(self.game)
        here = engine.variables(self.game)
        return math.hypot(here["POSITION_X"] - x, here["POSITION_Y"] - y) < NEARLY

    def _arm(self, generator: np.random.Generator) -> str:
        """Take a weapon in hand, and so little health and ammunition that finding more means something."""
        weapon = str(generator.choice(list(WEAPONS)))
        health, wanted = int(engine.variables(self.game)["HEALTH"]), int(generator.integers(30, 90))
        change = f"take health {health - wanted}" if health > wanted else f"give health {wanted - health}"
        for command in ("take armor", "take ammo", change):
            self.game.send_game_command(command)
        for kind, amount in AMMUNITION.items():
            self.game.send_game_command(f"give {kind} {amount}")
        self.game.send_game_command(f"use {weapon}")
        engine.step(self.game, tics=40)  # the former weapon goes down and this one comes up
        return weapon

    def _look_at_something(self) -> None:
        """Turn to the nearest monster or thing and, if a wall hides it, round until something is in view."""
        state = self._turn_to_nearest()
        for _ in range(3):
            if _largest(sightings(state)) is not None:
                break
            state = engine.step(self.game, {"TURN_LEFT_RIGHT_DELTA": 90})
        engine.step(self.game, tics=3)

    def _turn_to_nearest(self) -> Any:
        """Turn to the nearest monster or, where none is near, to the nearest other thing."""
        here, state = engine.variables(self.game), self.game.get_state()
        things = [
            (thing.category != "Monster", math.hypot(dx, dy), math.degrees(math.atan2(dy, dx)))
            for thing in state.objects
            if thing.category in (*ITEMS, "Monster", "Hazard")
            for dx, dy in [(thing.position_x - here["POSITION_X"], thing.position_y - here["POSITION_Y"])]
            if NEARLY < math.hypot(dx, dy) < REACH
        ]
        if not things:
            return state
        heading = min(things)[2]
        # Angles grow to the left, the button turns to the right.
        return engine.step(self.game, {"TURN_LEFT_RIGHT_DELTA": (here["ANGLE"] - heading + 180) % 360 - 180})

    def _record(self, weapon: str, intent: str, side: int) -> Clip:
        frames, depth, sound, rows, seen, messages = [], [], [], [], [], []
        action: dict[str, float] = {}
        state, blocked, shots = self.game.get_state(), 0, 0
        before = engine.variables(self.game)
        for tic in range(FRAMES * TICS_PER_FRAME):
            if tic % DECISION == 0:
                still = math.hypot(before["VELOCITY_X"], before["VELOCITY_Y"]) < 1
                blocked = blocked + 1 if still and action.get("MOVE_FORWARD") else 0
                action = decide(intent, sightings(state), side, blocked)
            state = engine.step(self.game, action)
            now = engine.variables(self.game)
            shots += _fired(before, now, WEAPONS[weapon][1], bool(action.get("ATTACK")))
            before = now
            sound.append(state.audio_buffer)
            messages += [line for line in (state.notifications_buffer or "").splitlines() if len(line) >= SHORTEST]
            if tic % TICS_PER_FRAME == TICS_PER_FRAME - 1:
                frames.append(state.screen_buffer)
                depth.append(state.depth_buffer)
                seen.append(sightings(state))
                rows.append({**now, "SHOTS": shots})
                shots = 0
        sounds = np.concatenate(sound)
        return Clip(WEAPONS[weapon][0], np.stack(frames), np.stack(depth), sounds, pd.DataFrame(rows), seen, messages)


def decide(intent: str, seen: list[Sighting], side: int, blocked: int) -> dict[str, float]:
    """The buttons to press until the next decision.

    Args:
        intent: one of ``INTENTS``.
        seen: what is in view.
        side: 1 or -1, the side to which this player steps and turns.
        blocked: for how many decisions the way ahead has been blocked.
    """
    monster, item = (
        _largest([thing for thing in seen if thing.category in kinds]) for kinds in (("Monster", "Hazard"), ITEMS)
    )
    if intent == "attack" and monster is not None:
        aimed = abs(monster.middle) < max(0.06, monster.width / engine.WIDTH)
        step = {"MOVE_RIGHT" if side > 0 else "MOVE_LEFT": 1.0}
        return {**step, "TURN_LEFT_RIGHT_DELTA": _turn(monster), "ATTACK": float(aimed)}
    if intent == "retreat":
        return {"MOVE_BACKWARD": 1, "TURN_LEFT_RIGHT_DELTA": _turn(monster) if monster else 0}
    if intent == "look round":
        return {"TURN_LEFT_RIGHT_DELTA": 2.5 * side}
    if blocked:
        return {"USE": float(blocked == 1), "MOVE_FORWARD": 1, "TURN_LEFT_RIGHT_DELTA": 12.0 * side}
    target = item if intent in ("collect", "explore") else None
    shoot = intent == "attack"
    return {
        "MOVE_FORWARD": 1,
        "SPEED": 1,
        "ATTACK": float(shoot),
        "TURN_LEFT_RIGHT_DELTA": _turn(target) if target else 0.5 * side,
    }


def sightings(state: Any) -> list[Sighting]:
    """The things in view, without the player and what lasts a moment."""
    return [
        Sighting(label.object_name, label.object_category, label.object_id, label.x, label.y, label.width, label.height)
        for label in state.labels
        if label.object_category != "Self" and label.object_name not in TRANSIENT
    ]


def _places(state: Any) -> list[tuple[float, float]]:
    """Where items lie and monsters stand at the beginning: places where a player can stand."""
    kinds = (*ITEMS, "Monster")
    return sorted((thing.position_x, thing.position_y) for thing in state.objects if thing.category in kinds)


def _largest(seen: list[Sighting]) -> Sighting | None:
    large = [thing for thing in seen if thing.area >= SMALLEST]
    return max(large, key=lambda thing: (thing.area, thing.number), default=None)


def _turn(thing: Sighting) -> float:
    """Degrees per tic that bring a thing to the middle within one decision; the view is 90° wide."""
    return math.degrees(math.atan(thing.middle)) / DECISION


def _fired(before: dict[str, float], now: dict[str, float], slot: int, attacks: bool) -> bool:
    """Whether the weapon in this place used ammunition; a chainsaw needs none and runs at every attack."""
    if not before["SELECTED_WEAPON"] == now["SELECTED_WEAPON"] == slot:
        return False
    return attacks if slot == 1 else now["SELECTED_WEAPON_AMMO"] < before["SELECTED_WEAPON_AMMO"]
