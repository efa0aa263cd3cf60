"""Whatever happens to a stream's bytes: what was not hit is read, nothing is invented, nothing falls over."""

import tracemalloc
from collections.abc import Iterable

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynclog.errors import DamagedFrame
from asynclog.values import Config, Histogram, Image
from asynclog.wire.batch import Batch
from asynclog.wire.codec import compressed
from asynclog.wire.frame import Frame, Header, decode
from asynclog.wire.layout import Kind
from asynclog.wire.schema import Schema, series_frame
from asynclog.wire.segment import Damage, Scanner
from asynclog.wire.stream import StreamDecoder
from tests.frames import (
    ACCURACY,
    LOSS,
    SEEN,
    encoded,
    event,
    footer,
    heartbeat,
    rows,
    scanned,
    segment,
    sparse,
    sparse_record,
    stream_of,
)

SCHEMA = Schema(1, (LOSS, SEEN), due=True, elapsed=True, axes=("samples",))
STREAM: list[Frame] = [
    segment(routes=["a"]),
    SCHEMA.frame(0, 0),
    rows(SCHEMA, [(0.5, 1), (0.25, 2)], prefixes=[(1, 0.5, 2.0), (0, 0.75, 4.0)], seq=0, epoch=1),
    series_frame([1, 2], [LOSS, ACCURACY], 1, 0),
    sparse([sparse_record(1, 3, [1, 2], [0.5, 0.25], due=1, elapsed=1.0), sparse_record(2, 4, [2], [0.5])], seq=1),
    event("note", "some text", seq=2, axes={"samples": 3.0}),
    event("picture", Image(np.arange(300, dtype=np.uint8).reshape(3, 10, 10), "c"), seq=3),
    event("weights", Histogram(np.arange(8), 0.0, 1.0, 28, 0.5, 0.1), seq=4),
    compressed(rows(SCHEMA, [(0.5, 1)] * 20, prefixes=[(1, 0.5, 2.0)] * 20, seq=5)),
    Frame(Kind.BLOB, seq=6, time=0, payload=bytes(range(100))),
    event("setup", Config({"lr": 0.1, "layers": [1, 2]}), seq=7),
    event("x", 1.5, seq=8),
    heartbeat(9),
    footer(9),
]
BYTES = stream_of(STREAM)
OFFSETS = np.cumsum([0, *(one.length for one in STREAM)]).tolist()


def identities(found: Iterable[Frame | Damage]) -> list[tuple[object, ...]]:
    return [
        (one.kind, one.seq, one.time, one.schema, one.count, one.flags, bytes(one.meta_bytes), bytes(one.payload))
        for one in found
        if isinstance(one, Frame)
    ]


WHOLE = identities(scanned(BYTES))


def test_the_stream_is_whole_to_begin_with() -> None:
    assert identities(STREAM) == WHOLE
    decoder = StreamDecoder()
    for one in scanned(BYTES):
        assert isinstance(one, Frame)
        decoder.feed(one)
    assert (decoder.missing, decoder.repeats, decoder.last_seq) == (0, 0, 8)


