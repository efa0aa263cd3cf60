"""Protocol buffers by hand: the few wire types that an event file consists of, written and read.

A message's field numbers never change, so that nothing of TensorBoard's is needed to write its files: no generated classes,
and no version of protobuf that has to suit both it and everything else in the process.

Source: the encoding of protocol buffers, https://protobuf.dev/programming-guides/encoding/.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

_VARINT, _DOUBLE, _BYTES, _SINGLE = 0, 1, 2, 5
_FIXED: Final[Mapping[int, int]] = {_DOUBLE: 8, _SINGLE: 4}
_TWO_TO_64: Final = 1 << 64


def varint(value: int) -> bytes:
    """A whole number of 64 bits, seven at a time; negative ones take ten bytes."""
    value %= _TWO_TO_64
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def number(field: int, value: int) -> bytes:
    """A field of a whole number, a bool or an enumeration."""
    return varint(field << 3 | _VARINT) + varint(value)


def double(field: int, value: float) -> bytes:
    """A field of eight bytes of floating point."""
    return varint(field << 3 | _DOUBLE) + struct.pack("<d", value)


def part(field: int, data: bytes | str) -> bytes:
    """A field of bytes, of text, or of another message."""
    encoded = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | _BYTES) + varint(len(encoded)) + encoded


def parts(field: int, data: Iterable[bytes | str]) -> bytes:
    """A repeated field."""
    return b"".join(part(field, one) for one in data)


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field, value) of a message in the order of its bytes; what isn't a varint is given as its bytes.

    Raises ValueError for what is no message.
    """
    at = 0
    while at < len(data):
        key, at = _varint_at(data, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint_at(data, at)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            length, at = _varint_at(data, at)
        elif wire in _FIXED:
            length = _FIXED[wire]
        else:
            raise ValueError(f"no protocol buffer: wire type {wire}")
        if at + length > len(data):
            raise ValueError("no protocol buffer: it ends within a field")
        yield key >> 3, data[at : at + length]
        at += length


def _varint_at(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("no protocol buffer: it ends within a number")
