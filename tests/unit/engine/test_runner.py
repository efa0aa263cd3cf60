"""Whatever a sink does ends in its runner: it is counted, told, tried again or given up, and touches nothing else."""

import asyncio
import gc
import json
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from asynclog.engine.cursor import Cursor, CursorFile
from asynclog.engine.feed import Feed
from asynclog.engine.journal_feed import JournalFeed
from asynclog.engine.memory_feed import MemoryFeed
from asynclog.engine.runner import SinkRunner
from asynclog.engine.runners import journal_runner
from asynclog.errors import SinkRejected, SinkUnavailable
from asynclog.flow.route import Route
from asynclog.flow.select import Counters
from asynclog.wire.stream import StreamDecoder
from tests.unit.engine.parts import (
    DEADLINE_S,
    FOLDED,
    LOSS,
    START_NS,
    EngineSettings,
    ToldSink,
    journal_writer,
    rows,
    settings,
)


class Served:
    """A runner in its thread, over memory or a journal in ``directory``."""

    def __init__(
        self,
        act: Callable[[str], Any] = lambda call: None,
        directory: Path | None = None,
        *,
        start: bool = True,
        sink: Any = None,
        epoch: int = 0,
    ) -> None:
        self.sink = sink if sink is not None else ToldSink(act)
        self.route = Route(self.sink, name="sink")
        self.troubles: list[tuple[str, str, bool]] = []
        self.seq = 0
        self.decoder = StreamDecoder()
        for schema in (LOSS, FOLDED):
            self.decoder.feed(schema.frame(0, 0))
        self.settings: EngineSettings = settings(directory, [self.route], epoch=epoch)
        self.cursor_file: CursorFile | None = None
        feed: Feed
        counters = Counters()
        if directory is not None:
            self.journal = journal_writer(self.settings)
            assert self.settings.stream is not None
            self.cursor_file = CursorFile(directory, "sink", "main")
            cursor = self.cursor_file.load()
            counters = cursor.counters if cursor is not None else counters
            feed = JournalFeed(self.route, self.settings.stream, "main", epoch, cursor)
        else:
            feed = MemoryFeed(self.route, "main", 0, 0, "drop_oldest", 1 << 20, lambda held: None)
        self.feed = feed
        self.runner = SinkRunner(
            self.route,
            feed,
            self.settings.run,
            cursor_file=self.cursor_file,
            counters=counters,
            on_trouble=lambda *trouble: self.troubles.append(trouble),
            total_events=lambda: self.seq,
        )
        if start:
            self.runner.start_thread()

    def offer(self, *numbers: float, **options: Any) -> int:
        """A record of some rows; returns its seq."""
        frame = rows(self.seq, *numbers, **options)
        self.seq += 1
        if isinstance(self.feed, MemoryFeed):
            record = self.decoder.feed(frame)
            assert record is not None
            self.feed.offer(record, -1)
        else:
            self.journal.add(frame)
            self.journal.commit()
        self.runner.notify()
        return frame.seq

    def delivered(self, *numbers: float) -> None:
        """Offer a record and wait until the runner is done with it, one way or the other."""
        self.flush(self.offer(*numbers))

    def flush(self, seq: int) -> None:
        ticket: Future[None] = self.runner.flush(seq)
        ticket.result(DEADLINE_S)

    def end(self) -> dict[str, Any]:
        if isinstance(self.feed, MemoryFeed):
            self.feed.end()
        elif not self.journal.closed:
            self.journal.close("finished", None, START_NS)
        self.runner.notify()
        assert self.runner.ended.wait(DEADLINE_S)
        return self.runner.statistics()


