"""Numbers that lie on a device: which they are, and how those of one write cross together and come back apart.

Floating point crosses as float64, whole numbers and bool as int64, unsigned ones of 64 bits as they are: one copy for each
that a write has.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import numpy as np

from asynclog.errors import InvalidValue
from asynclog.flow.reduce import Fold
from asynclog.logger.capture import number
from asynclog.logger.pending import Folding
from asynclog.shm.device import Device, Move, Stack, device_of
from asynclog.shm.staging import Place, Staging

_FLOAT: Final = np.dtype(np.float64)
_WHOLE: Final = np.dtype(np.int64)
_UNSIGNED: Final = np.dtype(np.uint64)
Class = tuple[Device, "np.dtype[Any]"]
"""What crosses together: numbers of one device, in the dtype that they arrive in."""


class Far(NamedTuple):
    """The number of a series in a write, when it comes: what lies ``there``, or what that and more fold to, if ``raw`` is a
    Folding. raw: as it was logged."""

    there: list[tuple[Class, Any]]
    raw: Any


class Coming(NamedTuple):
    """The same without what is the device's: where its numbers arrive, and, if they fold, with what; None in the place of one
    that comes."""

    seats: list[tuple[Class, int]]
    folding: Folding | None

    def settled(self, arrived: Iterable[Any]) -> Any:
        """The number, of those that have arrived."""
        coming = iter(arrived)
        if self.folding is None:
            return next(coming)
        folded = Folding(self.folding.reduction)
        folded.fold = self.folding.fold
        for one in self.folding.there:
            if isinstance(one, Fold):
                folded.join_fold(one)
            else:
                folded.add(next(coming) if one is None else one)
        assert folded.fold is not None
        return folded.fold.value


Numbers = list[tuple[str, dict[str, Any]]]


def class_of(value: Any) -> Class | None:
    """With what a number crosses; None for what doesn't cross by itself, as a real one of no dimensions does."""
    device = device_of(value)
    form = None if device is None else device.form(value)
    if device is None or form is None or form.shape != ():
        return None
    kind = form.dtype.kind
    if kind == "f":
        return device, _FLOAT
    if kind not in "biu":
        return None
    return device, _UNSIGNED if form.dtype == _UNSIGNED else _WHOLE


class Landing:
    """Where the numbers of one write arrive. staging(device): whose memory. The caller holds a lock."""

    def __init__(self, numbers: Numbers, staging: Callable[[Device], Staging]) -> None:
        self._staging = staging
        self._classes: dict[Class, list[Any]] = {}
        self._places: dict[Class, Place] = {}
        self._numbers = [
            (space, {key: self._coming(one) if isinstance(one, Far) else one for key, one in keys.items()})
            for space, keys in numbers
        ]

    def _coming(self, far: Far) -> Coming:
        seats = [self._seat(*one) for one in far.there]
        if not isinstance(far.raw, Folding):
            return Coming(seats, None)
        folding = Folding(far.raw.reduction)
        folding.fold = far.raw.fold
        folding.there = [one if isinstance(one, float | int | Fold) else None for one in far.raw.there]
        return Coming(seats, folding)

    def _seat(self, which: Class, value: Any) -> tuple[Class, int]:
        ones = self._classes.setdefault(which, [])
        ones.append(value)
        return which, len(ones) - 1

    def moves(self) -> dict[Device, list[Move]]:
        """What is to be copied where, by device; once."""
        found: dict[Device, list[Move]] = {}
        for which, ones in self._classes.items():
            place = self._places[which] = self._staging(which[0]).take(len(ones), which[1])
            found.setdefault(which[0], []).append((Stack(ones), place.numbers))
        # From here on the device sees to what is its own: its memory, and the graph that a tensor may hang on, need not wait.
        self._classes = {}
        return found

    def arrived(self) -> tuple[Numbers, list[InvalidValue]]:
        """The numbers of the write, all of them plain now, and what is wrong with those that can't be recorded."""
        there = {which: place.numbers.tolist() for which, place in self._places.items()}
        plain: Numbers = []
        wrong: list[InvalidValue] = []
        for namespace, keys in self._numbers:
            settled: dict[str, Any] = {}
            for key, found in keys.items():
                try:
                    if isinstance(found, Coming):
                        found = number(found.settled(there[which][at] for which, at in found.seats), namespace, key)
                except InvalidValue as error:
                    wrong.append(error)
                else:
                    settled[key] = found
            if settled:
                plain.append((namespace, settled))
        return plain, wrong

    def give_back(self) -> None:
        """When nothing is written any more."""
        for (device, _), place in self._places.items():
            self._staging(device).give_back(place)
        self._places = {}
