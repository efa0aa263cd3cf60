"""What waits for a sink that is fed from memory: bounded in bytes, with a choice of what happens when it is full.

    policy         full
    ------         ----
    drop_oldest    the oldest waiting records go, except those in flight
    drop_newest    the new record goes
    block          the record is kept, and ``held`` tells the writer to wait
    journal        never here: such a route reads the journal, and nothing waits in memory

Peek, write, commit: what is in flight stays at the head until it is committed, so a cancelled or failed delivery loses
nothing.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, TypeVar

Overflow = Literal["journal", "drop_oldest", "drop_newest", "block"]
OVERFLOWS: Final = ("journal", "drop_oldest", "drop_newest", "block")
Item = TypeVar("Item")
# Resume a held writer when the queue is half empty: one signal for many records, not one each.
_RESUME_SHARE: Final = 0.5


@dataclass
class Dropped:
    """What a queue let go of."""

    records: int = 0
    events: int = 0


@dataclass
class BoundedQueue(Generic[Item]):
    """A queue of (item, bytes, events). ``limit``: bytes; one item larger than that is still taken when alone."""

    policy: Overflow
    limit: int
    waiting_bytes: int = 0
    waiting_events: int = 0
    held: bool = False
    closed: bool = False
    _items: deque[tuple[Item, int, int]] = field(default_factory=deque)
    _in_flight: int = 0

    def offer(self, item: Item, nbytes: int, events: int) -> Dropped:
        """Put an item at the end; returns what had to go instead."""
        if self.closed:
            return Dropped(1, events)
        dropped = Dropped()
        if self.waiting_bytes + nbytes > self.limit and self._items:
            if self.policy == "drop_newest":
                return Dropped(1, events)
            if self.policy == "drop_oldest":
                dropped = self.shed(self.limit - nbytes)
            elif self.policy == "block":
                self.held = True
        self._items.append((item, nbytes, events))
        self.waiting_bytes += nbytes
        self.waiting_events += events
        return dropped

    def shed(self, target_bytes: int) -> Dropped:
        """Drop the oldest that are not in flight until at most ``target_bytes`` wait."""
        dropped = Dropped()
        while self.waiting_bytes > target_bytes and len(self._items) > self._in_flight:
            nbytes, events = self._items[self._in_flight][1:]
            del self._items[self._in_flight]
            self.waiting_bytes -= nbytes
            self.waiting_events -= events
            dropped.records += 1
            dropped.events += events
        return dropped

    def peek(self, most: int) -> list[Item]:
        """The oldest items, ``most`` at the most; they are in flight until ``commit``."""
        self._in_flight = min(most, len(self._items))
        return [self._items[at][0] for at in range(self._in_flight)]

    def commit(self) -> bool:
        """Forget what was in flight. Returns True if a held writer may go on."""
        for _ in range(self._in_flight):
            _, nbytes, events = self._items.popleft()
            self.waiting_bytes -= nbytes
            self.waiting_events -= events
        self._in_flight = 0
        if self.held and self.waiting_bytes <= self.limit * _RESUME_SHARE:
            self.held = False
            return True
        return False

    def close(self) -> Dropped:
        """Refuse what comes and drop what waits: the sink was stopped. Nobody is held any more."""
        self.closed, self.held, self._in_flight = True, False, 0
        return self.shed(-1)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        waiting = f"{len(self._items)} waiting ({self.waiting_bytes} bytes)"
        return f"<BoundedQueue {self.policy}: {waiting}, {self._in_flight} in flight>"
