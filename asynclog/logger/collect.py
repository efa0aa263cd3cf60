"""Collecting: the ``log_*`` methods, shared by a MultiLogger, its children, and the entries of ``at``.

A call stores a reference and returns; nothing is encoded, copied, converted or checked until the write.
"""

from asyncio import CancelledError
from collections.abc import Hashable, Mapping
from threading import get_ident
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from asynclog.errors import InvalidValue, NoRoom, WouldBlock
from asynclog.flow.reduce import checked
from asynclog.logger.happenings import Happenings
from asynclog.logger.keeping import Keeping
from asynclog.logger.kinds import Kinds
from asynclog.logger.loan import Loans
from asynclog.logger.namespaces import Namespaces
from asynclog.logger.naming import described, makes_number, named
from asynclog.logger.pending import NO_BLOCK, Either, Further, Logged, Taken
from asynclog.logger.tables import Tables
from asynclog.shm.packer import UNUSUAL
from asynclog.state import BARE, Context, State, as_state

if TYPE_CHECKING:
    from asynclog.logger.core import Core
    from asynclog.logger.writing import Writing
    from asynclog.shm.rows import Block


_MOST_RECENT: Final = 2048
_PLAIN: Final = frozenset({float, int})


def _of_any_kind(values: Mapping[str, Any], width: int) -> dict[str, Any]:
    """The same, the first ``width`` of them marked as what may be text or a value object, unless they are numbers."""
    return {
        key: value if at >= width or type(value) in _PLAIN or type(value) is Either else Either(value)
        for at, (key, value) in enumerate(values.items())
    }


