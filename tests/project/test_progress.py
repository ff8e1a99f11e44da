"""Long work shows that it goes on, on a terminal and where its output goes to a file."""

import io

import pytest

from pmrl import progress as module
from pmrl.progress import line, progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that advances by seven seconds at each look."""
    times = iter(range(0, 10_000, 7))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(times))


def test_a_redirected_run_prints_a_line_now_and_then(clock, capsys):
    assert list(progress(range(10), "digits")) == list(range(10))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "digits: 2 of 10, 21 s, about 84 s left" and 2 <= len(lines) <= 4


def test_quick_work_prints_nothing_when_it_is_redirected(capsys):
    assert list(progress(iter("abc"), "letters", 3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert list(progress(range(3), "digits")) == [0, 1, 2]
    assert "digits" in terminal.getvalue()


def test_work_of_unknown_length_says_how_much_is_done():
    assert line("files", 5, None, 12.3) == "files: 5, 12 s"
