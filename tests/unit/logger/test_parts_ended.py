"""What is logged where nobody will write it, and writes that are larger than shared memory."""

import asyncio
import gc
from pathlib import Path

import numpy as np
import pytest

import asynclog as al


async def test_values_of_an_entry_that_has_ended_are_counted(tmp_path: Path) -> None:
    """Or of one that was never entered: nobody writes them."""
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        async with log.at(1) as entry:
            entry.log_scalar("x", 0.5)
        entry.log_scalar("late", 0.5)
        entry.log_string("late too", "text")
        log.at(2).log_scalar("never", 0.5)
        del entry
        gc.collect()
        assert log.statistics()["discarded"] == 3
    assert len(al.read(tmp_path / "run")) == 1


async def test_a_cancelled_write_counts_what_it_had_not_recorded(tmp_path: Path) -> None:
    """Of values that are too many for shared memory at once, some may have been recorded by then."""
    tensor = np.zeros(2 << 20, np.uint8)
    async with al.MultiLogger(tmp_path / "run", recorder="thread", slabs=16 << 20) as log:
        for at in range(40):
            log.log_tensor(f"t{at}", tensor)
        writing = asyncio.create_task(log.write(0))
        while not log.statistics()["accepted"]:
            await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        told = log.statistics()
    assert told["accepted"] + told["cancelled"] == 40
    assert len(list(al.read(tmp_path / "run").events("tensor"))) == told["accepted"]


def test_values_larger_together_than_memory_are_written_in_the_end_without_waiting(tmp_path: Path) -> None:
    """Each try records what there is room for, and keeps the rest pending."""
    with al.MultiLogger(tmp_path / "run", recorder="thread", slabs=16 << 20) as log:
        log.log_scalar("x", 0.5)
        for at in range(4):
            log.log_tensor(f"t{at}", np.full(6 << 20, at, np.uint8))
        while True:
            try:
                log.write_nowait(0)
                break
            except al.WouldBlock:
                pass
    run = al.read(tmp_path / "run")
    assert [int(event.value.data[0]) for event in run.events("tensor")] == [0, 1, 2, 3]
    assert run.series("x").step.tolist() == [0]
