"""Sinks that are slow, broken or gone: each has its own fate, every event is counted, and nobody else notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration
from tests.misbehaving import Gate, Hanger, Quitter, Raiser, Refuser, Unopenable
from tests.unit.logger.recording import adds_up

MEBIBYTE = 1 << 20


async def until(log: al.MultiLogger, condition: Any) -> dict[str, Any]:
    """The routes' counters once ``condition`` holds of them."""
    async with asyncio.timeout(20):
        while True:
            routes = log.statistics()["routes"]
            if routes and condition(routes):
                return routes  # type: ignore[no-any-return]
            await asyncio.sleep(0.005)


@asynccontextmanager
async def ending_badly(*names: str) -> AsyncIterator[None]:
    """The logger's end tells of exactly these sinks."""
    with pytest.raises(ExceptionGroup) as caught:
        yield
    told = caught.value.exceptions
    assert all(isinstance(one, al.SinkError) for one in told)
    assert len(told) == len(names)
    for name in names:
        assert any(f"sink {name!r} was stopped" in str(one) for one in told)


def payload(step: int) -> np.ndarray:
    return np.full(MEBIBYTE, step, np.uint8)


@pytest.mark.parametrize("run", [None, "run"])
@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
async def test_a_full_queue_drops_and_counts(tmp_path: Path, run: str | None, overflow: Any) -> None:
    """A quarter of the quota may wait: 4 MiB; 40 MiB come."""
    gate = Gate()
    path = None if run is None else tmp_path / run
    sinks = [al.Route(gate, overflow=overflow)]
    async with al.MultiLogger(path, sinks=sinks, recorder="thread", slabs=16 * MEBIBYTE) as log:
        for step in range(40):
            log.log_tensor("x", payload(step))
            await log.write(step)
            # The first is in the sink's hands before any other comes: what it holds is never dropped.
            await asyncio.to_thread(gate.reached.wait)
        counted = (await until(log, lambda routes: routes["gate"]["offered"] == 40))["gate"]
        assert adds_up(counted)
        assert counted["dropped"] >= 30
        gate.open_gate.set()
        await log.flush()
        counted = log.statistics()["routes"]["gate"]
        assert counted["pending"] == 0
        assert counted["delivered"] == len(gate.events) == 40 - counted["dropped"]
        assert adds_up(counted)
    steps = [event.step for event in gate.events]
    assert steps == sorted(steps)
    assert steps[0] == 0
    waited = len(steps) - 1
    assert steps[1:] == list(range(40 - waited, 40) if overflow == "drop_oldest" else range(1, 1 + waited))


async def test_a_blocking_route_makes_the_writer_wait_and_loses_nothing(tmp_path: Path) -> None:
    gate = Gate()
    sinks = [al.Route(gate, overflow="block")]
    async with al.MultiLogger(None, sinks=sinks, slabs=16 * MEBIBYTE) as log:
        written = 0

        async def write_all() -> None:
            nonlocal written
            for step in range(40):
                log.log_tensor("x", payload(step))
                await log.write(step)
                written += 1

        writing = asyncio.create_task(write_all())
        await asyncio.to_thread(gate.reached.wait)
        beats = 0
        while beats < 50:  # the loop goes on, the writer doesn't
            await asyncio.sleep(0.002)
            beats += 1
        assert not writing.done()
        assert written < 20
        with pytest.raises(al.WouldBlock):  # noqa: PT012
            for step in range(1000, 1020):
                log.log_scalar("y", 1.0)
                log.write_nowait(step)
        gate.open_gate.set()
        await writing
        await log.flush()
        counted = log.statistics()["routes"]["gate"]
        assert counted["dropped"] == counted["pending"] == 0
        assert adds_up(counted)
    assert [event.step for event in gate.events if event.kind == "tensor"] == list(range(40))


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_a_journaled_route_reads_on_from_the_journal(tmp_path: Path, recorder: Any) -> None:
    """Far more than the quota comes while the sink takes nothing; no memory waits, nothing is dropped."""
    gate = Gate()
    async with al.MultiLogger(tmp_path / "run", sinks=[gate], recorder=recorder, slabs=16 * MEBIBYTE) as log:
        for step in range(60):
            log.log_tensor("x", payload(step))
            await asyncio.wait_for(log.write(step), 20)
        gate.open_gate.set()
        await log.flush()
        counted = log.statistics()["routes"]["gate"]
        assert (counted["delivered"], counted["dropped"], counted["pending"]) == (60, 0, 0)
        assert adds_up(counted)
    assert [(event.step, int(event.value.data[-1])) for event in gate.events] == [(step, step) for step in range(60)]