@pytest.fixture(params=["memory", "journal"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | None]:
    return None if request.param == "memory" else tmp_path


def adds_up(told: dict[str, Any]) -> bool:
    parts = ("delivered", "rejected", "dropped", "not_due", "filtered", "folded", "pending")
    return bool(told["offered"] == sum(told[one] for one in parts))


class Faults:
    """Acts for the n-th write, and remembers nothing else."""

    def __init__(self, fault: Callable[[], Any], times: int = 1 << 30, call: str = "write") -> None:
        self.fault, self.left, self.call = fault, times, call

    def __call__(self, call: str) -> Any:
        if call == self.call and self.left:
            self.left -= 1
            return self.fault()
        return None


def raising(error: BaseException) -> Callable[[], Any]:
    def fault() -> None:
        raise error

    return fault


def cancelling() -> Any:
    async def fault() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    return fault()


def test_a_sink_is_opened_written_flushed_and_closed_in_order(directory: Path | None) -> None:
    served = Served(directory=directory)
    served.delivered(0.5, 1.5)
    served.delivered(2.5)
    told = served.end()
    assert served.sink.values == [0.5, 1.5, 2.5]
    assert [one for one in served.sink.calls if one != "flush"] == ["open", "write", "write", "aclose"]
    assert served.sink.calls.count("flush") == 2
    assert (told["offered"], told["delivered"], told["pending"], told["state"]) == (3, 3, 0, "ended")
    assert served.sink.run == served.settings.run
    assert served.troubles == []


def test_two_methods_make_a_sink() -> None:
    class Least:
        def __init__(self) -> None:
            self.values: list[Any] = []

        async def write(self, batch: Any, /) -> None:
            self.values += [event.value for event in batch]

        async def aclose(self) -> None:
            self.values.append("closed")

    served = Served(sink=Least())
    served.delivered(0.5)
    served.end()
    assert served.sink.values == [0.5, "closed"]


@pytest.mark.parametrize("error", [SinkUnavailable("later"), OSError("refused"), TimeoutError()])
def test_an_unavailable_sink_gets_the_same_batch_again(error: BaseException) -> None:
    served = Served(Faults(raising(error), times=4))
    served.delivered(0.5)
    told = served.end()
    assert served.sink.values == [0.5]
    assert served.sink.calls.count("write") == 5, "more often than anything else would be tried"
    assert (told["delivered"], told["rejected"], told["state"]) == (1, 0, "ended")
    first, last = served.troubles
    assert type(error).__name__ in first[1]
    assert last == ("sink", "write works again after 4 failed tries", False)


def test_a_streak_of_failures_is_told_once_and_each_type_of_them() -> None:
    """Not at each of a thousand tries; a new streak is told again."""
    errors = [SinkUnavailable("a"), SinkUnavailable("b"), OSError("c"), SinkUnavailable("d")]

    def act(call: str) -> None:
        if call == "write" and errors:
            raise errors.pop(0)

    served = Served(act)
    served.delivered(0.5)
    assert [text.splitlines()[-1].split(".")[-1] for _, text, _ in served.troubles] == [
        "SinkUnavailable: a", "OSError: c", "write works again after 4 failed tries",
    ]  # fmt: skip
    errors.append(SinkUnavailable("e"))
    served.delivered(1.5)
    assert [text for _, text, _ in served.troubles][4] == "write works again after 1 failed try"
    told = served.end()
    assert (told["delivered"], told["rejected"]) == (2, 0)


def test_a_failing_sink_says_so_until_it_recovers() -> None:
    may_go = threading.Event()
    states: list[str] = []

    def fault(call: str) -> None:
        if call == "write" and not may_go.is_set():
            states.append(served.runner.state)
            if len(states) == 3:
                may_go.set()
            raise SinkUnavailable("later")

    served = Served(fault)
    served.delivered(0.5)
    assert states[1:] == ["failing", "failing"]
    assert served.runner.state == "running"
    assert "SinkUnavailable: later" in (served.runner.error or "")
    served.end()


def test_a_rejected_batch_is_counted_and_the_next_one_tried(directory: Path | None) -> None:
    served = Served(Faults(raising(SinkRejected("never")), times=1), directory)
    served.delivered(0.5, 1.5)
    served.delivered(2.5)
    told = served.end()
    assert served.sink.values == [2.5]
    assert served.sink.calls.count("write") == 2
    assert (told["delivered"], told["rejected"], told["state"]) == (1, 2, "ended")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(raising(ValueError("a bug")), id="raises"),
        pytest.param(lambda: sys.exit(3), id="exits"),
        pytest.param(raising(KeyboardInterrupt()), id="interrupts"),
        pytest.param(raising(asyncio.CancelledError()), id="raises a cancellation"),
        pytest.param(cancelling, id="cancels itself"),
    ],
)
def test_anything_else_is_tried_three_times_and_then_rejected(directory: Path | None, fault: Callable[[], Any]) -> None:
    """It ends neither the thread nor the next batch."""
    served = Served(Faults(fault, times=3), directory)
    served.delivered(0.5)
    assert served.sink.calls.count("write") == 3
    served.delivered(1.5)
    told = served.end()
    assert served.sink.values == [1.5]
    assert (told["delivered"], told["rejected"], told["state"]) == (1, 1, "ended")
    assert adds_up(told)
    first, given_up, last = served.troubles
    assert "Traceback" in first[1] or "Exit" in first[1]
    assert given_up[1] == "its batch is given up: what is in it counts as rejected"
    assert last[1] == "write works again after 3 failed tries"


