"""A recorded run is brought to a destination: all of it, once, from where the route stands, whoever recorded it."""

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration, RunInUse, RunNotFound, SinkError, SinkRejected, SinkUnavailable
from asynclog.sink import Batch, RunInfo
from asynclog.wire.layout import checksum
from asynclog.wire.schema import Series
from tests.crash.scene import exited
from tests.misbehaving import Gate, Outage, Raiser, Refuser
from tests.runfiles import StreamWriter, make_run, million
from tests.unit.logger.recording import adds_up
from tests.working import Chooser, Waiter, Worked

checksum(b"")  # loads its library, and not within a test's loop
LOSS = Series("train", "", "loss")
DEADLINE_S = 25.0


class Kept:
    """Keeps steps, and how it was called."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.runs: list[RunInfo] = []
        self.ends: list[tuple[str, str | None]] = []
        self.values: list[Any] = []

    async def open(self, run: RunInfo) -> None:
        self.runs.append(run)

    async def write(self, batch: Batch, /) -> None:
        self.steps += [event.step for event in batch]
        self.values += [event.value for event in batch]

    async def run_ended(self, status: str, error: str | None) -> None:
        self.ends.append((status, error))

    async def aclose(self) -> None:
        pass


def recorded(run: Path, writer: str = "main", epoch: int = 0, *, first: int = 0, count: int = 5, **footer: Any) -> StreamWriter:
    """Steps of one stream; ends with a footer if a status is given."""
    stream = StreamWriter(run, writer, epoch)
    add(stream, first, count)
    if footer:
        stream.footer(**footer)
    return stream


def add(stream: StreamWriter, first: int, count: int) -> None:
    schema = stream.schemas.get(1) or stream.schema(LOSS)
    stream.rows(schema, [(float(step),) for step in range(first, first + count)], first_step=first)


@contextmanager
def alive(run: Path, writer: str = "main") -> Iterator[None]:
    """Somebody writes the stream."""
    fd = os.open(run / "streams" / writer / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(fd)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


async def until(condition: Any) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


# -- what is delivered -------------------------------------------------------------------------------------------------


async def test_all_epochs_are_delivered_from_the_first_one_on(run: Path) -> None:
    """A life that was killed together with its recorder left no end, and still counts."""
    recorded(run, epoch=0, first=0)
    recorded(run, epoch=1, first=5, status="killed")
    recorded(run, epoch=2, first=10, status="finished")
    sink = Kept()
    result = await al.sync(run, sink)
    assert sink.steps == list(range(15))
    assert (result.complete, result.counters["delivered"]) == (True, 15)


async def test_asked_again_it_has_nothing_to_do(run: Path) -> None:
    recorded(run, status="finished")
    assert (await al.sync(run, Kept())).counters["delivered"] == 5
    again = Kept()
    result = await al.sync(run, again)
    assert (again.steps, result.complete, result.counters["offered"]) == ([], True, 0)
    assert again.runs[0].resumed


async def test_links_and_pipes_in_place_of_segments_are_not_opened(run: Path) -> None:
    """As for readers: a pipe would keep the thread that opens it, beyond Ctrl-C."""
    stream = recorded(run, status="finished")
    os.mkfifo(stream.directory / "0001-000000.alog")
    (stream.directory / "0002-000000.alog").symlink_to("/dev/zero")
    async with asyncio.timeout(DEADLINE_S):
        result = await al.sync(run, kept := Kept())
    assert kept.steps == [0, 1, 2, 3, 4]
    assert result.complete


async def test_a_cursor_of_nonsense_is_as_none(run: Path) -> None:
    recorded(run, status="finished")
    folder = run / "cursors" / "kept"
    folder.mkdir(parents=True)
    (folder / "main.json").write_text('{"epoch": 0, "seq": 1e400, "replay_from": 0, "counters": {"offered": 1}}')
    await al.sync(run, kept := Kept())
    assert kept.steps == [0, 1, 2, 3, 4]


async def test_another_route_begins_at_the_beginning(run: Path) -> None:
    recorded(run, status="finished")
    await al.sync(run, Kept())
    other = Kept()
    await al.sync(run, other, name="other")
    assert other.steps == [0, 1, 2, 3, 4]
    assert not other.runs[0].resumed


async def test_a_sink_is_told_of_the_run_as_its_own_logger_tells_it(tmp_path: Path) -> None:
    live, later = Kept(), Kept()
    async with al.MultiLogger(tmp_path / "run", sinks=[live], config={"lr": 0.1}, recorder="thread") as log:
        log.log_scalar("loss", 1.0)
        await log.write(0)
    await al.sync(tmp_path / "run", later, name="later")
    assert later.runs == live.runs
    assert later.ends == live.ends == [("finished", None)]


async def test_what_a_limit_left_out_is_delivered_to_a_route_of_another_name(tmp_path: Path) -> None:
    """The journal has every number; what was due to a route of the run goes on holding for that route."""
    live = Kept()
    route = al.Route(live, name="live", limit=al.RateLimit(steps=10))
    async with al.MultiLogger(tmp_path / "run", sinks=[route], recorder="thread") as log:
        for step in range(20):
            log.log_scalar("loss", float(step))
            await log.write(step)
    assert live.steps == [0, 10]
    sink = Kept()
    result = await al.sync(tmp_path / "run", sink, name="all")
    assert sink.steps == list(range(20))
    assert result.counters["not_due"] == 0
    (tmp_path / "run" / "cursors" / "live" / "main.json").unlink()
    again = Kept()
    result = await al.sync(tmp_path / "run", again, name="live")
    assert again.steps == [0, 10]
    assert (result.counters["offered"], result.counters["not_due"]) == (20, 18)


async def test_a_routes_filters_and_limit_hold(run: Path) -> None:
    stream = StreamWriter(run)
    schema = stream.schema(LOSS)
    second = 1_000_000_000
    stream.rows(schema, [(0.0,)] * 10, times=[stream.time + at * second // 2 + 1 for at in range(10)])
    stream.event("note", "a word", step=3)
    stream.footer()
    sink = Kept()
    result = await al.sync(run, al.Route(sink, kinds={"scalar"}, limit=al.RateLimit(1.0)))
    assert sink.steps == [0, 2, 4, 6, 8]
    assert result.counters["filtered"] == 1
    assert adds_up(dict(result.counters))


async def test_media_come_as_they_were_recorded(tmp_path: Path) -> None:
    sink = Kept()
    pixels = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        log.log_string("says", "hello")
        log.log_image("frame", pixels)
        await log.write(0)
    await al.sync(tmp_path / "run", sink)
    words, image = sorted(sink.values, key=lambda one: not isinstance(one, str))
    assert words == "hello"
    assert np.array_equal(image.data, pixels)


# -- several writers ---------------------------------------------------------------------------------------------------


async def test_each_writer_has_a_sink_of_its_own(run: Path) -> None:
    """Those of one rank append to what the others wrote, and a second time nothing is written twice."""
    for number, writer in enumerate(("main", "main-7", "main-31")):
        recorded(run, writer, first=100 * number, status="finished")
    for _ in range(2):
        result = await al.sync(run, al.sinks.JSONLines("lines.jsonl"))
    lines = [json.loads(line)["step"] for line in (run / "lines.jsonl").read_text().splitlines()]
    assert sorted(lines) == [*range(5), *range(100, 105), *range(200, 205)]
    assert lines[:5] == [0, 1, 2, 3, 4], "main comes first"
    assert result.complete


async def test_a_sink_that_cant_be_copied_says_so_where_several_are_needed(run: Path) -> None:
    recorded(run, "main", status="finished")
    recorded(run, "main-7", status="finished")

    class Local(Kept):
        pass

    with pytest.raises(InvalidConfiguration, match="several writers"):
        await al.sync(run, Local())


# -- the end -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("footer", "told"),
    [
        ({"status": "finished"}, ("finished", None)),
        ({"status": "failed", "error": "ValueError: no"}, ("failed", "ValueError: no")),
        ({"status": "killed"}, ("killed", None)),
    ],
)
async def test_a_sink_is_told_how_the_run_ended(run: Path, footer: dict[str, Any], told: tuple[str, str | None]) -> None:
    recorded(run, **footer)
    sink = Kept()
    await al.sync(run, sink)
    assert sink.ends == [told]


async def test_a_run_whose_recorder_is_gone_too_was_killed(run: Path) -> None:
    recorded(run)
    sink = Kept()
    result = await al.sync(run, sink)
    assert result.complete
    ((status, error),) = sink.ends
    assert status == "killed"
    assert error is not None
    assert "no end was recorded" in error


async def test_a_life_that_claimed_its_epoch_and_died_hides_nothing(run: Path) -> None:
    recorded(run, epoch=0, status="finished")
    (run / "streams" / "main" / "0001-000000.alog").touch()
    sink = Kept()
    assert (await al.sync(run, sink)).complete
    assert sink.steps == [0, 1, 2, 3, 4]


# -- a run that goes on ------------------------------------------------------------------------------------------------


async def test_of_a_run_that_goes_on_comes_what_is_there(run: Path) -> None:
    """It isn't told to have ended; asked again later, the rest comes, and the end."""
    stream = recorded(run)
    first, second = Kept(), Kept()
    with alive(run):
        result = await al.sync(run, first)
        assert (result.complete, first.steps, first.ends) == (False, [0, 1, 2, 3, 4], [])
        add(stream, 5, 5)
    stream.footer()
    result = await al.sync(run, second)
    assert (result.complete, second.steps, second.ends) == (True, [5, 6, 7, 8, 9], [("finished", None)])


