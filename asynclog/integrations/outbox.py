"""From a function that isn't async to the run, wherever it is called: on a loop, in a thread, in an actor.

A write takes microseconds, so it is done at once. Only when shared memory is full, since the disk can't follow, does it matter
who calls: a thread waits, a loop must not. Then what was logged is kept here, as a copy, and a task of that loop writes it in
its order as room comes. That, too, has an end: beyond ``_MOST_BYTES`` even a loop waits, and it is said. What is left when the
program ends without a word is written then. Files are copied by a thread where a loop would have to wait for the disk.
"""

import asyncio
import atexit
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import RLock
from typing import Any, Final, NamedTuple

import numpy as np

from asynclog.errors import AsynclogError, WouldBlock
from asynclog.logger.multi import MultiLogger
from asynclog.logger.parts import Entry
from asynclog.logger.pending import Taken
from asynclog.state import State

_log = logging.getLogger("asynclog")
_MOST_BYTES: Final = 256 << 20
_LEAST_BYTES: Final = 1024
"""What a row of numbers counts as: it isn't free either."""
_SETTINGS: Final = State(0, level="fit")


class Said(NamedTuple):
    """One value, and the logger's method that takes it: ``entry.method(key, value, **params)``."""

    method: str
    key: str
    value: Any
    params: Mapping[str, Any] = {}


class _Waiting(NamedTuple):
    entry: Entry
    state: State
    nbytes: int


class Outbox:
    """Rows on their way to ``log``. Safe from any thread; what one thread puts is recorded in its order."""

    def __init__(self, log: MultiLogger) -> None:
        self._log = log
        self._waiting: deque[_Waiting] = deque()
        self._held_bytes = 0
        self._lock = RLock()
        self._draining: asyncio.Task[None] | None = None
        self._has_said_so = self._leaves_last_words = False
        self._files: ThreadPoolExecutor | None = None
        self._copying: set[Future[None]] = set()

    def put(self, state: State, row: Iterable[Said]) -> None:
        """Record what was said at a state. Raises what ``MultiLogger.write_blocking`` does."""
        entry = self._log.at(state)
        has_files = False
        for one in row:
            getattr(entry, one.method)(one.key, one.value, **one.params)
            has_files |= one.method == "log_artifact"
        if has_files and asyncio._get_running_loop() is not None:
            self._copy(entry, state)
        else:
            self._send(entry, state)

    def settings(self, values: Mapping[str, Any]) -> None:
        """Record settings of the run."""
        entry = self._log.at(_SETTINGS)
        entry.log_config(dict(values))
        self._send(entry, _SETTINGS)

    def _send(self, entry: Entry, state: State) -> None:
        if asyncio._get_running_loop() is None:
            self._write_waiting()
            entry.write_blocking(state)
            return
        try:
            if not self._waiting:
                entry.write_nowait(state)
                return
        except WouldBlock:
            pass
        self._keep(entry, state)

    def _copy(self, entry: Entry, state: State) -> None:
        if self._files is None:
            self._files = ThreadPoolExecutor(1, thread_name_prefix="asynclog-files")
        # One that failed stays, to be raised by settle.
        self._copying = {one for one in self._copying if not one.done() or one.exception() is not None}
        self._copying.add(self._files.submit(entry.write_blocking, state))

    def _keep(self, entry: Entry, state: State) -> None:
        nbytes = max(_LEAST_BYTES, _make_its_own(entry))
        if not self._leaves_last_words:
            self._leaves_last_words = True
            # After the logger's own, so before it: the interpreter calls the latest first.
            atexit.register(self._write_waiting)
        with self._lock:
            self._waiting.append(_Waiting(entry, state, nbytes))
            self._held_bytes += nbytes
        if self._held_bytes > _MOST_BYTES:
            if not self._has_said_so:
                self._has_said_so = True
                _log.warning("the disk can't follow: %d MiB wait for shared memory, and the loop with them", _MOST_BYTES >> 20)
            self._write_waiting()
        elif self._draining is None or self._draining.done() or self._draining.get_loop().is_closed():
            self._draining = asyncio.get_running_loop().create_task(self._drain(), name="asynclog-outbox")

    async def _drain(self) -> None:
        while self._waiting:
            try:
                self._write_first()
            except WouldBlock:
                # Awaited here, not in a write: at whatever moment the loop ends, what waits is in the deque.
                await self._log._core.room()
            else:
                await asyncio.sleep(0)

    def settle(self) -> None:
        """Write what waits, in this thread; of files, wait for their copies. Raises what went wrong with those."""
        self._write_waiting()
        self._leaves_last_words = False
        atexit.unregister(self._write_waiting)
        copying, self._copying = self._copying, set()
        for one in copying:
            one.result()

    def _write_waiting(self) -> None:
        while self._waiting:
            try:
                self._write_first()
            except WouldBlock:
                self._log._core.room_here()

    def _write_first(self) -> None:
        with self._lock:
            if not self._waiting:
                return
            first = self._waiting[0]
            try:
                first.entry.write_nowait(first.state)
            except WouldBlock:
                raise
            except AsynclogError as error:
                # Whoever logged it has long gone on.
                _log.warning("not recorded: %s", error)
            self._waiting.popleft()
            self._held_bytes -= first.nbytes

    def __repr__(self) -> str:
        return f"<Outbox: {len(self._waiting)} rows wait, {self._held_bytes} bytes>"


def _make_its_own(entry: Entry) -> int:
    """Copy the arrays that an entry was given: the caller goes on, and may overwrite them. Returns how many bytes it has."""
    taken = entry._take(entry._pending)
    entry._pending = {}
    owned = [one._replace(value=_copied(one.value)) for one in taken.values]
    entry._further.put_back(Taken(taken.numbers, owned, taken.folds), entry._pending, entry._namespace)
    return sum(_nbytes(one.value) for one in owned)


def _copied(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_copied(one) for one in value]
    if isinstance(value, np.ndarray):
        return value.copy()
    return value.detach().clone() if hasattr(value, "detach") and hasattr(value, "clone") else value


def _nbytes(value: Any) -> int:
    if isinstance(value, list | tuple):
        return sum(map(_nbytes, value))
    return int(getattr(value, "nbytes", 0))