def test_four_hundred_flipped_bits_lose_at_most_one_frame_each() -> None:
    for bit in np.random.default_rng(7).choice(8 * len(BYTES), 400, replace=False).tolist():
        data = bytearray(BYTES)
        data[bit // 8] ^= 1 << bit % 8
        found = scanned(bytes(data))
        hit = next(at for at, end in enumerate(OFFSETS[1:]) if bit // 8 < end)
        assert identities(found) == WHOLE[:hit] + WHOLE[hit + 1 :], bit
        damage = [one for one in found if isinstance(one, Damage)]
        assert [(one.at, one.length) for one in damage] == [(OFFSETS[hit], STREAM[hit].length)]


@pytest.mark.parametrize("final", [True, False])
def test_every_truncation_leaves_an_intact_prefix(final: bool) -> None:
    for length in range(len(BYTES)):
        scanner = Scanner()
        found = list(scanner.scan(BYTES[:length], final=final))
        whole = sum(end <= length for end in OFFSETS[1:])
        assert identities(found) == WHOLE[:whole]
        assert scanner.position == (length if final else OFFSETS[whole])
        assert sum(isinstance(one, Damage) for one in found) == (final and length > OFFSETS[whole])


U32, U64, I64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1)
FRAMES = st.builds(
    Frame,
    st.integers(1, 127),
    seq=U64,
    time=I64,
    schema=U32,
    count=U32,
    flags=st.integers(0, 255),
    meta_bytes=st.binary(max_size=200),
    payload=st.binary(max_size=400),
)


@given(FRAMES, st.binary(min_size=8, max_size=8))
def test_any_frame_comes_back_as_it_was(frame: Frame, nonce: bytes) -> None:
    data = encoded(frame, nonce)
    header = Header(data)
    assert identities([decode(header, data)]) == identities([frame])
    assert header.nonce == nonce
    assert msgpack.unpackb(data, max_ext_len=len(data)).code == frame.kind


@given(st.lists(FRAMES, max_size=4), st.data())
def test_any_way_of_cutting_a_stream_into_windows_gives_the_same(frames: list[Frame], data: st.DataObject) -> None:
    whole = stream_of(frames)
    scanner = Scanner()
    found: list[Frame | Damage] = []
    end = 0
    while end < len(whole):
        end = data.draw(st.integers(end, len(whole)) | st.just(len(whole)))
        found += scanner.scan(whole[scanner.position : end], final=False)
    assert identities(found) == identities(scanned(whole))


def junk() -> st.SearchStrategy[bytes]:
    """Bytes with pieces of a real stream among them."""
    piece = st.sampled_from([BYTES[at : at + 64] for at in range(0, len(BYTES), 64)] + [b"\xc9", bytes(64)])
    return st.lists(st.binary(max_size=100) | piece, max_size=12).map(b"".join)


@given(junk(), st.booleans())
def test_random_bytes_never_trip_the_scanner(data: bytes, final: bool) -> None:
    scanner = Scanner()
    found = list(scanner.scan(data, final=final))
    covered = sum(one.length for one in found)
    assert covered <= scanner.position <= len(data)
    if final:
        assert scanner.position == len(data)


def fed(frames: Iterable[Frame]) -> int:
    """Everything a reader does with frames; how many it took."""
    decoder, taken = StreamDecoder(), 0
    for one in frames:
        try:
            record = decoder.feed(one)
        except DamagedFrame:
            continue
        if record is not None:
            batch = Batch([record.part], writer="w", epoch=0, seq=0)
            assert len(list(batch)) == len(batch) == record.events
            numbers = sum(len(column.value) for column in batch.columns.values())
            assert numbers <= len(batch)
            taken += 1
    return taken


def spoiled(frame: Frame, meta: bytes, payload: bytes) -> Frame:
    """A frame with other content and a good checksum: what a hostile or a later writer may write."""
    return Frame(
        frame.kind, seq=frame.seq, time=frame.time, schema=frame.schema, count=frame.count, flags=frame.flags,
        meta_bytes=meta, payload=payload, raw_length=frame.raw_length,
    )  # fmt: skip


@given(st.integers(0, len(STREAM) - 1), st.binary(max_size=300), st.binary(max_size=300))
def test_random_content_behind_a_good_checksum_is_damage_or_data(at: int, meta: bytes, payload: bytes) -> None:
    fed([*STREAM[:at], spoiled(STREAM[at], meta, payload), *STREAM[at + 1 :]])


PLAIN = st.recursive(
    st.none() | st.booleans() | I64 | U64 | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_meta_with_any_value_in_any_field_is_damage_or_data(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(STREAM) - 1))
    known = ("epoch", "level", "due", "elapsed", "axes", "routes", "always", "kinds", "parts", "params", "arrays", "step")
    name = data.draw(st.sampled_from((*known, *STREAM[at].meta)))
    meta = msgpack.packb(STREAM[at].meta | {name: data.draw(PLAIN)})
    fed([*STREAM[:at], spoiled(STREAM[at], meta, bytes(STREAM[at].payload)), *STREAM[at + 1 :]])


def test_five_thousand_mutations_take_no_absurd_memory() -> None:
    """Bytes of meta and payload changed behind good checksums; one frame of a few hundred bytes each."""
    random = np.random.default_rng(3)
    tracemalloc.start()
    try:
        for _ in range(5000):
            frame = STREAM[int(random.integers(len(STREAM)))]
            parts = [bytearray(frame.meta_bytes), bytearray(frame.payload)]
            for one in parts:
                for _ in range(int(random.integers(0, 4))):
                    if one:
                        one[int(random.integers(len(one)))] = int(random.integers(256))
            fed([STREAM[1], STREAM[3], spoiled(frame, bytes(parts[0]), bytes(parts[1]))])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20