async def test_numbers_that_wait_to_be_folded_wait_for_the_rest(run: Path) -> None:
    """A mean over what was there would not be the mean that the run has."""
    stream = StreamWriter(run)
    mean = stream.schema(Series("train", "", "loss", "d", "mean"), due=True)
    stream.rows(mean, [(1.0,), (3.0,)], prefix=(0,))
    first, second = Kept(), Kept()
    route = {"name": "known"}
    with alive(run):
        result = await al.sync(run, al.Route(first, limit=al.RateLimit(steps=1000), **route))
        stream.rows(mean, [(8.0,)], first_step=2, prefix=(0,))
    stream.footer()
    result = await al.sync(run, al.Route(second, limit=al.RateLimit(steps=1000), **route))
    assert (first.values, second.values) == ([1.0], [5.5])
    assert adds_up(dict(result.counters))


async def test_followed_it_is_delivered_until_it_ends(run: Path) -> None:
    stream = recorded(run)
    sink = Kept()
    with alive(run):
        syncing = asyncio.create_task(al.sync(run, sink, follow=True))
        await until(lambda: len(sink.steps) == 5)
        add(stream, 5, 5)
        await until(lambda: len(sink.steps) == 10)
        late = recorded(run, "main-7", first=100, status="finished")
        await until(lambda: not syncing.done())
        stream.footer()
    result = await syncing
    assert late.events == 5
    assert result.complete
    assert sink.ends == [("finished", None)]
    assert result.counters["delivered"] == 15


