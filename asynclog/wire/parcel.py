"""A batch as it travels to another process: its frames once, and its parts by the frames that hold them.

Only what no frame holds as it is (numbers that were folded or filtered) is spelled out. A payload of more than INLINE_BYTES
isn't in the message: ``place`` says where it lies instead, and ``look`` finds it there. What arrives is decoded when somebody
looks at it, so that a sink which only moves frames never pays for more.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import index
from typing import Any, Final

from asynclog.errors import DamagedFrame
from asynclog.sink import Event
from asynclog.state import LEVELS, PHASES
from asynclog.values import Value
from asynclog.wire.batch import Batch, Events, Rows
from asynclog.wire.event import event_meta, payload_offsets, specs_of, split
from asynclog.wire.frame import Frame, pack_meta
from asynclog.wire.layout import Kind
from asynclog.wire.schema import Schema, SchemaBook
from asynclog.wire.stream import MALFORMED, record_of

INLINE_BYTES: Final = 8 << 10
_MOST_EVENTS: Final = 1 << 40
_WHOLE: Final = frozenset({int})
Place = Callable[[memoryview], Any]
Look = Callable[[Any], memoryview]


class Packing:
    """At the sender's end, of one connection: it knows which schemas the other end was told of."""

    def __init__(self) -> None:
        self._told: set[tuple[str, int, int]] = set()
        self._telling: set[tuple[str, int, int]] = set()

    def sent(self) -> None:
        """What was packed last is on its way: the other end knows its schemas."""
        self._told |= self._telling

    def pack(self, batch: Batch, place: Place) -> list[Any]:
        """A batch as what msgpack can hold. place(view): what stands for a payload, a list or a whole number."""
        self._telling = set()
        numbers = {id(frame): at for at, frame in enumerate(batch.records)}
        frames = [_packed(frame, place) for frame in batch.records]
        parts: list[Any] = []
        definitions: list[Any] = []
        for part in batch.parts:
            if isinstance(part, Rows):
                definitions.extend(self._definition(batch, part.schema))
            if part.frame is not None:
                at = numbers.get(id(part.frame))
                parts.append(_packed(part.frame, place) if at is None else at)
            elif isinstance(part, Rows):
                parts.append(_packed(_frame_of(part), place))
            else:
                parts.extend(_spelled(part, place))
        return [batch.writer, batch.epoch, batch.seq, len(batch), definitions, frames, parts]

    def _definition(self, batch: Batch, schema: Schema) -> Iterator[Any]:
        name = (batch.writer, batch.epoch, schema.number)
        if name not in self._told and name not in self._telling:
            self._telling.add(name)
            yield _packed(schema.frame(0, 0), bytes)


class Unpacking:
    """At the receiver's end of the connection."""

    def __init__(self) -> None:
        self._books: dict[tuple[str, int], SchemaBook] = {}

    def unpack(self, content: Any, look: Look) -> Batch:
        """Raises DamagedFrame for what isn't a parcel; its frames are looked into later."""
        try:
            writer, epoch, seq, length, definitions, packed, parts = content
            book = self._books.setdefault((writer, epoch), SchemaBook())
            for one in definitions:
                book.learn(_frame(one, look))
            frames = [_frame(one, look) for one in packed]
            spelled = [frames[_within(one, len(frames))] if isinstance(one, int) else _unspelled(one, look) for one in parts]
            length = _within(length, _MOST_EVENTS)
        except MALFORMED as error:
            raise DamagedFrame(f"not a batch: {error!r}") from error

        def decoded() -> Sequence[Rows | Events]:
            return [_part(one, book) for one in spelled]

        return Batch(decoded, writer=writer, epoch=epoch, seq=seq, frames=frames, length=length)


def _packed(frame: Frame, place: Place) -> list[Any]:
    payload = frame.payload
    inline = len(payload) <= INLINE_BYTES
    return [
        int(frame.kind),
        frame.seq,
        frame.time,
        frame.schema,
        frame.count,
        int(frame.flags),
        bytes(frame.meta_bytes),
        frame.raw_length,
        bytes(payload) if inline else place(memoryview(payload)),
    ]


def _within(number: Any, end: int) -> int:
    if not 0 <= number < end:
        raise DamagedFrame(f"expected a whole number below {end}, got {number!r}")
    return index(number)


def _frame(packed: Any, look: Look) -> Frame:
    kind, seq, time, schema, count, flags, meta, raw_length, payload = packed
    if not _WHOLE.issuperset(map(type, (kind, seq, time, schema, count, flags, raw_length))) or type(meta) is not bytes:
        raise DamagedFrame(f"not a frame: {packed[:8]!r}")
    return Frame(
        kind,
        seq=seq,
        time=time,
        schema=schema,
        count=count,
        flags=flags,
        meta_bytes=meta,
        payload=payload if isinstance(payload, bytes) else look(payload),
        raw_length=raw_length,
    )


def _part(held: "Frame | Events", book: SchemaBook) -> "Rows | Events":
    if isinstance(held, Events):
        return held
    try:
        return record_of(held, book).part
    except MALFORMED as error:
        raise DamagedFrame(f"not a record: {error!r}") from error


def _frame_of(rows: Rows) -> Frame:
    plain = not rows.epoch and rows.level == "batch"
    meta = b"" if plain else pack_meta({"epoch": rows.epoch, "level": rows.level})
    return Frame(Kind.ROWS, seq=0, time=0, schema=rows.schema.number, count=len(rows), meta_bytes=meta, payload=rows.payload)


# -- what no frame holds as it is ------------------------------------------------------------------------------------


def _spelled(part: Events, place: Place) -> Iterator[list[Any]]:
    numbers: list[Any] = []
    for event in part.events():
        if event.kind == "scalar":
            numbers.append([*event[1:7], dict(event.axes), *event[8:]])
            continue
        if numbers:
            yield ["numbers", numbers]
            numbers = []
        yield _packed(_frame_of_value(event), place)
    if numbers:
        yield ["numbers", numbers]


def _unspelled(packed: Any, look: Look) -> "Frame | Events":
    match packed:
        case ["numbers", list(numbers)]:
            return Events([_number(fields) for fields in numbers])
    return _frame(packed, look)


def _number(fields: Any) -> Event:
    match fields:
        case [phase, str(), str(), int(), int(), int(), dict(), int() | float(), level, None | int() | float()] if (
            phase in PHASES and level in LEVELS
        ):
            return Event("scalar", *fields)
    raise DamagedFrame(f"not a number and its state: {fields!r}")


def _frame_of_value(event: Event) -> Frame:
    value = event.value
    named = {"string": "text", "config": "config"}
    params, arrays = split(value) if isinstance(value, Value) else ({named[event.kind]: value}, {})
    specs = specs_of(arrays)
    payload = bytearray()
    for spec, array, at in zip(specs, arrays.values(), payload_offsets(specs), strict=False):
        payload += bytes(at - len(payload)) + array.astype(spec.dtype, order="C", copy=False).tobytes()
    meta = event_meta(
        kind=event.kind,
        phase=event.phase,
        namespace=event.namespace,
        key=event.key,
        step=event.step,
        epoch=event.epoch,
        level=event.level,
        elapsed_s=event.elapsed_s,
        axes=event.axes,
        due=-1,
        params=params,
        arrays=specs,
    )
    return Frame(Kind.EVENT, seq=0, time=event.time_ns, meta_bytes=pack_meta(meta), payload=bytes(payload))
