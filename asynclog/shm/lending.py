"""What one process has been lent of the slabs: the ledger at the end of whoever serves it.

A piece is on loan until the process releases it, or is gone. It may be lent more than once (a batch that was delivered again):
it is kept until each of them is given back. Pure accounting: what is held is let go of, and that is all.
"""

import threading
from collections import Counter, deque
from typing import Any, Final

from asynclog.errors import StaleLease

_NOTHING: Final[deque[Any]] = deque()


class Allowance:
    """What all processes that an engine serves may keep from the writer together, or several that keep what each may would stop
    it. A slab that many look into counts once. limit: bytes. From any thread."""

    def __init__(self, limit: int = 1 << 62) -> None:
        self.limit = limit
        self.held_bytes = 0
        self._holders: Counter[tuple[int, int]] = Counter()
        self._lock = threading.Lock()

    def fits(self, slab: int, generation: int, size: int) -> bool:
        """Whether one more may hold a slab of ``size`` bytes."""
        with self._lock:
            return (slab, generation) in self._holders or self.held_bytes + size <= self.limit

    def take(self, slab: int, generation: int, size: int) -> None:
        with self._lock:
            self._holders[slab, generation] += 1
            if self._holders[slab, generation] == 1:
                self.held_bytes += size

    def give_back(self, slab: int, generation: int, size: int) -> None:
        """Once for each ``take``."""
        with self._lock:
            self._holders[slab, generation] -= 1
            if not self._holders[slab, generation]:
                del self._holders[slab, generation]
                self.held_bytes -= size

    def __repr__(self) -> str:
        return f"<Allowance: {self.held_bytes} of {self.limit} bytes, {len(self._holders)} slabs>"


class Lending:
    """limit: bytes of slabs that one process may keep from the writer, slabs counted whole. together: what it may with all the
    others."""

    def __init__(self, limit: int, together: Allowance | None = None) -> None:
        self.limit, self._together = limit, together or Allowance()
        self.held_bytes = 0
        self._lent: dict[tuple[int, int], deque[Any]] = {}
        self._sizes: dict[tuple[int, int], int] = {}

    def fits(self, slab: int, generation: int, size: int) -> bool:
        """Whether a piece of a slab of ``size`` bytes may be lent. One slab may as far as this process goes, however large."""
        if (slab, generation) in self._lent:
            return True
        return (not self._lent or self.held_bytes + size <= self.limit) and self._together.fits(slab, generation, size)

    def lend(self, slab: int, generation: int, size: int, held: Any) -> None:
        """Keep ``held``, which keeps the piece, until it is released."""
        name = (slab, generation)
        if name not in self._lent:
            self._lent[name] = deque()
            self._sizes[name] = size
            self.held_bytes += size
            self._together.take(slab, generation, size)
        self._lent[name].append(held)

    def release(self, slab: int, generation: int, count: int) -> None:
        """The process lets go of ``count`` pieces. Raises StaleLease, and then changes nothing."""
        name = (slab, generation)
        lent = self._lent.get(name, _NOTHING)
        if not 0 < count <= len(lent):
            raise StaleLease(f"release of slab {slab}, generation {generation}, × {count}: {len(lent)} pieces of it are lent")
        for _ in range(count):
            lent.popleft()
        if not lent:
            del self._lent[name]
            size = self._sizes.pop(name)
            self.held_bytes -= size
            self._together.give_back(slab, generation, size)

    def clear(self) -> None:
        """The process is gone."""
        for (slab, generation), size in self._sizes.items():
            self._together.give_back(slab, generation, size)
        self._lent.clear()
        self._sizes.clear()
        self.held_bytes = 0

    def __len__(self) -> int:
        """Pieces on loan."""
        return sum(map(len, self._lent.values()))

    def __repr__(self) -> str:
        return f"<Lending: {len(self)} pieces of {len(self._lent)} slabs, {self.held_bytes} bytes>"
