"""The engine and its loop: what is announced is in the journal and at the sinks, whatever dies, stalls or is left out."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynclog.engine.cursor import CursorFile
from asynclog.engine.engine import Engine
from asynclog.engine.loop import EngineLoop
from asynclog.flow.route import Route
from asynclog.link.messages import (
    Doorbell,
    Finished,
    Flush,
    Flushed,
    Hold,
    Message,
    Pressure,
    Ready,
    Report,
    Skipped,
    Trouble,
    Unflush,
)
from asynclog.testing.files import FaultyFiles
from asynclog.wire.event import ArraySpec, event_meta
from asynclog.wire.frame import pack_meta
from asynclog.wire.layout import BLOB_PART_BYTES, Kind
from tests.unit.engine.parts import DEADLINE_S, LOSS, Stream, ToldSink, settings, text_meta
from tests.unit.link.ends import Ends


class Recorded:
    """A producer, and an engine that takes turns when it is told to."""

    def __init__(
        self, directory: Path | None, routes: list[Route] | None = None, *, files: FaultyFiles | None = None, **more: Any
    ) -> None:
        self.ends = Ends(threads=more.pop("threads", False), quota=more.pop("quota", 64 << 20))
        self.directory, self.routes, self.files, self.more = directory, routes or [], files, more
        self.heard: list[Message] = []
        self.begin()

    def begin(self, **more: Any) -> None:
        made = settings(self.directory, self.routes, **{**self.more, **more})
        self.settings = made
        self.engine = Engine(made, self.ends.consumer, lambda: None, self.files)
        self.engine.start()

    def succeed(self, *, skip: bool = False, heard: bool = True) -> None:
        """The recorder dies, another one takes over. heard: its last words arrived."""
        self.ends.die(heard=heard)
        self.ends.replace()
        for runner in self.engine.runners:
            runner.feed.close()
        self.begin(
            position=self.ends.link.acked,
            next_seq=self.ends.producer.next_seq,
            skip=self.ends.link.acked if skip else -1,
            definitions=list(self.ends.producer.definitions),
        )

    def turn(self) -> None:
        while self.engine.turn():
            pass
        self.hear()

    def hear(self) -> None:
        channel = self.ends.link.channel
        assert channel is not None
        for message, _ in channel.receive():
            self.heard.append(message)
            with self.ends.producer.lock:
                self.ends.producer.received(self.ends.link, message)

    def rows(self, count: int) -> None:
        self.ends.rows(count, LOSS)
        self.ends.producer.drain()

    def until(self, condition: Callable[[], Any]) -> None:
        """Make turns until something is so; a deadline, not a wait for luck."""
        give_up = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < give_up
            self.turn()
            threading.Event().wait(0.001)

    def flush(self) -> Flushed:
        self.ends.producer.send(Flush(7, self.ends.producer.control.position))
        self.until(lambda: any(isinstance(one, Flushed) for one in self.heard))
        (found,) = [one for one in self.heard if isinstance(one, Flushed)]
        self.heard.clear()
        return found

    def finish(self, status: str = "finished") -> None:
        self.ends.producer.end(self.ends.time + 1, status, None)
        self.turn()
        self.until(lambda: self.engine.finish(0))
        for runner in self.engine.runners:
            assert runner.ended.wait(DEADLINE_S)

    def troubles(self) -> list[str]:
        return [one.text for one in self.heard if isinstance(one, Trouble)]

    @property
    def stream(self) -> Stream:
        return Stream(self.settings.stream)


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    made = Recorded(tmp_path)
    yield made
    made.ends.close()


def numbers(found: list[Any]) -> list[float]:
    return [one for one in found if isinstance(one, float)]


def route(**options: Any) -> tuple[ToldSink, Route]:
    sink = ToldSink()
    return sink, Route(sink, name="sink", **options)


# -- what is recorded -----------------------------------------------------------------------------------------------------


def test_what_was_announced_is_in_the_journal_before_it_is_acknowledged(recorded: Recorded) -> None:
    recorded.rows(3)
    recorded.ends.event(b"", meta=text_meta("hello"))
    assert recorded.ends.link.acked == 0
    recorded.turn()
    assert recorded.ends.link.acked == recorded.ends.producer.control.position
    assert recorded.stream.values == [1.0, 2.0, 3.0, "hello"]
    recorded.finish()
    assert recorded.stream.statuses() == ["finished"]
    assert recorded.engine.closed
    assert recorded.engine.finish(0)


def test_samples_are_counted_off_the_training_process(recorded: Recorded) -> None:
    data = np.linspace(-1, 1, 1000, dtype=np.float32)
    meta = event_meta(
        kind="histogram", phase="train", namespace="", key="weights", step=0, epoch=0, level="batch", elapsed_s=None,
        axes={}, due=-1, params={}, arrays=[ArraySpec("data", data.dtype.str, data.shape)],
    )  # fmt: skip
    recorded.ends.event(data.tobytes(), meta=pack_meta(meta))
    recorded.turn()
    (histogram,) = recorded.stream.values
    assert (histogram.count, histogram.low, histogram.high) == (1000, -1.0, 1.0)
    assert histogram.counts.sum() == 1000


def test_a_footer_tells_how_many_events_there_are(recorded: Recorded) -> None:
    recorded.rows(3)
    recorded.ends.event(b"", meta=text_meta("hello"))
    recorded.finish()
    assert recorded.stream.frames[0, 0][-1].meta == {"status": "finished", "events": 4}


def test_memory_comes_back_once_it_is_written(recorded: Recorded) -> None:
    ref = recorded.ends.event(b"x" * (3 << 20), meta=text_meta("big"))
    recorded.turn()
    recorded.turn()
    assert ref is not None
    assert recorded.ends.producer.pool.ledger.slabs[ref.slab].free


def test_a_record_that_can_not_be_read_back_is_told_and_harms_nothing(recorded: Recorded) -> None:
    recorded.ends.event(meta=text_meta("x", parts=[99]))
    recorded.ends.event(meta=text_meta("good"))
    recorded.turn()
    assert recorded.stream.values == ["good"]
    assert [one.split(":")[0] for one in recorded.troubles()] == ["a record that can't be read back"]


def test_a_report_says_how_things_are(recorded: Recorded) -> None:
    recorded.rows(3)
    recorded.turn()
    told = recorded.engine.report()
    assert (told["events"], told["stalled"], told["routes"]) == (3, None, {})
    assert told["journal"]["seq"] == 0
    assert 0 <= recorded.engine.next_chore_in() <= 0.5


# -- flushes --------------------------------------------------------------------------------------------------------------


def test_a_flush_is_answered_when_everything_is_durable_and_delivered(tmp_path: Path) -> None:
    files = FaultyFiles()
    sink, one = route()
    recorded = Recorded(tmp_path, [one], files=files)
    recorded.rows(3)
    assert recorded.flush() == Flushed(7, {"sink": 0}, None)
    assert numbers(sink.values) == [1.0, 2.0, 3.0]
    assert files.calls["sync"] >= 1
    recorded.finish()
    recorded.ends.close()


def test_a_flush_that_nobody_waits_for_is_forgotten(tmp_path: Path) -> None:
    """It is not answered, and leaves nothing with a sink that hangs."""
    may_go = threading.Event()
    sink = ToldSink(lambda call: may_go.wait(DEADLINE_S) if call == "write" else None)
    recorded = Recorded(tmp_path, [Route(sink, name="sink")])
    recorded.rows(1)
    recorded.ends.producer.send(Flush(7, recorded.ends.producer.control.position))
    recorded.turn()
    sink.until(lambda: "write" in sink.calls)
    recorded.ends.producer.send(Unflush(7))
    recorded.turn()
    assert len(recorded.engine._answers) == 0
    assert len(recorded.engine.runners[0]._tickets) == 0
    may_go.set()
    recorded.finish()
    assert not any(isinstance(one, Flushed) for one in recorded.heard)
    recorded.ends.close()


def test_a_stopped_route_is_never_called_again_and_the_others_go_on(tmp_path: Path) -> None:
    good, bad = ToldSink(), ToldSink()
    routes = [Route(good, name="good"), Route(bad, name="bad")]
    recorded = Recorded(tmp_path, routes, stopped={"bad": "it ended the recorder"})
    recorded.rows(3)
    assert recorded.flush().pending == {"good": 0, "bad": 3}
    recorded.finish()
    assert (numbers(good.values), bad.calls) == ([1.0, 2.0, 3.0], [])
    recorded.ends.close()


def test_what_no_route_was_asked_about_is_in_the_cursor(tmp_path: Path) -> None:
    _, one = route()
    recorded = Recorded(tmp_path, [one])
    recorded.rows(3)
    recorded.ends.producer.send(Skipped(4))
    recorded.finish()
    saved = json.loads((tmp_path / "cursors" / "sink" / "main.json").read_text())["counters"]
    assert (saved["offered"], saved["delivered"], saved["not_due"], saved["pending"]) == (7, 3, 4, 0)
    recorded.ends.close()


def test_a_flush_without_routes_is_answered_when_it_is_durable(tmp_path: Path) -> None:
    files = FaultyFiles()
    recorded = Recorded(tmp_path, files=files)
    recorded.rows(1)
    files.fail("sync")
    assert recorded.flush().error is None, "the second time"
    assert files.calls["sync"] >= 2
    recorded.ends.close()


def test_a_flush_after_the_end_is_answered(recorded: Recorded) -> None:
    recorded.rows(1)
    recorded.finish()
    assert recorded.flush().error is None
    assert recorded.stream.statuses() == ["finished"]


# -- bad days -------------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_told_once_and_nothing_is_lost(tmp_path: Path) -> None:
    """Nothing is acknowledged meanwhile, so nothing is given back or overwritten."""
    files = FaultyFiles(room=600)
    recorded = Recorded(tmp_path, files=files)
    recorded.rows(100)
    recorded.turn()
    assert recorded.ends.link.acked == 0
    assert recorded.engine.stall is not None
    for _ in range(3):
        recorded.rows(100)
        recorded.turn()
    assert recorded.engine.next_chore_in() <= 0.2
    files.free(1 << 20)
    recorded.until(lambda: recorded.engine.stall is None)
    recorded.until(lambda: recorded.ends.link.acked == recorded.ends.producer.control.position)
    assert len(recorded.stream.values) == 400
    assert recorded.troubles() == [
        "the journal can't be written: No space left on device",
        "the journal can be written again; nothing was lost",
    ]
    recorded.ends.close()


def test_an_end_that_can_not_be_written_is_tried_until_the_deadline(tmp_path: Path) -> None:
    files = FaultyFiles()
    recorded = Recorded(tmp_path, files=files)
    recorded.rows(1)
    recorded.ends.producer.end(recorded.ends.time + 1, "finished", None)
    recorded.turn()
    files.room = 0
    assert not recorded.engine.finish(time.monotonic() + 60)
    assert not recorded.engine.closed
    assert recorded.engine.finish(time.monotonic() - 1), "then it is given up"
    assert "No space left" in (recorded.engine.stall or "")
    recorded.ends.close()


@pytest.mark.parametrize("acknowledged", [False, True])
def test_a_successor_goes_on_where_its_predecessor_was(tmp_path: Path, acknowledged: bool) -> None:
    """Whether its last acknowledgement arrived or not: nothing twice, nothing missing, and the counts go on."""
    recorded = Recorded(tmp_path)
    recorded.rows(3)
    recorded.turn()
    recorded.rows(2)
    while recorded.engine.turn():
        pass
    recorded.succeed(heard=acknowledged)
    recorded.rows(1)
    recorded.turn()
    recorded.finish()
    found = recorded.stream
    assert found.values == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert found.repeats == found.missing == 0
    assert found.statuses() == [None, "finished"]
    assert recorded.engine.report()["events"] == 6
    recorded.ends.close()


def test_parts_that_a_predecessor_wrote_belong_to_the_successor_s_event(tmp_path: Path) -> None:
    """It died between a large array's parts and their event."""
    recorded = Recorded(tmp_path, quota=512 << 20)
    pixels = np.zeros(BLOB_PART_BYTES + 8, np.uint8)
    meta = event_meta(
        kind="tensor", phase="train", namespace="", key="big", step=0, epoch=0, level="batch", elapsed_s=None, axes={},
        due=-1, params={}, arrays=[ArraySpec("data", "|u1", pixels.shape)],
    )  # fmt: skip
    recorded.ends.event(pixels.tobytes(), meta=pack_meta(meta))
    while recorded.engine.turn():
        pass
    assert recorded.settings.stream is not None
    path = recorded.settings.stream / "0000-000000.alog"
    event = recorded.stream.frames[0, 0][-1]
    assert event.kind == Kind.EVENT
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - event.length)
    recorded.succeed(heard=False)
    recorded.turn()
    assert recorded.troubles() == []
    assert [one.data.shape for one in recorded.stream.values] == [pixels.shape]
    assert recorded.engine.report()["events"] == 1
    recorded.ends.close()


