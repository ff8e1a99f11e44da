"""Which values a hyper-parameter may have: a method declares them, and others are refused before anything trains."""

from __future__ import annotations

import operator
import sys
from dataclasses import dataclass, fields
from typing import Any

CONDITIONS = {
    "above": (operator.gt, "above"),
    "at_least": (operator.ge, "of at least"),
    "below": (operator.lt, "below"),
    "at_most": (operator.le, "of at most"),
}
NUMBERS = ("int", "float")
NOUNS = {"float": "a float", "int": "an int", "bool": "true or false", "str": "a text"}
SIMPLE = (bool, int, float, str)


@dataclass(frozen=True)
class Range:
    """The values that are allowed; without limits and choices, every value of the right type.

    Attributes:
        above: the value is larger than this.
        at_least: the value is this or larger.
        below: the value is smaller than this.
        at_most: the value is this or smaller.
        choices: the value is one of these.
    """

    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    choices: tuple[Any, ...] = ()

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by name."""
        return {name: limit for name in CONDITIONS if (limit := getattr(self, name)) is not None}

    def admits(self, value: Any) -> bool:
        """Whether ``value``, which has the right type, is allowed; an infinite number or NaN never is."""
        finite = not isinstance(value, float) or abs(value) <= sys.float_info.max
        within = all(CONDITIONS[name][0](value, limit) for name, limit in self.limits.items())
        return finite and within and (not self.choices or value in self.choices)

    def describe(self, kind: str) -> str:
        """The allowed values in words, for instance "a float of at least 0 and below 1".

        Args:
            kind: the type's name.
        """
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        conditions = " and ".join(f"{CONDITIONS[name][1]} {limit:g}" for name, limit in self.limits.items())
        finite = "" if conditions or kind != "float" else "that is finite"
        return " ".join(filter(None, [NOUNS.get(kind, f"a value of the type {kind}"), conditions, finite]))


LIMIT_NAMES = tuple(field.name for field in fields(Range))


def fitted(value: Any, kind: str, allowed: Range) -> Any:
    """``value`` in the type of a hyper-parameter, such as 3 for 3.0 where an integer is declared.

    Args:
        value: as a config gives it.
        kind: name of the declared type; for other types than float, int, bool and str, any simple value is taken.
        allowed: the hyper-parameter's range.

    Raises:
        ValueError: the value has another type or is outside the range; the message gives both.
    """
    if not (_has_type(value, kind) and allowed.admits(value)):
        raise ValueError(f"{value!r}; expected {allowed.describe(kind)}")
    return {"int": int, "float": float}[kind](value) if kind in NUMBERS else value


def _has_type(value: Any, kind: str) -> bool:
    if kind in NUMBERS:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and (kind == "float" or value == value // 1)
    return isinstance(value, {"bool": bool, "str": str}.get(kind, SIMPLE))
