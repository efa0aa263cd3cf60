"""Everything a run holds, as events in the order of their times, over all writers and epochs.

Only times are held in memory, an integer a row; a row, or an array, is decoded when its turn comes.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asynclog.readers.columns import rows_of
from asynclog.readers.index import MALFORMED, RowsBlock, Stored, StreamIndex
from asynclog.readers.series import Name
from asynclog.sink import Event
from asynclog.wire.codec import raw_payload
from asynclog.wire.frame import Frame, unpack_meta
from asynclog.wire.schema import Series, sparse_records
from asynclog.wire.stream import epoch_and_level

Wanted = Callable[[str, Name], bool]
_NO_AXES: Final[Mapping[str, float]] = {}


class _Source(NamedTuple):
    """Records of one frame: their times, and how to get the events of one."""

    times: NDArray[np.int64]
    at: Callable[[int], list[Event]]


def timeline(indexes: "list[StreamIndex]", wanted: Wanted, last: int | None = None) -> Iterator[Event]:
    """The events that are wanted, of the last so many records only if asked. What can't be decoded is left out."""
    sources = [source for index in indexes for source in _sources(index, wanted)]
    if not sources:
        return
    lengths = np.array([len(one.times) for one in sources])
    order = np.argsort(np.concatenate([one.times for one in sources]), kind="stable")
    if last is not None:
        order = order[max(len(order) - last, 0) :]
    which = np.repeat(np.arange(len(sources)), lengths)[order]
    within = order - (np.cumsum(lengths) - lengths)[which]
    for source, position in zip(which.tolist(), within.tolist(), strict=True):
        yield from sources[source].at(position)


def _sources(index: StreamIndex, wanted: Wanted) -> Iterator[_Source]:
    for block in index.blocks:
        columns = [(at, one) for at, one in enumerate(block.schema.series) if wanted("scalar", Name(*one[:3]))]
        if columns:
            for frame in block.frames:
                source = _rows_source(block, frame, columns)
                if source is not None:
                    yield source
    for frame in index.sparse:
        yield _sparse_source(index, frame, wanted)
    for stored in index.stored:
        if wanted(stored.kind, Name(stored.phase, stored.namespace, stored.key)):
            yield _Source(np.array([stored.frame.time], np.int64), _decoder(index, stored))


def _decoder(index: StreamIndex, stored: Stored) -> Callable[[int], list[Event]]:
    def decode(_: int) -> list[Event]:
        try:
            return [index.decoded(stored)]
        except MALFORMED:
            return []

    return decode


def _rows_source(block: RowsBlock, frame: Frame, columns: list[tuple[int, Series]]) -> _Source | None:
    rows, schema = rows_of(block, frame), block.schema
    if rows is None:
        return None
    epoch, level = _epoch_and_level(frame)
    first = schema.first_column
    axes_at = first - len(schema.axes)
    elapsed_at = 1 + schema.due if schema.elapsed else None
    named = [(first + at, one.phase, one.namespace, one.key) for at, one in columns]
    payload, unpack, stride = rows.data, schema.struct.unpack_from, schema.stride

    def decode(at: int) -> list[Event]:
        row = unpack(payload, at * stride)
        axes = dict(zip(schema.axes, row[axes_at:first], strict=True)) if schema.axes else _NO_AXES
        elapsed = None if elapsed_at is None else row[elapsed_at]
        return [
            Event("scalar", phase, namespace, key, row[0], epoch, row[-1], axes, row[column], level, elapsed)
            for column, phase, namespace, key in named
        ]

    return _Source(rows[:, -1].view(np.int64), decode)


def _epoch_and_level(frame: Frame) -> tuple[int, str]:
    try:
        return epoch_and_level(unpack_meta(frame.meta_bytes))
    except MALFORMED:
        return 0, "batch"


def _sparse_source(index: StreamIndex, frame: Frame, wanted: Wanted) -> _Source:
    records = sparse_records(raw_payload(frame))
    epoch, level = _epoch_and_level(frame)
    known = index.book.series

    def decode(at: int) -> list[Event]:
        one = records[at]
        names = [
            Name(*(known.get(number) or Series("train", "", f"unnamed series {number}"))[:3]) for number in one.numbers.tolist()
        ]
        return [
            Event("scalar", *name, one.step, epoch, one.time, _NO_AXES, value, level, one.elapsed)
            for name, value in zip(names, one.values.tolist(), strict=True)
            if wanted("scalar", name)
        ]

    held = [at for at in range(len(records)) if decode(at)]
    return _Source(np.array([records[at].time for at in held], np.int64), lambda at: decode(held[at]))
