"""When to try a failed batch again, and when to give up: exponential backoff, and a breaker for sinks that are broken.

failure        while a journal holds the batch    otherwise
-------        -------------------------------    ---------
unavailable    again, with backoff, for ever      again, until the queue's overflow policy takes it
rejected       dropped and counted, at once       the same
unexpected     three tries, then rejected; after three such batches in a row the sink is stopped, and where nobody waits for it
               (a later delivery, which can be asked for again) at the first

A person is told when failures begin and when they are over, not at each try.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from asynclog.errors import SinkRejected, SinkUnavailable

FIRST_DELAY_S: Final = 0.05
LONGEST_DELAY_S: Final = 10.0
TRIES: Final = 3
BATCHES: Final = 3


class Verdict(Enum):
    """What is to be done about a failed batch."""

    AGAIN = "again"
    REJECT = "reject"
    STOP = "stop"


@dataclass
class Retry:
    """The failures of one sink so far. ``failed`` says what to do about one, and ``delay_s`` how long to wait first. batches:
    so many that fail in a row stop the sink, the last of them not given up."""

    batches: int = BATCHES
    tries: int = 0
    spoiled: int = 0
    delay_s: float = 0.0

    def failed(self, error: BaseException) -> Verdict:
        if isinstance(error, SinkRejected):
            self._next_batch()
            return Verdict.REJECT
        self.delay_s = min(LONGEST_DELAY_S, self.delay_s * 2 or FIRST_DELAY_S)
        if isinstance(error, SinkUnavailable | OSError | TimeoutError):
            return Verdict.AGAIN
        self.tries += 1
        if self.tries < TRIES:
            return Verdict.AGAIN
        self._next_batch()
        self.spoiled += 1
        return Verdict.STOP if self.spoiled >= self.batches else Verdict.REJECT

    def succeeded(self) -> None:
        self._next_batch()
        self.spoiled = 0

    def _next_batch(self) -> None:
        self.tries, self.delay_s = 0, 0.0


@dataclass
class Streak:
    """Failures of one kind of call since it last went well."""

    tries: int = 0
    gave_up: bool = False
    _told: set[type[BaseException]] = field(default_factory=set)

    def failed(self, error: BaseException) -> bool:
        """Count a failure; True if it is news: the first of the streak, or the first of its type."""
        self.tries += 1
        if type(error) in self._told:
            return False
        self._told.add(type(error))
        return True

    def gives_up(self) -> bool:
        """What failed is not tried again; True if that is news: the first time of the streak."""
        before, self.gave_up = self.gave_up, True
        return not before

    def succeeded(self) -> int:
        """How many tries had failed before this one."""
        tries, self.tries = self.tries, 0
        self.gave_up = False
        self._told.clear()
        return tries
