"""Folding numbers: several of one series become one.

last: the newest. mean, sum, min, max: over all. count: how many. NaN is data: it passes through mean, sum, min and max.
"""

from collections.abc import Callable
from typing import Final

from asynclog.errors import InvalidValue
from asynclog.wire.layout import REDUCTIONS

Number = float | int


def checked(reduction: str) -> str:
    """The reduction's name. Raises InvalidValue for one that doesn't exist."""
    if reduction not in REDUCTIONS:
        raise InvalidValue(kind="scalar", key="reduce", expected=f"one of {', '.join(REDUCTIONS)}", got=repr(reduction))
    return reduction


def _least(one: Number, other: Number) -> Number:
    return one if one != one or one <= other else other


def _greatest(one: Number, other: Number) -> Number:
    return one if one != one or one >= other else other


_STEP: Final[dict[str, Callable[[Number, Number], Number]]] = {
    "last": lambda _, new: new,
    "mean": lambda total, new: total + new,
    "sum": lambda total, new: total + new,
    "min": _least,
    "max": _greatest,
    "count": lambda total, _: total,
}


class Fold:
    """The numbers of one series since its last delivery."""

    __slots__ = ("count", "reduction", "step", "time_ns", "total")

    def __init__(self, reduction: str, value: Number, step: int = 0, time_ns: int = 0) -> None:
        self.reduction, self.total, self.count = reduction, value, 1
        self.step, self.time_ns = step, time_ns

    def add(self, value: Number, step: int = 0, time_ns: int = 0) -> None:
        self.total = _STEP[self.reduction](self.total, value)
        self.count += 1
        self.step, self.time_ns = step, time_ns

    def join(self, later: "Fold") -> None:
        """Add all that a later fold of the same reduction holds."""
        self.total = _STEP[self.reduction](self.total, later.total)
        self.count += later.count
        self.step, self.time_ns = later.step, later.time_ns

    @property
    def value(self) -> Number:
        """What the numbers fold to; a sum of whole numbers that has no room in 64 bits is a float."""
        if self.reduction == "mean":
            return self.total / self.count
        if self.reduction == "sum" and isinstance(self.total, int) and not -(2**63) <= self.total < 2**63:
            return float(self.total)
        return self.count if self.reduction == "count" else self.total

    def __repr__(self) -> str:
        return f"<Fold {self.reduction} of {self.count}: {self.value}>"
