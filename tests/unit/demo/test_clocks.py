import asyncio
import time

import pytest

from asynclog.demo.clocks import BEAT_S, HeldTime, LoopLag


def hold(seconds: float) -> None:
    """Keep the loop from turning."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def test_only_the_slices_in_which_a_coroutine_runs_are_counted() -> None:
    async def slow() -> str:
        hold(0.01)
        await asyncio.sleep(0.2)
        hold(0.01)
        return "result"

    async def scenario() -> HeldTime:
        held = HeldTime()
        assert await held.by(slow()) == "result"
        held.done()
        return held

    held = asyncio.run(scenario())
    assert 0.02 <= held.each() < 0.15


def test_an_error_comes_out_as_it_was_and_its_time_is_counted() -> None:
    async def failing() -> None:
        hold(0.01)
        raise LookupError("gone")

    async def scenario() -> HeldTime:
        held = HeldTime()
        with pytest.raises(LookupError, match="gone"):
            await held.by(failing())
        return held

    assert asyncio.run(scenario()).seconds >= 0.01


def test_a_cancellation_reaches_the_coroutine_inside() -> None:
    seen: list[str] = []

    async def waiting() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def measured() -> None:
        await HeldTime().by(waiting())

    async def scenario() -> None:
        task = asyncio.create_task(measured())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert seen == ["cancelled"]


def test_plain_code_is_counted_and_shared_among_steps() -> None:
    held = HeldTime()
    for _ in range(2):
        with held:
            hold(0.005)
        held.done()
    assert held.each() >= 0.005
    assert held.seconds == pytest.approx(held.each() * 2)


def test_lag_is_seen_and_its_worst_starts_afresh_after_each_look() -> None:
    async def scenario() -> tuple[float, float, LoopLag]:
        lag = LoopLag()
        watching = asyncio.create_task(lag.watch())
        await asyncio.sleep(0)
        hold(BEAT_S + 0.1)
        await asyncio.sleep(BEAT_S)
        worst, after = lag.worst(), lag.worst()
        watching.cancel()
        return worst, after, lag

    worst, after, lag = asyncio.run(scenario())
    assert worst >= 0.09
    assert after == 0.0
    assert lag.quantiles()[2] == worst


def test_no_beat_is_no_lag() -> None:
    assert LoopLag().quantiles() == (0.0, 0.0, 0.0)
