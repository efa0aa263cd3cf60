"""``write_blocking`` waits in its thread where ``write`` waits, and loses nothing."""

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from tests.unit.logger.recording import adds_up

MEBIBYTE = 1 << 20
PATIENCE_S = 40.0


class Gate:
    """A sink that takes nothing until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.steps: list[int] = []

    async def write(self, batch: Any, /) -> None:
        while not self.opened.is_set():
            await asyncio.sleep(0.002)
        self.steps += [event.step for event in batch]

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize("recorder", ["thread", "process"])
def test_many_times_the_quota_goes_through_it(tmp_path: Path, recorder: Any) -> None:
    with al.MultiLogger(tmp_path / "run", slabs=16 * MEBIBYTE, recorder=recorder) as log:
        for step in range(40):
            log.log_tensor("x", np.full(3 * MEBIBYTE, step, np.uint8))
            log.log_scalar("loss", float(step))
            log.write_blocking(step)
    run = al.read(tmp_path / "run")
    found = [(event.step, int(event.value.data[0]), int(event.value.data[-1])) for event in run.events(kind="tensor")]
    assert found == [(step, step, step) for step in range(40)]
    assert run.series("loss").value.tolist() == [float(step) for step in range(40)]


def test_it_waits_until_there_is_room_and_keeps_what_is_pending_meanwhile(tmp_path: Path) -> None:
    """The recorder stands still until the write has waited; what was pending is recorded once, at its state."""
    with al.MultiLogger(tmp_path / "run", slabs=16 * MEBIBYTE) as log:
        pid = log.statistics()["recorder"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        written = 0
        with pytest.raises(al.WouldBlock):  # noqa: PT012
            for written in range(100):
                log.log_image("filler", np.full((1024, 1024), written, np.uint8))
                log.write_nowait(written)
        # The last image and the number are of one write, of another thread.
        log.log_scalar("loss", 0.5)
        writing = threading.Thread(target=log.write_blocking, args=(al.State(1000, "valid", 3),))
        writing.start()
        writing.join(0.2)
        assert writing.is_alive()
        os.kill(pid, signal.SIGCONT)
        writing.join(PATIENCE_S)
        assert not writing.is_alive()
    run = al.read(tmp_path / "run")
    assert [(event.step, event.phase, event.epoch) for event in run.events(key="loss")] == [(1000, "valid", 3)]
    assert [event.step for event in run.events(kind="image")] == [*range(written), 1000]
    assert run.missing == 0


def test_it_waits_for_a_full_blocking_route(tmp_path: Path) -> None:
    gate = Gate()
    sinks = [al.Route(gate, name="gate", overflow="block")]
    with al.MultiLogger(tmp_path / "run", sinks=sinks, slabs=16 * MEBIBYTE) as log:

        def body() -> None:
            for step in range(40):
                log.log_tensor("x", np.full(2 * MEBIBYTE, step, np.uint8))
                log.write_blocking(step)

        writing = threading.Thread(target=body)
        writing.start()
        writing.join(0.5)
        assert writing.is_alive()
        gate.opened.set()
        writing.join(PATIENCE_S)
        assert not writing.is_alive()
        counted = log.statistics()["routes"]["gate"]
        assert adds_up(counted)
    assert gate.steps == list(range(40))


@pytest.mark.blocking
async def test_on_a_running_loop_it_waits_too_unless_that_would_be_for_ever(tmp_path: Path) -> None:
    """A cell of a notebook, or a trainer that a coroutine calls."""
    gate = Gate()
    sinks = [al.Route(gate, name="gate", overflow="block", place="caller")]
    async with al.MultiLogger(tmp_path / "run", sinks=sinks, slabs=16 * MEBIBYTE) as log:
        written = -1
        with pytest.raises(al.WouldBlock, match="gate are full, and their sinks live on the loop of this thread"):  # noqa: PT012
            for written in range(100):
                log.log_tensor("x", np.full(2 * MEBIBYTE, written, np.uint8))
                log.write_blocking(written)
        gate.opened.set()
        # What was refused is still pending.
        await log.write(written)
    assert gate.steps == list(range(written + 1))


@pytest.mark.blocking
async def test_on_a_running_loop_many_times_the_quota_goes_through_it(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", slabs=16 * MEBIBYTE) as log:
        for step in range(20):
            log.log_tensor("x", np.full(3 * MEBIBYTE, step, np.uint8))
            log.write_blocking(step)
    assert [event.step for event in al.read(tmp_path / "run").events()] == list(range(20))


def test_a_write_that_waits_ends_with_the_logger(tmp_path: Path) -> None:
    """Nothing waits for a logger that was closed meanwhile."""
    gate = Gate()
    sinks = [al.Route(gate, name="gate", overflow="block", deadline=0.5)]
    log = al.MultiLogger(tmp_path / "run", sinks=sinks, slabs=16 * MEBIBYTE)
    raised: list[BaseException] = []

    def body() -> None:
        try:
            for step in range(100):
                log.log_tensor("x", np.full(2 * MEBIBYTE, step, np.uint8))
                log.write_blocking(step)
        except al.LoggerClosed as error:
            raised.append(error)

    with log:
        writing = threading.Thread(target=body)
        writing.start()
        writing.join(0.5)
        assert writing.is_alive()
    writing.join(PATIENCE_S)
    assert [type(one) for one in raised] == [al.LoggerClosed]
    gate.opened.set()
