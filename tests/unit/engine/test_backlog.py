"""A stream's journal read to its end by somebody else than its recorder: where that end is, and what is left until then."""

from pathlib import Path
from typing import Any

import pytest

from asynclog.engine.backlog import BacklogFeed
from asynclog.engine.cursor import Cursor
from asynclog.engine.feed import BATCH_EVENTS, Ending
from asynclog.engine.footers import events_by_epoch, footer
from asynclog.flow.route import Route
from asynclog.wire.schema import Series
from tests.runfiles import StreamWriter, make_run
from tests.unit.engine.parts import ToldSink
from tests.unit.engine.test_feed import after, drained, values

LOSS = Series("train", "", "loss")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


def written(run: Path, *segments: int, epoch: int = 0, last: str | None = "finished") -> StreamWriter:
    """An epoch with so many rows in each of its segments; ``last``: what its last footer says, None for no footer."""
    stream = StreamWriter(run, epoch=epoch)
    schema = stream.schema(LOSS)
    for number, rows in enumerate(segments):
        if number:
            stream.rotate()
        stream.rows(schema, [(float(at),) for at in range(rows)])
    if last is not None:
        stream.footer(last)
    return stream


def feed(run: Path, cursor: Cursor | None = None, *, epoch: int = 0, grows: bool = False, follow: bool = False) -> BacklogFeed:
    route = Route(ToldSink(), name="sink")
    cursor = cursor or Cursor(0)
    return BacklogFeed(route, run / "streams" / "main", "main", epoch, cursor, grows=lambda: grows, follow=follow)


def test_what_is_left_is_known_from_the_footers(run: Path) -> None:
    written(run, 3, 4, last="killed")
    written(run, 5, epoch=1)
    reading = feed(run, epoch=1)
    assert reading.remaining == 12
    left = []
    while (delivery := reading.next()) is not None:
        reading.commit(delivery)
        left.append(reading.remaining)
        if delivery.ended:
            break
    assert left == [5, 0]
    assert reading.ending == Ending("finished")


def test_of_a_segment_that_was_never_closed_nobody_knows(run: Path) -> None:
    written(run, 3, 4, last=None)
    reading = feed(run)
    assert reading.remaining == 3, "those of the first segment"
    found, counted, last = drained(reading)
    assert (len(found), counted.pending, reading.remaining) == (7, 0, 0)
    assert last is not None
    assert last.ended


def test_a_cursor_in_the_middle_leaves_the_rest(run: Path) -> None:
    stream = written(run, last=None)
    for at in range(4):
        stream.rows(stream.schemas[1], [(float(at),)] * BATCH_EVENTS)
    stream.footer()
    reading = feed(run)
    first = reading.next()
    assert first is not None
    assert len(values(first)) == BATCH_EVENTS
    reading.commit(first)
    assert reading.remaining == 3 * BATCH_EVENTS
    again = feed(run, after(first))
    found, _, _ = drained(again)
    assert len(found) == 3 * BATCH_EVENTS


def test_halted_it_stands_where_it_stood(run: Path) -> None:
    written(run, 3)
    reading = feed(run)
    reading.halt()
    delivery = reading.next()
    assert delivery is not None
    assert (delivery.batch, delivery.ended, delivery.seq, delivery.offered) == (None, True, -1, 0)
    reading.commit(delivery)
    assert reading.cursor == Cursor(0)
    assert (reading.ending, reading.remaining) == (None, 3)


@pytest.mark.parametrize("follow", [True, False])
def test_where_a_stream_grows_it_waits_only_if_asked_to(run: Path, follow: bool) -> None:
    written(run, 3, last=None)
    reading = feed(run, grows=True, follow=follow)
    first = reading.next()
    assert first is not None
    assert values(first) == [0.0, 1.0, 2.0]
    reading.commit(first)
    second = reading.next()
    assert (second is None) is follow
    assert reading.halted is not follow
    assert reading.ending is None


def test_a_run_that_grows_faster_than_it_is_read_ends_about_where_it_was(run: Path) -> None:
    stream = written(run, 3, last=None)
    reading = feed(run, grows=True)
    found = []
    for _ in range(3):
        delivery = reading.next()
        assert delivery is not None
        found += values(delivery)
        reading.commit(delivery)
        stream.rows(stream.schemas[1], [(9.0,)])
        if delivery.ended:
            break
    assert found == [0.0, 1.0, 2.0]
    assert reading.halted


def test_a_newer_life_ends_an_older_ones_feed_without_an_ending(run: Path) -> None:
    """Whoever serves the newer one tells how the run ended."""
    written(run, 3, last=None)
    reading = feed(run, grows=True, follow=True)
    written(run, 2, epoch=1)
    found, _, last = drained(reading)
    assert len(found) == 3
    assert last is not None
    assert last.ended
    assert reading.ending is None


def test_bytes_that_were_read_reach_the_streams_length(run: Path) -> None:
    stream = written(run, 3, 4)
    length = sum(one.stat().st_size for one in stream.directory.glob("*.alog"))
    reading = feed(run)
    assert reading.read_bytes() == (0, length)
    drained(reading)
    assert reading.read_bytes() == (length, length)


@pytest.mark.parametrize("spoil", ["nothing", "cut", "flipped", "empty"])
def test_a_footer_is_found_at_a_whole_segments_end_alone(run: Path, spoil: str) -> None:
    stream = written(run, 3, last="failed")
    data: Any = bytearray(stream.path.read_bytes())
    if spoil == "cut":
        data = data[:-1]
    elif spoil == "flipped":
        data[-70] ^= 1
    elif spoil == "empty":
        data = b""
    stream.path.write_bytes(data)
    found = footer(stream.path)
    if spoil == "nothing":
        assert found is not None
        assert dict(found.meta) == {"status": "failed", "events": 3}
    else:
        assert found is None
        assert events_by_epoch(stream.directory) == {}
