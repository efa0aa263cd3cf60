"""One frame's bytes: where each field stands, and what is refused."""

import struct

import msgpack
import pytest

from asynclog.errors import DamagedFrame
from asynclog.wire.frame import Frame, Header, decode, encode, joined, pack_meta, unpack_meta
from asynclog.wire.layout import MAX_META_BYTES, MAX_PAYLOAD_BYTES, Flag, Kind, checksum, padding
from tests.frames import NONCE, encoded, forged

FRAMES = {
    "nothing inside": Frame(Kind.HEARTBEAT, seq=7, time=-1),
    "meta alone": Frame(Kind.FOOTER, seq=1, time=2, meta_bytes=pack_meta({"status": "finished"})),
    "payload alone": Frame(Kind.BLOB, seq=2**64 - 1, time=2**63 - 1, payload=bytes(range(65))),
    "both": Frame(Kind.EVENT, seq=1, time=2, count=1, meta_bytes=b"\x81\xa1k\x01", payload=b"x" * 64),
    "rows": Frame(Kind.ROWS, seq=1, time=2, schema=2**32 - 1, count=3, meta_bytes=b"\x81\xa1k\x01", payload=bytes(72)),
    "an unknown kind": Frame(100, seq=1, time=2, payload=b"later", flags=Flag.MUST_UNDERSTAND),
    "compressed": Frame(Kind.EVENT, seq=1, time=2, payload=b"abc", raw_length=999, flags=Flag.ZSTD),
    "meta that fills its line": Frame(Kind.EVENT, seq=1, time=2, meta_bytes=bytes(64), payload=b"y"),
}
FIELDS = ("kind", "seq", "time", "schema", "count", "flags", "raw_length", "must_understand", "length")


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_frame_comes_back_as_it_was_and_fills_whole_cache_lines(frame: Frame) -> None:
    data = encoded(frame)
    header = Header(data[:64])
    back = decode(header, data)
    assert [getattr(back, name) for name in FIELDS] == [getattr(frame, name) for name in FIELDS]
    assert (bytes(back.meta_bytes), bytes(back.payload)) == (frame.meta_bytes, frame.payload)
    assert len(data) == frame.length == header.length
    assert len(data) % 64 == 0
    assert header.nonce == NONCE
    assert back.head == data[:64] == frame.head


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_any_msgpack_library_sees_one_ext_object(frame: Frame) -> None:
    data = encoded(frame)
    found = msgpack.unpackb(data, max_ext_len=len(data))
    assert (found.code, found.data) == (frame.kind, data[6:])


def test_every_header_field_stands_where_the_specification_says() -> None:
    """The reference document's table, read back with struct alone."""
    frame = Frame(
        Kind.ROWS, seq=0x1122334455667788, time=-5, schema=3, count=2, flags=Flag.ZSTD | Flag.SHUFFLE,
        meta_bytes=b"\x80", payload=bytes(range(16)), raw_length=48,
    )  # fmt: skip
    data = encoded(frame)
    assert struct.unpack_from(">BIbBB", data, 0) == (0xC9, 128 - 6, 3, 1, 5)
    assert data[8:16] == NONCE
    assert struct.unpack_from("<I", data, 16)[0] == checksum(data[24:64], checksum(data[:16]))
    assert struct.unpack_from("<I", data, 20)[0] == checksum(data[64:])
    assert struct.unpack_from("<QIIqIIII", data, 24) == (0x1122334455667788, 16, 3, -5, 1, 72, 48, 2)
    assert data[64:72] == b"\x80" + bytes(7)
    assert data[72:88] == bytes(range(16))


@pytest.mark.parametrize(("kind", "alignment"), [(Kind.ROWS, 8), (Kind.SPARSE, 8), (Kind.EVENT, 64), (Kind.BLOB, 64)])
def test_a_payload_is_aligned_behind_meta_of_any_length(kind: Kind, alignment: int) -> None:
    for length in range(130):
        data = encoded(Frame(kind, seq=0, time=0, meta_bytes=bytes(length), payload=b"z"))
        at = Header(data).payload_at
        assert at % alignment == 0
        assert 64 + length <= at < 64 + length + alignment
        assert data[at : at + 1] == b"z"


def test_a_payload_is_handed_on_without_a_copy() -> None:
    payload = memoryview(bytearray(1000))
    assert any(one is payload for one in encode(Frame(Kind.BLOB, seq=0, time=0, payload=payload), NONCE))


def test_a_decoded_frame_is_a_view_of_the_bytes_it_came_in() -> None:
    data = bytearray(encoded(Frame(Kind.BLOB, seq=0, time=0, payload=b"a" * 64)))
    back = decode(Header(data), data)
    data[64] = ord("b")
    assert back.payload[0] == ord("b")
    assert isinstance(back.payload, memoryview)
    assert back.payload.readonly


