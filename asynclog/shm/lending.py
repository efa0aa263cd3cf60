"""What one process has been lent of the slabs: the ledger at the end of whoever serves it.

A piece is on loan until the process releases it, or is gone. It may be lent more than once (a batch that was delivered again):
it is kept until each of them is given back. Pure accounting: what is held is let go of, and that is all.
"""

from collections import deque
from typing import Any, Final

from asynclog.errors import StaleLease

_NOTHING: Final[deque[Any]] = deque()


class Lending:
    """limit: bytes of slabs that one process may keep from the writer, slabs counted whole."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held_bytes = 0
        self._lent: dict[tuple[int, int], deque[Any]] = {}
        self._sizes: dict[tuple[int, int], int] = {}

    def fits(self, slab: int, generation: int, size: int) -> bool:
        """Whether a piece of a slab of ``size`` bytes may be lent. One slab may always, however large."""
        return (slab, generation) in self._lent or not self._lent or self.held_bytes + size <= self.limit

    def lend(self, slab: int, generation: int, size: int, held: Any) -> None:
        """Keep ``held``, which keeps the piece, until it is released."""
        name = (slab, generation)
        if name not in self._lent:
            self._lent[name] = deque()
            self._sizes[name] = size
            self.held_bytes += size
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
            self.held_bytes -= self._sizes.pop(name)

    def clear(self) -> None:
        """The process is gone."""
        self._lent.clear()
        self._sizes.clear()
        self.held_bytes = 0

    def __len__(self) -> int:
        """Pieces on loan."""
        return sum(map(len, self._lent.values()))

    def __repr__(self) -> str:
        return f"<Lending: {len(self)} pieces of {len(self._lent)} slabs, {self.held_bytes} bytes>"
