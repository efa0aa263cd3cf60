"""Collecting: the ``log_*`` methods, shared by a MultiLogger, its children, and the entries of ``at``.

A call stores a reference and returns; nothing is encoded, copied, converted or checked until the write.
"""

import struct
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import get_ident
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from asynclog.errors import InvalidValue, LoggerClosed, NoRoom, WouldBlock
from asynclog.flow.reduce import checked
from asynclog.logger.pending import Further, Logged, Taken
from asynclog.state import Context, State, plain_context

if TYPE_CHECKING:
    from asynclog.logger.core import Core
    from asynclog.shm.rows import Block

BARE: Final = plain_context("train", 0, "batch")
"""The context of a bare step."""


class _NoBlock:
    """What a logger has before its first row: nothing fits it."""

    width = -1


NO_BLOCK: Final[Any] = _NoBlock()
_UNUSUAL: Final = (KeyError, TypeError, ValueError, OverflowError, RuntimeError, struct.error)
_MOST_RECENT: Final = 2048


class Collector:
    """Pending values under a namespace, and the writing of them."""

    def __init__(self, core: "Core", namespace: str) -> None:
        self._core = core
        self._namespace = namespace
        self._pending: dict[str, Any] = {}
        self._further = Further()
        self._block: Block = NO_BLOCK
        self._entry_block: Block = NO_BLOCK
        self._recent: dict[tuple[Context, str | None], Block] = {}
        self._children: tuple[Collector, ...] = ()

    # -- numbers ----------------------------------------------------------------------------------------------------

    def log_scalar(self, key: str, value: Any, *, namespace: str | None = None, reduce: str | None = None) -> None:
        """A number: int (kept whole, 64 bits), float, or an array or tensor of no dimensions; or a callable that makes it.

        Logged twice before a write, the last one counts, unless ``reduce`` is "mean", "sum", "min", "max" or "count"; what
        falls between two deliveries of a limited route is folded the same way.
        """
        if namespace is None and reduce is None and self._core.scopes is None:
            self._pending[key] = value
        else:
            self._log_number(key, value, namespace, reduce)

    def log(self, values: Mapping[str, Any], *, namespace: str | None = None) -> None:
        """Several values at once: numbers, and also str and value objects such as ``Image``."""
        if namespace is None and self._core.scopes is None:
            if type(values) is dict and not self._pending:
                # A display, not a call: like the store in log_scalar, nothing can come between the look and the store.
                self._pending = {**values}
            else:
                self._pending.update(values)
        else:
            for key, value in values.items():
                self._log_number(key, value, namespace, None)

    def _log_number(self, key: str, value: Any, namespace: str | None, reduce: str | None) -> None:
        full = self._full(namespace)
        if reduce is not None and reduce != "last":
            from asynclog.logger.capture import number

            with self._core.producer.lock:
                self._core.numbers.reduce_by(full, key, checked(reduce))
            try:
                self._further.folded(full, key, number(value, full, key), reduce)
            except InvalidValue as error:
                self._core.complain(error)
        else:
            self._further.number(full, key, value)
        # Last: a write that goes on meanwhile must find either the value or no block.
        self._block = NO_BLOCK

    # -- other kinds ------------------------------------------------------------------------------------------------

    def _forget_block(self) -> None:
        self._block = NO_BLOCK

    def _put(self, kind: str, key: str, value: Any, namespace: str | None, **params: Any) -> None:
        given = {name: one for name, one in params.items() if one is not None}
        self._further.value(Logged(kind, self._full(namespace), key, value, given))
        self._block = NO_BLOCK

    def log_string(self, key: str, value: Any, *, namespace: str | None = None) -> None:
        """A str, or a callable that makes one."""
        self._put("string", key, value, namespace)

    def log_image(self, key: str, value: Any, *, namespace: str | None = None, caption: str | None = None) -> None:
        """An image (C, H, W), C of 1, 3 or 4, or (H, W); uint8 0–255 or floating point; or a callable that makes one."""
        self._put("image", key, value, namespace, caption=caption)

    def log_audio(self, key: str, value: Any, *, sample_rate: int = 44100, namespace: str | None = None) -> None:
        """Sound (C, T) or (T,), floating point in [-1, 1] or integers; sample_rate in Hz; or a callable that makes it."""
        self._put("audio", key, value, namespace, sample_rate=int(sample_rate))

    def log_video(self, key: str, value: Any, *, fps: float = 12.0, namespace: str | None = None) -> None:
        """A video (T, C, H, W), C of 1 or 3, uint8 or floating point; fps in frames per second; or a callable."""
        self._put("video", key, value, namespace, fps=float(fps))

    def log_histogram(self, key: str, value: Any, *, namespace: str | None = None) -> None:
        """The distribution of numbers of any shape; they are counted by the recorder; or a callable that makes them."""
        self._put("histogram", key, value, namespace)

    def log_point_cloud(self, key: str, value: Any, *, colors: Any = None, namespace: str | None = None) -> None:
        """Points (N, 3); colors (N, 3) uint8, if any; or a callable that makes the points."""
        self._put("point_cloud", key, value, namespace, colors=colors)

    def log_tensor(self, key: str, value: Any, *, namespace: str | None = None) -> None:
        """An array of numbers of any shape, kept as it is; or a callable that makes it."""
        self._put("tensor", key, value, namespace)

    def log_config(self, value: Any, *, key: str = "config", namespace: str | None = None) -> None:
        """The run's settings: a mapping, dataclass, or object with attributes; nested as you like."""
        self._put("config", key, value, namespace)

    # -- namespaces -------------------------------------------------------------------------------------------------

    def _full(self, namespace: str | None) -> str:
        if namespace is not None and not isinstance(namespace, str):
            raise InvalidValue(kind="namespace", expected="a str", got=repr(namespace))
        scopes = self._core.scopes
        scope = scopes.get("") if scopes is not None else ""
        return "/".join(one for one in (self._namespace, scope, namespace) if one)

    @contextmanager
    def namespace(self, name: str) -> Iterator[None]:
        """What this task logs meanwhile goes under a namespace; nested ones are joined by "/"."""
        core = self._core
        if core.scopes is None:
            core.scopes = ContextVar("asynclog_namespace", default="")
        outer = core.scopes.get("")
        token = core.scopes.set(f"{outer}/{name}" if outer else name)
        try:
            yield
        finally:
            core.scopes.reset(token)

    # -- writing ----------------------------------------------------------------------------------------------------

    async def write(self, state: State | int) -> None:
        """Record everything pending at a State (or a bare step of phase "train").

        When this returns it is accepted: it survives the death of this process, and the caller may overwrite everything it
        logged. It waits only for callables, for room in shared memory, and for routes with overflow="block"; the loop runs on.
        Raises InvalidValue for a bad state (bad values too, if the logger is strict), LoggerClosed.
        """
        pending = self._pending
        self._pending = {}
        block = self._block
        step: Any = state
        context = BARE
        if type(state) is State:
            context, step = state._context, state._step
        if len(pending) == block.width and context is block.context:
            now = monotonic_ns() + block.since
            if now < block.due_until and get_ident() == block.owner:
                # Whatever is unusual here (a missing key, a tensor, a full block) is dealt with below, where it is named.
                try:
                    if block.put(block, pending, step, now):
                        if now >= block.breathe_at:
                            await self._core.breathe(block, now)
                        return
                except _UNUSUAL:
                    pass
        if block is not NO_BLOCK and self._put_elsewhere(pending, context, step):
            await self._core.breathe(self._block, self._core.now())
            return
        await self._write(pending, state)

    def _put_elsewhere(self, pending: dict[str, Any], context: Context, step: Any) -> bool:
        """Pack a row into another block that was used before: sets of keys often take turns, and phases."""
        block = self._recent.get((context, next(iter(pending), None)))
        if block is None or len(pending) != block.width or get_ident() != block.owner:
            return False
        now = monotonic_ns() + block.since
        try:
            if now >= block.due_until or not block.put(block, pending, step, now):
                return False
        except _UNUSUAL:
            return False
        self._block = block
        # As in _settle_block.
        if len(self._further):
            self._block = NO_BLOCK
        return True

    async def _write(self, pending: dict[str, Any], state: State | int) -> None:
        core = self._core
        if core.state == "new":
            await core.open_off_loop()
        taken = self._take(pending)
        if core.inert:
            return
        try:
            core.check_open()
            at, owner = as_state(state), core.owner_here()
            if not core.is_plain(taken) or not self._write_plainly(taken, at, owner):
                self._settle_block(await core.begin(taken, at, owner).run(), taken)
        except (LoggerClosed, InvalidValue):
            core.producer.counts.discarded += len(taken)
            raise
        await core.breathe(self._block, core.now())

    def _write_plainly(self, taken: Taken, state: State, owner: Hashable) -> bool:
        try:
            self._settle_block(self._core.write_plain(taken.numbers, state, owner), taken)
        except NoRoom:
            return False
        return True

    def write_nowait(self, state: State | int) -> None:
        """The same without ever waiting, for code that is not async. Raises WouldBlock, and keeps what is pending."""
        pending, self._pending = self._pending, {}
        core = self._core
        if core.state == "new":
            core.open_here()
        taken = self._take(pending)
        if core.inert:
            return
        with core.producer.lock:
            decided = core.board.mark()
        left = taken
        try:
            core.check_open()
            at, owner = as_state(state), core.owner_here()
            if not core.is_plain(taken) or not self._write_plainly(taken, at, owner):
                writing = core.begin(taken, at, owner)
                try:
                    self._settle_block(writing.run_nowait(), taken)
                except WouldBlock:
                    left = writing.taken
                    raise
        except WouldBlock:
            with core.producer.lock:
                core.board.back_to(decided)
            self._further.put_back(left, self._pending, self._namespace)
            self._block = NO_BLOCK
            raise
        except (LoggerClosed, InvalidValue):
            core.producer.counts.discarded += len(taken)
            raise

    def _settle_block(self, block: "Block | None", taken: Taken) -> None:
        """Let the hot path go on with a block, if this write was of the plain kind it can do."""
        plain = block is not None and not self._children and not taken.values and taken.numbers[0][0] == self._namespace
        self._block = block if plain else NO_BLOCK  # type: ignore[assignment]
        if plain and block is not None:
            if len(self._recent) >= _MOST_RECENT:
                self._recent.clear()
            self._recent[block.context, next(iter(taken.numbers[0][1]))] = block
        # After the store: another thread logs first and forgets the block then, so one of the two sees the other.
        if len(self._further):
            self._block = NO_BLOCK

    def _take(self, pending: dict[str, Any]) -> Taken:
        """Everything pending, this logger's and its children's."""
        spaces, values, folds = self._further.take()
        merged: dict[str, dict[str, Any]] = {self._namespace: pending} if pending else {}
        for namespace, numbers in spaces:
            if namespace in merged:
                merged[namespace] = merged[namespace] | numbers
            else:
                merged[namespace] = numbers
        for child in self._children:
            own, child._pending = child._pending, {}
            below = child._take(own)
            for namespace, numbers in below.numbers:
                merged[namespace] = merged.get(namespace, {}) | numbers
            values.extend(below.values)
            folds.update(below.folds)
        return Taken(list(merged.items()), values, folds)

    def should_write(self, state: State | int) -> bool:
        """Whether any route is due at this State; the write that follows with the same object gets the same answer."""
        core = self._core
        with core.producer.lock:
            return bool(core.board.decide(as_state(state), core.now()).due)

    def __repr__(self) -> str:
        waiting = len(self._pending) + len(self._further)
        return f"<{type(self).__name__} {self._namespace or 'root'!r}: {waiting} pending, {self._core.state}>"


def as_state(state: Any) -> State:
    """A State, or the State of a bare step. Raises InvalidValue."""
    return state if isinstance(state, State) else State(state)
