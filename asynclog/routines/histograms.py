"""Distributions: all that an epoch's iterations had under a key, as one histogram, once: ``Hist/<key>/<phase>``."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from asynclog.errors import InvalidValue
from asynclog.logger.naming import described
from asynclog.logger.parts import ChildLogger
from asynclog.routines.gather import Gathered
from asynclog.routines.iteration import Iteration
from asynclog.routines.tracker import Aside, Epoch, Tracker

HIST: Final = "Hist"


class Histograms(Tracker):
    """The value of a key is a number, or an array or tensor of any shape. Of an epoch's numbers 131,072 are kept: beyond that
    every second, then every fourth. The recorder counts them."""

    kind: ClassVar[str] = "hist"

    def __init__(self, keys: Sequence[str] = ()) -> None:
        super().__init__(keys)
        self._gathered: dict[str, dict[str, Gathered]] = {}

    def log_value(self, log: ChildLogger, key: str, value: Any, at: Iteration, aside: Aside) -> None:
        ones = self._gathered.setdefault(at.phase, {})
        if key not in ones:
            ones[key] = Gathered()
        try:
            ones[key].add(value)
        except (TypeError, ValueError) as error:
            raise InvalidValue(key=key, kind="hist", expected="numbers", got=described(value)) from error

    def log_epoch(self, log: ChildLogger, epoch: Epoch) -> None:
        for key, one in self._gathered.pop(epoch.phase, {}).items():
            if len(one):
                log.log_histogram(f"{key}/{epoch.phase}", one.value(), namespace=HIST)
