"""Every constant of the frame, and the one place that knows its offsets. docs/reference/format.md is the specification."""

from enum import IntEnum, IntFlag
from importlib import import_module
from struct import Struct
from typing import Any, Final

VERSION: Final = 1
ALIGNMENT: Final = 64  # a cache line, and what numpy and mmap are happy with
HEADER_BYTES: Final = 64
EXT32: Final = 0xC9  # msgpack's "ext 32"; its own header takes 6 bytes
EXT_OVERHEAD: Final = 6
MAX_META_BYTES: Final = 1 << 20
MAX_PAYLOAD_BYTES: Final = 1 << 30  # of one frame; larger arrays travel in BLOB parts
BLOB_PART_BYTES: Final = 64 << 20
ROW_ALIGNMENT: Final = 8
REDUCTIONS: Final = ("last", "mean", "sum", "min", "max", "count")
"""How the numbers of a series fold; a schema stores the index."""


class Kind(IntEnum):
    """What a frame holds. Negative ext types are msgpack's own."""

    SEGMENT = 1
    SCHEMA = 2
    ROWS = 3
    SPARSE = 4
    EVENT = 5
    BLOB = 6
    SLABREF = 7
    INDEX = 8
    GAP = 9
    HEARTBEAT = 10
    FOOTER = 11


NUMBERED: Final = frozenset({Kind.ROWS, Kind.SPARSE, Kind.EVENT, Kind.BLOB})
"""The kinds that consume a sequence number; the others carry the next one."""


class Flag(IntFlag):
    """How a payload is stored, and whether a reader may skip a frame it doesn't know."""

    NONE = 0
    ZSTD = 1
    SHUFFLE = 4
    MUST_UNDERSTAND = 128


# msgpack's part is big-endian, ours little-endian.
EXT_HEAD: Final = Struct(">BIbBB")  # 0xC9, ext length, kind, version, flags
REST: Final = Struct("<8sIIQIIqIIII")
# nonce, header crc, body crc, seq, stored payload, schema, time, meta, payload offset, raw payload, count
CHECKSUMS: Final = Struct("<II")
CHECKSUMS_AT: Final = 16
NONCE_AT: Final = 8
NONCE_BYTES: Final = 8

# Above this size a checksum takes longer than handing the GIL over and back (measured: about 12 µs at 19 GiB/s).
_RELEASE_GIL_ABOVE: Final = 256 << 10
_crc32c: Any = None


def checksum(data: "bytes | bytearray | memoryview", start: int = 0) -> int:
    """CRC-32C of ``data``, continuing from ``start``."""
    global _crc32c  # noqa: PLW0603 - loaded once
    if _crc32c is None:
        # The package looks itself up in the installed distributions: 10 ms that a training process need not spend.
        _crc32c = import_module("crc32c").crc32c
    mode = -1 if len(data) <= _RELEASE_GIL_ABOVE else 1
    return int(_crc32c(data, start, gil_release_mode=mode))


def padding(length: int, alignment: int = ALIGNMENT) -> int:
    """How many bytes bring ``length`` to the next multiple of ``alignment``."""
    return -length % alignment
