"""The training process's end of the link: numbers what it accepts, announces it, and takes memory back.

Everything here is done under ``lock``. Nothing here waits: what can't be had raises NoRoom, and the caller decides.

A consumer may die at any moment. Its successor is told of every slab and of the log from the oldest record that was not
acknowledged, under the same sequence numbers.
"""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from asynclog.errors import NoRoom, StaleLease
from asynclog.link import announcement as tell
from asynclog.link.blocks import Key, OpenBlocks
from asynclog.link.channel import Channel
from asynclog.link.links import Counts, Link
from asynclog.link.messages import (
    Ack,
    Doorbell,
    Finished,
    Flushed,
    Gone,
    Hold,
    Lines,
    Message,
    Moved,
    Pressure,
    Ready,
    Release,
    Report,
    Said,
    Sampled,
    Slab,
    Stock,
    Trouble,
    Untapped,
)
from asynclog.shm import memory
from asynclog.shm.control import ControlWriter
from asynclog.shm.pool import Create, Pool
from asynclog.shm.rows import Block
from asynclog.shm.slab import Ref, Role, SlabState
from asynclog.state import Context
from asynclog.wire.frame import pack_meta
from asynclog.wire.layout import BLOB_PART_BYTES
from asynclog.wire.schema import Group, Layout, pack_groups, pack_numbered

_log = logging.getLogger("asynclog")
_MOST_BELLS: Final = 64  # unanswered; a socket holds some 270 messages
RING_BYTES: Final = 2 << 20
"""Rows announced before the doorbell rings, unless linger or an event is first: a wake-up costs the sender up to 20 µs."""