async def test_followed_it_goes_on_with_the_writers_next_life(run: Path) -> None:
    """The process was killed with its recorder, and its supervisor starts it again."""
    recorded(run)
    sink = Kept()
    with alive(run):
        syncing = asyncio.create_task(al.sync(run, sink, follow=True))
        await until(lambda: len(sink.steps) == 5)
        recorded(run, epoch=1, first=5, status="finished")
        result = await syncing
    assert result.counters["delivered"] == 10
    assert result.complete


async def test_followed_an_empty_life_that_nobody_leads_ends_it(run: Path) -> None:
    """A process that died before it wrote anything, on its first day or later."""
    StreamWriter(run, "main-7").path.write_bytes(b"")
    recorded(run, status="finished")
    sink = Kept()
    result = await al.sync(run, sink, follow=True)
    assert sink.steps == [0, 1, 2, 3, 4]
    assert result.complete


async def test_a_live_logger_is_followed(tmp_path: Path) -> None:
    sink = Kept()
    async with al.MultiLogger(tmp_path / "run") as log:
        log.log_scalar("loss", 0.0)
        await log.write(0)
        await log.flush()
        syncing = asyncio.create_task(al.sync(tmp_path / "run", sink, follow=True))
        for step in range(1, 50):
            log.log_scalar("loss", float(step))
            await log.write(step)
            await asyncio.sleep(0)
        await until(lambda: len(sink.steps) == 50)
    assert (await syncing).complete
    assert sink.steps == list(range(50))


# -- interrupted -------------------------------------------------------------------------------------------------------


async def test_interrupted_it_ends_behind_a_batch_and_goes_on_there(tmp_path: Path) -> None:
    run = million(tmp_path / "run", rows=10_000)
    gate = Gate()
    syncing = asyncio.create_task(al.sync(run, gate, name="route"))
    await asyncio.to_thread(gate.reached.wait)
    syncing.cancel()
    gate.open_gate.set()
    with pytest.raises(asyncio.CancelledError):
        await syncing
    assert 0 < len(gate.events) < 100_000
    saved = json.loads((run / "cursors" / "route" / "main.json").read_text())["counters"]
    assert (saved["delivered"], saved["pending"]) == (len(gate.events), 100_000 - len(gate.events))
    rest = Kept()
    result = await al.sync(run, rest, name="route")
    assert result.counters["delivered"] == 100_000 - len(gate.events)
    assert [*(event.step for event in gate.events), *rest.steps] == [step for step in range(10_000) for _ in range(10)]


