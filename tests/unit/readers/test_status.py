"""How a run ended, or that it hasn't."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asynclog.readers import read
from asynclog.readers.glance import glance
from asynclog.wire.schema import Series
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


def test_without_a_footer_a_held_lock_and_a_fresh_heartbeat_mean_running(run: Path, writer: StreamWriter) -> None:
    """The recorder lives and says so."""
    writer.heartbeat(time.time_ns())
    with held(writer.directory):
        assert read(run).status == "running" == glance(run).status
    assert read(run).status == "lost" == glance(run).status


def test_a_recorder_that_has_long_been_silent_counts_as_lost(run: Path, writer: StreamWriter) -> None:
    """A lock alone proves little: a stopped process holds it too."""
    writer.heartbeat(time.time_ns() - 10 * 60 * 10**9)
    with held(writer.directory):
        assert read(run).status == "lost" == glance(run).status


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


def test_an_open_footer_means_that_the_epoch_goes_on(run: Path, writer: StreamWriter) -> None:
    """Between two segments a run neither ends nor is lost."""
    writer.heartbeat(time.time_ns())
    writer.footer("open")
    with held(writer.directory):
        assert read(run).status == "running"