def test_an_end_that_a_sink_hears_is_no_batch_that_works_again(tmp_path: Path) -> None:
    """What was given up stays lost, however well the sink takes the end of the run."""
    served = Served(directory=tmp_path, sink=Chooser(Faults(raising(ValueError("a bug")), times=3)))
    served.delivered(0.5)
    served.journal.close("finished", None, START_NS)
    assert served.end()["rejected"] == 1
    assert [text.splitlines()[-1] for _, text, _ in served.troubles] == [
        "ValueError: a bug",
        "its batch is given up: what is in it counts as rejected",
    ]


def test_a_sink_that_fails_twice_has_delivered_once(directory: Path | None) -> None:
    served = Served(Faults(raising(ValueError("a bug")), times=2), directory)
    served.delivered(0.5)
    assert served.end()["delivered"] == 1
    assert served.sink.values == [0.5]


def test_a_sink_that_spoils_three_batches_is_stopped(directory: Path | None) -> None:
    """Its end is told as fatal; a journal keeps the last batch for later, memory drops and counts it."""
    served = Served(Faults(raising(ValueError("a bug"))), directory)
    for number in range(3):
        served.delivered(float(number))
    assert served.runner.ended.wait(DEADLINE_S), "flushes in between went well, and change nothing"
    for number in range(3, 5):
        served.delivered(float(number))
    told = served.end()
    assert served.sink.calls.count("write") == 9
    assert served.sink.calls[-1] == "aclose"
    assert (told["state"], told["rejected"], told["delivered"]) == ("stopped", 2, 0)
    assert adds_up(told)
    if directory is None:
        assert (told["dropped"], told["pending"]) == (3, 0)
    else:
        assert (told["dropped"], told["pending"]) == (0, 3)
        served.runner.conclude()
        cursor = CursorFile(directory, "sink", "main")
        loaded = cursor.load()
        cursor.close()
        assert loaded is not None
        assert loaded.seq == 1
    assert [fatal for _, _, fatal in served.troubles].count(True) == 1
    assert "ValueError: a bug" in told["error"]


def test_two_spoiled_batches_and_a_good_one_stop_nothing() -> None:
    served = Served(Faults(raising(ValueError("a bug")), times=6))
    for number in range(3):
        served.delivered(float(number))
    faults = Faults(raising(ValueError("a bug")), times=6)
    served.sink._act = faults
    for number in range(3):
        served.delivered(float(number))
    told = served.end()
    assert (told["state"], told["rejected"], told["delivered"]) == ("ended", 4, 2)


