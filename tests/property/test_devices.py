"""Whatever the order in which writes are made and copies arrive or fail: each write is there as a whole or not at all, in
order, and every value is counted."""

import asyncio
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import asynclog as al
from asynclog.testing import FakeDevice

WRITES = st.tuples(st.just("write"), st.sampled_from(["number", "array", "both"]), st.integers(0, 1))
OTHERS = st.sampled_from([("near",), ("complete", 0), ("complete", 1), ("fail", 0), ("fail", 1), ("turn",)])


class Schedule:
    """What was asked of a logger, and what is to be seen of it."""

    def __init__(self, log: al.MultiLogger) -> None:
        self.log = log
        self.devices = (FakeDevice(), FakeDevice(reads="completion"))
        self.step = 0
        self.far: dict[int, set[str]] = {}
        self.waiting: tuple[list[int], list[int]] = ([], [])
        self.failed = 0

    async def do(self, what: str, *details: object) -> None:
        getattr(self, what)(*details)
        await asyncio.sleep(0)

    def write(self, kind: str, at: int) -> None:
        device, self.step = self.devices[at], self.step + 1
        given = set()
        if kind != "array":
            self.log.log({"number": device.array(self.step * 0.5), "beside": self.step})
            given |= {"number", "beside"}
        if kind != "number":
            self.log.log_tensor("array", device.array(np.full(1000, self.step)))
            given.add("array")
        self.log.write_nowait(self.step)
        self.far[self.step] = given
        self.waiting[at].append(self.step)

    def near(self) -> None:
        self.step += 1
        self.log.log_scalar("near", float(self.step))
        self.log.write_nowait(self.step)

    def complete(self, at: int) -> None:
        for _ in range(self.devices[at].complete(1)):
            self.waiting[at].pop(0)

    def fail(self, at: int) -> None:
        if self.waiting[at]:
            self.devices[at].fail(RuntimeError("failed"))
            self.failed += len(self.far.pop(self.waiting[at].pop(0)))

    def turn(self) -> None:
        """The loop turns, and the link's thread may look."""


async def follow(path: Path, schedule: list[tuple[object, ...]]) -> None:
    async with al.MultiLogger(path, recorder="thread") as log:
        made = Schedule(log)
        for what, *details in schedule:
            await made.do(str(what), *details)
        for device in made.devices:
            device.complete()
        await log.flush()
        counted = log.statistics()
        assert counted["pending_on_devices"] == 0
        assert counted["discarded"] == made.failed
    assert all(device.wrong == [] and device.registered == {} for device in made.devices)
    seen: dict[int, set[str]] = {}
    order: dict[str, list[int]] = {}
    for event in al.read(path).events():
        if event.key in ("near", "invalid"):
            continue
        seen.setdefault(event.step, set()).add(event.key)
        order.setdefault(event.key, []).append(event.step)
        value = event.value.data if event.key == "array" else event.value
        assert np.all(value == (event.step * 0.5 if event.key == "number" else event.step))
    assert seen == made.far
    assert all(steps == sorted(steps) for steps in order.values())


@settings(max_examples=25)
@given(st.lists(WRITES | OTHERS, max_size=25))
def test_each_write_is_there_as_a_whole_or_not_at_all_and_in_order(schedule: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(follow(Path(directory) / "run", schedule))
