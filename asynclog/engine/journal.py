"""The journal: frames appended to segment files, straight from shared memory.

What a caller may rely on: ``commit`` either wrote everything that was added, or nothing of it (a short write is truncated
back) and raises JournalStalled, having kept it for the next try. A segment names every schema before it uses it, so each
can be read alone. Nobody ever appends to a segment of an earlier recorder: a new one opens the next.
"""

import contextlib
import threading
import time
from pathlib import Path
from typing import Final

import numpy as np

from asynclog.engine.files import MOST_BUFFERS, Files
from asynclog.engine.rescue import frames_in, spans
from asynclog.engine.rundir import segment_name, segments
from asynclog.engine.settings import SYNC_INTERVAL_S, EngineSettings, Journal
from asynclog.errors import AsynclogError, DamagedFrame
from asynclog.wire.codec import compressed
from asynclog.wire.frame import Buffer, Frame, encode, pack_meta
from asynclog.wire.layout import NUMBERED, Kind
from asynclog.wire.schema import SchemaBook, series_frame, sparse_records, unpack_series
from asynclog.wire.segment import Scanner
from asynclog.wire.stream import StreamDecoder

INDEX_EVERY_BYTES: Final = 256 << 10
SYNC_BYTES: Final = 32 << 20
"""With so much more in a segment the disk is told, and writes while more is appended: tensors of 64 MiB back to back were on
disk at 1.1 GB/s with an fsync a segment alone, at 1.4 with these."""
MOST_OVERDUE: Final = 4
"""How many times its size a segment may have while the disk is busy with it, so that its end need not be waited for."""
_INDEX: Final = np.dtype([("offset", "<u8"), ("seq", "<u8"), ("time", "<i8")])
_COMPRESSIBLE: Final = (Kind.ROWS, Kind.SPARSE, Kind.EVENT, Kind.BLOB)


class JournalStalled(AsynclogError):
    """The operating system took no more bytes; what was added is kept and will be tried again."""


