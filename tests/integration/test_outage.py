"""A destination that is down for long, really down: delay is all it costs. Memory stays what it was, ends come in time."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from tests.crash.scene import exited
from tests.faraway import Destination, Faraway
from tests.integration import scripts
from tests.unit.logger.recording import adds_up

MEBIBYTE = 1 << 20
KEYS = 10
STEPS = 100_000
SLABS = 32 * MEBIBYTE
GROWTH = 24 * MEBIBYTE  # of 80 MB of rows, and of what a sink that kept them as objects would take
PATIENCE_S = 50.0


@pytest.fixture
def destination(tmp_path: Path) -> Iterator[Destination]:
    with Destination(tmp_path / "taken") as one:
        yield one


def memory(pid: "int | str") -> int:
    """Bytes that a process has of its own; the slabs, which are shared, have a limit by themselves."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no RssAnon of process {pid}")


async def write(log: al.MultiLogger, first: int, end: int) -> None:
    for step in range(first, end):
        log.log({f"x{key}": float(step + key) for key in range(KEYS)})
        await log.write(step)


async def reported(log: al.MultiLogger, **wanted: Any) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            told: dict[str, Any] = log.statistics()["routes"].get("faraway", {})
            if told and all(told[name] == value for name, value in wanted.items()):
                return told
            await asyncio.sleep(0.01)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("place", ["process", "recorder"])
async def test_a_million_values_wait_in_the_journal(tmp_path: Path, destination: Destination, place: Any) -> None:
    """For a destination that was killed; all of them arrive, in order, when it is back."""
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(Faraway(destination.port), place=place)], slabs=SLABS) as log:
        await write(log, 0, 1000)
        await log.flush(deadline=PATIENCE_S)
        told = await reported(log, delivered=1000 * KEYS)
        whom = {"self", log.statistics()["recorder"]["pid"], told.get("pid") or "self"}
        before = {pid: memory(pid) for pid in whom}
        await asyncio.to_thread(destination.kill)
        await write(log, 1000, 1000 + STEPS)
        await reported(log, state="failing")
        with pytest.raises(TimeoutError):
            await log.flush(deadline=2.0)
        grown = {pid: memory(pid) - before[pid] for pid in whom}
        assert max(grown.values()) < GROWTH, grown
        told = log.statistics()["routes"]["faraway"]
        assert adds_up(told)
        await asyncio.to_thread(destination.start)
        await log.flush(deadline=2 * PATIENCE_S)
        told = await reported(log, pending=0)
        assert adds_up(told)
        assert (told["delivered"], told["rejected"], told["dropped"]) == ((1000 + STEPS) * KEYS, 0, 0)
        grown = {pid: memory(pid) - before[pid] for pid in whom}
        assert max(grown.values()) < GROWTH, grown
    assert destination.steps == list(range(1000 + STEPS))
    assert destination.ended == ["finished"]


@pytest.mark.parametrize("place", ["process", "recorder", "thread"])
async def test_an_end_comes_in_time_and_the_next_epoch_brings_the_rest(
    tmp_path: Path, destination: Destination, place: Any
) -> None:
    destination.kill()
    log = al.MultiLogger(tmp_path / "run", sinks=[al.Route(Faraway(destination.port), place=place, deadline=0.5)])
    await write(log, 0, 500)
    await reported(log, state="failing")
    began = time.monotonic()
    await log.aclose(deadline=1.0)
    assert time.monotonic() - began < 6
    assert log.statistics()["routes"]["faraway"]["pending"] == 500 * KEYS
    await asyncio.to_thread(scripts.settled, tmp_path / "run")
    await asyncio.to_thread(destination.start)
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(Faraway(destination.port), place=place)]) as log:
        await write(log, 500, 600)
    assert destination.steps == list(range(600))


def test_the_recorder_finishes_what_a_killed_process_left_once_the_destination_is_back(
    tmp_path: Path, destination: Destination
) -> None:
    destination.kill()
    process = scripts.start(
        """
from tests.faraway import Faraway
async def train():
    log = al.MultiLogger(path, sinks=[al.Route(Faraway(int(sys.argv[2])), deadline=60.0)])
    for step in range(5000):
        log.log({f"x{key}": float(step + key) for key in range(10)})
        await log.write(step)
    while log.statistics()["routes"].get("faraway", {}).get("state") != "failing":
        await asyncio.sleep(0.01)
    print(log.statistics()["recorder"]["pid"], flush=True)
    signal.pause()
asyncio.run(train())
""",
        tmp_path / "run",
        destination.port,
    )
    assert process.stdout is not None
    recorder = int(process.stdout.readline())
    process.kill()
    process.communicate()
    destination.start()
    assert exited(recorder, PATIENCE_S)
    assert destination.steps == list(range(5000))
    assert destination.ended == ["killed"]
    assert al.read(tmp_path / "run").status == "killed"