def test_a_record_that_headed_two_deaths_is_left_out_and_its_memory_given_back(tmp_path: Path) -> None:
    """As a GAP, loudly; a flush doesn't wait for it."""
    sink, one = route()
    recorded = Recorded(tmp_path, [one])
    recorded.rows(1)
    recorded.flush()
    ref = recorded.ends.event(b"x" * (3 << 20), meta=text_meta("poison"))
    assert ref is not None
    retire(recorded.engine)
    recorded.succeed(skip=True)
    assert recorded.flush().pending == {"sink": 0}
    assert ref.slab not in recorded.ends.producer.pool.ledger.slabs, "a dead recorder may have lent it: it is not used again"
    assert [(one["from_seq"], one["to_seq"]) for one in recorded.stream.gaps] == [(1, 1)]
    recorded.finish()
    assert recorded.stream.values == sink.values == [1.0]
    recorded.ends.close()


def test_a_killed_writer_s_rows_are_all_there(recorded: Recorded) -> None:
    recorded.rows(2)
    recorded.turn()
    recorded.ends.event(meta=text_meta("told"))
    recorded.ends.rows(3, LOSS)
    recorded.engine.writer_died()
    assert recorded.engine.finish(0)
    found = recorded.stream
    assert found.values == [1.0, 2.0, "told", 4.0, 5.0, 6.0]
    assert found.statuses() == ["killed"]


