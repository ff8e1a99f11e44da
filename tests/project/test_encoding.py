"""Text files have one encoding whatever the locale: every call that reads or writes text names it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path for folder in ("pmrl", "baselines", "benchmarks") for path in (ROOT / folder).rglob("*.py"))


def nameless(source):
    """Lines of calls of open, read_text and write_text without an encoding, except binary ones."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        modes = [value.value for value in [*node.args, *(key.value for key in node.keywords)] if _is_text(value)]
        is_binary = name == "open" and any("b" in mode and len(mode) < 4 for mode in modes)
        is_media = ast.unparse(node.func) in ("Image.open", "av.open", "wave.open")
        names = [key.arg for key in node.keywords]
        if name in ("open", "read_text", "write_text") and "encoding" not in names and not (is_binary or is_media):
            yield node.lineno


def _is_text(value):
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def test_the_search_finds_what_it_should():
    found = "open('a')\nPath('a').read_text()\np.open('rb')\np.write_text('a', encoding='utf-8')\np.open(newline='')"
    assert list(nameless(found)) == [1, 2, 5]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_text_file_has_a_named_encoding(path):
    assert not list(nameless(path.read_text(encoding="utf-8")))