class JournalWriter:
    """One (writer, epoch)'s segments. nonce: 8 random bytes a segment. sync_every: seconds, for fsync="interval". events: of
    the epoch so far, as whoever adds frames counts them; a footer tells it."""

    def __init__(
        self,
        stream: Path,
        settings: EngineSettings,
        journal: Journal,
        files: Files,
        new_nonce: "type[Nonces]",
        sync_every: float = SYNC_INTERVAL_S,
    ) -> None:
        self._stream, self._settings, self._journal, self._files = stream, settings, journal, files
        self._nonces, self._sync_every = new_nonce(), sync_every
        self.book = SchemaBook()
        self.bytes = self.events = 0
        self.next_seq, self.number = self._resume()
        self.closed = False
        self._pending: list[Frame] = []
        self._sync_lock = threading.Lock()
        self._syncer: threading.Thread | None = None
        self._sync_error: OSError | None = None
        self._written_seq = self.next_seq - 1
        self._last_sync = time.monotonic()
        self._begin_segment()

    # -- segments ---------------------------------------------------------------------------------------------------

    def _resume(self) -> tuple[int, int]:
        """The next seq and segment number after what an earlier recorder of this epoch left."""
        own = [(number, path) for epoch, number, path in segments(self._stream) if epoch == self._settings.run.epoch]
        decoder = StreamDecoder()
        for _, path in own:
            for found in Scanner().scan(path.read_bytes(), final=True):
                if isinstance(found, Frame):
                    # What can't be read back counts as written all the same.
                    with contextlib.suppress(DamagedFrame):
                        decoder.feed(found)
        self.events = decoder.events
        unused = [number for number, path in own if not path.stat().st_size]
        if unused and len(own) == 1:
            return 0, unused[0]
        return decoder.last_seq + 1, max((number for number, _ in own), default=-1) + 1

    def _begin_segment(self) -> None:
        """The file itself is made with its first bytes: that may fail, and is tried again with them."""
        self._fd = -1
        self._nonce = self._nonces.next()
        self._size = self._synced = self._told = 0
        self._synced_seq = self._written_seq
        self._defined: set[int] = set()
        self._numbered: set[int] = set()
        self._index: list[tuple[int, int, int]] = []
        self._indexed = -INDEX_EVERY_BYTES
        meta = pack_meta(self._settings.segment_meta(self.number))
        self._head: list[Frame] = [Frame(Kind.SEGMENT, seq=self.next_seq, time=self._settings.began_ns, meta_bytes=meta)]

    def _close_segment(self, status: str, error: str | None, time_ns: int) -> None:
        index = np.array(self._index, _INDEX).tobytes()
        meta = {"status": status, **({"error": error} if error else {}), "events": self.events}
        self._append(
            [
                *self._head,
                Frame(Kind.INDEX, seq=self.next_seq, time=time_ns, count=len(self._index), payload=index),
                Frame(Kind.FOOTER, seq=self.next_seq, time=time_ns, meta_bytes=pack_meta(meta)),
            ]
        )
        self._head = []
        self.sync()
        self._let_go()

    def _let_go(self) -> None:
        with self._sync_lock:
            self._files.close(self._fd)
            self._fd = -1

    # -- frames -----------------------------------------------------------------------------------------------------

    def learn(self, frame: Frame) -> None:
        """A definition; it is written before its first use in each segment."""
        self.book.learn(frame)

    def add(self, frame: Frame) -> bool:
        """Take a frame for the next commit. False if it is in the journal already, from an earlier recorder."""
        if frame.kind in NUMBERED:
            if frame.seq < self.next_seq:
                return False
            self.next_seq = frame.seq + 1
        self._pending.append(frame)
        return True

    def commit(self) -> None:
        """Write what was added. Raises JournalStalled. After ``close`` there is nothing left to write."""
        if self.closed:
            return
        if self._sync_error is not None:
            self._condemn()
        if not self._pending and not self._head:
            return
        frames = [*self._head]
        for frame in self._pending:
            frames.extend(self._definitions_for(frame))
            frames.append(compressed(frame) if self._journal.compress and frame.kind in _COMPRESSIBLE else frame)
        self._append(frames)
        self._head, self._pending = [], []
        if self._journal.fsync == "always":
            self.sync()
        elif self._journal.fsync == "interval" and self._sync_is_due():
            self._sync_in_background()
        if self._size >= self._journal.segment_bytes * (MOST_OVERDUE if self._syncing else 1):
            self._rotate()

    def _rotate(self) -> None:
        self._close_segment("open", None, time.time_ns())
        self.number += 1
        self._begin_segment()

    def _definitions_for(self, frame: Frame) -> list[Frame]:
        if frame.kind == Kind.ROWS and frame.schema not in self._defined:
            self._defined.add(frame.schema)
            return [self.book.schemas[frame.schema].frame(frame.seq, frame.time)]
        if frame.kind == Kind.SPARSE:
            used = {number for record in sparse_records(frame.payload) for number in record.numbers.tolist()}
            fresh = sorted(used - self._numbered)
            if fresh:
                self._numbered.update(fresh)
                return [series_frame(fresh, [self.book.series[number] for number in fresh], frame.seq, frame.time)]
        return []

    def _append(self, frames: list[Frame]) -> None:
        buffers: list[Buffer] = []
        at = self._size
        entries = []
        for frame in frames:
            encoded = encode(frame, self._nonce)
            if frame.kind in NUMBERED and at - self._indexed >= INDEX_EVERY_BYTES:
                self._indexed = at
                entries.append((at, frame.seq, frame.time))
            at += sum(map(len, encoded))
            buffers.extend(encoded)
        try:
            if self._fd < 0:
                self._fd = self._files.create(str(self._stream / segment_name(self._settings.run.epoch, self.number)))
            self._write_all(buffers)
        except OSError as error:
            self._take_back(frames)
            raise JournalStalled(f"the journal can't be written: {error.strerror or error}") from error
        self.bytes += at - self._size
        self._size = at
        self._index.extend(entries)
        self._written_seq = max((one.seq for one in frames if one.kind in NUMBERED), default=self._written_seq)

    def _take_back(self, frames: list[Frame]) -> None:
        """As if it had never been tried: the next try writes the same bytes at the same place, whoever read some already."""
        for definition in frames:
            if definition.kind == Kind.SCHEMA:
                _, numbers = unpack_series(definition.payload)
                self._numbered.difference_update(numbers or ())
                self._defined.discard(definition.schema)
        self._indexed = -INDEX_EVERY_BYTES
        if self._fd < 0:
            return
        try:
            self._files.truncate(self._fd, self._size)
        except OSError as error:
            # Nothing may be appended behind a torn end.
            self._sync_error = error

    def _write_all(self, buffers: list[Buffer]) -> None:
        at = 0
        while at < len(buffers):
            some = buffers[at : at + MOST_BUFFERS]
            written = self._files.writev(self._fd, some)
            for buffer in some:
                if written < len(buffer):
                    break
                written -= len(buffer)
                at += 1
            if written:
                buffers[at] = memoryview(buffers[at])[written:]

    # -- durability -------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Everything committed survives a power loss once this returns. Raises JournalStalled."""
        with self._sync_lock:
            if self._fd < 0:
                return
            try:
                self._files.sync(self._fd)
            except OSError as error:
                self._sync_error = error
                raise JournalStalled(f"the disk refused to sync: {error.strerror or error}") from error
            self._synced, self._synced_seq = self._size, self._written_seq
            self._last_sync = time.monotonic()

    def _sync_is_due(self) -> bool:
        much = self._size - self._told >= SYNC_BYTES and not self._syncing
        return much or time.monotonic() - self._last_sync >= self._sync_every

    @property
    def _syncing(self) -> bool:
        return self._syncer is not None and self._syncer.is_alive()

    def _sync_in_background(self) -> None:
        """An fsync may take a tenth of a second; appending goes on meanwhile."""
        self._last_sync = time.monotonic()
        self._told = self._size
        fd, size, seq = self._fd, self._size, self._written_seq

        def work() -> None:
            with self._sync_lock:
                if fd != self._fd:
                    return
                try:
                    self._files.sync(fd)
                    self._synced, self._synced_seq = max(self._synced, size), max(self._synced_seq, seq)
                except OSError as error:
                    self._sync_error = error

        self._syncer = threading.Thread(target=work, name="asynclog-fsync", daemon=True)
        self._syncer.start()

    def _condemn(self) -> None:
        """A failed fsync may have dropped dirty pages: what was not synced is read back, and what still holds goes to the
        next segment; what does not becomes a GAP."""
        error = self._sync_error
        start = self._synced
        try:
            data = self._files.pread(self._fd, self._size - start, start)
        except OSError:
            data = b""
        rescued = frames_in(data, start, self._nonce)
        absent = set(range(self._synced_seq + 1, self._written_seq + 1)) - {one.seq for one in rescued}
        self._let_go()
        self._sync_error = None
        self.number += 1
        self._begin_segment()
        gaps = [self._gap(f"the disk lost them: {error}", first, last, last - first + 1) for first, last in spans(absent)]
        self._pending = [*rescued, *gaps, *self._pending]

    def gap(self, reason: str, first: int, last: int, events: int) -> None:
        """Say that seqs ``first`` to ``last`` will never come, and why."""
        self._pending.append(self._gap(reason, first, last, events))

    def _gap(self, reason: str, first: int, last: int, events: int) -> Frame:
        meta = {"reason": reason, "from_seq": first, "to_seq": last, "events": events}
        return Frame(Kind.GAP, seq=self.next_seq, time=time.time_ns(), meta_bytes=pack_meta(meta))

    def heartbeat(self) -> None:
        self._pending.append(Frame(Kind.HEARTBEAT, seq=self.next_seq, time=time.time_ns()))

    def close(self, status: str, error: str | None, time_ns: int) -> None:
        """The last commit, INDEX and FOOTER, and fsync. Raises JournalStalled."""
        self.commit()
        self._close_segment(status, error, time_ns)
        self.closed = True

    def __repr__(self) -> str:
        return f"<JournalWriter segment {self.number}, {self._size} bytes, next seq {self.next_seq}>"


class Nonces:
    """Random marks for segments."""

    def next(self) -> bytes:
        import secrets

        return secrets.token_bytes(8)
