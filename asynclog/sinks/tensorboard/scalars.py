"""Numbers as records of an event file, a batch at a time.

    Event { summary { value { tag, simple_value } }, wall_time, step }

The order of fields is free in a protocol buffer. Here all that differs between two numbers of one tag stands at the end, so
that one matrix holds the ends of all a batch's records, whatever their tags; and a checksum, which is linear, is that of the
tag's constant beginning combined with a table's entry for each byte of the end. A step's varint is padded to a fixed width,
five bytes, or ten below 0 and from 2^35 on, which every reader takes. So a record costs 0.1 µs, where a protocol buffer's
class and a checksum for each cost 30.

simple_value is float32: what TensorBoard itself shows, and what every reader of event files looks for.
"""

from collections.abc import Mapping
from functools import lru_cache
from itertools import chain, repeat
from typing import Final, NamedTuple

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from asynclog.sink import Column
from asynclog.sinks.tensorboard.protobuf import part
from asynclog.sinks.tensorboard.tfrecord import HEAD, MASK, TAIL, head

_POLYNOMIAL: Final = 0x82F63B78
_NARROW, _WIDE = 5, 10
_MOST_NARROW: Final = 1 << 7 * _NARROW
_MOST_TAGS: Final = 1 << 16
_FEW: Final = 16
_SUMMARY, _SIMPLE_VALUE, _WALL_TIME, _STEP = 0x2A, 0x15, 0x09, 0x10  # a field's number and wire type
_AN_END: Final = 4 + 1 + 8 + 1  # the value, and up to the step
Bytes = NDArray[np.uint8]


class _Beginning(NamedTuple):
    """Of all a tag's records: the bytes up to the value, and what they add to the checksum."""

    data: bytes
    crc: int


def scalar_records(columns: Mapping[str, Column]) -> list[bytes]:
    """The records of each tag's numbers, in their order; a bytes object a tag."""
    if not columns:
        return []
    steps, times, values = (np.concatenate(one) for one in zip(*map(_plain, columns.values()), strict=True))
    counts = [len(column.step) for column in columns.values()]
    narrow = (steps >= 0) & (steps < _MOST_NARROW)
    ends = {
        width: _ends(steps, times, values, width, np.repeat([_beginning(tag, width).crc for tag in columns], counts))
        for width, needed in ((_NARROW, narrow.any()), (_WIDE, not narrow.all()))
        if needed
    }
    if len(ends) == 1:
        ((width, only),) = ends.items()
        places = np.cumsum([0, *counts]).tolist()
        return [
            _joined(_beginning(tag, width).data, only[first:last])
            for tag, first, last in zip(columns, places, places[1:], strict=False)
        ]
    widths = np.where(narrow, _NARROW, _WIDE).tolist()
    named = chain.from_iterable(map(repeat, columns, counts))
    return [
        _beginning(tag, width).data + ends[width][at].tobytes()
        for at, (tag, width) in enumerate(zip(named, widths, strict=True))
    ]


def _plain(column: Column) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float32]]:
    # What float32 can't hold becomes an infinity, as everywhere in TensorBoard.
    with np.errstate(over="ignore", invalid="ignore"):
        return column.step, column.time_ns / 1e9, column.value.astype(np.float32)


def _joined(beginning: bytes, ends: Bytes) -> bytes:
    count, width = ends.shape
    if count < _FEW:
        data = ends.tobytes()
        return b"".join([beginning + data[at : at + width] for at in range(0, len(data), width)])
    made = np.empty((count, len(beginning) + width), np.uint8)
    made[:, : len(beginning)] = np.frombuffer(beginning, np.uint8)
    made[:, len(beginning) :] = ends
    return made.tobytes()


@lru_cache(_MOST_TAGS)
def _beginning(tag: str, width: int) -> _Beginning:
    value = part(1, tag) + bytes([_SIMPLE_VALUE]) + bytes(4)
    constant = part(5, part(1, value))[:-4]
    length = _AN_END + width
    whole = constant + bytes(length)
    return _Beginning(head(len(whole)) + constant, crc32c(whole))


def _ends(
    steps: NDArray[np.int64], times: NDArray[np.float64], values: NDArray[np.float32], width: int, crcs: NDArray[np.int64]
) -> Bytes:
    """(n, …): of each record what follows its tag's beginning. crcs: what that beginning adds."""
    length = _AN_END + width
    data = np.empty((len(steps), length + TAIL.size), np.uint8)
    data[:, :4] = values.astype("<f4", copy=False).view(np.uint8).reshape(-1, 4)
    data[:, 4] = _WALL_TIME
    data[:, 5:13] = times.astype("<f8", copy=False).view(np.uint8).reshape(-1, 8)
    data[:, 13] = _STEP
    left = steps.view(np.uint64)
    for at in range(width - 1):
        data[:, _AN_END + at] = left & np.uint64(0x7F) | np.uint64(0x80)
        left = left >> np.uint64(7)
    data[:, length - 1] = left & np.uint64(0x7F)
    crc = crcs.astype(np.uint32)
    for at, table in enumerate(reversed(_tables()[:length])):
        crc ^= table.take(data[:, at])
    stored = (crc >> np.uint32(15) | crc << np.uint32(17)) + np.uint32(MASK)
    data[:, length:] = stored.astype("<u4", copy=False).view(np.uint8).reshape(-1, TAIL.size)
    return data


@lru_cache(1)
def _tables() -> list[NDArray[np.uint32]]:
    """By how many bytes follow: what a byte adds to a crc32c."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> np.uint32(1) ^ np.uint32(_POLYNOMIAL), table >> np.uint32(1)).astype(np.uint32)
    tables = [table]
    while len(tables) < _AN_END + _WIDE:
        last = tables[-1]
        tables.append(table[last & 0xFF] ^ last >> np.uint32(8))
    return tables


def constant_of_scalar(record: memoryview) -> bytes | None:
    """What all records of one tag share and no others do, if this is one of a number that was made here."""
    if record[HEAD.size] != _SUMMARY:
        return None
    for width in (_NARROW, _WIDE):
        at = len(record) - TAIL.size - _AN_END - width
        if at > HEAD.size and record[at - 1] == _SIMPLE_VALUE and record[at + 4] == _WALL_TIME and record[at + 13] == _STEP:
            return bytes(record[:at])
    return None
