"""One write, when it is not the hot path's: resolve what is lazy, take snapshots of arrays, commit all of it at once.

taken     numbers and values leave the pending ones; from here on they are either committed or counted
resolved  callables are called (and awaited) if some route is due; shapes and dtypes are checked
copied    arrays go into shared memory, large ones by a thread while the loop runs on
committed the row and the control records, under the lock, with no await between them: all or nothing
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from asynclog.errors import AsynclogError, InvalidValue, NoRoom, WouldBlock
from asynclog.logger.capture import number, on_device, value_of
from asynclog.logger.due import Decision
from asynclog.logger.pending import Logged, Taken
from asynclog.shm.rows import Block
from asynclog.shm.slab import Ref, Role
from asynclog.state import State
from asynclog.values import Array, Text, Value
from asynclog.wire.event import ArraySpec, event_meta, payload_offsets, split
from asynclog.wire.frame import pack_meta

if TYPE_CHECKING:
    from asynclog.logger.core import Core

CHEAP: Final = frozenset({"string", "config"})
PIECE_BYTES: Final = 1 << 20
"""What is copied on the loop at a time (0.2 ms); it turns between two pieces."""
MOST_COPIED_HERE_BYTES: Final = 8 << 20
"""Larger arrays are copied by a thread. Smaller ones lose more by it: on two cores it competes with the loop for a core, and
with each copy for the GIL."""


class Snapshot(NamedTuple):
    """A value on its way: its arrays, and where in shared memory they go. ref None: it has none, or no room yet."""

    logged: Logged
    due: int
    params: dict[str, Any]
    specs: list[ArraySpec]
    arrays: "list[np.ndarray[Any, Any]]"
    nbytes: int


class Writing:
    """A write in progress. ``core`` is the logger's shared part."""

    def __init__(self, core: "Core", taken: Taken, state: State, owner: Hashable) -> None:
        self._core, self.taken, self._state = core, taken, state
        self._owner = owner
        self._began = time.monotonic_ns()
        self._numbers: list[tuple[str, dict[str, float | int]]] = []
        self._snapshots: list[Snapshot] = []
        self._refs: list[Ref | None] = []
        self._time_ns = 0
        self._decision: Decision | None = None

    # -- the two ways through ---------------------------------------------------------------------------------------

    async def run(self) -> Block | None:
        """Waits where it must: for callables, for room, for copies."""
        self.decide()
        try:
            await self._resolve()
            block = None
            for portion in self._portions():
                self._snapshots = portion
                await self._make_room()
                await self._copy()
                block = await self._committed() or block
            return block
        except BaseException as error:
            self._abandon(cancelled=isinstance(error, asyncio.CancelledError))
            raise

    def _portions(self) -> list[list[Snapshot]]:
        """The values of a write, in portions that fit into shared memory beside others'. Nearly always one."""
        budget = self._core.quota // 4
        portions: list[list[Snapshot]] = [[]]
        filled = 0
        for snapshot in self._snapshots:
            if portions[-1] and filled + snapshot.nbytes > budget:
                portions.append([])
                filled = 0
            portions[-1].append(snapshot)
            filled += snapshot.nbytes
        return portions

    async def _committed(self) -> Block | None:
        while True:
            try:
                return self.commit()
            except NoRoom:
                # Other writes come between: the row must be younger than theirs.
                self._time_ns = 0 if self._numbers else self._time_ns
                await self._core.room()

    def run_nowait(self) -> Block | None:
        """Never waits. Raises WouldBlock; ``taken`` then holds what is to be tried again, with callables called already."""
        core = self._core
        if core.producer.held:
            raise WouldBlock(f"routes {', '.join(sorted(core.producer.held))} are full")
        self.decide()
        self._resolve_nowait()
        try:
            # One by one: what was had before the one that couldn't be had is given back.
            for one in self._snapshots:
                self._refs.append(self._allocate(one))
            for snapshot, ref in zip(self._snapshots, self._refs, strict=True):
                self._fill(snapshot, ref)
            return self.commit()
        except NoRoom as error:
            self._give_back()
            self.taken = Taken(self._numbers, [one.logged for one in self._snapshots], self.taken.folds)
            raise WouldBlock(f"shared memory is full: {error}") from error

    # -- steps ------------------------------------------------------------------------------------------------------

    def decide(self) -> None:
        core = self._core
        with core.producer.lock:
            self._decision = core.board.decide(self._state, core.now())

    def _mask(self, kind: str, namespace: str) -> int:
        assert self._decision is not None
        state = self._state
        return self._core.board.mask(self._decision, kind, state.phase, namespace, state.level)

    def _recorded(self, mask: int, kind: str, *, lazy: bool) -> bool:
        """Whether a value is recorded at all. What is cheap always is, by a run that keeps its kind; what is costly (a
        callable, media, a tensor) when some route is due, whether or not that route's filters want this very value."""
        assert self._decision is not None
        core = self._core
        journal = core.journal
        if journal is None or (journal.kinds is not None and kind not in journal.kinds):
            return bool(mask if journal is None else mask & core.memory_fed)
        if not lazy and kind in CHEAP:
            return True
        return bool(self._decision.due | core.board.spared(kind)) or self._decision.journal

    async def _resolve(self) -> None:
        for namespace, pending in self.taken.numbers:
            settled: dict[str, float | int] = {}
            for key, raw in pending.items():
                value = raw
                if callable(raw) and not hasattr(raw, "__float__"):
                    if not self._recorded(self._mask("scalar", namespace), "scalar", lazy=True):
                        self._core.producer.counts.skipped += 1
                        continue
                    value = await self._called(raw, "scalar", namespace, key)
                elif on_device(raw):
                    value = await asyncio.wrap_future(self._core.copier().submit(raw.item))
                self._settle(settled, namespace, key, value)
            if settled:
                self._numbers.append((namespace, settled))
        for logged in self.taken.values:
            mask = self._mask(logged.kind, logged.namespace)
            value = logged.value
            lazy = callable(value) and not isinstance(value, Value) and not hasattr(value, "__array__")
            if not self._recorded(mask, logged.kind, lazy=lazy):
                self._core.producer.counts.skipped += 1
                continue
            if lazy:
                value = await self._called(value, logged.kind, logged.namespace, logged.key)
            if on_device(value):
                value = await asyncio.wrap_future(self._core.copier().submit(_from_device, value))
            self._snapshot(logged, value, mask)

    def _resolve_nowait(self) -> None:
        for namespace, pending in self.taken.numbers:
            settled: dict[str, float | int] = {}
            for key, raw in pending.items():
                value = raw
                if callable(raw) and not hasattr(raw, "__float__"):
                    if not self._recorded(self._mask("scalar", namespace), "scalar", lazy=True):
                        self._core.producer.counts.skipped += 1
                        continue
                    value = self._called_nowait(raw, "scalar", namespace, key)
                self._settle(settled, namespace, key, value)
            if settled:
                self._numbers.append((namespace, settled))
        for logged in self.taken.values:
            mask = self._mask(logged.kind, logged.namespace)
            value = logged.value
            lazy = callable(value) and not isinstance(value, Value) and not hasattr(value, "__array__")
            if not self._recorded(mask, logged.kind, lazy=lazy):
                self._core.producer.counts.skipped += 1
                continue
            if lazy:
                value = self._called_nowait(value, logged.kind, logged.namespace, logged.key)
            self._snapshot(logged, value, mask)

    async def _called(self, make: Callable[[], Any], kind: str, namespace: str, key: str) -> Any:
        outcome = self._called_nowait(make, kind, namespace, key, awaits=True)
        if hasattr(outcome, "__await__"):
            try:
                outcome = await outcome
            except Exception as error:  # noqa: BLE001 - the user's code; reported under its key
                outcome = _Failed(error)
        return outcome

    def _called_nowait(self, make: Callable[[], Any], kind: str, namespace: str, key: str, *, awaits: bool = False) -> Any:
        try:
            outcome = make()
        except Exception as error:  # noqa: BLE001 - the user's code; reported under its key
            return _Failed(error)
        if hasattr(outcome, "__await__") and not awaits:
            outcome.close() if hasattr(outcome, "close") else None
            return _Failed(TypeError("an async callable needs await write(state)"))
        return outcome

    def _settle(self, settled: dict[str, float | int], namespace: str, key: str, value: Any) -> None:
        """A number, or what turned out to be another kind: log(mapping) takes text and value objects too."""
        if type(value) is float:
            settled[key] = value
        elif isinstance(value, str | Value):
            kind = "string" if isinstance(value, str) else value.kind
            logged = Logged(kind, namespace, key, value, {})
            mask = self._mask(kind, namespace)
            if self._recorded(mask, kind, lazy=False):
                self._snapshot(logged, value, mask)
            else:
                self._core.producer.counts.skipped += 1
        else:
            try:
                settled[key] = number(_raised(value, "scalar", namespace, key), namespace, key)
            except InvalidValue as error:
                self._core.complain(error)
            except Exception as error:  # noqa: BLE001 - as below
                self._core.complain(_unreadable(error, "scalar", namespace, key))

    def _snapshot(self, logged: Logged, value: Any, mask: int) -> None:
        try:
            raw = _raised(value, logged.kind, logged.namespace, logged.key)
            made = value_of(logged.kind, raw, logged.params, logged.namespace, logged.key)
            params, arrays = split(made)
            specs = [ArraySpec(name, one.dtype.newbyteorder("<").str, one.shape) for name, one in arrays.items()]
            nbytes = payload_offsets(specs)[-1]
            self._core.check_size(nbytes, logged.kind, logged.namespace, logged.key)
        except InvalidValue as error:
            self._core.complain(error)
            return
        except Exception as error:  # noqa: BLE001 - whatever a value does when it is looked at costs itself, not the write
            self._core.complain(_unreadable(error, logged.kind, logged.namespace, logged.key))
            return
        logged = Logged(logged.kind, logged.namespace, logged.key, made, {})
        self._snapshots.append(Snapshot(logged, mask, params, specs, list(arrays.values()), nbytes))

    # -- memory -----------------------------------------------------------------------------------------------------

    def _allocate(self, snapshot: Snapshot) -> Ref | None:
        if not snapshot.nbytes:
            return None
        with self._core.producer.lock:
            return self._core.producer.pool.allocate(snapshot.nbytes)

    def _must_make_memory(self, snapshot: Snapshot) -> bool:
        with self._core.producer.lock:
            return bool(snapshot.nbytes and self._core.producer.pool.lacks(snapshot.nbytes))

    def _allocate_slowly(self, snapshot: Snapshot) -> Ref | None:
        """In the copier's thread: makes memory if there is none, without keeping the loop from the lock."""
        producer = self._core.producer
        while True:
            with producer.lock:
                size = producer.pool.lacks(snapshot.nbytes)
                if not size:
                    return producer.pool.allocate(snapshot.nbytes)
            producer.pool.stock(Role.ARRAYS, size, producer.lock)

    async def _make_room(self) -> None:
        core = self._core
        while core.producer.held:
            await core.room()
        while len(self._refs) < len(self._snapshots):
            snapshot = self._snapshots[len(self._refs)]
            try:
                if self._must_make_memory(snapshot) and not await core.comes_free(snapshot.nbytes):
                    self._refs.append(await _uncancelled(core.copier().submit(self._allocate_slowly, snapshot), self._late))
                else:
                    self._refs.append(self._allocate(snapshot))
            except NoRoom:
                # Nobody waits with something in hand: writes that hold a part each would wait for each other for ever.
                self._give_back()
                await core.room()

    async def _copy(self) -> None:
        copied = 0
        for snapshot, ref in zip(self._snapshots, self._refs, strict=True):
            if snapshot.nbytes > MOST_COPIED_HERE_BYTES:
                job = self._core.copier().submit(self._fill, snapshot, ref)
                await _uncancelled(job, lambda _: None)
            elif ref is not None:
                for target, source in self._places(snapshot, ref):
                    for to, part in pieces(target, source):
                        if copied + to.nbytes > PIECE_BYTES:
                            await asyncio.sleep(0)
                            copied = 0
                        np.copyto(to, part)
                        copied += to.nbytes

    def _late(self, ref: Ref | None) -> None:
        """An allocation that finished after the write was cancelled."""
        if ref is not None:
            with self._core.producer.lock:
                self._core.producer.pool.abandon(ref)

    def _fill(self, snapshot: Snapshot, ref: Ref | None) -> None:
        if ref is not None:
            for target, source in self._places(snapshot, ref):
                np.copyto(target, source)

    def _places(self, snapshot: Snapshot, ref: Ref) -> "Iterator[tuple[Array, Array]]":
        view = self._core.producer.pool.view(ref)
        for spec, source, at in zip(snapshot.specs, snapshot.arrays, payload_offsets(snapshot.specs), strict=False):
            yield np.frombuffer(view, np.dtype(spec.dtype), source.size, at).reshape(source.shape), source

    def _give_back(self) -> None:
        with self._core.producer.lock:
            for ref in self._refs:
                if ref is not None:
                    self._core.producer.pool.abandon(ref)
        self._refs = []

    def _abandon(self, *, cancelled: bool) -> None:
        self._give_back()
        counts = self._core.producer.counts
        if cancelled:
            counts.cancelled += len(self.taken)
        else:
            counts.discarded += len(self.taken)

    # -- the commit -------------------------------------------------------------------------------------------------

    def commit(self) -> Block | None:
        """Row and events, at one time. Raises NoRoom, having changed nothing."""
        core, state = self._core, self._state
        assert self._decision is not None
        with core.producer.lock:
            core.check_open()
            if not self._time_ns:
                self._time_ns = core.next_time()
            time_ns = self._time_ns
            block = None
            if self._numbers:
                due = self._decision.due | core.board.always
                block = core.numbers.write(
                    self._numbers,
                    state.step,
                    state._context,
                    time_ns,
                    None if due == core.board.always else due,
                    self._owner,
                )
            complaints = core.take_complaints()
            if self._snapshots or complaints:
                # What was written before an event is told before it: the order in the journal is the order of the writes.
                core.producer.blocks.drain()
                for snapshot, ref in zip(self._snapshots, self._refs, strict=True):
                    core.producer.event(time_ns, self._meta(snapshot), ref)
                for text in complaints:
                    logged = Logged("string", "asynclog", "invalid", text, {})
                    core.producer.event(
                        time_ns,
                        self._meta(Snapshot(logged, core.board.unlimited, Text(text).params(), [], [], 0)),
                        None,
                    )
                core.producer.counts.accepted += len(self._snapshots) + len(complaints)
                core.producer.ring()
            self._refs, self._numbers = [], []
            core.board.spend(self._began)
            if block is not None:
                block.due_until = core.board.due_until(self._decision, state.phase)
            return block

    def _meta(self, snapshot: Snapshot) -> bytes:
        state, logged = self._state, snapshot.logged
        return pack_meta(
            event_meta(
                kind=logged.kind,
                phase=state.phase,
                namespace=logged.namespace,
                key=logged.key,
                step=state.step,
                epoch=state.epoch,
                level=state.level,
                elapsed_s=state.elapsed_s,
                axes=state.axes,
                due=snapshot.due,
                params=snapshot.params,
                arrays=snapshot.specs,
            )
        )