class Producer:
    """quota: bytes of shared memory. create: where slabs come from. first_time: ns since 1970, at which the epoch began.

    on_room: called, under the lock, when memory or a held route came free. on_low: likewise, when a thread that may take its
    time should ``stock``. on_message(link, message): what the link itself
    has no use for.
    """

    def __init__(
        self,
        *,
        quota: int,
        create: Create = memory.create_shared,
        on_room: Callable[[], None] = lambda: None,
        on_low: Callable[[], None] = lambda: None,
        on_message: Callable[[Link, Message], None] = lambda link, message: None,
    ) -> None:
        self.lock = threading.RLock()
        self.links: dict[int, Link] = {}
        self.next_seq = 0
        self.counts = Counts()
        self.held: set[str] = set()
        self._on_room, self._on_low, self._on_message = on_room, on_low, on_message
        self._stocking = False
        self.pool = Pool(quota, self._introduce, self._dismiss, create, self._passed)
        self.control = ControlWriter(self._control_slab)
        self.blocks = OpenBlocks(self.pool, self._announce_rows)
        self.definitions: list[bytes] = []
        self.standing: list[Callable[[Link], list[Message]]] = []
        """What a consumer is told when it is connected, and its successor again."""
        self.gauges: dict[str, Callable[[], Any]] = {}
        """What else is told with the stock, about once a second."""
        self._unacked: deque[tuple[int, int]] = deque()
        self._unrung_bytes = 0

    # -- announcing -------------------------------------------------------------------------------------------------

    def define(self, layout: Layout, groups: list[Group]) -> None:
        """Announce a schema; before its first row."""
        self._define(tell.Define(self.next_seq, 0, layout.number, layout.meta(), pack_groups(groups)))

    def define_series(self, first: int, group: Group) -> None:
        """Announce series, numbered from ``first`` on; before the first SPARSE record that uses them."""
        self._define(tell.Define(self.next_seq, 0, 0, b"", pack_numbered(first, group)))

    def _define(self, definition: tell.Define) -> None:
        record = tell.pack(definition)
        self.control.reserve(len(record))
        self.definitions.append(record)
        self.control.append(record)

    def _announce_rows(self, block: Block, start: int, end: int) -> None:
        ref = Ref(block.slab.number, block.slab.generation, block.start + start, end - start)
        context = block.context
        plain = not context.epoch and context.level == "batch"
        meta = b"" if plain else pack_meta({"epoch": context.epoch, "level": context.level})
        last_time = int.from_bytes(block.buffer[end - 8 : end], "little", signed=True)
        number = 0 if block.schema is None else block.schema.number
        count = (end - start) // block.stride if block.stride else 0
        self._announce(tell.Rows(self.next_seq, last_time, number, count, meta, ref), ref)
        self.counts.accepted += count * len(block.schema.codes) if block.schema is not None else 0
        self.next_seq += 1
        self._unrung_bytes += ref.nbytes

    def event(self, time_ns: int, meta: bytes, ref: Ref | None, *, counted: bool = False) -> None:
        """Announce an event whose arrays, if any, lie in ``ref``, which is claimed; the claim passes to the consumers. counted:
        that they will be, so that what goes on from there fits into one frame, however large they are."""
        parts = 0 if ref is None or ref.nbytes <= BLOB_PART_BYTES or counted else -(-ref.nbytes // BLOB_PART_BYTES)
        seq = self.next_seq + parts
        self._announce(tell.Value(seq, time_ns, meta, ref, parts), ref)
        self.next_seq = seq + 1
        if ref is not None:
            self.pool.ledger.unclaim(ref.slab)

    def end(self, time_ns: int, status: str, error: str | None) -> None:
        """Announce that nothing more will come."""
        self.blocks.close_all()
        self._announce(tell.End(self.next_seq, time_ns, status, error), None)
        self.ring()

    def _announce(self, announcement: tell.Announcement, ref: Ref | None) -> None:
        position = self.control.append(tell.pack(announcement))
        if ref is not None:
            self.pool.ledger.announce(ref.slab)
            self._unacked.append((position, ref.slab))

    def drain(self) -> None:
        """Announce every row written so far, and ring; without the lock. What is sent gives up the GIL, and a loop that never
        sleeps keeps it for 5 ms then: it must not find the lock taken meanwhile."""
        with self.lock:
            self.blocks.drain()
            bells = self._bells()
        for channel, position in bells:
            channel.send(Doorbell(position))

    def ring_if_much(self) -> None:
        if self._unrung_bytes >= RING_BYTES:
            self.ring()

    def ring(self) -> None:
        """Tell every consumer how far it may read."""
        for channel, position in self._bells():
            channel.send(Doorbell(position))

    def _bells(self) -> list[tuple[Channel, int]]:
        self._unrung_bytes = 0
        position = self.control.position
        bells = []
        for link in self.links.values():
            if link.channel is not None and link.rung < position:
                # A consumer that doesn't read must not have its socket filled by bells, with the descriptors of new slabs
                # waiting behind them here, where they would be lost with this process.
                link.missed = link.bells >= _MOST_BELLS
                if not link.missed:
                    link.rung = position
                    link.bells += 1
                    bells.append((link.channel, position))
        return bells

    def ring_missed(self) -> None:
        """Ring for those who have answered since; without the lock, as drain."""
        with self.lock:
            bells = self._bells() if any(one.missed and one.bells < _MOST_BELLS for one in self.links.values()) else []
        for channel, position in bells:
            channel.send(Doorbell(position))

    def _passed(self) -> bool:
        """Whether every consumer has, or will have whatever becomes of this process, the descriptors of all slabs."""
        channels = [link.channel for link in self.links.values() if link.channel is not None]
        for channel in channels:
            if channel.unsent:
                # Most likely another thread is just sending it: that is waited for, a full socket isn't.
                channel.flush(patiently=True)
        return not any(channel.unsent for channel in channels)

    def stock_report(self) -> dict[str, Any]:
        """What there is of shared memory, and who holds how much of it: the writer itself, and each consumer by name. Nearly
        so, where another thread is at it: nobody is to wait for this."""
        names = {0: "writer", **{number: link.name for number, link in list(self.links.items())}}
        held = {names[number]: nbytes for number, nbytes in self.pool.ledger.held_bytes().items() if number in names}
        return {**self.pool.statistics(), "held_bytes": held}

    def tell_stock(self) -> None:
        """Let the consumers know what there is of shared memory, for whoever asks them; without the lock, as drain."""
        stock = Stock(self.stock_report() | {name: gauge() for name, gauge in self.gauges.items()})
        for channel in [link.channel for link in list(self.links.values()) if not link.finished]:
            if channel is not None:
                channel.send(stock)

    def open_block(self, key: Key, schema: Layout | None, context: Context, nbytes: int = 0) -> Block:
        """A block to pack rows into. Raises NoRoom."""
        block = self.blocks.open(key, schema, context, nbytes)
        if not self.pool.ledger.free_slabs(Role.ROWS) and not self._stocking:
            self._stocking = True
            self._on_low()
        self.ring_if_much()
        return block

    def send(self, message: Message) -> list[Link]:
        """Tell every consumer that is up; returns them."""
        told = [link for link in self.links.values() if link.channel is not None and not link.finished]
        for link in told:
            assert link.channel is not None
            if isinstance(message, Pressure):
                # Said again only to those who have done something since.
                if link.pressed:
                    continue
                link.pressed = True
            link.channel.send(message)
        return told

    # -- consumers --------------------------------------------------------------------------------------------------

    def attach(self, name: str) -> Link:
        """A consumer that will be connected: from now on memory is kept for it."""
        link = Link(max(self.links, default=0) + 1, name)
        self.links[link.number] = link
        self.pool.ledger.attach(link.number)
        return link

    def connect(self, link: Link, channel: Channel) -> None:
        """Give a consumer (or its successor) what it needs to go on: every slab, and the log from what it acknowledged."""
        link.channel, link.rung, link.bells, link.missed, link.pressed = channel, -1, 0, False, False
        slabs = self.pool.ledger.slabs
        channel.send_slabs(
            [(Slab(number, int(slabs[number].role), one.size), one) for number, one in self.pool.mappings.items()]
        )
        for messages in self.standing:
            for one in messages(link):
                channel.send(one)
        self.ring()

    def disconnect(self, link: Link) -> None:
        """The consumer is gone; what it had not acknowledged waits for its successor."""
        if link.channel is None:
            return
        link.channel.close()
        link.channel = None
        link.deaths += not link.finished
        if not link.finished:
            self.pool.ledger.retire(link.number)
        # Unacknowledged pieces must not be reused before a successor is told of them: they stay claimed by the writer.
        waiting = [slab for position, slab in self._unacked if position > link.acked]
        for slab in waiting:
            self.pool.ledger.claim(slab)
        self.pool.ledger.detach(link.number)
        self.pool.ledger.attach(link.number)
        for slab in waiting:
            self.pool.ledger.announce(slab, [link.number])
            self.pool.ledger.unclaim(slab)
        self.pool.sweep()
        self._on_room()

    def drop(self, link: Link) -> None:
        """The consumer will not come back."""
        self.disconnect(link)
        self.links.pop(link.number, None)
        self.pool.ledger.detach(link.number)
        self._trim()
        self._on_room()

    def received(self, link: Link, message: Message) -> None:
        """Take in what a consumer said."""
        if isinstance(message, Ack | Release):
            link.pressed = False
        if isinstance(message, Ack):
            link.acked, link.bells = max(link.acked, message.position), 0
            self._trim()
        elif isinstance(message, Release):
            self._released(link, message)
        elif isinstance(message, Hold):
            (self.held.add if message.held else self.held.discard)(message.route)
            if not message.held:
                self._on_room()
        elif isinstance(message, Report | Finished):
            link.report = message.content if isinstance(message, Report) else message.report
            link.report_ns = time.time_ns()
            link.finished = link.finished or isinstance(message, Finished)
        elif isinstance(message, Ready):
            link.pid = message.pid
        if isinstance(message, Flushed | Trouble | Finished | Ready | Ack | Said | Lines | Untapped | Moved | Sampled):
            self._on_message(link, message)

    def _released(self, link: Link, message: Release) -> None:
        freed = False
        for number, generation, count in message.pieces:
            try:
                freed |= self.pool.ledger.release(link.number, number, generation, count)
            except StaleLease:
                # Of a successor this is to be expected: what its predecessor released no longer counts. Of anybody else it is
                # a bug at the other end, which may cost a slab but not the run.
                if not link.deaths:
                    _log.exception("%s", link)
        if freed:
            self.pool.sweep()
            self._on_room()

    def _trim(self) -> None:
        done = min((link.acked for link in self.links.values()), default=self.control.position)
        while self._unacked and self._unacked[0][0] <= done:
            self._unacked.popleft()
        for state in self.control.done(done):
            self.pool.ledger.unclaim(state.number)

    def stock(self) -> None:
        """Make a slab for the rows to come, in a thread that may take its time."""
        with contextlib.suppress(NoRoom):
            self.pool.stock(Role.ROWS, self.pool.row_slab_bytes, self.lock)
        self._stocking = False

    # -- memory -----------------------------------------------------------------------------------------------------

    def _control_slab(self, nbytes: int) -> tuple[SlabState, memoryview]:
        state = self.pool.control_slab(nbytes)
        return state, self.pool.mappings[state.number].view

    def _introduce(self, number: int, role: Role, mapping: memory.Mapping) -> None:
        for link in self.links.values():
            if link.channel is not None:
                link.channel.send(Slab(number, int(role), mapping.size), mapping)
                link.channel.flush(patiently=True)

    def _dismiss(self, number: int) -> None:
        for link in self.links.values():
            if link.channel is not None:
                link.channel.send(Gone(number))

    def close(self) -> None:
        for link in self.links.values():
            if link.channel is not None:
                link.channel.close()
                link.channel = None
        self.pool.close()
