"""One frame: encoded as a list of buffers (so that a payload goes from shared memory to a file without a copy), decoded as
a view of the bytes it came in.

It may not know what a payload means, nor where its bytes came from or go to.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

import msgpack
import numpy as np

from asynclog.errors import DamagedFrame
from asynclog.wire.layout import (
    CHECKSUMS,
    CHECKSUMS_AT,
    EXT32,
    EXT_HEAD,
    EXT_OVERHEAD,
    HEADER_BYTES,
    MAX_META_BYTES,
    MAX_PAYLOAD_BYTES,
    REST,
    ROW_ALIGNMENT,
    VERSION,
    Flag,
    Kind,
    checksum,
    padding,
)

Buffer = bytes | bytearray | memoryview
_ZEROS: Final = bytes(64)
_FIXMAP: Final = 0x80  # msgpack's map of up to 15


def _packed(held: Any) -> bytes:
    # Half a surrogate pair, as file names may hold, is no UTF-8: as a key it is recorded by its escape.
    return msgpack.packb(held, use_bin_type=True, unicode_errors="backslashreplace")  # type: ignore[no-any-return]


def pack_meta(meta: dict[str, Any]) -> bytes:
    """A frame's meta map as msgpack; nothing for an empty one."""
    return _packed(meta) if meta else b""


def pack_around(meta: dict[str, Any], name: str) -> tuple[bytes, bytes]:
    """What is before and behind the value of ``name`` in a packed meta map of at most 15 names."""
    names = list(meta)
    at = names.index(name)
    before = b"".join(_packed(one) + _packed(meta[one]) for one in names[:at])
    after = b"".join(_packed(one) + _packed(meta[one]) for one in names[at + 1 :])
    return bytes([_FIXMAP | len(meta)]) + before + _packed(name), after


def pack_whole(number: int) -> bytes:
    """A whole number as msgpack."""
    return msgpack.packb(number)  # type: ignore[no-any-return]


def unpack_meta(data: Buffer) -> dict[str, Any]:
    """A meta map from untrusted bytes. Raises DamagedFrame."""
    if not len(data):
        return {}
    try:
        found = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=False,
            max_str_len=MAX_META_BYTES,
            max_bin_len=MAX_META_BYTES,
            max_array_len=1 << 17,
            max_map_len=1 << 16,
            max_ext_len=0,
        )
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise DamagedFrame(f"meta is not msgpack: {error}") from error
    if not isinstance(found, dict):
        raise DamagedFrame(f"meta is a {type(found).__name__}, not a map")
    return found


class Frame:
    """A decoded (or just encoded) frame. ``payload`` is as stored; a codec's work is undone by wire.codec.

    seq, schema, time (ns), count: as in the header. meta_bytes, payload: buffers, not copies.
    """

    __slots__ = (
        "__dict__",
        "count",
        "flags",
        "head",
        "kind",
        "meta_bytes",
        "payload",
        "raw_length",
        "schema",
        "seq",
        "time",
    )

    def __init__(
        self,
        kind: int,
        *,
        seq: int,
        time: int,
        schema: int = 0,
        count: int = 0,
        flags: int = 0,
        meta_bytes: Buffer = b"",
        payload: Buffer = b"",
        raw_length: int | None = None,
        head: bytes = b"",
    ) -> None:
        self.kind, self.seq, self.time, self.schema, self.count, self.flags = kind, seq, time, schema, count, flags
        self.meta_bytes, self.payload, self.head = meta_bytes, payload, head
        self.raw_length = len(payload) if raw_length is None else raw_length

    @cached_property
    def meta(self) -> dict[str, Any]:
        return unpack_meta(self.meta_bytes)

    @property
    def must_understand(self) -> bool:
        return bool(self.flags & Flag.MUST_UNDERSTAND)

    @property
    def length(self) -> int:
        """Bytes of the whole frame, a multiple of 64."""
        body = len(self.meta_bytes)
        body += padding(body, payload_alignment(self.kind)) if len(self.payload) else 0
        body += len(self.payload)
        return HEADER_BYTES + body + padding(body)

    def detached(self) -> "Frame":
        """The same frame with a payload of its own, which outlives the memory this one looks into."""
        own = np.frombuffer(self.payload, np.uint8).copy() if len(self.payload) else b""
        return Frame(
            self.kind,
            seq=self.seq,
            time=self.time,
            schema=self.schema,
            count=self.count,
            flags=self.flags,
            meta_bytes=self.meta_bytes,
            payload=memoryview(own),  # type: ignore[arg-type]
            raw_length=self.raw_length,
            head=self.head,
        )

    def __repr__(self) -> str:
        name = Kind(self.kind).name if self.kind in Kind._value2member_map_ else str(self.kind)
        return f"<Frame {name} seq={self.seq} schema={self.schema} count={self.count} payload={len(self.payload)}>"


