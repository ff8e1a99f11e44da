"""The marks of a document: HTML comments, which no reader sees, that say where a text comes from.

    <!-- names              definitions, one per line; see ``blocks.phrase``
    best = {label} of extended/leaderboard[task=any, rank=min]
    -->
    <!-- value best -->PMRL<!-- end -->
    <!-- table default/claims[dataset=overall]
    claim = {claim}
    -->…<!-- end -->
    <!-- figure default/any_modality: what it shows -->…<!-- end -->
    <!-- if best == PMRL -->prose<!-- end if -->            prose that is true only while the condition holds

Prose whose condition does not hold, or rests on nothing yet, is kept within the comment: ``<!-- if best == PMRL
~~>prose<~~ end if -->``. So a document cannot say the opposite of its numbers. ``unless`` is the contrary of ``if``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pmrl.errors import UserError
from pmrl.reporting.documents import blocks
from pmrl.reporting.documents.blocks import NOT_MEASURED
from pmrl.reporting.documents.evidence import Evidence, NotRun
from pmrl.reporting.render import MISSING

DOCS = Path("docs")
NOT_RUN = "not yet run"
NAMES = re.compile(r"<!-- names\n(?P<lines>.*?)-->", re.DOTALL)
MARK = re.compile(r"<!-- (?P<kind>value|table|figure) (?P<body>.*?)-->(?P<old>.*?)<!-- end -->", re.DOTALL)
LONE = re.compile(r"<!-- (?:value|table|figure|if|unless|end)\b.*")
GUARDED = re.compile(
    r"<!-- (?P<kind>if|unless) (?P<condition>[^\n]+?) (?:-->|~~>)(?P<prose>.*?)(?:<!--|<~~) end (?P=kind) -->",
    re.DOTALL,
)
COMPARISON = re.compile(r"(?P<name>\w+) (?P<sign>==|!=|<=|>=|<|>) (?P<value>.+)", re.DOTALL)
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class Document:
    """A document's text with its marks.

    Args:
        page: the document's path from the project's folder; errors name it, and links start from its folder.
        text: its content.
        evidence: where the numbers are.

    Raises:
        UserError: a malformed definition.
    """

    def __init__(self, page: Path, text: str, evidence: Evidence) -> None:
        self.page, self.text, self.evidence = page, text, evidence
        self.names: dict[str, str] = {}
        for match in NAMES.finditer(text):
            with self._located(text, match.start()):
                self.names |= blocks.assignments(match["lines"])

    def rendered(self) -> str:
        """The text with everything between marks written anew.

        Raises:
            UserError: a mark is not closed or unknown, or asks for what a table cannot have.
        """
        text = GUARDED.sub(lambda match: _opened(match[0]), self.text)
        text = self._rewritten(MARK, text, self._written)
        left = LONE.search(GUARDED.sub("", MARK.sub("", text)))
        if left:
            raise UserError(f"{self.page}: {left[0]!r} has no partner; a mark is <!-- KIND … -->…<!-- end -->.")
        return self._rewritten(GUARDED, text, self._guarded)

    def hidden(self) -> list[str]:
        """The conditions whose prose is not shown now."""
        blocks_now = GUARDED.finditer(self.rendered())
        return [f"{match['kind']} {match['condition']}" for match in blocks_now if match[0] == _closed(match[0])]

    def word(self, name: str) -> str:
        """What a defined name stands for; ``NOT_RUN`` if its table does not exist yet.

        Raises:
            UserError: the name is not defined, or its definition does not fit the table.
        """
        if name not in self.names:
            raise UserError(f"the name {name!r} is not defined; defined are {', '.join(self.names) or 'none'}.")
        try:
            return blocks.phrase(self.names[name], self.evidence)
        except NotRun:
            return NOT_RUN

    def holds(self, condition: str) -> bool | None:
        """Whether all comparisons joined by "and" hold; None if one of them rests on nothing yet.

        Raises:
            UserError: not a comparison, or "<" and the like between texts.
        """
        parts = [self._compared(part.strip()) for part in condition.split(" and ")]
        return None if None in parts else all(parts)

    def _compared(self, text: str) -> bool | None:
        match = COMPARISON.fullmatch(text)
        if not match:
            raise UserError(f"{text!r}: expected NAME == VALUE, or another comparison: {', '.join(COMPARE)}.")
        name, sign, value = match.groups()
        sides = [self.word(name), self.word(value) if value in self.names else value]
        if {NOT_RUN, NOT_MEASURED, MISSING} & {*sides}:
            return None
        numbers = [number for side in sides if (number := _number(side)) is not None]
        if len(numbers) == len(sides):
            return COMPARE[sign](*numbers)
        if sign not in ("==", "!="):
            raise UserError(f"{text!r}: found {sides[0]!r} and {sides[1]!r}, expected numbers.")
        return COMPARE[sign](*sides)

    def _guarded(self, match: re.Match[str]) -> str:
        holds = self.holds(match["condition"])
        shown = holds is not None and holds == (match["kind"] == "if")
        return match[0] if shown else _closed(match[0])

    def _written(self, match: re.Match[str]) -> str:
        if "<!-- " in match["old"]:
            raise UserError("this mark has no <!-- end -->.")
        kind, body = match["kind"], match["body"].strip()
        try:
            text = getattr(self, f"_{kind}")(body)
        except NotRun as missing:
            text = f"*{NOT_RUN.capitalize()}: {missing}.*"
        space = "" if kind == "value" else "\n\n"
        return f"<!-- {kind} {match['body']}-->{space}{text}{space}<!-- end -->"

    def _value(self, body: str) -> str:
        return self.word(body)

    def _table(self, body: str) -> str:
        selection, _, layout = body.partition("\n")
        return blocks.table(selection, layout, self.evidence)

    def _figure(self, body: str) -> str:
        place, colon, description = body.partition(": ")
        study, slash, name = place.partition("/")
        if not colon or not slash:
            raise UserError(f"{body!r}: expected study/figure: what it shows.")
        docs = "" if self.page.parent == DOCS else f"{DOCS}/"
        return blocks.figure(study, name, " ".join(description.split()), docs, self.evidence)

    def _rewritten(self, pattern: re.Pattern[str], text: str, write: Callable[[re.Match[str]], str]) -> str:
        def located(match: re.Match[str]) -> str:
            with self._located(text, match.start()):
                return write(match)

        return pattern.sub(located, text)

    @contextmanager
    def _located(self, text: str, place: int) -> Iterator[None]:
        """Errors name the file and the line of ``place`` in ``text``."""
        try:
            yield
        except UserError as error:
            line = text.count("\n", 0, place) + 1
            raise UserError(f"{self.page}, line {line}: {error}") from error


def _number(text: str) -> float | None:
    try:
        return float(text.replace("−", "-"))
    except ValueError:
        return None


def _closed(block: str) -> str:
    """The block as one comment: the marks within it become text."""
    inner = block.removeprefix("<!--").removesuffix("-->")
    return f"<!--{inner.replace('<!--', '<~~').replace('-->', '~~>')}-->"


def _opened(block: str) -> str:
    inner = block.removeprefix("<!--").removesuffix("-->")
    return f"<!--{inner.replace('<~~', '<!--').replace('~~>', '-->')}-->"
