"""Arrays go into shared memory: room is had first, then all is copied, large arrays by a thread while the loop runs on.

Nobody waits for room with something in hand. A thread that makes memory or copies is waited for even by a cancelled write:
its memory must not be another's before it is done.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from asynclog.errors import NoRoom
from asynclog.logger.pending import Logged
from asynclog.logger.precedents import Precedent
from asynclog.shm.slab import Ref, Role
from asynclog.values import Array
from asynclog.wire.event import ArraySpec

if TYPE_CHECKING:
    from asynclog.logger.core import Core

PIECE_BYTES: Final = 2 << 20
"""What is copied on the loop at a time (0.25 ms); it turns between two pieces, which costs 0.04."""
MOST_COPIED_HERE_BYTES: Final = 8 << 20
"""Larger arrays are copied by a thread. Smaller ones lose more by it: on two cores it competes with the loop for a core, and
with each copy for the GIL."""


NONE_FAR: Final[Mapping[int, Any]] = {}


class Snapshot(NamedTuple):
    """A value on its way: whom it is due for, and what of it goes where. offsets: of its arrays in shared memory, and last the
    bytes of all. far: by their number, arrays that lie on a device and cross by themselves."""

    logged: Logged
    due: int
    params: dict[str, Any]
    specs: list[ArraySpec]
    arrays: "list[np.ndarray[Any, Any]]"
    offsets: list[int]
    far: Mapping[int, Any] = NONE_FAR
    precedent: Precedent | None = None

    @property
    def nbytes(self) -> int:
        return self.offsets[-1]


class Copying:
    """The snapshots of one write, and the pieces of shared memory they have so far (None for those without arrays)."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self.snapshots: list[Snapshot] = []
        self.refs: list[Ref | None] = []

    async def make_room(self, *, waits: bool = True) -> None:
        """Have memory for every snapshot, waiting until it comes free or is made. waits: else raises NoRoom, having nothing,
        where it would have to come free."""
        core = self._core
        while core.producer.held:
            await core.room()
        while len(self.refs) < len(self.snapshots):
            snapshot = self.snapshots[len(self.refs)]
            try:
                ref = self._at_hand(snapshot)
                if ref is not None or not snapshot.nbytes:
                    self.refs.append(ref)
                elif await core.comes_free(snapshot.nbytes):
                    self.refs.append(self._allocate(snapshot))
                else:
                    self.refs.append(await uncancelled(core.copier().submit(self._allocate_slowly, snapshot), self._late))
            except NoRoom:
                # Nobody waits with something in hand: writes that hold a part each would wait for each other for ever.
                self.give_back()
                if not waits:
                    raise
                await core.room()

    async def copy(self) -> None:
        """Copy every snapshot; the loop turns after each PIECE_BYTES."""
        copied = 0
        for snapshot, ref in zip(self.snapshots, self.refs, strict=True):
            if len(snapshot.far) == len(snapshot.arrays):
                continue
            if snapshot.nbytes > MOST_COPIED_HERE_BYTES:
                await self._copy_beside(snapshot, ref)
            elif ref is not None and copied + snapshot.nbytes <= PIECE_BYTES:
                self._fill(snapshot, ref)
                copied += snapshot.nbytes
            elif ref is not None:
                for target, source in self._places(snapshot, ref):
                    for to, part in pieces(target, source):
                        if copied + to.nbytes > PIECE_BYTES:
                            await asyncio.sleep(0)
                            copied = 0
                        np.copyto(to, part)
                        copied += to.nbytes

    def allocate_nowait(self) -> None:
        """Have memory, here and now. Raises NoRoom."""
        # One by one: what was had before the one that couldn't be had is given back.
        for one in self.snapshots:
            self.refs.append(self._allocate(one))

    def fill(self) -> None:
        """Copy, here and now."""
        for snapshot, ref in zip(self.snapshots, self.refs, strict=True):
            self._fill(snapshot, ref)

    def give_back(self) -> None:
        """Let go of memory that was not announced."""
        with self._core.producer.lock:
            for ref in self.refs:
                if ref is not None:
                    self._core.producer.pool.abandon(ref)
        self.refs = []

    # -- memory -----------------------------------------------------------------------------------------------------

    def _allocate(self, snapshot: Snapshot) -> Ref | None:
        if not snapshot.nbytes:
            return None
        with self._core.producer.lock:
            return self._core.producer.pool.allocate(snapshot.nbytes)

    def _at_hand(self, snapshot: Snapshot) -> Ref | None:
        if not snapshot.nbytes:
            return None
        with self._core.producer.lock:
            return self._core.producer.pool.at_hand(snapshot.nbytes)

    def _allocate_slowly(self, snapshot: Snapshot) -> Ref | None:
        """In the copier's thread: makes memory if there is none, without keeping the loop from the lock."""
        producer = self._core.producer
        while True:
            with producer.lock:
                size = producer.pool.lacks(snapshot.nbytes)
                if not size:
                    return producer.pool.allocate(snapshot.nbytes)
            producer.pool.stock(Role.ARRAYS, size, producer.lock)

    def _late(self, ref: Ref | None) -> None:
        """An allocation that finished after the write was cancelled."""
        if ref is not None:
            with self._core.producer.lock:
                self._core.producer.pool.abandon(ref)

    # -- copies -----------------------------------------------------------------------------------------------------

    async def _copy_beside(self, snapshot: Snapshot, ref: Ref | None) -> None:
        """A thread copies; until it has woken up, which takes 0.1 ms, the loop copies a first piece."""
        places = [] if ref is None else list(self._places(snapshot, ref))
        # Of arrays with gaps the thread copies all.
        at = next((at for at, (_, source) in enumerate(places) if _splits(source)), None)
        here: list[tuple[Array, Array]] = []
        if at is not None:
            target, source = (one.reshape(-1) for one in places[at])
            items = PIECE_BYTES // source.itemsize
            here, places[at] = [(target[:items], source[:items])], (target[items:], source[items:])
        copying = self._core.copier().submit(_fill_all, places)
        _fill_all(here)
        await uncancelled(copying, lambda _: None)

    def _fill(self, snapshot: Snapshot, ref: Ref | None) -> None:
        if ref is not None:
            _fill_all(self._places(snapshot, ref))

    def _places(self, snapshot: Snapshot, ref: Ref) -> "Iterator[tuple[Array, Array]]":
        view = self._core.producer.pool.view(ref)
        for number, (spec, source, at) in enumerate(zip(snapshot.specs, snapshot.arrays, snapshot.offsets, strict=False)):
            if number not in snapshot.far:
                yield np.ndarray(source.shape, spec.dtype, view, at), source