def payload_alignment(kind: int) -> int:
    """Rows are aligned to their 8-byte fields; arrays to 64."""
    return ROW_ALIGNMENT if kind in (Kind.ROWS, Kind.SPARSE) else 64


def encode(frame: Frame, nonce: bytes) -> list[Buffer]:
    """The frame's bytes as a list of buffers: header with meta, then the payload itself, then padding.

    Raises DamagedFrame if meta or payload is larger than a frame may hold.
    """
    meta, payload = frame.meta_bytes, frame.payload
    if len(meta) > MAX_META_BYTES or len(payload) > MAX_PAYLOAD_BYTES:
        raise DamagedFrame(f"a frame holds {MAX_META_BYTES} bytes of meta and {MAX_PAYLOAD_BYTES} of payload at most")
    gap = padding(len(meta), payload_alignment(frame.kind)) if len(payload) else 0
    body_length = len(meta) + gap + len(payload)
    tail = padding(body_length)
    length = HEADER_BYTES + body_length + tail
    before = bytes(meta) + _ZEROS[:gap]
    body = checksum(before)
    if len(payload):
        body = checksum(payload, body)
    if tail:
        body = checksum(_ZEROS[:tail], body)
    head = bytearray(HEADER_BYTES)
    EXT_HEAD.pack_into(head, 0, EXT32, length - EXT_OVERHEAD, frame.kind, VERSION, frame.flags)
    REST.pack_into(
        head,
        EXT_HEAD.size,
        nonce,
        0,
        0,
        frame.seq,
        len(payload),
        frame.schema,
        frame.time,
        len(meta),
        HEADER_BYTES + len(meta) + gap,
        frame.raw_length,
        frame.count,
    )
    CHECKSUMS.pack_into(head, CHECKSUMS_AT, header_checksum(head), body)
    frame.head = bytes(head)
    buffers: list[Buffer] = [frame.head + before]
    if len(payload):
        buffers.append(payload)
    if tail:
        buffers.append(_ZEROS[:tail])
    return buffers


def header_checksum(head: Buffer) -> int:
    """CRC-32C of the header without its two checksums."""
    view = memoryview(head)
    return checksum(view[24:HEADER_BYTES], checksum(view[:CHECKSUMS_AT]))


class Header:
    """A frame's first 64 bytes, checked by their own checksum."""

    __slots__ = (
        "body_crc",
        "count",
        "flags",
        "kind",
        "length",
        "meta_length",
        "nonce",
        "payload_at",
        "raw_length",
        "schema",
        "seq",
        "stored_length",
        "time",
        "version",
    )

    def __init__(self, head: Buffer) -> None:
        if len(head) < HEADER_BYTES:
            raise DamagedFrame("short header")
        mark, ext_length, self.kind, self.version, self.flags = EXT_HEAD.unpack_from(head, 0)
        (
            self.nonce,
            header_crc,
            self.body_crc,
            self.seq,
            self.stored_length,
            self.schema,
            self.time,
            self.meta_length,
            self.payload_at,
            self.raw_length,
            self.count,
        ) = REST.unpack_from(head, EXT_HEAD.size)
        self.length: int = ext_length + EXT_OVERHEAD
        if mark != EXT32 or header_crc != header_checksum(memoryview(head)[:HEADER_BYTES]):
            raise DamagedFrame("not a header of this format")
        if (
            self.kind <= 0
            or self.length % 64
            or self.meta_length > MAX_META_BYTES
            or self.stored_length > MAX_PAYLOAD_BYTES
            or self.raw_length > MAX_PAYLOAD_BYTES
            or self.payload_at < HEADER_BYTES + self.meta_length
            or self.payload_at + self.stored_length > self.length
        ):
            raise DamagedFrame("a header whose lengths contradict each other")


def decode(header: Header, data: Buffer) -> Frame:
    """The frame of ``header`` from all of its bytes. Raises DamagedFrame if its body's checksum doesn't hold."""
    view = memoryview(data).toreadonly()
    if len(view) != header.length:
        raise DamagedFrame(f"{len(view)} bytes of a frame of {header.length}")
    if checksum(view[HEADER_BYTES:]) != header.body_crc:
        raise DamagedFrame("body checksum")
    return Frame(
        header.kind,
        seq=header.seq,
        time=header.time,
        schema=header.schema,
        count=header.count,
        flags=header.flags,
        meta_bytes=view[HEADER_BYTES : HEADER_BYTES + header.meta_length],
        payload=view[header.payload_at : header.payload_at + header.stored_length],
        raw_length=header.raw_length,
        head=bytes(view[:HEADER_BYTES]),
    )


def joined(buffers: Sequence[Buffer]) -> bytes:
    """The buffers of a frame as one bytes object."""
    return b"".join(buffers)
