"""Every row of the scanner's table, fed whole and byte by byte."""

import struct
from dataclasses import dataclass, field

import pytest

from asynclog.wire.frame import Frame
from asynclog.wire.layout import Flag, Kind
from asynclog.wire.segment import Damage, Scanner
from tests.frames import NONCE, encoded, forged, heartbeat, scanned

A, B, C = (encoded(Frame(Kind.BLOB, seq=at, time=at, payload=bytes([at]) * 100)) for at in range(3))
LONG = encoded(Frame(Kind.BLOB, seq=5, time=5, payload=bytes(1000)))
N = len(A)
OTHER = encoded(heartbeat(9), b"another!")


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@dataclass(frozen=True)
class Case:
    """gives: what is found, seqs and damage, when no more will come. waits: how many of them when more may come."""

    data: bytes
    gives: list[int | Damage] = field(default_factory=list)
    waits: int = 0


LATER = encoded(Frame(99, seq=7, time=0, payload=b"later"))
STRICT = encoded(Frame(99, seq=7, time=0, payload=b"later", flags=Flag.MUST_UNDERSTAND))
CASES = {
    "nothing": Case(b""),
    "header good, body good": Case(A + B + C, [0, 1, 2], 3),
    "header good, body bad": Case(A + flipped(B, 70) + C, [0, Damage(N, N, "body", 1), 2], 3),
    "header good, body short": Case(A + B[:-64], [0, Damage(N, N - 64, "truncated", 1)], 1),
    "header good, nothing of its body": Case(A + B[:64], [0, Damage(N, 64, "truncated", 1)], 1),
    "a cut frame, and a whole one that is shorter than what was cut": Case(
        LONG[:128] + A, [Damage(0, 128, "truncated", 5), 0], 0
    ),
    "header short": Case(A + B[:63], [0, Damage(N, 63, "truncated")], 1),
    "header bad, a valid one behind": Case(A + flipped(B, 0) + C, [0, Damage(N, N, "header"), 2], 3),
    "header bad, none behind": Case(A + flipped(B, 0), [0, Damage(N, N, "truncated")], 1),
    "header bad, too little behind to search": Case(A + bytes(64), [0, Damage(N, 64, "truncated")], 1),
    "header bad, something like a header behind": Case(
        A + bytes(64) + flipped(B[:64], 30) + B, [0, Damage(N, 128, "header"), 1], 3
    ),
    "first header bad, and no nonce known": Case(bytes(64) + b"\xc9" + bytes(63) + A + B, [Damage(0, 128, "header"), 0, 1], 3),
    "zeros, as a crash leaves them": Case(A + bytes(256) + B, [0, Damage(N, 256, "header"), 1], 3),
    "text": Case(b"step,loss\n" * 20, [Damage(0, 200, "truncated")], 0),
    "frames of another segment, whole": Case(A + OTHER, [0, 9], 2),
    "a frame of another segment behind damage is not ours": Case(
        A + bytes(64) + OTHER, [0, Damage(N, 64 + len(OTHER), "truncated")], 1
    ),
    "an unknown kind": Case(A + LATER + B, [0, 1], 2),
    "an unknown kind that must be understood": Case(A + STRICT + B, [0, Damage(N, len(STRICT), "unknown", 7), 1], 3),
    "a later version": Case(forged(A, 6, b"\x02") + B, [1], 1),
    "a later version that must be understood": Case(
        forged(forged(A, 6, b"\x02"), 7, b"\x80") + B, [Damage(0, N, "unknown", 0), 1], 2
    ),
    "a length of four billion": Case(
        A + forged(B, 1, struct.pack(">I", 2**32 - 64 - 6)) + C, [0, Damage(N, N, "truncated", 1), 2], 1
    ),
}


def outline(found: list[Frame | Damage]) -> list[int | Damage]:
    return [one if isinstance(one, Damage) else one.seq for one in found]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_a_finished_segment_gives(case: Case) -> None:
    scanner = Scanner()
    assert outline(list(scanner.scan(case.data, final=True))) == case.gives
    assert scanner.position == len(case.data)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_growing_segment_gives_the_same_but_waits_for_what_may_still_come(case: Case) -> None:
    scanner = Scanner()
    assert outline(list(scanner.scan(case.data, final=False))) == case.gives[: case.waits]
    rest = list(scanner.scan(case.data[scanner.position :], final=True))
    assert outline(rest) == case.gives[case.waits :]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_fed_byte_by_byte_it_gives_the_same(case: Case) -> None:
    scanner = Scanner()
    found: list[Frame | Damage] = []
    for end in range(len(case.data) + 1):
        found += scanner.scan(case.data[scanner.position : end], final=False)
    assert outline(found) == case.gives[: case.waits]
    found += scanner.scan(case.data[scanner.position :], final=True)
    assert outline(found) == case.gives


def test_it_says_how_much_it_needs_to_go_on() -> None:
    scanner = Scanner()
    assert list(scanner.scan(LONG[:10], final=False)) == []
    assert scanner.wanted == 64
    assert list(scanner.scan(LONG[:64], final=False)) == []
    assert scanner.wanted == len(LONG)
    assert outline(list(scanner.scan(LONG, final=False))) == [5]
    assert scanner.wanted == 64


def test_a_short_write_that_is_truncated_back_and_written_anew_is_read_as_it_is_now() -> None:
    """The scanner keeps no bytes: it looks again from the frame's beginning."""
    scanner = Scanner()
    assert outline(list(scanner.scan(A + LONG[:500], final=False))) == [0]
    assert outline(list(scanner.scan(B + C, final=True))) == [1, 2]


def test_it_may_begin_in_the_middle_with_a_known_nonce() -> None:
    scanner = Scanner(N, NONCE)
    assert outline(list(scanner.scan(bytes(64) + B, final=True))) == [Damage(N, 64, "header"), 1]


def test_a_consumer_that_stops_early_goes_on_where_it_stopped() -> None:
    scanner = Scanner()
    data = A + B + C
    first = next(iter(scanner.scan(data, final=True)))
    assert isinstance(first, Frame)
    assert scanner.position == N
    assert outline(list(scanner.scan(data[scanner.position :], final=True))) == [1, 2]


def test_frames_are_read_from_any_kind_of_buffer() -> None:
    for data in (A, bytearray(A), memoryview(A)):
        assert outline(scanned(data)) == [0]  # type: ignore[arg-type]
