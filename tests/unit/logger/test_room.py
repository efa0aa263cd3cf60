"""Shared memory: a cancelled write leaves nothing behind, a full quota waits."""

import asyncio
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import asynclog as al
from tests.unit.logger.recording import recorded

MEBIBYTE = 1 << 20


async def cancelled_write(log: al.MultiLogger, given: np.ndarray) -> None:
    log.log_tensor("large", given)
    log.log_image("small", np.zeros((3, 8, 8), np.uint8))
    log.log_scalar("loss", 0.5)
    writing = asyncio.create_task(log.write(0))
    # One turn of the loop starts the write, which then waits for its thread.
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_a_write_cancelled_while_it_copies_is_dropped_whole_and_gives_its_memory_back(
    tmp_path: Path, recorder: str
) -> None:
    """Ten times as much as the quota holds is cancelled; afterwards there is as much room as before."""
    given = np.ones(60 * MEBIBYTE, np.uint8)

    async def body(log: al.MultiLogger) -> None:
        for _ in range(15):
            await cancelled_write(log, given)
        assert log.statistics()["cancelled"] == 45
        log.log_tensor("large", given)
        await asyncio.wait_for(log.write(1), 10)

    run = await recorded(tmp_path / "run", body, recorder=recorder, slabs=128 * MEBIBYTE)
    assert [(event.key, event.step) for event in run.events()] == [("large", 1)]
    assert run.missing == 0


async def test_a_value_that_can_never_fit_is_bad_input(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.log_tensor("huge", np.ones(20 * MEBIBYTE, np.uint8), namespace="net")
        log.log_scalar("loss", 0.5)
        await log.write(0)
        assert log.statistics()["invalid"] == 1

    run = await recorded(tmp_path / "run", body, slabs=16 * MEBIBYTE)
    assert run.series("loss").value.tolist() == [0.5]
    (told,) = run.events(key="invalid")
    assert "at most half of the shared memory" in told.value
    assert "net/huge" in told.value


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_many_times_the_quota_goes_through_it(tmp_path: Path, recorder: str) -> None:
    async def body(log: al.MultiLogger) -> None:
        for step in range(60):
            log.log_tensor("x", np.full(3 * MEBIBYTE, step, np.uint8))
            await log.write(step)

    run = await recorded(tmp_path / "run", body, recorder=recorder, slabs=16 * MEBIBYTE)
    found = [(event.step, int(event.value.data[0]), int(event.value.data[-1])) for event in run.events()]
    assert found == [(step, step, step) for step in range(60)]


class Blocked:
    """A logger whose memory is full: its recorder is stopped, and takes nothing until it goes on."""

    def __init__(self, log: al.MultiLogger) -> None:
        self.log = log
        self.pid = log.statistics()["recorder"]["pid"]

    def fill(self) -> int:
        """Write images until there is room for no more; returns how many were written."""
        os.kill(self.pid, signal.SIGSTOP)
        written = 0
        while True:
            self.log.log_image("filler", np.full((1024, 1024), written % 256, np.uint8))
            try:
                self.log.write_nowait(written)
            except al.WouldBlock:
                return written
            written += 1

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


def write_when_possible(log: al.MultiLogger, state: al.State | int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            log.write_nowait(state)
            return
        except al.WouldBlock:
            assert time.monotonic() < deadline
            time.sleep(0.002)


def test_would_block_keeps_what_is_pending(tmp_path: Path) -> None:
    calls: list[str] = []
    with al.MultiLogger(tmp_path / "run", slabs=16 * MEBIBYTE) as log:
        blocked = Blocked(log)
        written = blocked.fill()
        assert written >= 3
        child = log.child("model")
        child.log_scalar("norm", 2.0)
        log.log_scalar("loss", 0.5)
        log.log_scalar("space", 0.5, namespace="own")
        for number in (1.0, 2.0, 6.0):
            log.log_scalar("mean", number, reduce="mean")
            log.log_scalar("count", number, reduce="count")
        log.log_string("note", lambda: calls.append("note") or "text")
        log.log_scalar("lazy", lambda: calls.append("lazy") or 4.0)
        log.log_scalar("bad", None)
        for _ in range(3):
            with pytest.raises(al.WouldBlock, match="shared memory is full"):
                log.write_nowait(1000)
        log.log_scalar("mean", 7.0, reduce="mean")
        log.log_scalar("count", 7.0, reduce="count")
        log.log_scalar("loss", 0.25)
        blocked.go_on()
        write_when_possible(log, 1000)
        assert log.statistics()["invalid"] == 1
    run = al.read(tmp_path / "run")
    found = {event.key: event.value for event in run.events() if event.step == 1000 and event.kind != "image"}
    told = found.pop("invalid")
    assert "scalar 'bad'" in told
    assert found == {
        "norm": 2.0, "loss": 0.25, "space": 0.5, "mean": 4.0, "count": 4, "note": "text", "lazy": 4.0,
    }  # fmt: skip
    assert sorted(calls) == ["lazy", "note"]
    assert [event.step for event in run.events(kind="image")] == [*range(written), 1000]
    assert run.missing == 0


@pytest.mark.parametrize("asked_before", [False, True])
def test_would_block_takes_back_what_was_due(tmp_path: Path, asked_before: bool) -> None:
    """A retry is due for what the refused attempt was due for, be it with the same State or with a bare step."""
    memory = al.sinks.Memory()
    slow = al.Route(memory, name="memory", limit=al.RateLimit(3600.0))
    fast = al.Route(al.sinks.Memory(), name="fast", limit=al.RateLimit())
    with al.MultiLogger(tmp_path / "run", slabs=16 * MEBIBYTE, sinks=[slow, fast]) as log:
        blocked = Blocked(log)
        blocked.fill()  # its first image was due for everybody
        state = al.State(1000, "valid")
        log.log_scalar("loss", 0.5)
        if asked_before:
            assert log.should_write(state)
        with pytest.raises(al.WouldBlock):
            log.write_nowait(state)
        blocked.go_on()
        write_when_possible(log, state if asked_before else al.State(1000, "valid"))
    assert [event.key for event in memory.events if event.phase == "valid"].count("loss") == 1


def test_memory_that_a_refused_write_had_taken_is_given_back(tmp_path: Path) -> None:
    """Of three arrays some fit and the last doesn't, a hundred times; those that fit are recorded."""
    with al.MultiLogger(tmp_path / "run", slabs=16 * MEBIBYTE) as log:
        for _ in range(100):
            entry = log.at(0)
            for _ in range(3):
                entry.log_tensor("x", np.ones(6 * MEBIBYTE, np.uint8))
            with pytest.raises(al.WouldBlock):
                entry.write_nowait(0)
        log.log_tensor("fits", np.ones(6 * MEBIBYTE, np.uint8))
        write_when_possible(log, 1)
    run = al.read(tmp_path / "run")
    recorded = [(event.key, event.step) for event in run.events()]
    assert recorded[-1] == ("fits", 1)
    assert set(recorded[:-1]) <= {("x", 0)}
