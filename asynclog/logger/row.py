"""A handle for a fixed set of numbers: a function that packs a row, and nothing else. For loops at a kilohertz and above."""

import struct
from threading import get_ident
from time import monotonic_ns
from typing import Any, Final

from asynclog.errors import InvalidValue, NoRoom, WouldBlock
from asynclog.logger.capture import number
from asynclog.logger.core import Core
from asynclog.logger.pending import Taken
from asynclog.shm.rows import Block
from asynclog.state import Phase, State, as_state


class _NoBlock:
    """What a handle has before its first row."""

    due_until = 0


_NO_BLOCK: Final[Any] = _NoBlock()


class RowHandle:
    """``row(step, v0, v1, …)``: as many numbers as keys, in their order; step a whole number or a State.

    Its block is its own, so that the logger's other rows don't disturb it. Raises InvalidValue for a wrong number of values,
    WouldBlock if shared memory is full, LoggerClosed.
    """

    __slots__ = ("_block", "_core", "_keys", "_namespace", "_phase", "_since")

    def __init__(self, core: Core, keys: tuple[str, ...], namespace: str, phase: Phase) -> None:
        self._core, self._keys, self._namespace, self._phase = core, keys, namespace, phase
        self._since = core.offset_ns
        self._block: Block = _NO_BLOCK

    def __call__(self, step: Any, *values: Any) -> None:
        block = self._block
        now = monotonic_ns() + self._since
        if now < block.due_until:
            # A state, a tensor, a full block: all that is dealt with below.
            try:
                if block.put(block, values, step, now):
                    return
            except (TypeError, ValueError, OverflowError, RuntimeError, struct.error):
                pass
        self._write(step, values)

    def _write(self, step: Any, values: tuple[Any, ...]) -> None:
        core, keys = self._core, self._keys
        if core.inert:
            return
        if len(values) != len(keys):
            raise InvalidValue(
                namespace=self._namespace,
                kind="row",
                expected=f"{len(keys)} values, for {', '.join(keys)}",
                got=f"{len(values)}",
            )
        state = as_state(step, self._phase)
        if any(core.devices.number(value) is not None for value in values):
            taken = Taken([(self._namespace, dict(zip(keys, values, strict=True)))], [], {})
            core.begin(taken, state, ("foreign", get_ident())).run_nowait()
            return
        numbers: dict[str, float | int] = {}
        for key, value in zip(keys, values, strict=True):
            try:
                numbers[key] = number(value, self._namespace, key)
            except InvalidValue as error:
                core.complain(error)
        if not numbers:
            return
        whole = len(numbers) == len(keys)
        with core.producer.lock:
            core.check_open()
            decision = core.board.decide(state, core.now())
            due = decision.due | core.board.always
            try:
                block = core.numbers.write(
                    [(self._namespace, numbers)],
                    state.step,
                    state._context,
                    core.next_time(),
                    None if due == core.board.always else due,
                    id(self) if whole else ("foreign", get_ident()),
                    by_position=whole,
                )
            except NoRoom as error:
                raise WouldBlock(f"shared memory is full: {error}") from error
            if block is not None and whole and not isinstance(step, State):
                block.due_until = core.board.due_until(decision, state.phase)
                self._block = block

    def __repr__(self) -> str:
        return f"<RowHandle of {', '.join(self._keys)} at {self._block}>"
