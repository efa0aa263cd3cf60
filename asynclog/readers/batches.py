"""A run as batches, as its journal would deliver them: what lets a sink write a finished run without a recorder.

Stream by stream, in the order of the records; frames are decoded when a batch is looked at, and only then.
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from operator import itemgetter
from typing import Final, NamedTuple

from asynclog.readers.columns import rows_of
from asynclog.readers.index import MALFORMED, RowsBlock, Stored, StreamIndex
from asynclog.wire.batch import Batch, Events, Rows
from asynclog.wire.codec import raw_payload
from asynclog.wire.frame import Frame
from asynclog.wire.schema import sparse_records
from asynclog.wire.stream import StreamDecoder, epoch_and_level

EVENTS: Final = 1 << 20
NBYTES: Final = 64 << 20


class _Held(NamedTuple):
    """A numbered frame and what it belongs to: a layout of rows, an event; None: sparse numbers."""

    seq: int
    events: int
    frame: Frame
    of: "RowsBlock | Stored | None"


def batches(index: StreamIndex, events: int = EVENTS, nbytes: int = NBYTES) -> Iterator[Batch]:
    """All of a stream in batches of at least so many events or bytes, but for the last."""
    held = sorted(_held(index), key=itemgetter(0))
    start, length, size = 0, 0, 0
    for at, one in enumerate(held, 1):
        length += one.events
        size += len(one.frame.payload)
        if length >= events or size >= nbytes or at == len(held):
            yield _batch(index, held[start:at], length)
            start, length, size = at, 0, 0


def _held(index: StreamIndex) -> Iterator[_Held]:
    for block in index.blocks:
        per_row, stride = len(block.schema.series), block.schema.stride
        for frame in block.frames:
            yield _Held(frame.seq, frame.raw_length // stride * per_row, frame, block)
    for frame in index.sparse:
        yield _Held(frame.seq, sum(len(one.numbers) for one in sparse_records(raw_payload(frame))), frame, None)
    for stored in index.stored:
        yield _Held(stored.frame.seq, 1, stored.frame, stored)


def _batch(index: StreamIndex, held: list[_Held], length: int) -> Batch:
    name = index.name
    return Batch(
        partial(_parts, index, held),
        writer=name.writer,
        epoch=name.epoch,
        seq=held[0].seq,
        frames=[one.frame for one in held],
        length=length,
    )


def _parts(index: StreamIndex, held: list[_Held]) -> list[Rows | Events]:
    found: list[Rows | Events] = []
    for one in held:
        # A checksum that holds says nothing of the content: what makes no sense is left out, as everywhere in readers.
        with suppress(*MALFORMED):
            part = _part(index, one)
            if part is not None:
                found.append(part)
    return found


def _part(index: StreamIndex, one: _Held) -> "Rows | Events | None":
    if isinstance(one.of, Stored):
        return Events([index.decoded(one.of)])
    if isinstance(one.of, RowsBlock):
        rows = rows_of(one.of, one.frame)
        return None if rows is None else Rows(one.of.schema, rows.data.cast("B"), *epoch_and_level(one.frame.meta))
    record = StreamDecoder(index.book, last_seq=one.seq - 1).feed(one.frame)
    return None if record is None else record.part
