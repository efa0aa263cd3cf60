"""Compression is undone exactly, does no harm where it saves nothing, and asks for no more memory than it was promised."""

import subprocess
import sys

import numpy as np
import pytest
import zstandard

from asynclog.errors import DamagedFrame
from asynclog.wire.codec import compressed, raw_payload, shuffled, unshuffled
from asynclog.wire.frame import Frame, Header, decode
from asynclog.wire.layout import MAX_PAYLOAD_BYTES, Flag, Kind
from asynclog.wire.schema import Schema
from tests.frames import ACCURACY, LOSS, encoded, rows

STEADY = rows(Schema(1, (LOSS, ACCURACY)), [(0.5, at / 4) for at in range(100)])


@pytest.mark.parametrize("stride", [1, 2, 8, 24])
def test_shuffling_groups_bytes_by_their_place_in_the_item(stride: int) -> None:
    data = np.random.default_rng(0).bytes(stride * 7)
    mixed = shuffled(data, stride)
    assert mixed == b"".join(data[at::stride] for at in range(stride))
    assert unshuffled(mixed, stride) == data


def test_rows_are_shuffled_compressed_and_come_back() -> None:
    packed = compressed(STEADY)
    assert packed.flags == Flag.ZSTD | Flag.SHUFFLE
    assert len(packed.payload) < len(STEADY.payload) / 3
    data = encoded(packed)
    assert raw_payload(decode(Header(data), data)) == STEADY.payload
    assert (packed.seq, packed.time, packed.schema, packed.count) == (STEADY.seq, STEADY.time, 1, 100)


def test_other_payloads_are_compressed_as_they_are() -> None:
    frame = Frame(Kind.EVENT, seq=1, time=2, payload=b"again " * 100, flags=Flag.MUST_UNDERSTAND)
    packed = compressed(frame)
    assert packed.flags == Flag.ZSTD | Flag.MUST_UNDERSTAND
    assert raw_payload(packed) == frame.payload


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Kind.EVENT, seq=0, time=0, payload=bytes(255)),
        Frame(Kind.BLOB, seq=0, time=0, payload=np.random.default_rng(0).bytes(5000)),
        compressed(STEADY),
    ],
    ids=["small", "random", "compressed already"],
)
def test_a_payload_that_would_not_shrink_is_left_alone(frame: Frame) -> None:
    assert compressed(frame) is frame


def test_a_plain_payload_is_not_copied() -> None:
    frame = Frame(Kind.EVENT, seq=0, time=0, payload=b"plain")
    assert raw_payload(frame).obj is frame.payload


def squeezed(payload: bytes, raw_length: int, *, flags: int = Flag.ZSTD, count: int = 0) -> Frame:
    return Frame(Kind.ROWS, seq=0, time=0, payload=payload, raw_length=raw_length, flags=flags, count=count)


PLAIN = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(48))
WRONG = {
    "not zstd": squeezed(b"nonsense" * 4, 64),
    "cut": squeezed(zstandard.compress(bytes(1000))[:-2], 1000),
    "a bomb: 64 MiB promised as 100 bytes": squeezed(zstandard.compress(bytes(64 << 20)), 100),
    "more than a frame may hold": squeezed(PLAIN, MAX_PAYLOAD_BYTES + 1),
    "less than promised, size untold": squeezed(PLAIN, 100),
    "more than promised, size untold": squeezed(PLAIN, 10),
    "shuffled without a count": squeezed(PLAIN, 48, flags=Flag.ZSTD | Flag.SHUFFLE),
    "shuffled by a count that doesn't divide": squeezed(PLAIN, 48, flags=Flag.ZSTD | Flag.SHUFFLE, count=5),
}


@pytest.mark.parametrize("frame", WRONG.values(), ids=WRONG)
def test_a_payload_that_breaks_its_promise_is_damage(frame: Frame) -> None:
    with pytest.raises(DamagedFrame):
        raw_payload(frame)


def test_a_reader_without_zstandard_is_told_which_extra_it_needs() -> None:
    program = (
        "import sys; sys.modules['zstandard'] = None\n"
        "from asynclog.wire.codec import raw_payload\n"
        "from asynclog.wire.frame import Frame\n"
        "raw_payload(Frame(5, seq=0, time=0, flags=1, payload=b'x'))\n"
    )
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'asynclog-stream[zstd]'" in outcome.stderr.splitlines()[-1]
