"""How a run ended, or that it hasn't."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asynclog.readers import read
from asynclog.readers.directory import StreamName, growing
from asynclog.readers.glance import glance
from asynclog.wire.codec import compressed
from asynclog.wire.frame import Frame
from asynclog.wire.layout import Kind
from asynclog.wire.schema import Series
from tests.crash.scene import Scene
from tests.runfiles import StreamWriter

LOSS = Series("train", "", "loss")


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """The writer's lock, as its process holds it."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("status", ["finished", "failed", "killed", "exited"])
def test_the_footer_says_how_it_ended(run: Path, writer: StreamWriter, status: str) -> None:
    """Also at a glance."""
    writer.footer(status, error="ValueError: no")
    assert read(run).status == status == glance(run).status
    assert read(run).writers[0].error == "ValueError: no"


def test_without_a_footer_a_held_lock_means_running(run: Path, writer: StreamWriter) -> None:
    """Writer or recorder live; once neither does, nobody will write an end."""
    writer.heartbeat(time.time_ns())
    with held(writer.directory):
        assert read(run).status == "running" == glance(run).status
    assert read(run).status == "lost" == glance(run).status


def test_a_held_lock_means_running_however_old_the_last_word_is(run: Path, writer: StreamWriter) -> None:
    """A process that was stopped, or a laptop that slept, goes on where it was."""
    writer.heartbeat(time.time_ns() - 10 * 60 * 10**9)
    with held(writer.directory):
        assert read(run).status == "running" == glance(run).status


def test_a_journal_without_a_word_yet_is_running(run: Path) -> None:
    """An epoch is claimed by an empty file; its recorder needs a moment before it has something to write."""
    stream = run / "streams" / "main"
    stream.mkdir()
    (stream / "0000-000000.alog").touch()
    with held(stream):
        assert read(run).status == "running" == glance(run).status
    assert read(run).status == "lost" == glance(run).status


def test_an_epoch_that_begins_while_locks_are_asked_grows() -> None:
    """The old epoch's lock was free, and the next process took it before the files were listed."""
    old, new = StreamName("main", 0), StreamName("main", 1)
    assert growing([old], [], [old]) == set()
    assert growing([old], [], [old, new]) == {new}
    assert growing([old, new], ["main"], [old, new]) == {new}


def test_a_killed_run_is_running_until_its_recorder_has_closed_it(tmp_path: Path) -> None:
    """Looked at as often as can be after a kill -9: never "lost" in between, though the journal may still be empty."""
    scene = Scene(tmp_path)
    try:
        life = scene.start("--pause", "0.001")
        life.accepts(5)
        life.kill()
        seen: list[str] = []
        while not seen or seen[-1] == "running":
            seen += [glance(scene.run).status, read(scene.run).status]
        assert set(seen) <= {"running", "killed"}
        assert "running" in seen
    finally:
        scene.clear()


def test_an_older_epoch_that_was_killed_does_not_count_once_the_run_went_on(run: Path, writer: StreamWriter) -> None:
    """The newest epoch of each writer decides."""
    writer.footer("killed")
    StreamWriter(run, epoch=1).footer("finished")
    assert read(run).status == "finished" == glance(run).status
    assert [one.status for one in read(run).writers] == ["killed", "finished"]


def test_the_gravest_of_several_writers_speaks_for_the_run(run: Path) -> None:
    """One failed rank makes a failed run."""
    StreamWriter(run, "rank0").footer("finished")
    StreamWriter(run, "rank1").footer("failed")
    assert read(run).status == "failed" == glance(run).status


def test_a_glance_counts_events_and_knows_the_last_step_without_reading_bodies(run: Path, writer: StreamWriter) -> None:
    """What a list of runs shows is what reading it would tell."""
    schema = writer.schema(LOSS, Series("train", "", "accuracy"))
    writer.rows(schema, [(1.0, 2.0)] * 4, first_step=10)
    writer.rotate()
    writer.event("note", "hello", step=12)
    writer.footer()
    seen = glance(run)
    assert (seen.events, seen.last_step, seen.writers, seen.epochs, seen.damaged) == (9, 13, 1, 1, False)
    assert seen.events == len(read(run))


def test_a_glance_counts_the_numbers_of_sparse_records(run: Path, writer: StreamWriter) -> None:
    """Their frames' headers count records, if anything; also compressed, and where a stream has nothing else."""
    writer.name_series([0, 1, 2], [LOSS, Series("train", "expert", "load"), Series("train", "expert", "drop")])
    writer.sparse(3, [0, 1, 2], [0.5, 3.0, 1.0])
    writer.sparse(7, [1], [4.0])
    packed = StreamWriter(run, "packed")
    packed.name_series([0], [LOSS])
    record = packed.sparse(1, [0] * 200, [0.0] * 200)
    packed.write(compressed(Frame(Kind.SPARSE, seq=packed.seq, time=packed.time, count=0, payload=bytes(record.payload))))
    seen = glance(run)
    assert (seen.events, seen.last_step) == (404, 7)
    assert seen.events == len(read(run))


def test_an_open_footer_means_that_the_epoch_goes_on(run: Path, writer: StreamWriter) -> None:
    """Between two segments a run neither ends nor is lost."""
    writer.heartbeat(time.time_ns())
    writer.footer("open")
    with held(writer.directory):
        assert read(run).status == "running"
