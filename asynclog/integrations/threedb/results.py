"""Results on the training side: an item and its channels become one write, at a step of their own."""

import time
from collections.abc import Mapping
from itertools import count
from typing import Any, Final, Literal, NamedTuple

import msgpack

from asynclog.errors import InvalidValue, WouldBlock
from asynclog.integrations.threedb.channels import Declared, channel, checked_declaration
from asynclog.integrations.threedb.item import CHANNELS, INSIDE, ITEMS, taken_apart
from asynclog.logger.capture import unreadable
from asynclog.logger.multi import MultiLogger
from asynclog.logger.naming import described
from asynclog.logger.parts import ChildLogger, Entry
from asynclog.state import State

_NAP_S: Final = 0.001


class Pending(NamedTuple):
    """A result on an entry of its own, still to be written."""

    ix: int
    entry: Entry
    state: State


class Results:
    """Logs results on ``log``, numbered from ``first`` on: ``result_ix``, which is also the step they are recorded at.

    channels: {name: (shape, dtype)}, as ``declare_buffers`` takes it; None: a channel may be anything, and another each time.
    Raises InvalidValue for a declaration that is none.
    """

    def __init__(
        self,
        log: MultiLogger | ChildLogger,
        channels: Declared | None = None,
        *,
        first: int = 0,
        phase: Literal["train", "valid", "test"] = "test",
    ) -> None:
        self._log, self._phase = log, phase
        self._numbers = count(first)
        self.declared = None if channels is None else checked_declaration(channels)

    def declare_buffers(self, channels: Declared) -> bool:
        """Say what the channels are, once: from now on they are checked. The same again changes nothing; False, and nothing
        done, for another declaration."""
        declared = checked_declaration(channels)
        if self.declared is None:
            self.declared = declared
        return self.declared == declared

    async def log(self, item: Mapping[Any, Any], channels: Mapping[str, Any] | None = None) -> int:
        """Record a result; returns its ``result_ix``, which loggers find in the item.

        item: a mapping; tuples, tuple keys and arrays in it come back as they are. channels: arrays or tensors of any library,
        shape and dtype, kept exact, or numbers. When this returns they may be overwritten. Raises InvalidValue, and records
        nothing, for a channel that is no array, not as declared, or more than shared memory takes at once, and for text that
        UTF-8 can't hold; whatever ``MultiLogger.write`` raises.
        """
        ix, entry, state = self._pending(item, channels)
        await entry.write(state)
        return ix

    def log_here(self, item: Mapping[Any, Any], channels: Mapping[str, Any] | None = None) -> int:
        """The same for code that isn't async: waits in this thread while shared memory is full."""
        ix, entry, state = self._pending(item, channels)
        while True:
            try:
                entry.write_nowait(state)
            except WouldBlock:
                time.sleep(_NAP_S)
            else:
                return ix

    def _pending(self, item: Any, channels: Mapping[str, Any] | None) -> Pending:
        if not isinstance(item, Mapping):
            raise InvalidValue(kind="result", expected="a mapping as its item", got=described(item))
        given = {name: channel(name, one, self.declared) for name, one in (channels or {}).items()}
        taken = taken_apart(item)
        inside = [channel(str(number), one, None) for number, one in enumerate(taken.arrays)]
        # Known by now to be recorded whole or not at all: whoever reads it waits for its last channel.
        self._check_size(item, sum(nbytes for _, nbytes in (*given.values(), *inside)))
        ix = next(self._numbers)
        fields = {**taken.fields, "result_ix": ix, "channels": list(given)}
        try:
            # A logger that isn't strict would leave the record out, and go on with its channels.
            msgpack.packb(fields)
        except ValueError as error:
            raise unreadable(error, "result", "", str(item.get("id", ix))) from error
        state = State(ix, self._phase)
        entry = self._log.at(state)
        entry.log_record("result", str(item.get("id", ix)), logger="threedb", fields=fields, namespace=ITEMS)
        for name, (one, _) in given.items():
            entry.log_tensor(name, one, namespace=CHANNELS)
        for number, (one, _) in enumerate(inside):
            entry.log_tensor(str(number), one, namespace=INSIDE)
        return Pending(ix, entry, state)

    def _check_size(self, item: Mapping[Any, Any], nbytes: int) -> None:
        """A larger write is recorded in portions, between which others may come, and of which the last may never."""
        most = self._log._core.quota // 4 - (1 << 16)
        if nbytes > most:
            raise InvalidValue(
                kind="result",
                key=str(item.get("id", "")),
                expected=f"at most a quarter of the shared memory ({most} bytes) in all of its channels",
                got=f"{nbytes} bytes",
                hint="MultiLogger(slabs=bytes) sets how much there is",
            )