class Collector(Happenings, Keeping, Kinds, Loans, Namespaces, Tables):
    """Pending values under a namespace, and the writing of them."""

    def __init__(self, core: "Core", namespace: str) -> None:
        self._core = core
        self._namespace = namespace
        self._pending: dict[str, Any] = {}
        self._mapped: dict[str, Any] | None = None
        self._mapped_width = 0
        self._further = Further()
        self._block: Block = NO_BLOCK
        self._entry_block: Block = NO_BLOCK
        self._recent: dict[tuple[Context, str | None], Block] = {}
        self._children: tuple[Collector, ...] = ()

    # -- numbers ----------------------------------------------------------------------------------------------------

    def log_scalar(self, key: str, value: Any, *, namespace: str | None = None, reduce: str | None = None) -> None:
        """A number: int (kept whole, 64 bits), float, or an array or tensor of no dimensions; or a callable that makes it.

        Logged twice before a write, the last one counts, unless ``reduce`` is "mean", "sum", "min", "max" or "count"; what
        falls between two deliveries of a limited route is folded the same way. Raises InvalidValue for another ``reduce``.
        """
        if namespace is None and reduce is None and self._core.scopes is None:
            try:
                self._pending[key] = value
            except TypeError:
                self._log_number(key, value, namespace, reduce)
        else:
            self._log_number(key, value, namespace, reduce)

    def log(self, values: Mapping[str, Any], *, namespace: str | None = None) -> None:
        """Several values at once: numbers, and also str and value objects such as ``Image``, or callables that make either."""
        if type(values) is dict and namespace is None and self._core.scopes is None:
            width = len(values)
            if not self._pending:
                # A display, not a call: like the store in log_scalar, nothing can come between the look and the stores.
                self._mapped_width = width
                self._mapped = self._pending = {**values}
                return
        self._log_several(values, namespace)

    def _log_several(self, values: Any, namespace: str | None) -> None:
        if not isinstance(values, Mapping):
            where = namespace if isinstance(namespace, str) else ""
            self._core.complain(
                InvalidValue(namespace=where, kind="mapping", expected="a mapping of keys to values", got=described(values))
            )
        elif namespace is None and self._core.scopes is None:
            marked = _of_any_kind(values, len(values))
            # As in log: what is pending is looked up after everything else, lest a write takes it away meanwhile.
            self._pending.update(marked)
        else:
            for key, value in values.items():
                self._log_number(key, value if type(value) in _PLAIN else Either(value), namespace, None)

    def _log_number(self, key: str, value: Any, namespace: str | None, reduce: str | None) -> None:
        reduction = None if reduce is None else checked(reduce)
        # numpy loads with the first logger, not with this class.
        from asynclog.logger.capture import number
        from asynclog.logger.devices import kept

        core = self._core
        try:
            full = self._full(namespace, "scalar", key)
            named(key, full, "scalar")
            if reduction is None or reduction == "last":
                self._further.number(full, key, value)
            else:
                with core.producer.lock:
                    core.numbers.reduce_by(full, key, reduction)
                if makes_number(value):
                    self._further.deferred(full, key, value, reduction)
                elif core.devices.number(value) is not None:
                    self._further.far(full, key, kept(value, full, key), reduction)
                else:
                    self._further.folded(full, key, number(value, full, key), reduction)
        except InvalidValue as error:
            core.complain(error)
        # Last: a write that goes on meanwhile must find either the value or no block.
        self._block = NO_BLOCK

    def _forget_block(self) -> None:
        self._block = NO_BLOCK

    def _put(self, kind: str, key: str, value: Any, namespace: str | None, **params: Any) -> None:
        given = {name: one for name, one in params.items() if one is not None}
        try:
            plain = namespace is None and self._core.scopes is None
            full = self._namespace if plain else self._full(namespace, kind, key)
            self._further.value(Logged(kind, full, key, value, given))
        except InvalidValue as error:
            self._core.complain(error)
        self._block = NO_BLOCK

    # -- writing ----------------------------------------------------------------------------------------------------

    async def write(self, state: State | int) -> None:
        """Record everything pending at a State (or a bare step of phase "train").

        When this returns it is accepted: it survives the death of this process, and the caller may overwrite everything it
        logged. With something on a CUDA device it is accepted when that has come, which nobody waits for. It waits only for
        callables, for room in shared memory, and for routes with overflow="block"; the loop runs on.
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
                except UNUSUAL:
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
        except UNUSUAL:
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
        await self._record(self._take(pending), state)

    async def _record(self, taken: Taken, state: State | int) -> None:
        core = self._core
        if core.inert:
            return
        writing: Writing | None = None
        try:
            core.check_open()
            at, owner = as_state(state), core.owner_here()
            if not core.is_plain(taken) or not self._write_plainly(taken, at, owner):
                writing = core.begin(taken, at, owner)
                self._settle_block(await writing.run(), taken)
        except BaseException as error:
            left = len(taken) if writing is None else max(0, len(taken) - writing.recorded)
            if isinstance(error, CancelledError):
                core.producer.counts.cancelled += left
            else:
                core.producer.counts.discarded += left
            # Not those that were handed over, and wait for a device.
            (taken if writing is None else writing.taken).give_back()
            raise
        await core.breathe(self._block, core.now())

    def _write_plainly(self, taken: Taken, state: State, owner: Hashable) -> bool:
        try:
            self._settle_block(self._core.write_plain(taken.numbers, state, owner), taken)
        except (NoRoom, InvalidValue):
            # The long way waits for room, and tells bad keys from good ones.
            return False
        return True

    def write_nowait(self, state: State | int) -> None:
        """The same without ever waiting, for code that is not async. Raises WouldBlock, and keeps what is pending; of values
        that are too many for shared memory at once, those that weren't recorded yet."""
        pending, self._pending = self._pending, {}
        core = self._core
        if core.state == "new":
            core.open_here()
        self._record_nowait(self._take(pending), state)

    def _record_nowait(self, taken: Taken, state: State | int) -> None:
        core = self._core
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
        except BaseException:
            core.producer.counts.discarded += len(taken)
            taken.give_back()
            raise

    def write_blocking(self, state: State | int) -> None:
        """The same, waiting in this thread where ``write`` waits, for code that is not async: callbacks of trainers, cells of a
        notebook. A loop that runs in this thread stands still meanwhile.

        Raises WouldBlock, keeping what is pending, if it would wait for ever: a route with overflow="block" is full, and its
        sink lives on the loop of this thread.
        """
        while True:
            try:
                self.write_nowait(state)
            except WouldBlock:
                self._core.room_here()
            else:
                return

    def _settle_block(self, block: "Block | None", taken: Taken) -> None:
        """Let the hot path go on with a block, if the numbers of this write were of the plain kind it can do."""
        # Alone: of several namespaces the one that the block is of may be another's, if this one's callables weren't due.
        own = not self._children and len(taken.numbers) == 1 and taken.numbers[0][0] == self._namespace
        plain = block is not None and own
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
        # No call between the look and the width: they must be of the same mapping.
        if pending is self._mapped:
            width = self._mapped_width
            if not _PLAIN.issuperset(map(type, pending.values())):
                pending = self._marked(pending, width)
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

    def _marked(self, mapped: dict[str, Any], width: int) -> dict[str, Any]:
        """What ``log`` was given may be of any kind; what ``log_scalar`` added after it is a number."""
        marked = _of_any_kind(mapped, width)
        # It is remembered until the next one, and must not keep tensors, and their graphs, alive.
        mapped.clear()
        return marked

    def should_write(self, state: State | int) -> bool:
        """Whether any route is due at this State; the write that follows with the same object gets the same answer."""
        core = self._core
        with core.producer.lock:
            return bool(core.board.decide(as_state(state), core.now()).due)

    def __repr__(self) -> str:
        waiting = len(self._pending) + len(self._further)
        return f"<{type(self).__name__} {self._namespace or 'root'!r}: {waiting} pending, {self._core.state}>"