async def test_a_batch_in_a_process_is_waited_for(run: Path, tmp_path: Path) -> None:
    recorded(run, status="finished")
    target = tmp_path / "noted"
    syncing = asyncio.create_task(al.sync(run, Waiter(target), name="route"))
    await until(lambda: target.exists() and "waits" in target.read_text())
    syncing.cancel()
    target.with_suffix(".go").touch()
    with pytest.raises(asyncio.CancelledError):
        await syncing
    assert "aclose" in target.read_text()
    assert (await al.sync(run, Kept(), name="route")).counters["offered"] == 0


async def test_a_sink_that_hangs_is_left_behind_and_its_batch_comes_again(run: Path, tmp_path: Path) -> None:
    """No longer than the route's deadline."""
    recorded(run, status="finished")
    target = tmp_path / "noted"
    syncing = asyncio.create_task(al.sync(run, al.Route(Waiter(target), name="route", deadline=0.1)))
    await until(lambda: target.exists() and "waits" in target.read_text())
    syncing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await syncing
    pid = int(target.read_text().split()[0])
    assert await asyncio.to_thread(exited, pid, DEADLINE_S)
    sink = Kept()
    await al.sync(run, sink, name="route")
    assert sink.steps == [0, 1, 2, 3, 4]


async def test_a_destination_that_was_never_up_is_owed_everything_later(run: Path) -> None:
    """Not from the epoch on that was the newest when it was first tried."""
    recorded(run, epoch=0, first=0, status="finished")
    recorded(run, epoch=1, first=5, status="finished")
    down = Raiser(SinkUnavailable)
    syncing = asyncio.create_task(al.sync(run, down, name="route"))
    await until(lambda: down.calls > 1)
    syncing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await syncing
    sink = Kept()
    await al.sync(run, sink, name="route")
    assert sink.steps == list(range(10))


async def test_an_outage_costs_delay_alone(tmp_path: Path) -> None:
    run = million(tmp_path / "run", rows=2_000, columns=2)
    sign, target = tmp_path / "up", tmp_path / "lines"
    failing = asyncio.Event()

    def look(now: al.Synced) -> None:
        if now.failing:
            failing.set()

    syncing = asyncio.create_task(al.sync(run, Outage(sign, target), progress=look))
    async with asyncio.timeout(DEADLINE_S):
        await failing.wait()
    sign.touch()
    result = await syncing
    assert (result.complete, result.counters["delivered"], result.counters["rejected"]) == (True, 4_000, 0)
    assert len(target.read_text().splitlines()) == 4_000


# -- what is refused ---------------------------------------------------------------------------------------------------


async def test_two_at_once_are_refused(tmp_path: Path) -> None:
    run = million(tmp_path / "run", rows=1_000)
    gate = Gate()
    first = asyncio.create_task(al.sync(run, gate, name="route"))
    await asyncio.to_thread(gate.reached.wait)
    with pytest.raises(RunInUse, match=r"'route' .* by another process"):
        await al.sync(run, Kept(), name="route")
    other = await al.sync(run, Kept(), name="other")
    gate.open_gate.set()
    assert (await first).complete
    assert other.complete