def test_a_stopped_sink_with_folds_waiting_adds_up() -> None:
    served = Served(Faults(raising(ValueError("a bug"))))
    served.flush(served.offer(1.0, 2.0, schema=FOLDED, due=[0, 0]))
    for number in range(3):
        served.flush(served.offer(float(number), schema=FOLDED, due=[1]))
    told = served.end()
    assert told["state"] == "stopped"
    assert told["pending"] == 0
    assert adds_up(told)


def test_a_sink_that_can_not_be_opened_is_stopped(directory: Path | None) -> None:
    served = Served(Faults(raising(ValueError("no such server")), call="open"), directory)
    told = served.end()
    assert served.sink.calls == ["open"] * 3 + ["aclose"]
    assert told["state"] == "stopped"
    assert "no such server" in told["error"]


def test_a_sink_that_is_unavailable_at_first_is_opened_later() -> None:
    served = Served(Faults(raising(SinkUnavailable("later")), times=2, call="open"))
    served.delivered(0.5)
    assert served.sink.calls[:4] == ["open", "open", "open", "write"]
    assert served.end()["delivered"] == 1


def test_failing_flushes_take_no_tries_from_batches() -> None:
    served = Served(Faults(raising(ValueError("no")), call="flush"))
    for number in range(4):
        served.delivered(float(number))
    served.sink._act = Faults(raising(ValueError("a bug")), times=2)
    served.delivered(4.0)
    told = served.end()
    assert (told["delivered"], told["rejected"], told["state"]) == (5, 0, "ended")


@pytest.mark.parametrize("call", ["flush", "aclose"])
def test_a_sink_that_fails_to_flush_or_close_is_told_of_and_harms_nobody(call: str) -> None:
    served = Served(Faults(raising(ValueError("no")), call=call))
    served.delivered(0.5)
    told = served.end()
    assert (told["delivered"], told["state"]) == (1, "ended")
    assert "ValueError: no" in told["error"]


def test_a_blocking_sink_blocks_nobody_else() -> None:
    """Its thread is its own; what waits for it is pending, and is delivered when it lets go."""
    may_go = threading.Event()
    blocked = Served(lambda call: may_go.wait(DEADLINE_S) if call == "write" else None)
    free = Served()
    blocked.offer(0.5)
    blocked.sink.until(lambda: "write" in blocked.sink.calls)
    free.delivered(0.5)
    blocked.offer(1.5)
    assert (free.end()["delivered"], blocked.runner.statistics()["pending"]) == (1, 2)
    assert not blocked.runner.ended.is_set()
    may_go.set()
    assert blocked.end()["delivered"] == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("when", ["in write", "while nothing comes"])
def test_a_sink_that_ends_the_loop_of_its_thread_is_stopped_at_once(directory: Path | None, when: str) -> None:
    class Quits:
        """Its own task calls sys.exit: a loop ends with that, whoever awaits the task."""

        async def write(self, batch: Any, /) -> None:
            task = asyncio.create_task(self.quit())
            if when == "in write":
                await asyncio.shield(task)

        async def quit(self) -> None:
            sys.exit(3)

        async def aclose(self) -> None:
            pass

    served = Served(directory=directory, sink=Quits())
    served.offer(1.0, 2.0)
    assert served.runner.ended.wait(DEADLINE_S)
    assert served.runner.state == "stopped"
    assert "SystemExit: 3" in (served.runner.error or "")
    assert [fatal for *_, fatal in served.troubles][-1]
    assert adds_up(served.runner.statistics())
    del served
    gc.collect()  # asyncio says that the task was still pending: here, and not in a later test


def test_a_flush_waits_for_what_was_offered_before_it(directory: Path | None) -> None:
    may_go = threading.Event()
    served = Served(lambda call: may_go.wait(DEADLINE_S) if call == "write" else None, directory)
    ticket = served.runner.flush(served.offer(0.5))
    served.sink.until(lambda: "write" in served.sink.calls)
    assert not ticket.done()
    may_go.set()
    ticket.result(DEADLINE_S)
    assert served.sink.calls[:3] == ["open", "write", "flush"]
    served.end()


