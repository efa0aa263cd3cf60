"""In which sinks an engine is at this moment: a byte a route, in memory that outlives its process.

A sink can end the process around it: ``os._exit``, a segmentation fault below a binding. Nobody is left to tell which one it
was, so each runner marks its byte before it calls its sink, and whoever starts the next recorder reads them.

Several may be marked at one death. Those suspects then take turns: one is called at a time, so that a second death is of one
route. A turn is not waited for longer than ``PATIENCE_S``, since an innocent sink may hang for other reasons.
"""

import asyncio
import threading
from typing import Final

from asynclog.shm.memory import Mapping, create_anonymous, create_shared

PATIENCE_S: Final = 5.0


class Hand:
    """One route's byte. turn: taken by one suspect at a time; None for a route that nobody suspects."""

    def __init__(self, view: memoryview, at: int, turn: "threading.Lock | None", patience_s: float) -> None:
        self._view, self._at, self._turn, self._patience_s = view, at, turn, patience_s
        self._mine = False

    async def wait_for_turn(self) -> None:
        """Before ``with hand``; at once for a route that nobody suspects."""
        if self._turn is not None:
            self._mine = await asyncio.to_thread(self._turn.acquire, timeout=self._patience_s)

    def __enter__(self) -> None:
        """The sink is being called."""
        self._view[self._at] = 1

    def __exit__(self, *_: object) -> None:
        self._view[self._at] = 0
        if self._mine and self._turn is not None:
            self._mine = False
            self._turn.release()


class Hands:
    """Those of all routes of an engine, by name."""

    def __init__(
        self, mapping: Mapping, names: list[str], suspects: frozenset[str] = frozenset(), patience_s: float = PATIENCE_S
    ) -> None:
        self._mapping, self._names, self._suspects, self._patience_s = mapping, names, suspects, patience_s
        self._turn = threading.Lock()

    @classmethod
    def shared(cls, names: list[str]) -> "Hands":
        """To be marked by another process, which inherits ``fd``. Raises NoRoom."""
        return cls(create_shared(max(1, len(names))), names)

    @classmethod
    def of_threads(cls, names: list[str]) -> "Hands":
        """Where nobody will ask."""
        return cls(create_anonymous(max(1, len(names))), names)

    @classmethod
    def inherited(cls, fd: int, names: list[str], suspects: frozenset[str]) -> "Hands":
        """Those that the process which started this one will read."""
        return cls(Mapping(fd, max(1, len(names)), writable=True), names, suspects)

    @property
    def fd(self) -> int:
        return self._mapping.fd

    def of(self, name: str) -> Hand:
        turn = self._turn if name in self._suspects else None
        return Hand(self._mapping.view, self._names.index(name), turn, self._patience_s)

    def inside(self) -> frozenset[str]:
        """The routes whose sinks are being called; after a death, those whose sinks were."""
        return frozenset(name for at, name in enumerate(self._names) if self._mapping.view[at])

    def close(self) -> None:
        self._mapping.close()

    def __repr__(self) -> str:
        return f"<Hands in {', '.join(sorted(self.inside())) or 'no sink'}>"