def pieces(target: Array, source: Array) -> "Iterator[tuple[Array, Array]]":
    """Both in pieces of PIECE_BYTES; whole, where they are small or the source has gaps."""
    if target.nbytes <= PIECE_BYTES or not source.flags.c_contiguous:
        yield target, source
        return
    to, flat, step = target.reshape(-1), source.reshape(-1), PIECE_BYTES // target.itemsize
    for at in range(0, target.size, step):
        yield to[at : at + step], flat[at : at + step]


def _from_device(tensor: Any) -> Any:
    return tensor.detach().cpu()


class _Failed:
    """What a user's callable raised, in place of its value."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _unreadable(error: Exception, kind: str, namespace: str, key: str) -> InvalidValue:
    got = f"{type(error).__name__}: {error}"
    return InvalidValue(namespace=namespace, key=key, kind=kind, expected="a value that can be read", got=got)


def _raised(value: Any, kind: str, namespace: str, key: str) -> Any:
    if isinstance(value, _Failed):
        error = value.error
        if isinstance(error, AsynclogError):
            raise InvalidValue(namespace=namespace, key=key, kind=kind, expected="a value", got=str(error)) from error
        raise InvalidValue(
            namespace=namespace,
            key=key,
            kind=kind,
            expected="a callable that gives a value",
            got=f"{type(error).__name__}: {error}",
        ) from error
    return value


async def _uncancelled(job: "Future[Any]", late: Callable[[Any], None]) -> Any:
    """A thread's outcome. If the write is cancelled the thread is waited for all the same, before its memory is reused."""
    waiting = asyncio.wrap_future(job)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        while not waiting.done():
            try:
                await asyncio.shield(waiting)
            except asyncio.CancelledError:
                continue
        if waiting.exception() is None:
            late(waiting.result())
        raise
