"""The tail: a stream's frames in order, while it grows, over segments and epochs, whatever its ends look like."""

from pathlib import Path
from typing import Any

import pytest

from asynclog.engine.rundir import segment_name
from asynclog.engine.settings import Journal
from asynclog.engine.tail import WINDOW_BYTES, StreamTail
from asynclog.wire.frame import encode, joined
from asynclog.wire.layout import Kind
from tests.unit.engine.parts import START_NS, journal_writer, rows, settings

NONCE = bytes(range(8))


class Growing:
    """A stream of files that hold what a test says."""

    def __init__(self, directory: Path) -> None:
        self.stream = directory

    def path(self, segment: int, epoch: int = 0) -> Path:
        return self.stream / segment_name(epoch, segment)

    def grow(self, data: bytes, segment: int = 0, epoch: int = 0) -> None:
        with self.path(segment, epoch).open("ab") as file:
            file.write(data)

    def frame(self, seq: int, count: int = 1) -> bytes:
        return joined(encode(rows(seq, *[float(seq)] * count), NONCE))


def seqs(tail: StreamTail) -> list[int]:
    """The seqs of all that has come."""
    found: list[int] = []
    while (chunk := tail.next()) is not None:
        found += [one.seq for one in chunk.frames]
    return found


@pytest.fixture
def growing(tmp_path: Path) -> Growing:
    return Growing(tmp_path)


def test_a_stream_that_is_not_there_yet_is_waited_for(growing: Growing) -> None:
    tail = StreamTail(growing.stream, 0)
    assert tail.next() is None
    growing.grow(growing.frame(0))
    assert seqs(tail) == [0]
    tail.close()


def test_a_file_that_grows_byte_by_byte_gives_each_frame_once(growing: Growing) -> None:
    tail = StreamTail(growing.stream, 0)
    data = growing.frame(0) + growing.frame(1)
    found: list[int] = []
    for at in range(len(data)):
        growing.grow(data[at : at + 1])
        found += seqs(tail)
        assert len(found) == (at + 1) // 128
    assert found == [0, 1]
    tail.close()


def test_a_cut_tail_is_waited_for_while_it_may_grow(growing: Growing) -> None:
    """A short write that is truncated and written again is no damage."""
    tail = StreamTail(growing.stream, 0)
    growing.grow(growing.frame(0) + growing.frame(1)[:100])
    assert seqs(tail) == [0]
    with growing.path(0).open("r+b") as file:
        file.truncate(128)
    assert tail.next() is None
    growing.grow(growing.frame(1))
    assert seqs(tail) == [1]
    tail.close()


def test_a_cut_tail_is_damage_once_a_newer_segment_is_there(growing: Growing) -> None:
    tail = StreamTail(growing.stream, 0)
    growing.grow(growing.frame(0) + growing.frame(1)[:100])
    assert seqs(tail) == [0]
    growing.grow(growing.frame(1), segment=1)
    damaged = tail.next()
    assert damaged is not None
    assert [one.reason for one in damaged.damage] == ["truncated"]
    assert seqs(tail) == [1]
    tail.close()


def test_segments_and_epochs_follow_in_order(growing: Growing) -> None:
    """Also those that hold nothing, or are missing."""
    for at, (epoch, segment) in enumerate([(0, 0), (0, 1), (0, 3), (2, 0), (10, 0)]):
        growing.grow(growing.frame(at), segment, epoch)
    growing.path(2).touch()
    tail = StreamTail(growing.stream, 0)
    found = []
    while (chunk := tail.next()) is not None:
        found.append((chunk.epoch, *(one.seq for one in chunk.frames)))
    assert found == [(0, 0), (0, 1), (0, 2), (2, 3), (10, 4)]
    tail.close()


def test_a_tail_begins_where_it_is_told(growing: Growing) -> None:
    for at, (epoch, segment) in enumerate([(0, 0), (1, 0), (1, 1)]):
        growing.grow(growing.frame(at), segment, epoch)
    assert seqs(StreamTail(growing.stream, 1)) == [1, 2]
    assert seqs(StreamTail(growing.stream, 1, 1)) == [2]
    assert seqs(StreamTail(growing.stream, 0, 5)) == [1, 2]


def test_frames_larger_than_a_window_are_read(growing: Growing) -> None:
    large = WINDOW_BYTES // 24 * 3
    growing.grow(growing.frame(0) + growing.frame(1, large) + growing.frame(2))
    tail = StreamTail(growing.stream, 0)
    assert seqs(tail) == [0, 1, 2]
    tail.close()


def test_damage_larger_than_a_window_is_passed_over(growing: Growing) -> None:
    growing.grow(growing.frame(0) + b"\xff" * (3 * WINDOW_BYTES) + growing.frame(1))
    tail = StreamTail(growing.stream, 0)
    found: list[Any] = []
    damage = 0
    while (chunk := tail.next()) is not None:
        found += [one.seq for one in chunk.frames]
        damage += sum(one.length for one in chunk.damage)
    assert found == [0, 1]
    assert damage == 3 * WINDOW_BYTES
    tail.close()


def test_frames_of_an_unknown_kind_are_passed_over(growing: Growing) -> None:
    """From a later version, which says that they may be."""
    unknown = rows(1, 0.5)
    unknown.kind = 99
    growing.grow(growing.frame(0) + joined(encode(unknown, NONCE)))
    tail = StreamTail(growing.stream, 0)
    assert seqs(tail) == [0]
    growing.grow(growing.frame(2))
    assert seqs(tail) == [2]
    tail.close()


def test_a_journal_is_followed_while_it_is_written(tmp_path: Path) -> None:
    made = settings(tmp_path, journal=Journal(segment_bytes=4096))
    assert made.stream is not None
    writer = journal_writer(made)
    tail = StreamTail(made.stream, 0)
    found: list[int] = []
    for seq in range(100):
        writer.add(rows(seq, 0.5))
        writer.commit()
        while (chunk := tail.next()) is not None:
            assert not chunk.damage
            found += [one.seq for one in chunk.frames if one.kind == Kind.ROWS]
        assert found == list(range(seq + 1))
    writer.close("finished", None, START_NS)
    assert writer.number > 0
    tail.close()
    tail.close()
