"""Meters as rows of numbers, and what the rows of all ranks come to: arrays in, numbers out, and nothing of processes.

A row has one number for itself, whether this rank has meters that not every rank knows of, and three for each meter that all
agreed on, in the order of the names: its amount, its weight, and how often it was added to.

    mean    amount: sum of value · weight      weight: sum of weights
    sum     amount: sum                        weight: –
    min     amount: the least                  weight: –
    max     amount: the greatest               weight: –
    ratio   amount: sum of numerators          weight: sum of denominators
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from math import inf, nan
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asynclog.errors import InvalidValue

HOWS: Final = ("mean", "sum", "min", "max", "ratio")
NOTHING: Final[Mapping[str, float]] = {"mean": 0.0, "sum": 0.0, "min": inf, "max": -inf, "ratio": 0.0}
_WIDTH: Final = 3


class Reading(NamedTuple):
    """What a meter has come to. times: how often it was added to."""

    how: str
    amount: float
    weight: float
    times: int

    @property
    def value(self) -> float:
        """NaN for what has no weight."""
        if self.how not in ("mean", "ratio"):
            return self.amount
        return self.amount / self.weight if self.weight else nan


def packed(agreed: Mapping[str, str], own: Mapping[str, Reading]) -> NDArray[np.float64]:
    """This rank's row. agreed: name to how, of all meters that every rank knows of."""
    row = np.empty(1 + _WIDTH * len(agreed))
    row[0] = any(agreed.get(name) != one.how for name, one in own.items())
    for at, (name, how) in enumerate(agreed.items()):
        one = own.get(name)
        known = one is not None and one.how == how
        row[1 + _WIDTH * at : 1 + _WIDTH * (at + 1)] = one[1:] if known and one else (NOTHING[how], 0, 0)
    return row


def is_agreed(rows: NDArray[np.float64]) -> bool:
    """Whether no rank has a meter that another doesn't know of."""
    return not rows[:, 0].any()


def reduced(agreed: Mapping[str, str], rows: NDArray[np.float64]) -> dict[str, Reading]:
    """What all ranks' rows (ranks, 1 + 3 · meters) come to; without those that nobody has added to."""
    found: dict[str, Reading] = {}
    for at, (name, how) in enumerate(agreed.items()):
        amounts, weights, times = rows[:, 1 + _WIDTH * at : 1 + _WIDTH * (at + 1)].T
        if times.any():
            join = {"min": np.min, "max": np.max}.get(how, np.sum)
            found[name] = Reading(how, float(join(amounts)), float(weights.sum()), int(times.sum()))
    return found


def agreement(said: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """name to how of all ranks' meters, in one order. said: each rank's. Raises InvalidValue, the same on every rank, for one
    that is not the same everywhere."""
    whose: dict[str, dict[str, list[int]]] = {}
    for rank, own in enumerate(said):
        for name, how in own.items():
            whose.setdefault(name, {}).setdefault(how, []).append(rank)
    for name, hows in whose.items():
        if len(hows) > 1:
            got = "; ".join(f"{how} on rank {', '.join(map(str, ones))}" for how, ones in hows.items())
            raise InvalidValue(key=name, kind="meter", expected="the same on every rank", got=got)
    return {name: next(iter(whose[name])) for name in sorted(whose)}


def near(name: str, known: Sequence[str]) -> str:
    """A hint in an error: "; near it: …", or nothing."""
    close = get_close_matches(name, list(known), 3, 0.5)
    return f"; near it: {', '.join(close)}" if close else ""
