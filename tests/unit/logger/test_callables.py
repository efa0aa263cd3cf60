"""Callables are called when something is due, once, and never take the loop down with them."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from tests.unit.logger.recording import adds_up, recorded

IMAGE = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)


def at(step: int, phase: str = "train") -> al.State:
    """A state whose clock ticks a second a step."""
    return al.State(step, phase, elapsed_s=float(step))  # type: ignore[arg-type]


async def test_a_callable_is_called_only_when_some_route_is_due(tmp_path: Path) -> None:
    calls: list[int] = []
    memory = al.sinks.Memory()

    async def body(log: al.MultiLogger) -> None:
        for step in range(10):

            def render(step: int = step) -> Any:
                calls.append(step)
                return IMAGE

            log.log_image("frame", render)
            await log.write(at(step))
        await log.flush()
        counted = log.statistics()
        assert counted["skipped"] == 7
        assert counted["routes"]["memory"]["not_due"] == 7
        assert adds_up(counted["routes"]["memory"])

    run = await recorded(tmp_path / "run", body, sinks=[memory], limit=al.RateLimit(4.0))
    assert calls == [0, 4, 8]
    assert [event.step for event in run.events(kind="image")] == [0, 4, 8]
    assert [event.step for event in memory.events] == [0, 4, 8]


async def test_a_callable_is_called_once_for_all_routes(tmp_path: Path) -> None:
    calls: list[int] = []
    sinks = [al.Route(al.sinks.Memory(), name=f"sink{number}") for number in range(3)]

    async def body(log: al.MultiLogger) -> None:
        log.log_image("frame", lambda: calls.append(1) or IMAGE)
        log.log_scalar("loss", lambda: calls.append(2) or 0.5)
        await log.write(0)

    run = await recorded(tmp_path / "run", body, sinks=sinks)
    assert sorted(calls) == [1, 2]
    assert len(run) == 2


async def test_async_callables_are_awaited_while_the_loop_goes_on(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        asked, answer = asyncio.Event(), asyncio.Event()

        async def slowly() -> Any:
            asked.set()
            await answer.wait()
            return IMAGE

        async def number() -> float:
            return 0.5

        log.log_image("frame", slowly)
        log.log_scalar("loss", number)
        writing = asyncio.create_task(log.write(0))
        await asked.wait()
        log.log_scalar("meanwhile", 1.0)
        await log.write(1)
        answer.set()
        await writing

    run = await recorded(tmp_path / "run", body)
    assert run.series("loss").value.tolist() == [0.5]
    assert next(run.events(kind="image")).value == al.Image(IMAGE)
    assert run.series("meanwhile").step.tolist() == [1]


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_a_callable_that_raises_costs_its_own_value_alone(tmp_path: Path, recorder: str) -> None:
    async def failing() -> Any:
        raise KeyError("gone")

    async def body(log: al.MultiLogger) -> None:
        log.log_image("frame", lambda: 1 / 0, namespace="eval")
        log.log_string("note", failing)
        log.log_scalar("bad", [].pop)
        log.log_scalar("loss", 0.5)
        await log.write(0)
        assert log.statistics()["invalid"] == 3

    run = await recorded(tmp_path / "run", body, recorder=recorder)
    assert run.series("loss").value.tolist() == [0.5]
    told = sorted(event.value for event in run.events(namespace="asynclog", key="invalid"))
    assert told == [
        "image 'eval/frame': expected a callable that gives a value, got ZeroDivisionError: division by zero",
        "scalar 'bad': expected a callable that gives a value, got IndexError: pop from empty list",
        "string 'note': expected a callable that gives a value, got KeyError: 'gone'",
    ]


async def test_a_strict_logger_raises_what_a_callable_raised(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder="thread", strict=True) as log:
        log.log_image("frame", lambda: 1 / 0)
        with pytest.raises(al.InvalidValue, match="ZeroDivisionError") as caught:
            await log.write(0)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        log.log_scalar("loss", 0.5)
        await log.write(1)
    assert al.read(tmp_path / "run").series("loss").step.tolist() == [1]


async def test_an_async_callable_needs_an_awaited_write(tmp_path: Path) -> None:
    async def number() -> float:
        return 0.5

    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        log.log_scalar("loss", number)
        log.write_nowait(0)
    told = [event.value for event in al.read(tmp_path / "run").events(key="invalid")]
    assert len(told) == 1
    assert "await write" in told[0]


async def test_cancelling_a_write_that_waits_for_a_callable_drops_it_whole(tmp_path: Path) -> None:
    async def never() -> Any:
        await asyncio.Event().wait()

    async def body(log: al.MultiLogger) -> None:
        log.log_image("frame", never)
        log.log({"loss": 0.5, "accuracy": 0.25})
        writing = asyncio.create_task(log.write(0))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert log.statistics()["cancelled"] == 3
        log.log_scalar("loss", 1.0)
        await log.write(1)

    run = await recorded(tmp_path / "run", body)
    assert run.series("loss").step.tolist() == [1]
    assert len(run) == 1


async def test_values_of_kinds_that_nobody_keeps_are_never_made(tmp_path: Path) -> None:
    calls: list[int] = []

    async def body(log: al.MultiLogger) -> None:
        log.log_image("frame", lambda: calls.append(1) or IMAGE)
        log.log_scalar("loss", 0.5)
        await log.write(0)

    run = await recorded(tmp_path / "run", body, journal=al.Journal(kinds={"scalar"}))  # type: ignore[arg-type]
    assert not calls
    assert len(run) == 1