def test_a_flush_of_nothing_is_done_at_once(directory: Path | None) -> None:
    served = Served(directory=directory)
    served.flush(-1)
    served.end()


def test_a_flush_after_the_end_is_done(directory: Path | None) -> None:
    served = Served(directory=directory)
    served.end()
    assert served.runner.flush(99).done()


def test_a_flush_that_can_not_be_reached_is_done_at_the_end(directory: Path | None) -> None:
    served = Served(directory=directory)
    ticket = served.runner.flush(99)
    assert not ticket.done()
    served.end()
    assert ticket.done()


def test_a_flush_of_a_stopped_sink_is_done() -> None:
    served = Served(Faults(raising(ValueError("no")), call="open"), start=False)
    ticket = served.runner.flush(served.offer(0.5))
    served.runner.start_thread()
    ticket.result(DEADLINE_S)
    assert "flush" not in served.sink.calls


def test_a_resumed_route_goes_on_with_its_counters(tmp_path: Path) -> None:
    first = Served(directory=tmp_path)
    first.delivered(0.5)
    first.delivered(1.5)
    first.end()
    second = Served(directory=tmp_path, epoch=1)
    assert second.runner.statistics()["delivered"] == 2
    second.delivered(2.5)
    told = second.end()
    assert second.sink.values == [2.5]
    assert (told["offered"], told["delivered"], told["pending"]) == (3, 3, 0)


def test_a_cursor_is_saved_before_a_flush_is_done(tmp_path: Path) -> None:
    """What flush said is delivered is not delivered again, even if everything is killed now."""
    served = Served(directory=tmp_path)
    for number in range(5):
        served.delivered(float(number))
        assert served.cursor_file is not None
        loaded = served.cursor_file.load()
        assert loaded is not None
        assert (loaded.seq, loaded.counters.delivered) == (number, number + 1)
    served.end()


def test_what_the_stream_has_and_the_sink_has_not_is_pending(tmp_path: Path) -> None:
    may_go = threading.Event()
    served = Served(lambda call: may_go.wait(DEADLINE_S) if call == "open" else None, tmp_path)
    served.offer(0.5)
    served.offer(1.5)
    told = served.runner.statistics()
    assert (told["offered"], told["pending"], told["state"]) == (2, 2, "opening")
    may_go.set()
    assert served.end()["pending"] == 0


def test_counters_add_up_while_others_offer() -> None:
    """Two threads count: none of their additions may get lost."""
    served = Served()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(3000):
            served.offer(float(number))
        told = served.end()
    finally:
        sys.setswitchinterval(interval)
    assert told["offered"] == 3000
    assert told["delivered"] + told["dropped"] == 3000
    assert told["pending"] == 0


@pytest.mark.anyio
async def test_a_sink_on_the_caller_s_loop_never_blocks_it(tmp_path: Path) -> None:
    """Files are read and cursors saved in threads; the loop's watch raises otherwise."""
    sink = ToldSink()
    route = Route(sink, name="sink", place="caller")
    made = settings(tmp_path, [route])
    writer = await asyncio.to_thread(journal_writer, made)

    def write(seq: int) -> None:
        writer.add(rows(seq, float(seq)))
        writer.commit()

    await asyncio.to_thread(write, 0)
    runner = await asyncio.to_thread(journal_runner, route, made, lambda *_: None, lambda: 1)
    assert runner.reads_journal
    serving = asyncio.ensure_future(runner.serve())
    await asyncio.wait_for(asyncio.wrap_future(runner.flush(0)), DEADLINE_S)
    await asyncio.to_thread(write, 1)
    await asyncio.to_thread(writer.close, "finished", None, START_NS)
    runner.notify()
    await asyncio.wait_for(serving, DEADLINE_S)
    assert sink.values == [0.0, 1.0]
    assert "ended" in repr(runner)
    again = await asyncio.to_thread(journal_runner, route, made, lambda *_: None, lambda: 1)
    assert again.statistics()["delivered"] == 2
    ending = asyncio.ensure_future(again.serve())
    await asyncio.wait_for(ending, DEADLINE_S)
    assert sink.run is not None
    assert sink.run.resumed