@pytest.mark.parametrize("place", ["thread", "recorder"])
async def test_a_sink_that_always_raises_is_stopped_and_named(tmp_path: Path, place: Any) -> None:
    memory = al.sinks.Memory()
    sinks = [al.Route(Raiser(), place=place), memory]
    async with ending_badly("raiser"), al.MultiLogger(tmp_path / "run", sinks=sinks) as log:
        step = 0
        while log.statistics()["routes"].get("raiser", {}).get("state") != "stopped":
            log.log_scalar("x", float(step))
            await log.write(step)
            step += 1
            await asyncio.sleep(0.001)
        counted = (await until(log, lambda routes: "stopped" in routes["raiser"]["state"]))["raiser"]
        assert adds_up(counted)
        assert counted["delivered"] == 0
        assert "ZeroDivisionError: the backend is gone" in counted["error"]
    assert len(memory.events) == step


async def test_the_bodys_own_error_carries_the_sinks_as_notes(tmp_path: Path) -> None:
    with pytest.raises(KeyError) as caught:  # noqa: PT012
        async with al.MultiLogger(tmp_path / "run", sinks=[Unopenable()], recorder="thread") as log:
            await until(log, lambda routes: routes["unopenable"]["state"] == "stopped")
            raise KeyError("mine")
    assert any("sink 'unopenable' was stopped" in note for note in caught.value.__notes__)
    assert al.read(tmp_path / "run").status == "failed"


@pytest.mark.parametrize("error", [al.SinkUnavailable, OSError, TimeoutError, ZeroDivisionError])
async def test_a_sink_that_recovers_gets_the_same_batch_again(tmp_path: Path, error: Any) -> None:
    sink = Raiser(error, times=2)
    async with al.MultiLogger(tmp_path / "run", sinks=[sink], recorder="thread") as log:
        for step in range(10):
            log.log_scalar("x", float(step))
            await log.write(step)
        await log.flush()
        counted = log.statistics()["routes"]["raiser"]
        assert (counted["delivered"], counted["rejected"]) == (10, 0)
        assert counted["state"] == "running"
    assert [event.step for event in sink.events] == list(range(10))


