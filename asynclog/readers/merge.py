"""Several sources of numbers as one series: put in order once for all the series that they hold together.

A key has several sources wherever rows of it lie in several layouts (a limited route makes a second one of every layout,
with due masks), in several epochs, or are written by several processes. The ten numbers of a row then share one order,
which costs more to find than to follow: measured, a million numbers in 10 columns of two layouts that take turns, 5 ns
each against 20.
"""

from collections.abc import Hashable, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from asynclog.readers.series import Name, Series
from asynclog.sink import Column


class Columns(Protocol):
    """Numbers of several series."""

    def column(self, at: int, /) -> Column:
        """Those of one series, in order of time."""
        ...

    def together(self, at: int, /) -> Hashable:
        """Equal for series of this source that share their steps and times."""
        ...


class Part(NamedTuple):
    """What one source holds of a series: how many numbers, and where."""

    points: int
    columns: Columns
    at: int


class _Order(NamedTuple):
    """step, time_ns: (n,), of all parts, in order of time. places: where each comes from; None: the parts follow each other."""

    step: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    places: NDArray[np.intp] | None


class Merger:
    """Makes series of parts, and remembers each order that it found."""

    def __init__(self) -> None:
        self._orders: Final[dict[tuple[tuple[int, Hashable], ...], _Order]] = {}

    def series(self, name: Name, parts: Sequence[Part]) -> Series:
        """The series of parts that may overlap in time; arrays are read-only."""
        columns = [part.columns.column(part.at) for part in parts]
        if len(columns) == 1:
            return Series(*name, *columns[0])
        sources = tuple((id(part.columns), part.columns.together(part.at)) for part in parts)
        order = self._orders.get(sources)
        if order is None:
            order = self._orders[sources] = _order(columns)
        value = np.concatenate([one.value for one in columns])
        if order.places is not None:
            value = value[order.places]
        value.flags.writeable = False
        return Series(*name, order.step, order.time_ns, value)


def _order(columns: Sequence[Column]) -> _Order:
    step, time = np.concatenate([one.step for one in columns]), np.concatenate([one.time_ns for one in columns])
    places = None
    if not bool((time[1:] >= time[:-1]).all()):
        places = np.argsort(time, kind="stable")
        step, time = step[places], time[places]
    for array in (step, time):
        array.flags.writeable = False
    return _Order(step, time, places)