async def test_a_route_of_the_live_run_is_refused(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", sinks=[al.sinks.JSONLines("lines.jsonl")]) as log:
        log.log_scalar("loss", 0.0)
        await log.write(0)
        await log.flush()
        with pytest.raises(RunInUse, match="jsonlines"):
            await al.sync(tmp_path / "run", al.sinks.JSONLines("lines.jsonl"))
    assert (await al.sync(tmp_path / "run", al.sinks.JSONLines("lines.jsonl"))).counters["offered"] == 0


async def test_what_a_sink_refuses_is_counted(run: Path) -> None:
    recorded(run, status="finished")
    result = await al.sync(run, Refuser())
    assert (result.complete, result.counters["rejected"]) == (True, 5)
    assert adds_up(dict(result.counters))


async def test_a_sink_that_is_broken_is_said_with_its_traceback(tmp_path: Path) -> None:
    run = million(tmp_path / "run", rows=20_000)
    with pytest.raises(SinkError, match=r"'raiser' was stopped[\s\S]*ZeroDivisionError"):
        await al.sync(run, Raiser())
    kept = Kept()
    result = await al.sync(run, kept, name="raiser")
    assert result.counters["delivered"] == len(kept.steps) == 200_000, "asked again, it goes on at the batch that failed"


async def test_a_small_run_is_not_given_up_for_a_broken_sink(run: Path) -> None:
    """One batch is all there is: it stays, and another try gets it."""
    recorded(run, status="finished")
    with pytest.raises(SinkError, match="ZeroDivisionError"):
        await al.sync(run, Raiser(), name="route")
    kept = Kept()
    result = await al.sync(run, kept, name="route")
    assert (kept.steps, result.counters["rejected"], result.complete) == ([0, 1, 2, 3, 4], 0, True)


async def test_a_sink_that_fails_twice_and_then_works_is_tried_on(run: Path) -> None:
    recorded(run, status="finished")
    result = await al.sync(run, Raiser(times=2))
    assert (result.counters["delivered"], result.complete) == (5, True)


async def test_again_delivers_what_was_refused_and_all_else(run: Path) -> None:
    recorded(run, status="finished")
    assert (await al.sync(run, Refuser(), name="route")).refused == 5
    kept = Kept()
    assert (await al.sync(run, kept, name="route")).counters["offered"] == 0
    result = await al.sync(run, kept, name="route", again=True)
    assert (kept.steps, result.counters["delivered"], result.refused) == ([0, 1, 2, 3, 4], 5, 0)
    lines = al.sinks.JSONLines("lines.jsonl")
    for again in (False, True):
        await al.sync(run, lines, again=again)
        assert len((run / "lines.jsonl").read_text().splitlines()) == 5, "a file is begun anew"


async def test_a_sink_that_cant_be_opened_loses_nothing(run: Path) -> None:
    recorded(run, status="finished")

    class Closed(Kept):
        async def open(self, run: RunInfo) -> None:
            raise SinkRejected("no credentials")

    with pytest.raises(SinkError, match="no credentials"):
        await al.sync(run, Closed(), name="route")
    sink = Kept()
    await al.sync(run, sink, name="route")
    assert sink.steps == [0, 1, 2, 3, 4]


async def test_where_nothing_was_recorded_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunNotFound, match="there is no"):
        await al.sync(tmp_path / "nowhere", Kept())
    with pytest.raises(RunNotFound, match="nothing was recorded"):
        await al.sync(make_run(tmp_path / "empty"), Kept())


async def test_a_name_beside_a_route_is_refused(run: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="named 'kept' already"):
        await al.sync(run, al.Route(Kept()), name="other")


# -- where the sink lives ----------------------------------------------------------------------------------------------


async def test_a_sink_of_a_process_gets_one(run: Path, tmp_path: Path) -> None:
    recorded(run, status="finished")
    target = tmp_path / "noted"
    result = await al.sync(run, Worked(target))
    pids, lines = zip(*(one.split(" ", 1) for one in target.read_text().splitlines()), strict=True)
    assert set(pids) == {pids[0]} != {str(os.getpid())}
    assert lines == ("resumed=False", "open", "write", *(f"step {step}" for step in range(5)), "aclose")
    assert result.complete


async def test_a_process_that_is_killed_is_started_again(run: Path, tmp_path: Path) -> None:
    recorded(run, status="finished")
    target = tmp_path / "noted"
    result = await al.sync(run, Worked(target, ends_in="write"))
    lines = [one.split(" ", 1)[1] for one in target.read_text().splitlines()]
    assert [one for one in lines if one.startswith("step")] == [f"step {step}" for step in range(5)]
    assert (result.complete, result.counters["delivered"]) == (True, 5)


async def test_what_a_process_refuses_and_how_a_run_ended_cross(run: Path, tmp_path: Path) -> None:
    recorded(run, status="failed", error="RuntimeError: no")
    target = tmp_path / "noted"
    result = await al.sync(run, Chooser(target))
    assert (result.counters["delivered"], result.counters["rejected"]) == (3, 2)
    assert "run_ended failed RuntimeError: no" in target.read_text()


# -- how far it is -----------------------------------------------------------------------------------------------------


async def test_progress_is_told_in_bytes_of_the_journal(tmp_path: Path) -> None:
    run = million(tmp_path / "run", rows=5_000)
    told: list[al.Synced] = []
    result = await al.sync(run, Kept(), progress=told.append)
    size = sum(one.stat().st_size for one in run.glob("streams/*/*.alog"))
    assert told
    assert all(0 <= one.read_bytes <= one.total_bytes <= size for one in told)
    assert (result.read_bytes, result.total_bytes) == (size, size)