async def test_a_rejected_batch_is_counted_and_the_next_one_delivered(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", sinks=[Refuser()], recorder="thread") as log:
        for step in range(4):
            log.log_string("x", "text")
            await log.write(step)
            await log.flush()
        counted = log.statistics()["routes"]["refuser"]
        assert (counted["delivered"], counted["rejected"], counted["state"]) == (2, 2, "running")
        assert adds_up(counted)


async def test_a_sink_that_leaves_the_interpreter_leaves_it_alone(tmp_path: Path) -> None:
    memory = al.sinks.Memory()
    async with al.MultiLogger(tmp_path / "run", sinks=[Quitter(), memory], recorder="thread") as log:
        log.log_scalar("x", 0.5)
        await log.write(0)
        counted = await until(log, lambda routes: routes["quitter"]["rejected"] == 1)
        assert adds_up(counted["quitter"])
    assert len(memory.events) == 1


@pytest.mark.parametrize("place", ["caller", "thread"])
async def test_a_sink_that_hangs_holds_up_nobody(tmp_path: Path, place: Any) -> None:
    memory = al.sinks.Memory()
    log = al.MultiLogger(tmp_path / "run", sinks=[al.Route(Hanger(), place=place), memory], recorder="thread")
    for step in range(100):
        log.log_scalar("x", 0.5)
        await log.write(step)
    began = asyncio.get_running_loop().time()
    await log.aclose(deadline=0.3)
    assert asyncio.get_running_loop().time() - began < 2.0
    assert len(memory.events) == 100
    counted = log.statistics()["routes"]["hanger"]
    assert counted["pending"] == counted["offered"] == 100


async def test_a_deadline_ends_a_flush(tmp_path: Path) -> None:
    gate = Gate()
    async with al.MultiLogger(tmp_path / "run", sinks=[gate], recorder="thread") as log:
        log.log_scalar("x", 0.5)
        await log.write(0)
        with pytest.raises(TimeoutError):
            await log.flush(deadline=0.05)
        gate.open_gate.set()
        assert await log.flush(deadline=20) == {"gate": 0}


async def test_without_a_run_the_sinks_get_everything(tmp_path: Path) -> None:
    memory, gate = al.sinks.Memory(), Gate()
    gate.open_gate.set()
    async with al.MultiLogger(None, sinks=[memory, gate]) as log:
        for step in range(500):
            log.log({"a": step * 0.5, "n": step})
            if step % 50 == 0:
                log.log_image("frame", np.full((2, 2), step % 256, np.uint8))
            await log.write(step)
        await log.flush()
        assert all(adds_up(one) for one in log.statistics()["routes"].values())
    for events in (memory.events, gate.events):
        assert [event.value for event in events if event.key == "a"] == [step * 0.5 for step in range(500)]
        assert [event.value for event in events if event.key == "n"] == list(range(500))
        assert [int(event.value.data[0, 0]) for event in events if event.kind == "image"] == [
            step % 256 for step in range(0, 500, 50)
        ]


async def test_routes_of_one_name_are_told_apart_or_refused(tmp_path: Path) -> None:
    log = al.MultiLogger(None, sinks=[al.sinks.Memory(), al.sinks.Memory()])
    async with log:
        pass
    assert set(log.statistics()["routes"]) == {"memory", "memory-2"}
    with pytest.raises(InvalidConfiguration, match="two routes are named 'm'"):
        al.MultiLogger(None, sinks=[al.Route(al.sinks.Memory(), name="m"), al.Route(al.sinks.Memory(), name="m")])


def test_a_sink_that_cant_travel_is_refused_with_the_way_out(tmp_path: Path) -> None:
    class Local:
        def __init__(self) -> None:
            self.file = lambda: None

        async def write(self, batch: Any, /) -> None: ...
        async def aclose(self) -> None: ...

    with pytest.raises(InvalidConfiguration, match="place='thread'"):
        al.MultiLogger(tmp_path / "run", sinks=[al.Route(Local(), place="recorder")])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"recorder": "fiber"}, "recorder: expected 'process' or 'thread', got 'fiber'"),
        ({"resume": "maybe"}, "resume: expected 'allow', 'must' or 'never', got 'maybe'"),
        ({"slabs": 1000}, "slabs: expected at least"),
    ],
)
def test_a_logger_that_cant_be_built_says_why(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=said):
        al.MultiLogger(tmp_path / "run", **options)


def test_a_journals_policy_needs_a_journal() -> None:
    with pytest.raises(InvalidConfiguration, match="overflow='journal' needs a run directory"):
        al.MultiLogger(None, sinks=[al.Route(al.sinks.Memory(), overflow="journal")])


@pytest.mark.parametrize("place", ["thread", "caller"])
@pytest.mark.parametrize("failures", [0, 2])
async def test_what_was_delivered_keeps_no_memory(place: Any, failures: int) -> None:
    """The second array fits only where the first one was, though nothing has been delivered since."""
    sink = Raiser(OSError, times=failures)
    async with al.MultiLogger(None, sinks=[al.Route(sink, place=place)], slabs=16 * MEBIBYTE) as log:
        for step in range(3):
            log.log_tensor("x", np.zeros(7 * MEBIBYTE, np.uint8))
            await asyncio.wait_for(log.write(step), 10)
            await log.flush()
            sink.events.clear()
        assert log.statistics()["routes"]["raiser"]["delivered"] == 3


def test_a_sink_on_the_callers_loop_goes_on_in_the_next_loop_that_writes(tmp_path: Path) -> None:
    """Nobody flushes: writing is enough."""

    class Listens:
        def __init__(self) -> None:
            self.steps: list[int] = []
            self.heard = asyncio.Event()

        async def write(self, batch: al.Batch, /) -> None:
            self.steps += [event.step for event in batch]
            if 2 in self.steps:
                self.heard.set()

        async def aclose(self) -> None: ...

    sink = Listens()
    log = al.MultiLogger(tmp_path / "run", sinks=[al.Route(sink, place="caller")], recorder="thread")

    async def first() -> None:
        log.log_scalar("loss", 1.0)
        await log.write(1)
        await log.flush()

    async def second() -> None:
        async with asyncio.timeout(20):
            while not sink.heard.is_set():
                log.log_scalar("loss", 2.0)
                await log.write(2)
                await asyncio.sleep(0)
        await log.aclose()

    asyncio.run(first())
    asyncio.run(second())
    assert sink.steps[:2] == [1, 2]
