"""What one stream holds, found in one pass over its frames, and decoded no further than a reader needs it.

Numbers stay views of the file, grouped by the layout of their rows; events stay frames. It keeps the stream's rules: a
seq counts once, a seq that never came is missing, a schema holds from its segment on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from asynclog.errors import DamagedFrame
from asynclog.readers.directory import StreamName
from asynclog.sink import Event
from asynclog.state import PHASES
from asynclog.wire.codec import raw_payload
from asynclog.wire.event import read_event
from asynclog.wire.frame import Frame, unpack_meta
from asynclog.wire.layout import NUMBERED, Flag, Kind
from asynclog.wire.rewind import Steps, event_holds, rows_within, sparse_within
from asynclog.wire.schema import Schema, SchemaBook, Series, sparse_records

# A checksum proves that bytes are what was written, not that an honest program wrote them: these are what the parts of
# wire raise, or Python itself, over content that has the wrong types or sizes.
MALFORMED: Final = (DamagedFrame, ValueError, TypeError, KeyError, AttributeError, OverflowError)


COMPRESSED: Final = int(Flag.ZSTD)  # int & Flag takes a microsecond, int & int 30 ns


class Span(NamedTuple):
    """Consecutive seqs, both ends included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def uncovered(missing: Sequence[Span], gaps: Sequence[Mapping[str, Any]]) -> list[Span]:
    """The spans less what GAP frames account for; a gap whose numbers make no sense accounts for nothing."""
    left = list(missing)
    for gap in gaps:
        first, last = gap.get("from_seq"), gap.get("to_seq")
        if not isinstance(first, int) or not isinstance(last, int) or first > last:
            continue
        before = [Span(span.first, min(span.last, first - 1)) for span in left]
        after = [Span(max(span.first, last + 1), span.last) for span in left]
        left = sorted(span for span in (*before, *after) if span.length > 0)
    return left


@dataclass(eq=False)
class RowsBlock:
    """All rows of one layout."""

    schema: Schema
    frames: list[Frame] = field(default_factory=list)
    count: int = 0


class Stored(NamedTuple):
    """An event that has not been decoded."""

    kind: str
    phase: str
    namespace: str
    key: str
    frame: Frame


