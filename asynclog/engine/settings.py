"""What an engine is told at its start: which run, which journal, which routes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Final, Literal

from asynclog.errors import InvalidConfiguration
from asynclog.flow.limit import RateLimit
from asynclog.flow.route import Route
from asynclog.sink import RunInfo
from asynclog.values import EVERY_KIND
from asynclog.wire.rewind import as_told

DEFAULT_SEGMENT_BYTES: Final = 128 << 20
SYNC_INTERVAL_S: Final = 5.0


@dataclass(frozen=True)
class Journal:
    """How a run is kept on disk.

    limit: when costly values are recorded though no route asks for them (rows always are). kinds: what is kept. fsync:
    "interval" (every 5 s, and of each 32 MiB), "always" or "close". linger: seconds that rows may wait in memory before they
    are written. segment_bytes: a new file is begun beyond this; while the disk is busy with the last one, beyond four times
    this. compress: None or "zstd". keep: "forever".

    Raises InvalidConfiguration.
    """

    limit: RateLimit | None = None
    kinds: frozenset[str] | None = None
    fsync: Literal["interval", "always", "close"] = "interval"
    linger: float = 0.2
    segment_bytes: int = DEFAULT_SEGMENT_BYTES
    compress: Literal["zstd"] | None = None
    keep: Literal["forever"] = "forever"

    def __post_init__(self) -> None:
        def expect(condition: bool, name: str, expected: str, way: str = "") -> None:
            if not condition:
                got = getattr(self, name)
                raise InvalidConfiguration(f"Journal {name}: expected {expected}, got {got!r}{f'; {way}' if way else ''}")

        limit, kinds, linger = self.limit, self.kinds, self.linger
        way = f"write RateLimit({limit!r})" if isinstance(limit, int | float) else ""
        expect(limit is None or isinstance(limit, RateLimit), "limit", "a RateLimit", way)
        expect(self.fsync in ("interval", "always", "close"), "fsync", "'interval', 'always' or 'close'")
        expect(isinstance(linger, int | float) and 0 < linger < inf, "linger", "seconds > 0, as a number")
        whole = isinstance(self.segment_bytes, int) and self.segment_bytes >= 4096
        expect(whole, "segment_bytes", "at least 4096, as a whole number")
        expect(self.compress in (None, "zstd"), "compress", "None or 'zstd'")
        expect(self.keep == "forever", "keep", "'forever'")
        if kinds is not None:
            known = f"some of {', '.join(EVERY_KIND)}"
            expect(not isinstance(kinds, str), "kinds", known, f"write {{{kinds!r}}}")
            expect(isinstance(kinds, Iterable), "kinds", known)
            # One by one: what can't be hashed is no kind either.
            chosen = list(kinds)
            expect(all(isinstance(one, str) and one in EVERY_KIND for one in chosen), "kinds", known)
            object.__setattr__(self, "kinds", frozenset(chosen))


@dataclass
class EngineSettings:
    """routes: those this engine serves. route_names, always: of the whole logger; bit i of a due mask is route_names[i]."""

    run: RunInfo
    stream: Path | None
    journal: Journal | None
    routes: list[Route]
    route_names: list[str]
    always: int
    began_ns: int
    pid: int
    host: str
    position: int = 0
    next_seq: int = 0
    skip: int = -1
    queue_bytes: int = 64 << 20
    """What a route that is fed from memory may hold: a quarter of the quota at most."""
    lent_bytes: int = 64 << 20
    """What may wait in memory for one process that is served, and what it may keep: an eighth of the quota each."""
    definitions: list[bytes] = field(default_factory=list)
    stopped: dict[str, str] = field(default_factory=dict)
    """Routes that are not served any more, and why: their sinks ended recorders."""
    suspects: frozenset[str] = frozenset()
    """Routes that one is called at a time of: one of their sinks ended a recorder."""

    def bit(self, route: Route) -> int:
        return self.route_names.index(route.name)

    def segment_meta(self, number: int) -> dict[str, Any]:
        meta = {
            "format": 1,
            "run": self.run.id,
            "name": self.run.name,
            "writer": self.run.writer,
            "epoch": self.run.epoch,
            "segment": number,
            "rank": self.run.rank,
            "host": self.host,
            "pid": self.pid,
            "routes": self.route_names,
            "always": self.always,
            "wall_ns": self.began_ns,
        }
        if self.journal is not None and self.journal.kinds is not None:
            meta["kinds"] = sorted(self.journal.kinds)
        if self.run.rewound_to:
            meta["rewound_to"] = as_told(self.run.rewound_to)
        return meta
