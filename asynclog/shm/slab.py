"""The ledger of shared memory: pure accounting, no operating system.

A slab has at most three kinds of hold on it, and is free exactly when it has none:

    claim          the training process is filling it, or filled it and has not announced it yet
    announcement   a consumer was told of it and has not let go (one each, per consumer)

Consumers let go with (slab, generation, n). A generation that is not the slab's, or more releases than announcements, is a
StaleLease: it changes nothing. A consumer that dies lets go of everything it had.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from asynclog.errors import StaleLease
from asynclog.wire.layout import ALIGNMENT, padding


class Role(IntEnum):
    """What a slab is used for."""

    ROWS = 1
    ARRAYS = 2
    CONTROL = 3


ROW_SLAB_BYTES: Final = 2 << 20
CONTROL_SLAB_BYTES: Final = 1 << 20
ARENA_BYTES: Final = 4 << 20
"""Arrays up to a quarter of this share a slab; larger ones get one of their own."""


class Ref(NamedTuple):
    """A piece of a slab, as it travels in place of data."""

    slab: int
    generation: int
    offset: int
    nbytes: int


@dataclass
class SlabState:
    """One slab's entry in the ledger. used: bytes carved from it so far."""

    number: int
    role: Role
    size: int
    generation: int = 1
    claims: int = 0
    used: int = 0
    announced: Counter[int] = field(default_factory=Counter)
    retired: bool = False
    """Somebody who can't be asked may go on looking into it: once it is free it is given up, never written again."""

    @property
    def free(self) -> bool:
        return not self.claims and not self.announced

    def __repr__(self) -> str:
        holders = f"{self.claims} claims, {sum(self.announced.values())} announcements"
        return f"<Slab {self.number} {self.role.name} {self.size} bytes, generation {self.generation}: {holders}>"


def size_class(nbytes: int) -> int:
    """The size of the slab that serves an array: a power of two, or three quarters of one, from 1 MiB up."""
    size = max(1 << 20, 1 << (nbytes - 1).bit_length())
    return size // 4 * 3 if nbytes <= size // 4 * 3 and size > 1 << 20 else size


class Ledger:
    """Who holds which slab. ``quota``: bytes of all slabs together."""

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self.slabs: dict[int, SlabState] = {}
        self.total_bytes = 0
        self.high_water_bytes = 0
        self._consumers: set[int] = set()
        self._retired: set[int] = set()
        self._next = 1

    def announced_bytes(self) -> int:
        """In slabs that some consumer has not let go of."""
        return sum(one.size for one in self.slabs.values() if one.announced)

    def fits(self, size: int) -> bool:
        return self.total_bytes + size <= self.quota

    def add(self, role: Role, size: int) -> SlabState:
        """A new slab, claimed once by its maker."""
        state = SlabState(self._next, role, size, claims=1)
        self.slabs[state.number] = state
        self._next += 1
        self.total_bytes += size
        self.high_water_bytes = max(self.high_water_bytes, self.total_bytes)
        return state

    def remove(self, number: int) -> None:
        """Forget a free slab, whose memory goes back to the operating system."""
        state = self.slabs[number]
        if not state.free:
            raise StaleLease(f"{state} is not free")
        del self.slabs[number]
        self._retired.discard(number)
        self.total_bytes -= state.size

    def reuse(self, number: int) -> SlabState:
        """Claim a free slab for new contents, under its next generation."""
        state = self.slabs[number]
        if not state.free:
            raise StaleLease(f"{state} is not free")
        state.generation += 1
        state.used = 0
        state.claims = 1
        return state

    def claim(self, number: int) -> None:
        self.slabs[number].claims += 1

    def unclaim(self, number: int) -> bool:
        """The training process lets go of one claim; True if the slab is free now."""
        state = self.slabs[number]
        if not state.claims:
            raise StaleLease(f"{state} has no claim to give back")
        state.claims -= 1
        return state.free

    def has_room(self, number: int, nbytes: int) -> bool:
        """Whether ``carve`` would find room."""
        state = self.slabs[number]
        return state.used + padding(state.used, ALIGNMENT) + nbytes <= state.size

    def carve(self, number: int, nbytes: int) -> Ref | None:
        """A claimed, aligned piece of a slab, or None where it has no room."""
        state = self.slabs[number]
        if not self.has_room(number, nbytes):
            return None
        start = state.used + padding(state.used, ALIGNMENT)
        state.used = start + nbytes
        state.claims += 1
        return Ref(number, state.generation, start, nbytes)

    def attach(self, consumer: int) -> None:
        self._consumers.add(consumer)

    def retire(self, consumer: int) -> None:
        """Retire the arrays that a consumer holds: it died, and whoever it lent them to may live on, and look into them."""
        for state in self.slabs.values():
            if state.role is Role.ARRAYS and state.announced[consumer]:
                state.retired = True
                self._retired.add(state.number)

    def spent(self) -> list[SlabState]:
        """Retired slabs that nobody holds any more."""
        return [one for one in map(self.slabs.__getitem__, self._retired) if one.free]

    def detach(self, consumer: int) -> list[int]:
        """The consumer is gone; returns the slabs that are free now."""
        self._consumers.discard(consumer)
        freed = []
        for state in self.slabs.values():
            if state.announced.pop(consumer, 0) and state.free:
                freed.append(state.number)
        return freed

    def announce(self, number: int, consumers: Iterable[int] | None = None) -> None:
        """Each consumer now holds the slab once more."""
        announced = self.slabs[number].announced
        for consumer in self._consumers if consumers is None else consumers:
            announced[consumer] += 1

    def release(self, consumer: int, number: int, generation: int, count: int = 1) -> bool:
        """A consumer lets go; True if the slab is free now. Raises StaleLease, and then changes nothing."""
        state = self.slabs.get(number)
        if state is None or state.generation != generation or state.announced[consumer] < count or count < 1:
            raise StaleLease(f"release of slab {number}, generation {generation}, × {count} by consumer {consumer}: {state}")
        state.announced[consumer] -= count
        if not state.announced[consumer]:
            del state.announced[consumer]
        return state.free

    def free_slabs(self, role: Role | None = None) -> list[SlabState]:
        return [one for one in self.slabs.values() if one.free and (role is None or one.role == role)]

    def held_bytes(self) -> dict[int, int]:
        """Bytes of slabs by consumer, and under 0 those that the writer itself claims. A slab counts whole, for each."""
        held: Counter[int] = Counter()
        for state in list(self.slabs.values()):
            for holder in (*state.announced, *([0] if state.claims else [])):
                held[holder] += state.size
        return dict(held)

    def statistics(self) -> Mapping[str, int]:
        busy = [one for one in list(self.slabs.values()) if not one.free]
        return {
            "slabs": len(self.slabs),
            "slabs_in_use": len(busy),
            "bytes": self.total_bytes,
            "bytes_in_use": sum(one.size for one in busy),
            "high_water_bytes": self.high_water_bytes,
            "quota_bytes": self.quota,
        }
