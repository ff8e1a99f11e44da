"""The game engine with picture, depth, sound and messages, and what it says where it cannot run.

The engine is a process of its own that plays sound through OpenAL. Without OpenAL it gives silence and no error, so
`start` fires a shot and listens.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from pmrl.errors import UserError

if TYPE_CHECKING:
    from vizdoom import DoomGame

PACKAGES = ("cyal", "vizdoom")

# Every map of the two games, by the file that holds it.
MAPS = {
    **{f"E{episode}M{number}": "freedoom1.wad" for episode in range(1, 5) for number in range(1, 10)},
    **{f"MAP{number:02d}": "freedoom2.wad" for number in range(1, 33)},
}
WIDTH, HEIGHT = 160, 120
SHARED_MEMORY = Path("/dev/shm")
TICS = 35  # steps of the game per second
RATE = 22050  # samples of sound per second; a tic is a whole number of them
VOLUME = 0.3  # of 1
SKILL = 4  # of 5: many monsters

BUTTONS = (
    "MOVE_FORWARD",
    "MOVE_BACKWARD",
    "MOVE_LEFT",
    "MOVE_RIGHT",
    "ATTACK",
    "USE",
    "SPEED",
    "TURN_LEFT_RIGHT_DELTA",
)
NOTHING: Mapping[str, float] = {}
VARIABLES = (
    "HEALTH", "ARMOR", "SELECTED_WEAPON", "SELECTED_WEAPON_AMMO", "AMMO2", "AMMO3", "AMMO5", "AMMO6", "KILLCOUNT",
    "ITEMCOUNT", "DAMAGE_TAKEN", "POSITION_X", "POSITION_Y", "POSITION_Z", "ANGLE", "VELOCITY_X", "VELOCITY_Y",
)  # fmt: skip


class MapEnded(Exception):
    """The player found the exit of the map, or died."""


@contextmanager
def start(map_name: str, seed: int) -> Iterator["DoomGame"]:
    """The running game at the beginning of a map, in a process of its own that ends with the block.

    Args:
        map_name: one of ``MAPS``.
        seed: of the game's own dice.

    Raises:
        UserError: a package is missing, the engine does not run here, or its sound is silent.
    """
    import vizdoom

    game = vizdoom.DoomGame()
    _configure(game, map_name, seed)
    # The engine leaves its settings behind as a file.
    with TemporaryDirectory(prefix="freedoom-") as folder:
        game.set_doom_config_path(str(Path(folder) / "engine.ini"))
        try:
            with _openal_first():
                game.init()
        except Exception as error:  # the engine's own kinds of errors have no common base
            raise UserError(
                f"The game engine of vizdoom does not run on this machine ({_first_line(error)}). It needs Linux on "
                "x86-64 and shared memory (/dev/shm); data sets other than freedoom do without it."
            ) from error
        try:
            yield game
        finally:
            game.close()


def absence() -> str:
    """What this machine lacks to run the engine, found without starting it; empty if nothing."""
    if sys.platform != "linux":
        return f"the game engine of freedoom is used on Linux only, and this is {sys.platform}"
    missing = [package for package in ("vizdoom", "cyal", "av") if find_spec(package) is None]
    if missing:
        return f'{" and ".join(missing)} missing; install what the study needs by `pip install -e ".[study]"`'
    if openal_folder() is None:
        return "the package cyal has no libopenal.so.1 in it, without which the game engine of freedoom is silent"
    if not os.access(SHARED_MEMORY, os.W_OK):
        return f"the game engine of freedoom needs shared memory, and {SHARED_MEMORY} cannot be written"
    return ""


def require_sound(map_name: str = "MAP01") -> None:
    """Fire a shot and listen.

    Raises:
        UserError: the engine does not run, or nothing is heard.
    """
    with start(map_name, seed=0) as game:
        loudest = 0
        for _ in range(TICS):
            loudest = max(loudest, int(np.abs(step(game, {"ATTACK": 1}).audio_buffer.astype(np.int32)).max()))
    if loudest == 0:
        raise UserError(
            "The game engine of vizdoom runs, but its sound is silent: it could not load OpenAL. Install the "
            f"package cyal, which carries it ({openal_folder() or 'not found'}), and see that no other libopenal.so.1 "
            "comes before it."
        )


def step(game: "DoomGame", pressed: Mapping[str, float] = NOTHING, tics: int = 1) -> Any:
    """Press some of ``BUTTONS`` for a while and return what is seen and heard at its end, a `vizdoom.GameState`.

    Raises:
        MapEnded: the player found the exit or died, so that there is nothing to see.
    """
    game.make_action([pressed.get(name, 0) for name in BUTTONS], tics)
    if game.is_episode_finished():
        raise MapEnded
    return game.get_state()


def variables(game: "DoomGame") -> dict[str, float]:
    """The present value of each of ``VARIABLES``."""
    import vizdoom

    return {name: game.get_game_variable(getattr(vizdoom.GameVariable, name)) for name in VARIABLES}


def openal_folder() -> Path | None:
    """The folder of cyal, which has libopenal.so.1 in it; None where there is no such file."""
    found = find_spec("cyal")
    folder = Path(found.origin).parent if found is not None and found.origin else None
    return folder if folder is not None and (folder / "libopenal.so.1").is_file() else None


def _configure(game: "DoomGame", map_name: str, seed: int) -> None:
    import vizdoom

    game.set_doom_game_path(str(Path(vizdoom.__file__).parent / MAPS[map_name]))
    game.set_doom_map(map_name)
    game.set_doom_skill(SKILL)
    game.set_seed(seed)
    game.set_episode_timeout(0)
    game.set_available_buttons([getattr(vizdoom.Button, name) for name in BUTTONS])
    game.set_screen_resolution(vizdoom.ScreenResolution.RES_160X120)
    game.set_screen_format(vizdoom.ScreenFormat.RGB24)
    game.set_render_hud(False)
    game.set_render_screen_flashes(False)  # they colour the whole picture red
    game.set_window_visible(False)
    game.set_depth_buffer_enabled(True)
    game.set_labels_buffer_enabled(True)
    game.set_objects_info_enabled(True)
    game.set_notifications_buffer_enabled(True)
    game.set_audio_buffer_enabled(True)
    game.set_audio_sampling_rate(vizdoom.SamplingRate.SR_22050)
    game.set_audio_buffer_size(1)
    # At full volume, shots are cut off at the largest sample; messages about secrets are written across the picture.
    game.add_game_args(f"-nomusic +snd_sfxvolume {VOLUME} +cl_showsecretmessage 0 +con_midtime 0")


@contextmanager
def _openal_first() -> Iterator[None]:
    """Let a process that is started within the block find cyal's OpenAL before any other."""
    name, folder = "LD_LIBRARY_PATH", openal_folder()
    former = os.environ.get(name)
    if folder is not None:
        os.environ[name] = os.pathsep.join([str(folder), *([former] if former else [])])
    try:
        yield
    finally:
        if former is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = former


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
