"""Following a run that grows: every event once, in order, until everything has ended."""

import asyncio
import os
from pathlib import Path

import pytest

from asynclog.errors import RunNotFound
from asynclog.readers import follow
from asynclog.readers.follow import Follower
from asynclog.sink import Event
from asynclog.wire.frame import encode, joined
from asynclog.wire.schema import Series
from tests.runfiles import StreamWriter
from tests.unit.readers.test_status import held

LOSS = Series("train", "", "loss")


def values(events: list[Event]) -> list[float]:
    return [event.value for event in events]


def test_each_look_gives_what_is_new(run: Path, writer: StreamWriter) -> None:
    """Over frames, segments, and an epoch that comes later."""
    follower = Follower(run)
    with held(writer.directory):
        schema = writer.schema(LOSS)
        assert follower.look() == []
        writer.rows(schema, [(1.0,), (2.0,)])
        assert values(follower.look()) == [1.0, 2.0]
        assert follower.look() == []
        writer.rotate()
        writer.rows(schema, [(3.0,)])
        assert values(follower.look()) == [3.0]
        assert not follower.ended
        writer.footer("killed")
        again = StreamWriter(run, epoch=1)
        again.rows(again.schema(LOSS), [(4.0,)])
        assert values(follower.look()) == [4.0]
        assert not follower.ended
        again.footer()
        assert follower.look() == []
        assert follower.ended


def test_a_frame_half_written_is_waited_for_and_may_be_cut_back(run: Path, writer: StreamWriter) -> None:
    """A writer whose disk was full takes back what it had begun and writes something else."""
    follower = Follower(run)
    with held(writer.directory):
        schema = writer.schema(LOSS)
        whole = writer.path.stat().st_size
        frame = writer.rows(schema, [(1.0,)])
        os.truncate(writer.path, whole + 70)
        assert follower.look() == []
        os.truncate(writer.path, whole)
        assert follower.look() == []
        with writer.path.open("ab") as file:
            file.write(joined(encode(frame, writer.nonce)))
        assert values(follower.look()) == [1.0]


def test_a_run_whose_processes_died_ends_too(run: Path, writer: StreamWriter) -> None:
    """No footer will ever come, and nobody holds the lock."""
    writer.rows(writer.schema(LOSS), [(1.0,)])
    follower = Follower(run)
    assert values(follower.look()) == [1.0]
    assert follower.look() == []
    assert follower.ended


def test_what_can_not_be_read_is_passed_over(run: Path, writer: StreamWriter) -> None:
    """Megabytes of noise, longer than a window, between two frames."""
    schema = writer.schema(LOSS)
    writer.rows(schema, [(1.0,)])
    with writer.path.open("ab") as file:
        file.write(b"\x07" * (9 << 20))
    writer.rows(schema, [(2.0,)])
    writer.footer()
    follower = Follower(run)
    found: list[Event] = []
    while not follower.ended:
        found += follower.look()
    assert values(found) == [1.0, 2.0]


async def test_follow_ends_with_the_last_writers_footer(run: Path) -> None:
    """Two writers, of which one ends later; the loop is free in between."""
    first, second = StreamWriter(run, "a"), StreamWriter(run, "b")
    first.rows(first.schema(LOSS), [(1.0,)])
    first.footer()
    seen: list[float] = []
    with held(second.directory):
        schema = second.schema(LOSS)
        async for event in follow(run, poll=0.001):
            seen.append(event.value)
            if event.value == 1.0:
                second.rows(schema, [(2.0,)])
            else:
                second.footer()
    assert seen == [1.0, 2.0]


async def test_follow_from_now_leaves_out_what_was_there(run: Path, writer: StreamWriter) -> None:
    """For those who only want to hear what comes."""
    schema = writer.schema(LOSS)
    writer.rows(schema, [(1.0,)])
    with held(writer.directory):
        events = follow(run, start="now", poll=0.001)
        pending = asyncio.ensure_future(anext(events))
        follower_has_looked = Follower(run)
        await asyncio.to_thread(follower_has_looked.look)
        while not pending.done():
            writer.rows(schema, [(2.0,)])
            await asyncio.sleep(0.001)
        assert (await pending).value == 2.0
        await events.aclose()


async def test_following_nothing_says_so(tmp_path: Path) -> None:
    """At once, not after a wait."""
    with pytest.raises(RunNotFound):
        await anext(follow(tmp_path / "nowhere"))
