"""What a runner delivers from: batches, each with what becomes true once it was delivered.

A feed gives a Delivery from ``next``, which may read files, and forgets it only at ``commit``: peek, write, commit. One reads
the journal, the other a bounded queue in memory.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from asynclog.flow.select import Counters, Selector
from asynclog.wire.batch import Batch, Events, Rows
from asynclog.wire.frame import Frame
from asynclog.wire.stream import Record

BATCH_EVENTS: Final = 16_384
BATCH_BYTES: Final = 4 << 20


class Ending(NamedTuple):
    """How an epoch ended. status: "finished", "failed", "killed" or "exited"."""

    status: str
    error: str | None = None


@dataclass
class Delivery:
    """A batch and what becomes true once it was delivered. batch is None where nothing is left to deliver."""

    batch: Batch | None
    delivered: int
    settled: Counters
    offered: int
    seq: int
    epoch: int
    replay_from: int
    ended: bool = False
    """Whether nothing comes after it: the run has ended, or its writer's next life has begun."""
    time_ns: int = 0
    """Of the newest record in it; 0 for none."""


@dataclass
class Gathering:
    """Parts of the batch that is being put together."""

    parts: list["Rows | Events"] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    settled: Counters = field(default_factory=Counters)
    delivered: int = 0
    offered: int = 0
    nbytes: int = 0
    first_seq: int = -1
    time_ns: int = 0

    @property
    def full(self) -> bool:
        return self.delivered >= BATCH_EVENTS or self.nbytes >= BATCH_BYTES

    def take(self, selector: Selector, record: Record, always: int) -> None:
        selection = selector.take(record, always)
        self.settled.add(selection.settled)
        self.offered += record.events
        self.time_ns = record.frame.time
        self.nbytes += len(record.frame.payload)
        if selection.parts:
            self.parts.extend(selection.parts)
            self.frames.append(record.frame)
            self.delivered += selection.events
            if self.first_seq < 0:
                self.first_seq = record.frame.seq

    def leave_out(self, events: int) -> None:
        """Take events that nobody gets."""
        self.offered += events
        self.settled.filtered += events

    def end(self, selector: Selector, seq: int) -> None:
        """Take what waited for a delivery that will not come. seq: behind the last record, where no other batch begins."""
        last = selector.end()
        self.settled.add(last.settled)
        self.parts.extend(last.parts)
        self.delivered += last.events
        if self.first_seq < 0:
            self.first_seq = seq

    def batch(self, writer: str, epoch: int) -> Batch | None:
        if not self.parts:
            return None
        return Batch(self.parts, writer=writer, epoch=epoch, seq=self.first_seq, frames=self.frames)


class Feed(Protocol):
    """intake: what came, and what had to go before it was looked at."""

    intake: Counters

    @property
    def live(self) -> bool:
        """Whether what comes next comes from memory."""
        ...

    @property
    def seq(self) -> int:
        """The last one of its own epoch that was settled, or -1."""
        ...

    @property
    def ending(self) -> Ending | None:
        """How the stream's own epoch ended, as far as that is known."""
        ...

    def next(self) -> Delivery | None:
        """What is to be delivered next, as often as it is asked; None if nothing has come."""
        ...

    def commit(self, delivery: Delivery) -> None:
        """It was delivered, or rejected."""
        ...

    def close(self) -> Counters:
        """Give everything up; what that settles."""
        ...
