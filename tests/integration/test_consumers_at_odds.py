"""Consumers that do what they should not, several at once or with children: the loop goes on, and nothing waits for them."""

import asyncio
import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from tests.integration import scripts

DEADLINE_S = 25.0
KEEPER = """
async def main():
    kept = []
    async with al.attach(path, start="now") as live:
        print("in", flush=True)
        async for batch in live:
            kept += [event.value.data for event in batch if event.kind == "tensor"]
            print(len(kept), flush=True)

asyncio.run(main())
"""


class Forker:
    """Forks at its first batch, and notes its steps."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.forked = False

    async def write(self, batch: Any) -> None:
        if not self.forked:
            self.forked = True
            if not os.fork():
                time.sleep(60)
                os._exit(0)
        with self.target.open("a") as file:
            file.writelines(f"{event.step}\n" for event in batch)

    async def aclose(self) -> None:
        """Nothing is kept."""


class Misspeller:
    """Logs what can't be formatted."""

    async def write(self, batch: Any) -> None:
        logging.getLogger("vendor").warning("%d", "no number")

    async def aclose(self) -> None:
        """Nothing is kept."""


async def until(condition: Any) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
async def test_a_worker_that_forked_is_missed_though_its_child_lives_on(tmp_path: Path) -> None:
    target = tmp_path / "noted"
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(Forker(target), name="f", place="process")]) as log:
        log.log_scalar("x", 0.0)
        await log.write(0)
        await until(target.exists)
        await until(lambda: log.statistics()["routes"].get("f", {}).get("pid"))
        os.kill(log.statistics()["routes"]["f"]["pid"], signal.SIGKILL)
        log.log_scalar("x", 1.0)
        await log.write(1)
        await until(lambda: "1" in target.read_text().split())
    assert log.statistics()["routes"]["f"]["pending"] == 0


async def test_a_record_that_cannot_be_formatted_costs_no_batch(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(Misspeller(), name="m", place="process")]) as log:
        log.log_scalar("x", 0.0)
        await log.write(0)
    assert log.statistics()["routes"]["m"]["delivered"] == 1


async def test_several_stopped_processes_that_keep_all_they_may_do_not_hold_up_the_loop(tmp_path: Path) -> None:
    run = tmp_path / "run"
    keepers = []
    try:
        async with al.MultiLogger(run, slabs=32 << 20) as log:
            step = 0

            async def write() -> None:
                nonlocal step
                log.log_tensor("w", np.full((512, 512), step, np.float32))
                async with asyncio.timeout(DEADLINE_S):
                    await log.write(step)
                step += 1

            for _ in range(10):
                await write()
                keeper = scripts.start(KEEPER, run)
                keepers.append(keeper)
                assert keeper.stdout is not None
                assert await asyncio.to_thread(keeper.stdout.readline) == "in\n"
                for _ in range(6):
                    await write()
                while int(await asyncio.to_thread(keeper.stdout.readline)) < 6:
                    pass
                keeper.send_signal(signal.SIGSTOP)
            for _ in range(20):
                await write()
            for keeper in keepers:
                keeper.kill()
    finally:
        for keeper in keepers:
            keeper.kill()
            keeper.communicate()
    assert log.statistics()["routes"] == {}
    assert sum(1 for event in al.read(run).events() if event.kind == "tensor") == step


async def test_all_who_wait_for_the_next_batch_are_told_of_the_end(tmp_path: Path) -> None:
    run = tmp_path / "run"
    log = al.MultiLogger(run)
    await log.__aenter__()
    async with al.attach(run, start="now") as live:
        waiting = [asyncio.create_task(anext(live, None)) for _ in range(3)]
        await log.aclose()
        async with asyncio.timeout(DEADLINE_S):
            assert await asyncio.gather(*waiting) == [None, None, None]
            assert [one async for one in live] == []
