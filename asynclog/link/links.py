"""What a producer keeps of each consumer, and of what it accepted."""

from dataclasses import dataclass, field
from typing import Any

from asynclog.link.channel import Channel


@dataclass
class Link:
    """One consumer, as the producer knows it."""

    number: int
    name: str
    channel: Channel | None = None
    acked: int = 0
    rung: int = -1
    bells: int = 0
    missed: bool = False
    pressed: bool = False
    pid: int | None = None
    deaths: int = 0
    finished: bool = False
    report: dict[str, Any] = field(default_factory=dict)
    report_ns: int = 0

    def __repr__(self) -> str:
        return f"<Link to {self.name}: {'up' if self.channel else 'down'}, acknowledged {self.acked}, {self.deaths} deaths>"


@dataclass
class Counts:
    """What the training process accepted and refused, in events. unwritten: of those discarded, what was logged on entries that
    nobody writes."""

    accepted: int = 0
    skipped: int = 0
    invalid: int = 0
    cancelled: int = 0
    discarded: int = 0
    unwritten: int = 0
    writes: int = 0
