"""Callables are called when something is due, once, and never take the loop down with them."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.errors import WouldBlock
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


@pytest.mark.parametrize(("reduce", "expected"), [("mean", 3.0), ("sum", 9.0), ("min", 1.0), ("max", 6.0), ("count", 3)])
@pytest.mark.parametrize("nowait", [False, True])
async def test_what_callables_give_folds_with_what_was_logged(
    tmp_path: Path, reduce: str, expected: float, nowait: bool
) -> None:
    async def body(log: al.MultiLogger) -> None:
        for step in range(3):
            log.log_scalar("loss", lambda: 6.0, reduce=reduce)
            log.log_scalar("loss", 1.0, reduce=reduce)
            log.log_scalar("loss", lambda: 2.0, reduce=reduce)
            if nowait:
                log.write_nowait(step)
            else:
                await log.write(step)

    assert (await recorded(tmp_path / "run", body)).series("loss").value.tolist() == [expected] * 3


async def test_callables_that_fold_are_called_only_when_due(tmp_path: Path) -> None:
    calls: list[int] = []
    memory = al.sinks.Memory()

    async def body(log: al.MultiLogger) -> None:
        for step in range(8):
            log.log_scalar("lazy", lambda step=step: calls.append(step) or 1.0, reduce="sum")
            log.log_scalar("both", lambda: 10.0, reduce="sum")
            log.log_scalar("both", 1.0, reduce="sum")
            await log.write(at(step))
        await log.flush()
        assert log.statistics()["skipped"] == 6
        assert adds_up(log.statistics()["routes"]["memory"])

    run = await recorded(tmp_path / "run", body, sinks=[memory], limit=al.RateLimit(4.0))
    assert calls == [0, 4]
    assert run.series("lazy").step.tolist() == [0, 4]
    assert run.series("both").value.tolist() == [11, 1, 1, 1, 11, 1, 1, 1]


async def test_a_callable_that_folds_fails_alone(tmp_path: Path) -> None:
    async def later() -> float:
        return 4.0

    async def body(log: al.MultiLogger) -> None:
        log.log_scalar("loss", lambda: 1 / 0, reduce="sum")
        log.log_scalar("loss", later, reduce="sum")
        log.log_scalar("loss", lambda: "text", reduce="sum")
        log.log_scalar("loss", 2.0, reduce="sum")
        await log.write(0)
        log.log_scalar("loss", lambda: 1 / 0, reduce="sum")
        await log.write(1)
        assert log.statistics()["invalid"] == 3

    run = await recorded(tmp_path / "run", body)
    assert run.series("loss").value.tolist() == [6.0]
    assert [event.step for event in run.events(key="invalid")] == [0, 0, 1]


async def test_an_async_callable_that_folds_needs_an_awaited_write(tmp_path: Path) -> None:
    async def number() -> float:
        return 0.5

    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        log.log_scalar("loss", number, reduce="mean")
        log.log_scalar("loss", 2.0, reduce="mean")
        log.write_nowait(0)
    run = al.read(tmp_path / "run")
    assert run.series("loss").value.tolist() == [2.0]
    (told,) = run.events(key="invalid")
    assert "await write" in told.value


async def test_a_refused_write_keeps_what_its_callables_folded_to(tmp_path: Path) -> None:
    """Callables are called once, though the write is tried twice."""
    calls: list[int] = []
    # All of a write in one portion: at most a quarter of the memory.
    large = np.zeros(7 << 19, np.uint8)

    async def body(log: al.MultiLogger) -> None:
        fill = 0
        with pytest.raises(WouldBlock):  # noqa: PT012
            while True:
                log.log_scalar("loss", lambda: calls.append(1) or 2.0, reduce="sum")
                log.log_scalar("loss", 1.0, reduce="sum")
                log.log_tensor("x", large)
                log.write_nowait(fill)
                fill += 1
        made = len(calls)
        log.log_scalar("loss", 10.0, reduce="sum")
        await log.write(1000)
        assert made == fill + 1 == len(calls)

    run = await recorded(tmp_path / "run", body, slabs=16 << 20)
    assert run.series("loss").value.tolist()[-1] == 13.0