@pytest.mark.anyio
async def test_the_caller_s_loop_may_cancel_a_runner() -> None:
    """On that loop a cancellation is the caller's will, not the sink's."""
    entered = asyncio.Event()

    async def wait() -> None:
        entered.set()
        await asyncio.Event().wait()

    route = Route(ToldSink(lambda call: wait() if call == "open" else None), name="sink", place="caller")
    feed = MemoryFeed(route, "main", 0, 0, "drop_oldest", 1 << 20, lambda held: None)
    runner = SinkRunner(
        route,
        feed,
        settings(None, [route]).run,
        cursor_file=None,
        counters=Counters(),
        on_trouble=lambda *_: None,
        total_events=lambda: 0,
    )
    serving = asyncio.ensure_future(runner.serve())
    ticket = runner.flush(5)
    await entered.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert not runner.ended.is_set(), "it may go on in another loop"
    assert not ticket.done(), "what was not delivered is not said to be"
    route.sink._act = lambda call: None  # type: ignore[attr-defined]
    runner.leave()
    runner.adopt(asyncio.get_running_loop())
    async with asyncio.timeout(DEADLINE_S):
        while not runner.ended.is_set():
            await asyncio.sleep(0)
    assert ticket.done()


class Caller:
    """A runner on loops that come and go, over memory."""

    def __init__(self, act: Callable[[str], Any] = lambda call: None) -> None:
        self.sink = ToldSink(act)
        self.route = Route(self.sink, name="sink", place="caller")
        self.feed = MemoryFeed(self.route, "main", 0, 0, "drop_oldest", 1 << 20, lambda held: None)
        self.troubles: list[tuple[str, str, bool]] = []
        self.decoder = StreamDecoder()
        self.decoder.feed(LOSS.frame(0, 0))
        self.runner = SinkRunner(
            self.route,
            self.feed,
            settings(None, [self.route]).run,
            cursor_file=None,
            counters=Counters(),
            on_trouble=lambda *trouble: self.troubles.append(trouble),
            total_events=lambda: 0,
        )

    def offer(self, seq: int, number: float) -> None:
        record = self.decoder.feed(rows(seq, number))
        assert record is not None
        self.feed.offer(record, -1)
        self.runner.notify()

    async def flushed(self, seq: int) -> None:
        await asyncio.wait_for(asyncio.wrap_future(self.runner.flush(seq)), DEADLINE_S)


@pytest.mark.parametrize("in_loop", [True, False])
def test_a_sink_whose_loop_ended_goes_on_in_the_next(in_loop: bool) -> None:
    """Said once; what came in between is delivered there, and nothing twice. Without a loop it gets a thread."""
    caller = Caller()

    async def first() -> None:
        caller.runner.start_on(asyncio.get_running_loop())
        caller.offer(0, 0.5)
        await caller.flushed(0)

    async def second() -> None:
        caller.runner.adopt(asyncio.get_running_loop())
        await caller.flushed(1)
        caller.feed.end()
        caller.runner.notify()
        async with asyncio.timeout(DEADLINE_S):
            while not caller.runner.ended.is_set():
                await asyncio.sleep(0)

    asyncio.run(first())
    assert caller.runner.orphaned
    caller.offer(1, 1.5)
    ticket = caller.runner.flush(1)
    assert not ticket.done()
    if in_loop:
        asyncio.run(second())
    else:
        caller.runner.adopt(None)
        ticket.result(DEADLINE_S)
        caller.feed.end()
        caller.runner.notify()
        assert caller.runner.ended.wait(DEADLINE_S)
    assert ticket.done()
    assert caller.sink.values == [0.5, 1.5]
    assert caller.sink.calls.count("open") == 1
    assert len(caller.troubles) == 1
    assert "its event loop has ended" in caller.troubles[0][1]
    told = caller.runner.statistics()
    assert (told["offered"], told["delivered"], told["pending"], told["state"]) == (2, 2, 0, "ended")


