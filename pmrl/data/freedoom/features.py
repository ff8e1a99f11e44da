"""Features of depth and telemetry, which no trained encoder reads."""

import numpy as np
import pandas as pd

CELL = 8  # pixels of a cell of the depth grid, each way
SEGMENTS = 4
GAINS = ("KILLCOUNT", "ITEMCOUNT", "DAMAGE_TAKEN")
LEVELS = ("HEALTH", "ARMOR", "SELECTED_WEAPON_AMMO", "AMMO2", "AMMO3", "AMMO5", "AMMO6")
SLOTS = 7  # places for weapons in the player's hands


def depth_grid(frames: np.ndarray) -> np.ndarray:
    """Mean logarithm of the distance in each cell of 8 × 8 pixels.

    Args:
        frames: uint8 (frames, height, width), farther is brighter.

    Returns:
        float32 (frames, cells).
    """
    count, height, width = frames.shape
    cells = np.log1p(frames.astype(np.float32)).reshape(count, height // CELL, CELL, width // CELL, CELL)
    return cells.mean(axis=(2, 4)).reshape(count, -1)


def motion_and_state(telemetry: pd.DataFrame) -> np.ndarray:
    """What a table of telemetry says in each of four equal spans of time, float32 (4, columns).

    Distances are in the player's own directions, ahead and to the left, and levels relative to the beginning, so that
    nothing tells where on the map the clip was recorded.
    """
    angle = np.radians(telemetry["ANGLE"].to_numpy(dtype=float))
    x, y = (np.diff(telemetry[name].to_numpy(dtype=float), prepend=telemetry[name].iloc[0]) for name in POSITION)
    columns = {
        "ahead": x * np.cos(angle) + y * np.sin(angle),
        "left": y * np.cos(angle) - x * np.sin(angle),
        "up": np.diff(telemetry["POSITION_Z"], prepend=telemetry["POSITION_Z"].iloc[0]),
        "turn": np.diff(np.unwrap(angle), prepend=np.unwrap(angle)[0]),
        "speed": np.hypot(telemetry["VELOCITY_X"], telemetry["VELOCITY_Y"]),
        "shots": telemetry["SHOTS"],
        **{name: telemetry[name] - telemetry[name].iloc[0] for name in (*GAINS, *LEVELS)},
        "health": telemetry["HEALTH"],
        **{f"slot {slot}": telemetry["SELECTED_WEAPON"] == slot for slot in range(1, SLOTS + 1)},
    }
    values = np.stack([np.asarray(column, dtype=np.float32) for column in columns.values()], axis=1)
    return np.stack([span.mean(axis=0) for span in np.array_split(values, SEGMENTS)])


POSITION = ("POSITION_X", "POSITION_Y")
