"""From the frames of one (writer, epoch) to its records: definitions learned, repeats dropped, parts of large arrays joined.

What it gives back is not yet filtered: due masks are carried along for those who deliver to a route.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from asynclog.errors import DamagedFrame
from asynclog.sink import Event
from asynclog.state import LEVELS
from asynclog.wire.absence import Absence
from asynclog.wire.batch import Events, Rows
from asynclog.wire.codec import raw_payload
from asynclog.wire.event import due_mask, read_event, whole
from asynclog.wire.frame import Buffer, Frame, pack_meta
from asynclog.wire.layout import NUMBERED, Kind
from asynclog.wire.schema import SchemaBook, Series, sparse_records

ALL_ROUTES: Final = -1
# What meta of a wrong shape raises where it is used: a good checksum only says that this is what was written.
MALFORMED: Final = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
_LONGEST_LEAP: Final = 1 << 22  # a forged seq must not make everything behind it look like a repeat


def epoch_and_level(meta: Mapping[str, Any]) -> tuple[int, str]:
    """What the meta of numbers says of their states. Raises DamagedFrame, TypeError or OverflowError."""
    level = str(meta.get("level", "batch"))
    if level not in LEVELS:
        raise DamagedFrame(f"there is no level {level!r}")
    return whole(meta.get("epoch", 0)), level


@dataclass(frozen=True, slots=True)
class Record:
    """What one numbered frame holds. due: a mask of routes for all of it; None where each row carries its own
    (``rows.schema.due``) or none was computed, because the numbers of the write are due by the stream's standing mask."""

    frame: Frame
    part: "Rows | Events"
    due: "int | tuple[int, ...] | None"
    events: int


def record_of(frame: Frame, book: SchemaBook) -> Record:
    """The record of a frame that stands alone: ROWS, or an EVENT whose payload is whole. Raises what ``StreamDecoder`` makes
    DamagedFrame of."""
    if frame.kind == Kind.ROWS:
        schema = book.schema_of(frame)
        rows = Rows(schema, raw_payload(frame), *epoch_and_level(frame.meta), frame)
        if len(rows.payload) % schema.stride:
            raise DamagedFrame(f"{len(rows.payload)} bytes are no rows of {schema.stride}")
        return Record(frame, rows, None, len(rows) * len(schema.series))
    return Record(frame, Events([read_event(frame)], frame), due_mask(frame), 1)


@dataclass
class StreamDecoder:
    """Fed the frames of one (writer, epoch) in file order. ``last_seq``: the highest seq taken so far, or -1.

    missing: how many seqs below it never came (damage, or data lost with both processes); one that comes late, because its
    segment was condemned and copied, is taken. always: mask of routes that get all numbers.
    """

    book: SchemaBook = field(default_factory=SchemaBook)
    last_seq: int = -1
    repeats: int = 0
    filtered: bool = False
    events: int = 0
    always: int = ALL_ROUTES
    routes: tuple[str, ...] = ()
    footer: Frame | None = None
    heartbeat_ns: int = 0
    gaps: list[Frame] = field(default_factory=list)
    _absent: Absence = field(default_factory=Absence)
    _parts: dict[int, Buffer] = field(default_factory=dict)

    def feed(self, frame: Frame) -> Record | None:
        """The record of a numbered frame, or None for one that only informs. Raises DamagedFrame, having counted its seq."""
        try:
            return self._fed(frame)
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
            # A checksum says that the bytes are what somebody wrote, not that they were written by us.
            raise error if isinstance(error, DamagedFrame) else DamagedFrame(f"not a record: {error!r}") from error

    def _fed(self, frame: Frame) -> Record | None:
        try:
            return self._feed(frame)
        except DamagedFrame:
            raise
        except MALFORMED as error:
            raise DamagedFrame(f"not what its kind says: {error!r}") from error

    def _feed(self, frame: Frame) -> Record | None:
        if frame.kind not in NUMBERED:
            self._take_note(frame)
            return None
        if not self._is_new(frame.seq):
            self.repeats += 1
            return None
        self.heartbeat_ns = max(self.heartbeat_ns, frame.time)
        if frame.kind == Kind.BLOB:
            self._parts[frame.seq] = bytes(raw_payload(frame))
            return None
        record = self._record(frame)
        self.events += record.events
        return record

    @property
    def missing(self) -> int:
        return 0 if self.filtered else self._absent.count

    def _is_new(self, seq: int) -> bool:
        if seq > self.last_seq:
            if seq - self.last_seq > _LONGEST_LEAP:
                raise DamagedFrame(f"seq {seq} after {self.last_seq}")
            self._absent.add(self.last_seq + 1, seq)
            self.last_seq = seq
            return True
        return self._absent.take(seq)

    def _take_note(self, frame: Frame) -> None:
        if frame.kind == Kind.SCHEMA:
            self.book.learn(frame)
        elif frame.kind == Kind.SEGMENT:
            self.always = int(frame.meta.get("always", ALL_ROUTES))
            self.routes = tuple(str(name) for name in frame.meta.get("routes", ()))
            self.filtered = "kinds" in frame.meta
            self.footer = None
        elif frame.kind == Kind.FOOTER:
            self.footer = frame
        elif frame.kind == Kind.GAP:
            self.gaps.append(frame)
        self.heartbeat_ns = max(self.heartbeat_ns, frame.time)

    def _record(self, frame: Frame) -> Record:
        if frame.kind == Kind.SPARSE:
            return self._sparse(frame)
        if frame.kind == Kind.ROWS or "parts" not in frame.meta:
            self._parts.clear()  # parts directly precede their event: what is left belongs to none
            return record_of(frame, self.book)
        parts = [self._parts.pop(int(seq), None) for seq in frame.meta.get("parts", ())]
        if any(part is None for part in parts):
            raise DamagedFrame("an array of which a part is missing")
        joined = memoryview(b"".join(part for part in parts if part is not None))
        self._parts.clear()
        meta = {name: one for name, one in frame.meta.items() if name != "parts"}
        whole = Frame(frame.kind, seq=frame.seq, time=frame.time, meta_bytes=pack_meta(meta), payload=joined)
        return replace(record_of(whole, self.book), frame=frame)

    def _sparse(self, frame: Frame) -> Record:
        meta = frame.meta
        epoch, level = epoch_and_level(meta)
        known = self.book.series
        events: list[Event] = []
        masks: list[int] = []
        for one in sparse_records(raw_payload(frame)):
            for number, value in zip(one.numbers.tolist(), one.values.tolist(), strict=True):
                series = known.get(number) or Series("train", "", f"unnamed series {number}")
                events.append(
                    Event(
                        "scalar",
                        series.phase,
                        series.namespace,
                        series.key,
                        one.step,
                        epoch,
                        one.time,
                        {},
                        value,
                        level,
                        one.elapsed,
                    )
                )
                masks.append(self.always if one.due is None else one.due)
        return Record(frame, Events(events), tuple(masks), len(events))