def test_a_batch_in_hand_when_the_loop_ends_is_delivered_by_the_next() -> None:
    """Its write was cut off: it comes again, as after any failure."""
    entered = threading.Event()

    async def hang() -> None:
        entered.set()
        await asyncio.Event().wait()

    faults = Faults(hang, times=1)
    caller = Caller(faults)

    async def first() -> None:
        caller.runner.start_on(asyncio.get_running_loop())
        caller.offer(0, 0.5)
        while not entered.is_set():
            await asyncio.sleep(0)

    asyncio.run(first())
    caller.offer(1, 1.5)
    caller.runner.adopt(None)
    caller.runner.flush(1).result(DEADLINE_S)
    assert caller.sink.values == [0.5, 1.5]
    caller.feed.end()
    caller.runner.notify()
    assert caller.runner.ended.wait(DEADLINE_S)
    assert caller.runner.statistics()["delivered"] == 2


def test_a_loop_that_was_closed_without_a_word_is_noticed() -> None:
    caller = Caller()
    loop = asyncio.new_event_loop()

    async def first() -> None:
        caller.runner.start_on(loop)
        caller.offer(0, 0.5)
        await caller.flushed(0)
        while not caller.runner._serving.waking.idle:
            await asyncio.sleep(0)

    loop.run_until_complete(first())
    loop.run_until_complete(loop.shutdown_default_executor())
    task = caller.runner._task
    assert task is not None
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    caller.offer(1, 1.5)
    assert caller.runner.orphaned
    caller.runner.adopt(None)
    caller.runner.flush(1).result(DEADLINE_S)
    assert caller.sink.values == [0.5, 1.5]
    caller.feed.end()
    caller.runner.notify()
    assert caller.runner.ended.wait(DEADLINE_S)


def test_a_flush_that_nobody_waits_for_is_forgotten(directory: Path | None) -> None:
    served = Served(directory=directory)
    ticket = served.runner.flush(99)
    served.runner.unflush(ticket)
    served.end()
    assert not ticket.done()


def test_a_route_whose_sink_must_not_run_is_stopped_and_counts(directory: Path | None) -> None:
    """Its sink is never called; a journal keeps what it is owed, memory drops and counts it."""
    served = Served(directory=directory, start=False)
    served.offer(0.5)
    served.runner.stop_before("it ended the recorder")
    served.offer(1.5)
    assert served.runner.flush(1).done()
    told = served.runner.statistics()
    assert (told["state"], told["offered"], told["delivered"]) == ("stopped", 2, 0)
    assert adds_up(told)
    assert told["dropped" if directory is None else "pending"] == 2
    assert served.sink.calls == []
    assert served.troubles == [("sink", "it ended the recorder", True)]
    served.runner.conclude()
    if directory is not None:
        served.journal.close("finished", None, START_NS)
        later = Served(directory=directory, epoch=1)
        assert later.end()["delivered"] == 2


@pytest.mark.parametrize("stops", ["open", "write"])
def test_a_cursor_tells_what_the_statistics_tell(tmp_path: Path, stops: str) -> None:
    """Also of a sink that was stopped, of what it was owed, and of what no route was asked about."""
    served = Served(Faults(raising(ValueError("no")), call=stops), tmp_path)
    for number in range(5):
        served.offer(float(number))
        if number < 3:
            served.flush(number)
    assert served.runner.ended.wait(DEADLINE_S)
    served.runner.progress.skipped = 7
    served.runner.conclude()
    told = served.runner.statistics()
    assert (told["offered"], told["pending"]) == (5, 5 if stops == "open" else 3)
    saved = json.loads((tmp_path / "cursors" / "sink" / "main.json").read_text())["counters"]
    assert saved == {name: told[name] + 7 * (name in ("offered", "not_due")) for name in saved}
    assert saved["pending"] == told["pending"]
    served.journal.close("finished", None, START_NS)
    later = Served(directory=tmp_path, epoch=1)
    again = later.end()
    assert (again["offered"], again["pending"]) == (12, 0)
    assert adds_up(again)


