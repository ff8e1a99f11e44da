"""Five differently worded captions of a scene. All of them are templates; none knows more than `describe` measured."""

from collections.abc import Callable

import numpy as np

from pmrl.data.freedoom.scene import Scene, Subject
from pmrl.data.freedoom.words import NUMBERS, counted

COUNT = 5


def captions(scene: Scene, generator: np.random.Generator) -> list[str]:
    """Five wordings; the first says the most. The generator chooses among words of one meaning."""

    def one_of(*words: str) -> str:
        return str(generator.choice(words))

    return [_sentence(template(scene, one_of)) for template in (_report, _things_first, _terse, _place_first, _told)]


_Choice = Callable[..., str]


def _report(scene: Scene, one_of: _Choice) -> str:
    parts = [
        _moving(scene),
        f"in {_place(scene)}",
        _acting(scene),
        _seeing(scene, "with {} in view"),
        _suffering(scene),
    ]
    return f"The player {_joined(parts)}"


def _things_first(scene: Scene, one_of: _Choice) -> str:
    look = one_of("In view: {}", "We see {}", "One can see {}", "The view shows {}")
    return f"{_seeing(scene, look)}; someone {_joined([_acting(scene), _moving(scene), _suffering(scene)])}"


def _terse(scene: Scene, one_of: _Choice) -> str:
    shooting = f"{_times(scene.shots)} with a {scene.weapon}" if scene.shots else f"{scene.weapon} in hand"
    first = f"{one_of('shooting', 'firing', 'attacking')} {shooting}" if scene.shots else shooting
    return _joined([first, *(_subject(subject) for subject in scene.subjects[:2]), _finding(scene)])


def _place_first(scene: Scene, one_of: _Choice) -> str:
    where = one_of("We are in", "This is", "The scene is")
    does = _joined([_acting(scene), _suffering(scene), _moving(scene)])
    return f"{where} {_place(scene)}. {_seeing(scene, 'There we see {}')}. The player {does}"


def _told(scene: Scene, one_of: _Choice) -> str:
    who = one_of("a fighter", "a soldier", "the hero", "a marine")
    parts = [_acting(scene), _seeing(scene, one_of("facing {}", "near {}", "watching {}")), _moving(scene)]
    return f"{who} {_joined(parts)}, {one_of('somewhere', 'all this')} in {_place(scene)}"


def _place(scene: Scene) -> str:
    space = {"narrow": "narrow passage", "middling": "room", "open": "wide hall"}[scene.space]
    return f"a {scene.light} {scene.colour} {space}"


def _moving(scene: Scene) -> str:
    turning = f"turns {scene.turn}" if scene.turn else ""
    if scene.movement == "still":
        return turning or "stands still"
    verb = {"forward": "runs forward", "backward": "backs away"}.get(scene.movement, f"steps {scene.movement}")
    return f"{verb} and {turning}" if turning else verb


def _acting(scene: Scene) -> str:
    if not scene.shots:
        holding = f"holds a {scene.weapon}"
        return _joined([holding, _finding(scene)], last=" and ")
    verb = "swings" if scene.weapon == "chainsaw" else "fires"
    monsters = [subject for subject in scene.subjects if subject.category == "Monster"]
    target = f" at {counted(monsters[0].name, monsters[0].count)}" if monsters else ""
    often = "" if verb == "swings" else f" {_times(scene.shots)}"
    killing = f", killing {_number(scene.kills)}" if scene.kills else ""
    return _joined([f"{verb} a {scene.weapon}{often}{target}{killing}", _finding(scene)], last=" and ")


def _seeing(scene: Scene, frame: str) -> str:
    return frame.format(_joined([_subject(subject) for subject in scene.subjects], last=" and "))


def _subject(subject: Subject) -> str:
    where = {"left": "on the left", "ahead": "ahead", "right": "on the right"}[subject.side]
    near = {"near": "close by ", "halfway": "", "far": "far away "}[subject.distance]
    return f"{counted(subject.name, subject.count)} {near}{where}"


def _finding(scene: Scene) -> str:
    lines = " ".join(scene.found).lower()
    kinds = [kind for kind, words in _FINDS.items() if any(word in lines for word in words)]
    return f"picks up {_joined(kinds, last=' and ')}" if kinds else ""


# Kinds of finds, by words of the game's messages.
_FINDS = {
    "health": ("health", "ectoplasmic", "negentropic"),
    "armour": ("armor", "vest"),
    "ammunition": ("picked up", "ammo"),
    "a weapon": ("got the",),
    "a key": ("secured",),
    "a power-up": ("vanguard", "smash", "invisibility", "suit", "map", "goggles"),
}


def _suffering(scene: Scene) -> str:
    return "" if scene.wounds <= 0 else "gets hurt" if scene.wounds < 20 else "gets badly hurt"


def _times(count: int) -> str:
    return "once" if count == 1 else "twice" if count == 2 else "again and again" if count > 6 else f"{count} times"


def _number(count: int) -> str:
    return NUMBERS[count] if count < len(NUMBERS) else "many"


def _joined(parts: list[str], last: str = ", ") -> str:
    parts = [part for part in parts if part]
    return last.join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
