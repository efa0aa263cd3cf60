"""Shared memory: large copies leave the loop alone, a cancelled write leaves nothing behind, a full quota waits."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

import asynclog as al
from tests.unit.logger.recording import recorded

MEBIBYTE = 1 << 20


async def test_the_loop_runs_on_while_a_large_array_is_copied(tmp_path: Path) -> None:
    """A copy on the loop would let it turn two or three times a write."""
    given = np.ones(80 * MEBIBYTE, np.uint8)
    turns: list[int] = [0]

    async def heart() -> None:
        while True:
            await asyncio.sleep(0)
            turns[-1] += 1

    async def body(log: al.MultiLogger) -> None:
        beating = asyncio.create_task(heart())
        for step in range(3):
            turns.append(0)
            log.log_tensor("x", given)
            await log.write(step)
        beating.cancel()

    run = await recorded(tmp_path / "run", body)
    assert len(run) == 3
    assert min(turns[1:]) > 20


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
