"""The measure of a held loop: work and sleep count, and waiting for a core of a busy machine doesn't."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asynclog.testing.turns import Turns, own_clock

kept = pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="no account of waits for a core")


def work(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def longest(hold: object) -> float:
    turns = Turns()
    async with turns.watched():
        await asyncio.sleep(0)
        hold()  # type: ignore[operator]
        await asyncio.sleep(0)
    return turns.longest_s


async def test_work_holds_the_loop() -> None:
    assert await longest(lambda: work(0.1)) >= 0.1


@kept
async def test_sleep_holds_the_loop() -> None:
    assert await longest(lambda: time.sleep(0.1)) > 0.09


async def test_what_holds_it_last_is_seen() -> None:
    """Even if the loop never turns again before the end of the watch."""
    turns = Turns()
    async with turns.watched():
        work(0.1)
    assert turns.longest_s >= 0.1


async def test_a_wait_that_lets_the_loop_turn_holds_nothing() -> None:
    """The same work a piece at a time is no longer than its pieces; with room for others' use of the GIL."""

    async def in_pieces() -> float:
        turns = Turns()
        async with turns.watched():
            for _ in range(100):
                work(0.01)
                await asyncio.sleep(0)
        return turns.longest_s

    assert 0.01 <= await in_pieces() < 0.5


@pytest.fixture
def crowded() -> Iterator[None]:
    """This thread shares one core with three others that never rest."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        yield
    finally:
        for one in others:
            one.kill()
            one.wait()
        os.sched_setaffinity(0, before)


@kept
@pytest.mark.usefixtures("crowded")
def test_waiting_for_a_core_is_no_ones_fault() -> None:
    with own_clock() as clock:
        began, wall = clock(), time.perf_counter()
        work(0.3)
        held, waited = clock() - began, time.perf_counter() - wall
    assert held < 0.6 * waited
    assert held >= 0.29