def test_a_cursor_of_another_epoch_tells_of_a_resumed_run(tmp_path: Path) -> None:
    file = CursorFile(tmp_path, "sink", "main")
    file.save(Cursor(0, 3, 4))
    file.close()
    made = settings(tmp_path, [route := Route(ToldSink(), name="sink")], epoch=1)
    runner = journal_runner(route, made, lambda *_: None, lambda: 0)
    runner.start_thread()
    route.sink.until(lambda: "open" in route.sink.calls)  # type: ignore[attr-defined]
    assert route.sink.run.resumed  # type: ignore[attr-defined]
    writer = journal_writer(made)
    writer.close("finished", None, START_NS)
    runner.notify()
    assert runner.ended.wait(DEADLINE_S)


def test_an_ephemeral_route_keeps_no_cursor(tmp_path: Path) -> None:
    route = Route(ToldSink(ephemeral=True), name="sink")
    made = settings(tmp_path, [route])
    journal_writer(made).close("finished", None, START_NS)
    runner = journal_runner(route, made, lambda *_: None, lambda: 0)
    runner.start_thread()
    assert runner.ended.wait(DEADLINE_S)
    assert not (tmp_path / "cursors").exists()


class Chooser(ToldSink):
    """Takes what is positive."""

    async def write(self, batch: Any, /) -> None:
        await super().write(batch)
        for event in batch:
            if event.value < 0:
                batch.reject("numbers below zero have no place here")

    async def run_ended(self, status: str, error: str | None) -> None:
        await self._call(f"run_ended {status} {error}")


def test_what_a_sink_cant_show_is_counted_as_rejected_and_said_once(directory: Path | None) -> None:
    served = Served(directory=directory, sink=Chooser(lambda call: None))
    served.delivered(1.0, -1.0, 2.0)
    served.delivered(-3.0)
    told = served.end()
    assert (told["delivered"], told["rejected"]) == (2, 2)
    assert adds_up(told)
    assert [text for _, text, _ in served.troubles] == [
        "numbers below zero have no place here; such values are counted as rejected"
    ]


def test_what_a_failed_try_rejected_is_not_counted_twice(directory: Path | None) -> None:
    failures = iter([OSError("busy")])

    class Late(Chooser):
        async def write(self, batch: Any, /) -> None:
            await super().write(batch)
            for failure in failures:
                raise failure

    served = Served(directory=directory, sink=Late(lambda call: None))
    served.delivered(1.0, -1.0)
    told = served.end()
    assert (told["delivered"], told["rejected"]) == (1, 1)


def test_a_sink_is_told_how_the_run_ended_before_it_is_closed(tmp_path: Path) -> None:
    calls: list[str] = []
    served = Served(directory=tmp_path, sink=Chooser(calls.append))
    served.delivered(1.0)
    served.journal.close("failed", "ValueError: loss is NaN", START_NS)
    served.end()
    assert calls[-2:] == ["run_ended failed ValueError: loss is NaN", "aclose"]


def test_telling_how_the_run_ended_is_tried_again_while_the_destination_is_down(tmp_path: Path) -> None:
    calls: list[str] = []

    def act(call: str) -> None:
        calls.append(call)
        if calls.count("run_ended killed None") in (1, 2):
            raise SinkUnavailable("down")

    served = Served(directory=tmp_path, sink=Chooser(act))
    served.delivered(1.0)
    served.journal.close("killed", None, START_NS)
    served.end()
    assert calls.count("run_ended killed None") == 3
    assert calls[-1] == "aclose"