def test_a_gap_counts_every_number_of_the_rows_it_stands_for(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.rows(1)
    recorded.flush()
    recorded.rows(3)
    retire(recorded.engine)
    recorded.succeed(skip=True)
    recorded.flush()
    assert [one["events"] for one in recorded.stream.gaps] == [3 * len(LOSS.series)]
    recorded.finish()
    recorded.ends.close()


def test_a_record_in_memory_that_never_came_is_a_gap_and_the_rest_goes_on(recorded: Recorded) -> None:
    """A writer may be killed before it passed on the memory of what it told of."""
    recorded.rows(1)
    ref = recorded.ends.event(b"x" * (3 << 20), meta=text_meta("out of reach"))
    recorded.engine.consumer.receive()
    recorded.engine.consumer._slabs.pop(ref.slab)  # type: ignore[union-attr]
    recorded.rows(1)
    recorded.turn()
    recorded.finish()
    found = recorded.stream
    assert found.values == [1.0, 3.0]
    assert [(one["reason"], one["events"]) for one in found.gaps] == [("the memory it lies in was never passed on", 1)]
    assert found.missing == 1


def test_a_log_cut_by_its_writer_s_death_is_told(recorded: Recorded) -> None:
    """How much was in the memory that never came, nobody knows; that there was some stands in the journal."""
    recorded.rows(1)
    recorded.turn()
    channel, recorded.ends.link.channel = recorded.ends.link.channel, None
    for at in range(300):
        recorded.ends.event(meta=text_meta(f"told {at}", key="k" * 20_000))
    recorded.ends.link.channel = channel
    recorded.engine.writer_died()
    assert recorded.engine.finish(0)
    found = recorded.stream
    assert 1 < len(found.values) < 301
    assert found.values[1:] == [f"told {at}" for at in range(len(found.values) - 1)]
    assert [one["reason"] for one in found.gaps] == ["what was told next lies in memory that was never passed on"]
    assert found.statuses() == ["killed"]


def retire(engine: Engine) -> None:
    """Its process is gone: so are its threads and the locks they held."""
    for runner in engine.runners:
        runner.leave()
        assert runner.ended.wait(DEADLINE_S)


# -- routes fed from memory -----------------------------------------------------------------------------------------------


def test_without_a_journal_sinks_are_fed_from_memory() -> None:
    sink, one = route()
    recorded = Recorded(None, [one], threads=True)
    recorded.rows(3)
    assert recorded.flush().pending == {"sink": 0}
    recorded.finish()
    assert numbers(sink.values) == [1.0, 2.0, 3.0]
    assert recorded.engine.runners[0].statistics()["offered"] == 3
    recorded.ends.close()


def test_a_flush_without_journal_and_routes_is_answered() -> None:
    recorded = Recorded(None, threads=True)
    recorded.rows(1)
    assert recorded.flush() == Flushed(7, {}, None)
    recorded.ends.close()


def test_a_blocking_route_holds_and_releases_the_writer(tmp_path: Path) -> None:
    may_go = threading.Event()
    sink = ToldSink(lambda call: may_go.wait(DEADLINE_S) if call == "write" else None)
    recorded = Recorded(tmp_path, [Route(sink, name="sink", overflow="block")], queue_bytes=1000)
    for _ in range(10):
        recorded.rows(5)
    recorded.turn()
    recorded.until(lambda: recorded.ends.producer.held == {"sink"})
    may_go.set()
    recorded.until(lambda: not recorded.ends.producer.held)
    assert {type(one) for one in recorded.heard if isinstance(one, Hold)} == {Hold}
    recorded.finish()
    assert len(sink.values) == 50
    recorded.ends.close()


def test_under_pressure_a_slow_sink_s_queue_lets_go() -> None:
    may_go = threading.Event()
    sink = ToldSink(lambda call: may_go.wait(DEADLINE_S) if call == "open" else None)
    recorded = Recorded(None, [Route(sink, name="sink")], threads=True, queue_bytes=100_000)
    for _ in range(50):
        recorded.rows(100)
    recorded.turn()
    recorded.ends.producer.send(Pressure())
    recorded.turn()
    told = recorded.engine.runners[0].statistics()
    assert 0 < told["dropped"] < told["offered"]
    may_go.set()
    recorded.finish()
    told = recorded.engine.runners[0].statistics()
    assert told["delivered"] + told["dropped"] == told["offered"] == 5_000
    recorded.ends.close()


def test_a_route_somebody_else_serves_is_an_error_once_patience_ends(tmp_path: Path) -> None:
    owner = CursorFile(tmp_path, "sink", "main")
    ends = Ends()
    with pytest.raises(BlockingIOError):
        Engine(settings(tmp_path, [route(deadline=0)[1]]), ends.consumer, lambda: None)
    owner.close()
    ends.close()


# -- the loop around it ---------------------------------------------------------------------------------------------------


class Looping:
    """An engine's loop in a thread, and what the producer hears of it."""

    def __init__(self, directory: Path | None, routes: list[Route] | None = None, **more: Any) -> None:
        self.ends = Ends(threads=more.pop("threads", False))
        self.closed = threading.Event()
        made = settings(directory, routes or [], **more)
        self.settings = made
        self.loop = EngineLoop(made, self.ends.consumer.channel, on_closed=self.closed.set)
        self.thread = threading.Thread(target=self.loop.run, args=(77,))
        self.thread.start()
        self.heard: list[Message] = []

    def until(self, kind: type[Any]) -> Any:
        import select

        channel = self.ends.link.channel
        assert channel is not None
        give_up = time.monotonic() + DEADLINE_S
        while True:
            for one in self.heard:
                if isinstance(one, kind):
                    return one
            assert time.monotonic() < give_up
            channel.flush()
            select.select([channel], [], [], 0.1)
            self.heard += [message for message, _ in channel.receive()]

    def join(self) -> None:
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()
        self.ends.producer.close()


@pytest.mark.parametrize("threads", [False, True])
def test_the_loop_serves_until_the_end(tmp_path: Path, threads: bool) -> None:
    sink, one = route()
    looping = Looping(tmp_path, [one], threads=threads)
    assert looping.until(Ready) == Ready(77)
    looping.ends.rows(3, LOSS)
    looping.ends.producer.drain()
    looping.ends.producer.send(Flush(1, looping.ends.producer.control.position))
    assert looping.until(Flushed).pending == {"sink": 0}
    looping.until(Report)
    looping.ends.producer.end(looping.ends.time + 1, "finished", None)
    finished = looping.until(Finished)
    assert finished.report["routes"]["sink"]["state"] == "ended"
    looping.join()
    assert looping.closed.is_set()
    assert numbers(sink.values) == [1.0, 2.0, 3.0]
    looping.loop.wake()


def test_the_loop_ends_as_killed_when_its_writer_is_gone(tmp_path: Path) -> None:
    looping = Looping(tmp_path)
    looping.until(Ready)
    looping.ends.rows(3, LOSS)
    looping.ends.producer.close()
    looping.join()
    assert Stream(looping.settings.stream).statuses() == ["killed"]


def test_the_loop_waits_for_a_sink_no_longer_than_its_deadline(tmp_path: Path) -> None:
    """What is left is told as pending; the journal is closed all the same."""
    may_go = threading.Event()
    sink = ToldSink(lambda call: may_go.wait(DEADLINE_S) if call == "write" else None)
    looping = Looping(tmp_path, [Route(sink, name="sink", deadline=0.1)])
    looping.ends.rows(3, LOSS)
    looping.ends.producer.end(looping.ends.time + 1, "finished", None)
    finished = looping.until(Finished)
    assert finished.report["routes"]["sink"]["pending"] == 3
    looping.join()
    assert Stream(looping.settings.stream).statuses() == ["finished"]
    may_go.set()
    assert looping.loop.engine.runners[0].ended.wait(DEADLINE_S)


def test_a_doorbell_costs_the_engine_one_turn(recorded: Recorded) -> None:
    """A doorbell for what was read already is nothing new."""
    recorded.rows(1)
    recorded.turn()
    recorded.ends.producer.send(Doorbell(recorded.ends.producer.control.position))
    assert not recorded.engine.turn()
