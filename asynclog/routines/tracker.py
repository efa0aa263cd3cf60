"""What a tracker is: it reads its keys from each iteration, and says what an epoch came to."""

from asyncio import to_thread
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from asynclog.logger.parts import ChildLogger
from asynclog.routines.iteration import Iteration
from asynclog.state import State

Make = Callable[[], Any]
Aside = Callable[[Make], Callable[[], Any]]
"""A callable that makes a value, as one that makes it where nobody waits for it."""


def off_loop(make: Make) -> Callable[[], Any]:
    """The same, async, by a thread: for a write that is awaited."""
    return partial(to_thread, make)


def in_place(make: Make) -> Callable[[], Any]:
    """The same as it is: for a write that blocks."""
    return make


@dataclass(frozen=True, slots=True)
class Epoch:
    """The end of an epoch of one phase. phase: the word. means: of the metrics, over all ranks, where a tracker needs them."""

    phase: str
    state: State
    last: State
    means: Mapping[str, float] = field(default_factory=dict)


class Tracker:
    """Override what is needed; each puts values on ``log``, and writes nothing.

    keys: those that it reads; () for those that the data name under ``kind``. log_value gets each of them in each iteration,
    and ``aside`` for making what takes long; log_epoch the end of each phase's epoch. ``settle`` comes before it, in a thread,
    and may take long. A bad value, told by raising InvalidValue, costs itself alone.
    """

    kind: ClassVar[str] = "tracker"
    costly: ClassVar[bool] = False
    """Whether an iteration that nobody is to look at is left out."""
    wants: Sequence[str] = ()
    """Metrics that it needs the means of, in ``Epoch.means``."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self.keys = tuple(keys)
        self.missing = set(self.keys)
        """Those that no iteration has had so far."""

    def log_value(self, log: ChildLogger, key: str, value: Any, at: Iteration, aside: Aside) -> None:
        """What one iteration has under one key."""

    def settle(self, epoch: Epoch) -> None:
        """What has to be done at the end of an epoch and takes long."""

    def log_epoch(self, log: ChildLogger, epoch: Epoch) -> None:
        """What the epoch came to; begin anew."""

    def found(self, at: Iteration) -> Iterator[tuple[str, Any]]:
        """Key and value of what this iteration has for this tracker."""
        for key in self.keys or at.tracked.get(self.kind, ()):
            if key in at.values:
                self.missing.discard(key)
                yield key, at.values[key]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(self.keys) or 'what the data say'}>"
