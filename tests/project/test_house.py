"""The layout that CONTRIBUTING.md describes: how far imports reach, and that each door leads to its behaviour.

A room is a module or folder directly below ``pmrl/``, and ``baselines``. An arrow is an import from one room to
another, wherever the statement stands, but for type checkers alone. A room's level is the longest chain of arrows
below it.
"""

import ast
import re
from functools import cache

import grimp
import pytest

from pmrl.discovery import ROOT

MOST_LEVELS, MOST_ARROWS = 9, 80


@cache
def arrows():
    """{(importing room, imported room)}."""
    graph = grimp.build_graph("pmrl", "baselines", exclude_type_checking_imports=True, cache_dir=None)

    def room(module):
        parts = module.split(".")
        return parts[0] if parts[0] == "baselines" or len(parts) == 1 else parts[1]

    pairs = {
        (room(module), room(other))
        for module in graph.modules
        for other in graph.find_modules_directly_imported_by(module)
    }
    return {(first, second) for first, second in pairs if first != second and "pmrl" not in (first, second)}


def levels(room, above=()):
    assert room not in above, f"import circle: {' → '.join([*above, room])}"
    below = [second for first, second in arrows() if first == room]
    return 1 + max((levels(other, (*above, room)) for other in below), default=0)


def test_there_is_no_circle_and_there_are_few_levels_and_few_arrows():
    rooms = {room for pair in arrows() for room in pair}
    assert max(levels(room) for room in rooms) <= MOST_LEVELS
    assert len(arrows()) <= MOST_ARROWS


DOORS = re.findall(
    r"^\| ([^|]+) \| `([\w/.]+)`(?:, `([\w.]+)`)? \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE
)


def test_the_ten_behaviours_have_a_door():
    assert len(DOORS) >= 10


@pytest.mark.parametrize(("behaviour", "file", "name"), DOORS, ids=[door[0] for door in DOORS])
def test_a_door_leads_to_what_it_says(behaviour, file, name):
    path = ROOT / file
    assert path.exists(), behaviour
    if name:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assigned = set(re.findall(r"^(\w+)\b.* = ", path.read_text(), re.MULTILINE))
        assert name.split(".")[-1] in defined | assigned, behaviour