@dataclass
class StreamIndex:
    """Fed the frames of one (writer, epoch) in file order.

    missing: seqs that never came. repeats: frames that came again. about: what the stream's first SEGMENT says.
    """

    name: StreamName
    about: dict[str, Any] = field(default_factory=dict)
    book: SchemaBook = field(default_factory=SchemaBook)
    blocks: list[RowsBlock] = field(default_factory=list)
    sparse: list[Frame] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    parts: dict[int, Frame] = field(default_factory=dict)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    missing: list[Span] = field(default_factory=list)
    last_seq: int = -1
    repeats: int = 0
    frames: int = 0
    sparse_events: int = 0
    footer: dict[str, Any] | None = None
    superseded: int = 0
    """Events that were left out, because training went back behind them."""
    first_ns: int | None = None
    last_ns: int = 0
    _by_number: dict[int, RowsBlock] = field(default_factory=dict)
    _by_layout: dict[Any, RowsBlock] = field(default_factory=dict)
    _unnamed: list[Frame] = field(default_factory=list)

    @property
    def events(self) -> int:
        """Numbers and other events; a row counts as many as it has numbers."""
        return sum(one.count * len(one.schema.series) for one in self.blocks) + self.sparse_events + len(self.stored)

    def take(self, frame: Frame) -> None:
        """Take in a frame. Raises one of MALFORMED, with its seq counted."""
        self.frames += 1
        kind = frame.kind
        if frame.time > self.last_ns:
            self.last_ns = frame.time
        if kind not in NUMBERED:
            self._take_note(frame)
            return
        if frame.seq <= self.last_seq:
            self.repeats += 1
            return
        self._expect(frame.seq)
        self.last_seq = frame.seq
        if self.first_ns is None:
            self.first_ns = frame.time
        if kind == Kind.ROWS:
            self._take_rows(frame)
        elif kind == Kind.EVENT:
            meta = unpack_meta(frame.meta_bytes)
            kind_of, phase, namespace, key = (str(meta[name]) for name in ("kind", "phase", "namespace", "key"))
            if phase not in PHASES:
                raise DamagedFrame(f"there is no phase {phase!r}")
            self.stored.append(Stored(kind_of, phase, namespace, key, frame))
        elif kind == Kind.BLOB:
            self.parts[frame.seq] = frame
        else:
            self.sparse_events += sum(len(one.numbers) for one in sparse_records(raw_payload(frame)))
            self.sparse.append(frame)

    def finish(self) -> None:
        """Give rows whose schema was lost to damage to one that came later, or to a layout with made-up names."""
        for frame in self._unnamed:
            block = self._by_number.get(frame.schema)
            if block is None or frame.raw_length % block.schema.stride:
                block = self._block(_unnamed_layout(frame))
            _append(block, frame)
        self._unnamed.clear()

    def leave_out(self, steps: Steps) -> None:
        """Keep what holds after a rewind to these steps. Once all frames were taken."""
        before = self.events
        for block in self.blocks:
            kept = [one for one in (rows_within(frame, block.schema, steps) for frame in block.frames) if one is not None]
            block.frames, block.count = kept, sum(one.raw_length for one in kept) // block.schema.stride
        cut = (sparse_within(frame, self.book.series, steps) for frame in self.sparse)
        self.sparse = [one for one in cut if one is not None]
        self.sparse_events = sum(len(one.numbers) for frame in self.sparse for one in sparse_records(raw_payload(frame)))
        self.stored = [one for one in self.stored if _stored_holds(one, steps)]
        self.superseded = before - self.events

    def decoded(self, stored: Stored) -> Event:
        """The event, with arrays that are views of the file. Raises one of MALFORMED."""
        frame = stored.frame
        try:
            seqs = [int(seq) for seq in frame.meta.get("parts", ())]
            if any(seq not in self.parts for seq in seqs):
                raise DamagedFrame("an array of which a part is missing")
            joined = memoryview(b"".join(raw_payload(self.parts[seq]) for seq in seqs)) if seqs else None
            return read_event(frame, joined)
        finally:
            # A run may have millions of events; their meta, unpacked, is many times as large as the file.
            frame.__dict__.pop("meta", None)

    def _expect(self, seq: int) -> None:
        if seq > self.last_seq + 1:
            self.missing.append(Span(self.last_seq + 1, seq - 1))

    def _take_note(self, frame: Frame) -> None:
        if frame.kind == Kind.SCHEMA:
            self.book.learn(frame)
            if frame.schema in self.book.schemas and self.book.schemas[frame.schema].series:
                self._by_number[frame.schema] = self._block(self.book.schemas[frame.schema])
        elif frame.kind == Kind.SEGMENT:
            self._open_segment(frame)
        elif frame.kind == Kind.GAP:
            self.gaps.append(frame.meta)
        elif frame.kind == Kind.FOOTER:
            self.footer = frame.meta
            # The footer carries the next seq: what is missing at a stream's end shows here and nowhere else.
            self._expect(frame.seq)
            self.last_seq = max(self.last_seq, frame.seq - 1)

    def _open_segment(self, frame: Frame) -> None:
        self.footer = None
        if not self.about:
            self.about = frame.meta
            if self.last_seq < 0 < frame.seq:
                # Its first segments are gone, whoever took them.
                self.missing.append(Span(0, frame.seq - 1))
                self.last_seq = frame.seq - 1

    def _take_rows(self, frame: Frame) -> None:
        block = self._by_number.get(frame.schema)
        if not frame.flags & COMPRESSED and frame.raw_length != len(frame.payload):
            raise DamagedFrame(f"{len(frame.payload)} bytes that claim to be {frame.raw_length}")
        if block is None:
            _unnamed_layout(frame)
            self._unnamed.append(frame)
        else:
            _append(block, frame)

    def _block(self, schema: Schema) -> RowsBlock:
        layout = (schema.series, schema.due, schema.elapsed, schema.axes)
        block = self._by_layout.get(layout)
        if block is None:
            block = self._by_layout[layout] = RowsBlock(schema)
            self.blocks.append(block)
        return block


def _stored_holds(stored: Stored, steps: Steps) -> bool:
    try:
        return event_holds(stored.frame, steps)
    except MALFORMED:
        return True  # it is told of as damage when it is decoded
    finally:
        stored.frame.__dict__.pop("meta", None)


def _append(block: RowsBlock, frame: Frame) -> None:
    rows, rest = divmod(frame.raw_length, block.schema.stride)
    if rest:
        raise DamagedFrame(f"{frame.raw_length} bytes are no rows of {block.schema.stride}")
    block.frames.append(frame)
    block.count += rows


def _unnamed_layout(frame: Frame) -> Schema:
    stride, rest = divmod(frame.raw_length, frame.count or 1)
    if rest or stride % 8 or stride <= 16:
        raise DamagedFrame(f"rows of schema {frame.schema}, which this stream does not define")
    columns = (Series("train", "", f"unnamed {frame.schema}:{at}") for at in range(stride // 8 - 2))
    return Schema(frame.schema, tuple(columns))