GOOD = encoded(FRAMES["both"])
BAD_HEADERS = {
    "short": (GOOD[:63], "short"),
    "another mark": (forged(GOOD, 0, b"\xc8"), "not a header"),
    "another checksum": (GOOD[:16] + bytes(4) + GOOD[20:], "not a header"),
    "kind 0": (forged(GOOD, 5, b"\0"), "contradict"),
    "a kind of msgpack's own": (forged(GOOD, 5, b"\xff"), "contradict"),
    "no whole lines": (forged(GOOD, 1, struct.pack(">I", 192 - 5)), "contradict"),
    "meta of 2 MiB": (forged(GOOD, 48, struct.pack("<I", 2 << 20)), "contradict"),
    "a payload above the limit": (forged(GOOD, 32, struct.pack("<I", MAX_PAYLOAD_BYTES + 1)), "contradict"),
    "more than the limit, uncompressed": (forged(GOOD, 56, struct.pack("<I", MAX_PAYLOAD_BYTES + 1)), "contradict"),
    "a payload within the header": (forged(GOOD, 52, struct.pack("<I", 0)), "contradict"),
    "a payload within meta": (forged(GOOD, 52, struct.pack("<I", 64)), "contradict"),
    "a payload behind the end": (forged(GOOD, 52, struct.pack("<I", 1 << 20)), "contradict"),
}


@pytest.mark.parametrize(("data", "why"), BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_header_that_lies_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(DamagedFrame, match=why):
        Header(data[:64])


def test_a_body_is_refused_when_one_bit_differs_wherever_it_lies() -> None:
    header = Header(GOOD)
    for at in range(64, len(GOOD)):
        data = bytearray(GOOD)
        data[at] ^= 1
        with pytest.raises(DamagedFrame, match="checksum"):
            decode(header, data)
    with pytest.raises(DamagedFrame, match="bytes of a frame of"):
        decode(header, GOOD[:-64])


def test_a_header_notices_any_flipped_bit() -> None:
    for bit in range(64 * 8):
        data = bytearray(GOOD[:64])
        data[bit // 8] ^= 1 << bit % 8
        if 20 <= bit // 8 < 24:  # the body's checksum is proved by the body
            continue
        with pytest.raises(DamagedFrame):
            Header(data)


BAD_META = {
    "not msgpack": b"\xc1",
    "cut": b"\x82\xa1k",
    "two objects": b"\x80\x80",
    "a list": b"\x90",
    "a list as a key": b"\x81\x91\x01\x02",
    "an ext object": b"\x81\xa1k\xd4\x05\x00",
    "a time stamp": b"\x81\xa1k\xd6\xff" + bytes(4),
    "nesting without end": b"\x91" * 4000,
    "a promise of four billion entries": b"\xdf\xff\xff\xff\xff",
    "a promise of a long list": b"\x81\xa1k\xdd\x7f\xff\xff\xff",
    "text that is not UTF-8": b"\x81\xa1k\xa1\xff",
}


@pytest.mark.parametrize("data", BAD_META.values(), ids=BAD_META)
def test_meta_that_is_no_map_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedFrame, match="meta is"):
        unpack_meta(data)


def test_empty_meta_takes_no_bytes() -> None:
    assert pack_meta({}) == b""
    assert unpack_meta(b"") == {}
    assert Frame(Kind.GAP, seq=0, time=0).meta == {}


def test_too_much_for_one_frame_is_refused_before_it_is_written() -> None:
    with pytest.raises(DamagedFrame, match="at most"):
        encode(Frame(Kind.EVENT, seq=0, time=0, meta_bytes=bytes(MAX_META_BYTES + 1)), NONCE)


def test_a_frame_describes_itself() -> None:
    assert repr(FRAMES["rows"]) == "<Frame ROWS seq=1 schema=4294967295 count=3 payload=72>"
    assert repr(FRAMES["an unknown kind"]).startswith("<Frame 100 seq=1")


@pytest.mark.parametrize(("length", "alignment", "expected"), [(0, 64, 0), (1, 64, 63), (64, 64, 0), (65, 8, 7)])
def test_padding_reaches_the_next_multiple(length: int, alignment: int, expected: int) -> None:
    assert padding(length, alignment) == expected


def test_a_checksum_may_be_taken_in_pieces_of_any_size() -> None:
    """Also above the size where the GIL is released."""
    data = bytes(range(256)) * 2048
    assert checksum(data[1000:], checksum(data[:1000])) == checksum(data)
    assert checksum(b"123456789") == 0xE3069283  # the check value of CRC-32C


def test_joined_buffers_are_one_frame() -> None:
    assert joined([b"a", memoryview(b"bc"), bytearray(b"d")]) == b"abcd"
