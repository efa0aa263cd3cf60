"""What an engine takes, offered at once to the routes that are fed from memory: each record is decoded once, for all of them.

A sink in a process of its own, or an attached one, gets large payloads as references into shared memory. One that lives in the
engine's own process gets copies: it may take its time, or keep what it was given, and that must never keep the writer from its
slabs. Small payloads are always copied: a reference would keep a slab for a few bytes.
"""

import threading
import weakref
from collections.abc import Iterable
from typing import Final

from asynclog.engine.feed import Ending
from asynclog.engine.live_feed import LiveFeed, Offer
from asynclog.engine.memory_feed import MemoryFeed
from asynclog.engine.runner import SinkRunner
from asynclog.shm.lease import lease_of
from asynclog.shm.lending import Allowance
from asynclog.wire.frame import Buffer, Frame
from asynclog.wire.layout import Kind
from asynclog.wire.schema import SchemaBook
from asynclog.wire.stream import Record, StreamDecoder, record_of

COPIED_BYTES: Final = 64 << 10


class Offering:
    """Of one engine. always: the stream's mask of routes that get all numbers. together: what processes may keep of the slabs;
    what waits for workers without a journal counts towards it."""

    def __init__(self, always: int, together: Allowance | None = None) -> None:
        self._always, self._together = always, together or Allowance()
        self._decoder = StreamDecoder(always=always)
        self._live: list[SinkRunner] = []
        # Of two that come and go at once, one would else be forgotten. A list is replaced, never changed: it is being read.
        self._changing = threading.Lock()
        self._near: list[SinkRunner] = []
        self._far: list[SinkRunner] = []
        self.put_seq = -1
        """The last that was put."""

    @property
    def book(self) -> SchemaBook:
        return self._decoder.book

    def serve(self, runners: Iterable[SinkRunner]) -> None:
        """Those to whom records are offered from now on."""
        for one in runners:
            if isinstance(one.feed, LiveFeed):
                self._live.append(one)
            elif isinstance(one.feed, MemoryFeed):
                (self._far if one.route.place == "process" else self._near).append(one)

    def add(self, runner: SinkRunner) -> None:
        """From any thread: somebody who came later. What was put before it will be found in the journal."""
        assert isinstance(runner.feed, LiveFeed)
        with self._changing:
            self._live = [*self._live, runner]
        runner.feed.note(self.put_seq)

    def drop(self, runner: SinkRunner) -> None:
        """From any thread: it is gone."""
        with self._changing:
            self._live = [one for one in self._live if one is not runner]

    def put(self, frame: Frame, parts: int, segment: int) -> int:
        """Offer the record of a frame that is whole, though it takes ``parts`` seqs more; returns its events. segment: of the
        journal. Raises DamagedFrame."""
        after = self.put_seq if self.put_seq >= 0 else frame.seq - parts - 1
        self.put_seq = frame.seq
        large = frame.kind == Kind.EVENT and len(frame.payload) > COPIED_BYTES
        if (self._near or self._far or self._live) and not large:
            frame = frame.detached()
        if self._decoder.last_seq < frame.seq - 1:
            # BLOBs are never seen here, and a successor begins anywhere.
            self._decoder.last_seq = frame.seq - 1
        record = self._decoder.feed(frame)
        if record is None:
            return 0
        for one in self._live:
            assert isinstance(one.feed, LiveFeed)
            one.feed.offer(Offer(record, self._always, after, segment))
        if self._near and large:
            self._queue(self._near, self._copied(frame))
        else:
            self._queue(self._near, record)
        if self._far:
            self._queue(self._far, record if self._may_wait(frame.payload) else self._copied(frame))
        return record.events

    def _may_wait(self, payload: Buffer) -> bool:
        """Whether a payload may wait where it lies; it then counts for as long as anybody looks into it."""
        lease = lease_of(payload)
        if lease is None:
            return True
        piece = (lease.ref.slab, lease.ref.generation, lease.mapping.size)
        if not self._together.fits(*piece):
            return False
        self._together.take(*piece)
        weakref.finalize(lease, self._together.give_back, *piece).atexit = False
        return True

    def _copied(self, frame: Frame) -> Record:
        return record_of(frame.detached(), self.book)

    def _queue(self, runners: list[SinkRunner], record: Record) -> None:
        for one in runners:
            assert isinstance(one.feed, MemoryFeed)
            one.feed.offer(record, self._always)

    def notify(self) -> None:
        """Wake those that wait for what was put."""
        for one in (*self._live, *self._near, *self._far):
            one.notify()

    def shed(self, share: float) -> None:
        """Shared memory is short: a queue that may drop keeps a share of its limit, one that has a journal keeps nothing."""
        for one in (*self._near, *self._far):
            assert isinstance(one.feed, MemoryFeed)
            one.feed.shed(share)
        for one in self._live:
            assert isinstance(one.feed, LiveFeed)
            one.feed.shed()

    def end(self, ending: Ending | None = None) -> None:
        """Nothing more will be put."""
        for one in (*self._live, *self._near, *self._far):
            assert isinstance(one.feed, LiveFeed | MemoryFeed)
            one.feed.end(ending)
