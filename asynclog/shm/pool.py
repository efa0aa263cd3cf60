"""Slabs made, lent and taken back, within a quota. One lock's worth of state: the caller holds it.

Warm memory is worth ten times fresh memory, so free slabs are kept until the quota is needed for another size.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final

from asynclog.errors import InvalidValue, NoRoom
from asynclog.shm import memory
from asynclog.shm.slab import ARENA_BYTES, CONTROL_SLAB_BYTES, ROW_SLAB_BYTES, Ledger, Ref, Role, SlabState, size_class

_WARM_ROW_SLABS: Final = 5  # at full rate about as many are on their way at once

_WARM_ARENAS: Final = 3

_SURE_ROW_BYTES: Final = 2 * ROW_SLAB_BYTES
"""So much may rows have whatever arrays have taken: a write that holds arrays and waits for a row would hold them for ever."""

Create = Callable[[int], memory.Mapping]


class Pool:
    """The training process's slabs.

    on_new(number, role, mapping): called before a new slab takes any data, so that consumers can be told of it first.
    on_gone(number): a slab's memory went back to the operating system. passed(): whether consumers have the descriptors of all
    slabs; until then none takes data, which would be lost with this process. Control records alone can't wait.
    on_leave(number, mapping): called before a slab's memory goes.
    """

    def __init__(
        self,
        quota: int,
        on_new: Callable[[int, Role, memory.Mapping], None],
        on_gone: Callable[[int], None],
        create: Create = memory.create_shared,
        passed: Callable[[], bool] = lambda: True,
    ) -> None:
        self.ledger = Ledger(quota)
        self.mappings: dict[int, memory.Mapping] = {}
        self._on_new, self._on_gone, self._create, self._passed = on_new, on_gone, create, passed
        self.on_leave: Callable[[int, memory.Mapping], None] = lambda number, mapping: None
        self._arena: int | None = None
        self.refusals = 0

    def slab(self, role: Role, size: int) -> SlabState:
        """A slab with one claim on it. Raises NoRoom."""
        state = self._slab(role, size)
        if role is not Role.CONTROL and not self._passed():
            self.ledger.unclaim(state.number)
            self.refusals += 1
            raise NoRoom("the recorder has not taken the last slabs yet")
        return state

    def _slab(self, role: Role, size: int) -> SlabState:
        fitting = self._fitting(role, size)
        if fitting:
            chosen = min(fitting, key=lambda one: (one.size, one.number))
            return self.ledger.reuse(chosen.number)
        self._make_room(role, size)
        try:
            mapping = self._create(size)
        except NoRoom:
            self._give_up(size)
            raise
        return self._adopt(role, size, mapping)

    def _fitting(self, role: Role, size: int) -> list[SlabState]:
        """Free slabs that will do. Whether one is free takes longest to tell, so it is asked last."""
        slabs = self.ledger.slabs.values()
        return [one for one in slabs if one.role is role and size <= one.size <= 2 * size and not one.retired and one.free]

    def row_slab(self, nbytes: int) -> SlabState:
        return self.slab(Role.ROWS, max(self.row_slab_bytes, size_class(nbytes)))

    @property
    def row_slab_bytes(self) -> int:
        """Slabs grow with their number: a stalled disk must not use up a process's descriptors."""
        return ROW_SLAB_BYTES << min(4, len(self.mappings) // 64)

    def control_slab(self, nbytes: int) -> SlabState:
        return self.slab(Role.CONTROL, max(CONTROL_SLAB_BYTES, size_class(nbytes)))

    def allocate(self, nbytes: int) -> Ref:
        """Room for an array, claimed. Raises NoRoom when it must be waited for, InvalidValue when waiting won't help."""
        if size_class(nbytes) > self.ledger.quota:
            raise InvalidValue(
                kind="array",
                expected=f"at most the shared memory quota of {self.ledger.quota} bytes",
                got=f"{nbytes} bytes",
                hint="a larger quota is MultiLogger(slabs=bytes)",
            )
        if nbytes > ARENA_BYTES // 4:
            state = self.slab(Role.ARRAYS, size_class(nbytes))
            state.used = nbytes
            return Ref(state.number, state.generation, 0, nbytes)
        ref = None if self._arena is None else self.ledger.carve(self._arena, nbytes)
        if ref is None:
            self._retire_arena()
            self._arena = self.slab(Role.ARRAYS, ARENA_BYTES).number
            ref = self.ledger.carve(self._arena, nbytes)
            assert ref is not None
        return ref

    def at_hand(self, nbytes: int) -> Ref | None:
        """The same from memory that is there; None where a slab would have to be made."""
        ref = None if self._arena is None or nbytes > ARENA_BYTES // 4 else self.ledger.carve(self._arena, nbytes)
        return ref if ref is not None or self.lacks(nbytes) else self.allocate(nbytes)

    def lacks(self, nbytes: int) -> int:
        """0 if ``allocate`` would not have to make a slab; else the size of the one it would make."""
        size = size_class(nbytes) if nbytes > ARENA_BYTES // 4 else ARENA_BYTES
        if nbytes <= ARENA_BYTES // 4 and self._arena is not None:
            if self.ledger.has_room(self._arena, nbytes):
                return 0
            # Everything in it may have been released long ago: only our own claim keeps it from being used again.
            self._retire_arena()
        return 0 if self._fitting(Role.ARRAYS, size) else size

    def stock(self, role: Role, size: int, lock: AbstractContextManager[object]) -> None:
        """Make a free slab without holding ``lock`` meanwhile: reserving memory takes a millisecond a megabyte.

        Raises NoRoom.
        """
        with lock:
            self._make_room(role, size, ahead=True)
            self.ledger.total_bytes += size
        try:
            mapping = self._create(size)
        except NoRoom:
            with lock:
                self._give_up(size)
            raise
        finally:
            with lock:
                self.ledger.total_bytes -= size
        with lock:
            self.ledger.unclaim(self._adopt(role, size, mapping).number)

    def view(self, ref: Ref) -> memoryview:
        return self.mappings[ref.slab].view[ref.offset : ref.offset + ref.nbytes]

    def abandon(self, ref: Ref) -> None:
        """Give back a piece that was never announced."""
        self.ledger.unclaim(ref.slab)

    def prewarm(self) -> None:
        """Make the first slabs before the loop is in a hurry."""
        for role, size in (*[(Role.ARRAYS, ARENA_BYTES)] * _WARM_ARENAS, *[(Role.ROWS, ROW_SLAB_BYTES)] * _WARM_ROW_SLABS):
            if self.ledger.total_bytes + size > self.ledger.quota // 2:
                return
            self.ledger.unclaim(self._adopt(role, size, self._create(size)).number)

    def _adopt(self, role: Role, size: int, mapping: memory.Mapping) -> SlabState:
        state = self.ledger.add(role, size)
        self.mappings[state.number] = mapping
        try:
            self._on_new(state.number, role, mapping)
        except OSError as error:
            # No descriptor is left to pass it on with: it must not take data that nobody would find.
            self.ledger.unclaim(state.number)
            self._drop(state.number)
            raise NoRoom(f"a slab can't be passed on: {error}") from error
        return state

    def _retire_arena(self) -> None:
        if self._arena is not None:
            self.ledger.unclaim(self._arena)
            self._arena = None

    def _make_room(self, role: Role, size: int, *, ahead: bool = False) -> None:
        """Stay within the quota, at the cost of free slabs of other sizes. Control records may always be written: what they
        announce is within the quota already. So may a few rows, which come round by themselves, unless
        they are made ahead."""
        if role is Role.CONTROL or self.ledger.fits(size):
            return
        # What is in the arena may be gone already: nobody must wait for what our own claim alone keeps.
        self._retire_arena()
        for state in sorted(self.ledger.free_slabs(), key=lambda one: -one.size):
            self._drop(state.number)
            if self.ledger.fits(size):
                return
        if (
            role is Role.ROWS
            and not ahead
            and sum(one.size for one in self.ledger.slabs.values() if one.role is role) < _SURE_ROW_BYTES
        ):
            return
        self.refusals += 1
        raise NoRoom(f"{size} bytes wanted, {self.ledger.total_bytes} of {self.ledger.quota} in use")

    def _give_up(self, size: int) -> None:
        """The system has no more memory, though the quota does: as much as was wanted of what lies free here goes back to it.
        Whoever tries again finds it, once those that had it mapped have heard."""
        given = 0
        for state in sorted(self.ledger.free_slabs(), key=lambda one: -one.size):
            if given >= size:
                break
            given += state.size
            self._drop(state.number)
        self.refusals += 1

    def sweep(self) -> None:
        """Give up retired slabs that came free. Whoever has one mapped keeps its memory, as it is, for as long."""
        for state in self.ledger.spent():
            self._drop(state.number)

    def _drop(self, number: int) -> None:
        self.ledger.remove(number)
        mapping = self.mappings.pop(number)
        self.on_leave(number, mapping)
        mapping.close()
        self._on_gone(number)

    def close(self) -> None:
        """Let go of every slab; consumers keep what they have mapped."""
        for number, mapping in self.mappings.items():
            self.on_leave(number, mapping)
            mapping.close()
        self.mappings.clear()

    def statistics(self) -> Mapping[str, int]:
        return {**self.ledger.statistics(), "refusals": self.refusals}