def _fill_all(places: "Iterable[tuple[Array, Array]]") -> None:
    for target, source in places:
        np.copyto(target, source)


def _splits(source: Array) -> bool:
    return source.flags.c_contiguous and source.nbytes > MOST_COPIED_HERE_BYTES


def pieces(target: Array, source: Array) -> "Iterator[tuple[Array, Array]]":
    """Both in pieces of PIECE_BYTES at most, along the first axis where the source has gaps."""
    if target.nbytes <= PIECE_BYTES:
        yield target, source
        return
    if source.flags.c_contiguous:
        target, source = target.reshape(-1), source.reshape(-1)
    rows = PIECE_BYTES // (target.nbytes // len(target))
    if not rows:
        for to, part in zip(target, source, strict=True):
            yield from pieces(to, part)
        return
    for at in range(0, len(target), rows):
        yield target[at : at + rows], source[at : at + rows]


async def uncancelled(job: "Future[Any]", late: Callable[[Any], None]) -> Any:
    """A thread's outcome. If the write is cancelled the thread is waited for all the same, before its memory is reused."""
    outcome = asyncio.wrap_future(job)
    try:
        return await asyncio.shield(outcome)
    except asyncio.CancelledError:
        while not outcome.done():
            try:
                await asyncio.shield(outcome)
            except asyncio.CancelledError:
                continue
        if outcome.exception() is None:
            late(outcome.result())
        raise
