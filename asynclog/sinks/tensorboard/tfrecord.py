"""TFRecord, the framing of an event file: a length, its checksum, the data, their checksum.

    u64 length · u32 masked crc32c of these 8 bytes · data · u32 masked crc32c of data          little-endian

Source of the mask: tensorflow/core/lib/hash/crc32c.h.
"""

import struct
from collections.abc import Iterator
from typing import Final

from crc32c import crc32c

HEAD: Final = struct.Struct("<QI")
TAIL: Final = struct.Struct("<I")
MASK: Final = 0xA282EAD8


def masked(crc: int) -> int:
    """A checksum as it is stored, so that one of data that holds checksums is still a good one."""
    return ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF


def head(length: int) -> bytes:
    """What stands before data of this length."""
    encoded = length.to_bytes(8, "little")
    return encoded + TAIL.pack(masked(crc32c(encoded)))


def record(data: bytes) -> bytes:
    """Data as a record."""
    return b"".join((head(len(data)), data, TAIL.pack(masked(crc32c(data)))))


def records(file: memoryview) -> Iterator[tuple[int, int]]:
    """(start, end) of each whole record, up to the first that is cut short or isn't one.

    Checksums of the data aren't looked at: a file's records but the last were whole when the next was written.
    """
    start, size = 0, len(file)
    while start + HEAD.size <= size:
        length, crc = HEAD.unpack_from(file, start)
        end = start + HEAD.size + length + TAIL.size
        # A file system that lost its last write may show zeros, whose length would be 0.
        if not length or end > size or crc != masked(crc32c(file[start : start + 8])):
            return
        yield start, end
        start = end


def is_sound(file: memoryview, start: int, end: int) -> bool:
    """Whether a record's data are what they were."""
    (crc,) = TAIL.unpack_from(file, end - TAIL.size)
    return bool(crc == masked(crc32c(file[start + HEAD.size : end - TAIL.size])))
