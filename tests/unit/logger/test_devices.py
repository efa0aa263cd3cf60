"""What lies on a device that copies by itself: a write doesn't wait for it, and it is recorded, whole and in order, when it has
come. The device is a fake whose copies arrive when the test says so."""

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import asynclog as al
from asynclog.errors import InvalidValue, WouldBlock
from asynclog.testing import FakeArray, FakeDevice
from asynclog.values import same_array

MEBIBYTE = 1 << 20
random = np.random.default_rng(0)


@asynccontextmanager
async def logger(path: Path, device: FakeDevice, recorder: Any = "thread", **options: Any) -> AsyncIterator[al.MultiLogger]:
    """A logger at whose end everything arrives, and of which the device has nothing to complain."""
    async with al.MultiLogger(path, recorder=recorder, **options) as log:
        yield log
        device.complete()
    assert device.wrong == []
    assert device.registered == {}, "all memory was taken back"


def numbers(path: Path, key: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in al.read(path).events() if event.key == key]


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def pending(log: al.MultiLogger) -> int:
    return int(log.statistics()["pending_on_devices"])


# -- a write doesn't wait --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_a_write_returns_before_its_values_have_come_and_they_are_recorded_when_they_have(
    tmp_path: Path, recorder: str
) -> None:
    device = FakeDevice()
    image = random.random((3, 8, 8))
    async with logger(tmp_path / "run", device, recorder) as log:
        log.log({"loss": device.array(np.float32(0.5)), "step": 7})
        log.log_image("image", device.array(image))
        await log.write(1)
        assert pending(log) == 3
        assert log.statistics()["accepted"] == 0
        device.complete()
        await log.flush()
        assert pending(log) == 0
        assert log.statistics()["accepted"] == 3
        assert device.fetched == 0
    run = al.read(tmp_path / "run")
    found = {event.key: event.value for event in run.events()}
    assert found["loss"] == 0.5
    assert found["step"] == 7
    assert same_array(found["image"].data, image)
    assert len({event.time for event in run.events()}) == 1, "all of it has the time of its write"


async def test_a_write_of_the_host_alone_waits_for_nothing_that_is_on_its_way(tmp_path: Path) -> None:
    device = FakeDevice()
    async with logger(tmp_path / "run", device) as log:
        log.log_scalar("far", device.array(1.0))
        await log.write(0)
        for step in range(1, 4):
            log.log_scalar("near", float(step))
            await log.write(step)
        await until(lambda: log.statistics()["accepted"] == 3)
        assert pending(log) == 1
    assert numbers(tmp_path / "run", "near") == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert numbers(tmp_path / "run", "far") == [(0, 1.0)]


async def test_writes_are_recorded_in_their_order_whichever_device_is_done_first(tmp_path: Path) -> None:
    first, second = FakeDevice(), FakeDevice()
    async with logger(tmp_path / "run", first) as log:
        for step in range(6):
            log.log_scalar("loss", (second if step % 2 else first).array(float(step)))
            log.log_tensor("tensor", (second if step % 2 else first).array([step]))
            await log.write(step)
        second.complete()
        assert pending(log) == 12
        first.complete(1)
        await until(lambda: pending(log) == 8)
    assert [step for step, _ in numbers(tmp_path / "run", "loss")] == [*range(6)]
    assert [step for step, _ in numbers(tmp_path / "run", "tensor")] == [*range(6)]
    assert second.wrong == []
    times = [event.time for event in al.read(tmp_path / "run").events() if event.key == "loss"]
    assert times == sorted(set(times))


async def test_an_entry_and_a_child_and_a_namespace_may_lie_on_a_device(tmp_path: Path) -> None:
    device = FakeDevice()
    async with logger(tmp_path / "run", device) as log:
        child = log.child("model")
        async with log.at(3) as entry:
            entry.log_scalar("entry", device.array(1.0))
        child.log_scalar("norm", device.array(2.0))
        log.log_scalar("lr", device.array(3.0), namespace="optim")
        await log.write(4)
    found = {(event.namespace, event.key): (event.step, event.value) for event in al.read(tmp_path / "run").events()}
    assert found == {("", "entry"): (3, 1.0), ("model", "norm"): (4, 2.0), ("optim", "lr"): (4, 3.0)}


async def test_what_callables_give_may_lie_on_a_device(tmp_path: Path) -> None:
    device = FakeDevice()

    async def computed() -> FakeArray:
        return device.array(2.0)

    async with logger(tmp_path / "run", device) as log:
        log.log_scalar("plain", lambda: device.array(1.0))
        log.log({"async": computed})
        log.log_tensor("tensor", lambda: device.array([1, 2]))
        await log.write(0)
        assert pending(log) == 3
    assert numbers(tmp_path / "run", "plain") == [(0, 1.0)]
    assert numbers(tmp_path / "run", "async") == [(0, 2.0)]
    assert device.fetched == 0


@pytest.mark.parametrize("way", ["write_nowait", "row"])
async def test_those_who_never_wait_do_not_wait_for_a_device(tmp_path: Path, way: str) -> None:
    device = FakeDevice()
    async with logger(tmp_path / "run", device) as log:
        row = log.row("loss", "count")
        for step in range(3):
            loss = device.array(step / 2)
            if way == "row":
                row(step, loss, step)
            else:
                log.log({"loss": loss, "count": step})
                log.write_nowait(step)
        assert pending(log) == 6
    assert numbers(tmp_path / "run", "loss") == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert numbers(tmp_path / "run", "count") == [(0, 0), (1, 1), (2, 2)]
    assert device.fetched == 0


# -- what arrives ----------------------------------------------------------------------------------------------------


async def test_numbers_arrive_exactly_and_cross_together(tmp_path: Path) -> None:
    device = FakeDevice()
    given: dict[str, Any] = {
        "half": np.float16(0.1),
        "single": np.float32(0.1),
        "double": np.float64(0.1),
        "byte": np.uint8(200),
        "whole": np.int64(2**62 + 1),
        "unsigned": np.uint64(2**63 - 1),
        "true": np.bool_(True),
        "nan": np.float32(np.nan),
    }
    async with logger(tmp_path / "run", device) as log:
        log.log({key: device.array(one) for key, one in given.items()})
        await log.write(0)
        assert device.copies == 1
    found = {event.key: event.value for event in al.read(tmp_path / "run").events()}
    assert np.isnan(found.pop("nan"))
    assert found == {key: one.item() for key, one in given.items() if key != "nan"}
    assert type(found["true"]) is int


async def test_a_number_that_no_row_can_hold_costs_itself_alone(tmp_path: Path) -> None:
    device = FakeDevice()
    async with logger(tmp_path / "run", device) as log:
        log.log({"large": device.array(np.uint64(2**63)), "good": device.array(1.0)})
        await log.write(0)
        device.complete()
        await log.flush()
        assert log.statistics()["invalid"] == 1
        log.log_scalar("next", 1.0)
        log.log_string("text", "tells of what went wrong before")
        await log.write(1)
    found = {event.key: event.value for event in al.read(tmp_path / "run").events()}
    assert found["good"] == 1.0
    assert "large" not in found
    assert "64 bits" in found["invalid"]


KINDS: dict[str, Callable[[al.MultiLogger, Callable[[Any], Any]], None]] = {
    "tensor": lambda log, there: log.log_tensor("x", there(random.random((4, 5)).T)),
    "empty": lambda log, there: log.log_tensor("x", there(np.zeros((0, 3)))),
    "complex": lambda log, there: log.log_tensor("x", there(np.array([1j, 2]))),
    "image": lambda log, there: log.log_image("x", there(random.random((3, 8, 9)))),
    "image with boxes": lambda log, there: log.log_image(
        "x", there(random.random((8, 8, 3))), boxes=there([[0, 0, 2, 2]]), masks={"m": there(np.ones((8, 8), int))}
    ),
    "some of it on the host": lambda log, there: log.log_image("x", random.random((8, 8)), boxes=there([[0.0, 0, 2, 2]])),
    "images": lambda log, there: log.log_images("x", there(random.random((4, 3, 8, 8)))),
    "images of several": lambda log, there: log.log_images("x", [there(random.random((8, 8))), there(random.random((4, 6)))]),
    "labelled": lambda log, there: log.log_labeled_image("x", (there(random.random((8, 8))), "a cat")),
    "audio": lambda log, there: log.log_audio("x", there(random.random(100)), sample_rate=10),
    "video": lambda log, there: log.log_video("x", there(random.random((4, 3, 8, 8))), fps=3),
    "histogram": lambda log, there: log.log_histogram("x", there(random.random(1000))),
    "points": lambda log, there: log.log_point_cloud("x", there(random.random((9, 3))), colors=there(random.random((9, 3)))),
    "mesh": lambda log, there: log.log_mesh("x", there(np.eye(3)), faces=there([[0, 1, 2]])),
    "value object": lambda log, there: log.log({"x": al.Image(there(random.random((3, 8, 8))))}),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_crosses_as_it_would_be_recorded_from_the_host(tmp_path: Path, kind: str) -> None:
    global random  # noqa: PLW0603 - the same numbers twice
    device = FakeDevice()
    async with logger(tmp_path / "run", device, strict=True) as log:
        for step, there in enumerate((np.asarray, device.array)):
            random = np.random.default_rng(1)
            KINDS[kind](log, there)
            await log.write(step)
        assert pending(log) == 1
    host, far = al.read(tmp_path / "run").events()
    assert far.value == host.value
    assert far.kind == host.kind
    assert device.fetched == 0


@pytest.mark.parametrize(
    "told",
    [
        lambda log, there: log.log_tensor("x", [there(1.0), there(2.0)]),
        lambda log, there: log.log_rollout("x", {"messages": [], "advantage": there(0.25)}),
        lambda log, there: log.log_table("x", {"a": there([1.0, 2.0])}),
    ],
    ids=["a list of numbers", "a parameter", "cells"],
)
async def test_what_has_to_be_looked_at_is_fetched_by_a_thread(tmp_path: Path, told: Any) -> None:
    device = FakeDevice()
    async with logger(tmp_path / "run", device) as log:
        for step, there in enumerate((np.asarray, device.array)):
            told(log, there)
            await log.write(step)
        assert device.fetched
    host, far = al.read(tmp_path / "run").events()
    assert far.value == host.value


async def test_bad_values_are_refused_at_the_write_in_words_of_what_was_logged(tmp_path: Path) -> None:
    device = FakeDevice()
    async with logger(tmp_path / "run", device, strict=True) as log:
        log.log_image("image", device.array(np.zeros((2, 3, 4, 5, 6))))
        with pytest.raises(InvalidValue, match="image"):
            await log.write(0)
        log.log_scalar("loss", device.array([1.0, 2.0]))
        with pytest.raises(InvalidValue, match="loss"):
            await log.write(0)


# -- what is overwritten ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reads", ["issue", "completion"])
async def test_what_is_overwritten_after_a_write_is_recorded_as_it_was(
    tmp_path: Path, reads: Literal["issue", "completion"]
) -> None:
    device = FakeDevice(reads=reads)
    loss, weights = device.array(1.0), device.array(np.ones(9))
    async with logger(tmp_path / "run", device) as log:
        for step in range(3):
            log.log_scalar("loss", loss)
            log.log_tensor("weights", weights)
            await log.write(step)
            loss.fill(2.0 + step)
            weights.fill(2.0 + step)
    assert numbers(tmp_path / "run", "loss") == [(0, 1.0), (1, 2.0), (2, 3.0)]
    run = al.read(tmp_path / "run")
    assert [event.value.data.tolist() for event in run.events() if event.key == "weights"] == [[n] * 9 for n in (1, 2, 3)]


@pytest.mark.parametrize(("reduction", "expected"), [("mean", 2.75), ("sum", 11.0), ("min", 1.0), ("max", 5.0), ("count", 4)])
async def test_numbers_fold_in_their_order_as_they_were_when_they_were_logged(
    tmp_path: Path, reduction: str, expected: float
) -> None:
    device = FakeDevice()
    running = device.array(1.0)
    async with logger(tmp_path / "run", device) as log:
        log.log_scalar("x", 2.0, reduce=reduction)
        log.log_scalar("x", running, reduce=reduction)
        running.fill(5.0)
        log.log_scalar("x", running, reduce=reduction)
        running.fill(99.0)
        log.log_scalar("x", 3.0, reduce=reduction)
        await log.write(0)
        assert pending(log) == 1
        log.log_scalar("x", 4.0, reduce=reduction)
        await log.write(1)
    found = dict(numbers(tmp_path / "run", "x"))
    assert found == {0: expected, 1: 1 if reduction == "count" else 4.0}
    assert device.fetched == 0


async def test_a_sum_of_floats_is_taken_in_the_order_they_were_logged_in(tmp_path: Path) -> None:
    """In another order it would be another sum."""
    device = FakeDevice()
    given = [1e16, 1.0, -1e16, 1.0]
    async with logger(tmp_path / "run", device) as log:
        for at, one in enumerate(given):
            log.log_scalar("x", device.array(one) if at % 2 else one, reduce="sum")
        await log.write(0)
    assert numbers(tmp_path / "run", "x") == [(0, ((1e16 + 1.0) - 1e16) + 1.0)]


async def test_nothing_of_a_device_is_held_on_to_after_the_write(tmp_path: Path) -> None:
    """A loss hangs on the graph that made it."""
    device = FakeDevice()
    async with logger(tmp_path / "run", device) as log:
        loss, image, folded = device.array(1.0), device.array(np.ones((4, 4))), device.array(1.0)
        gone = [weakref.ref(one) for one in (loss, image)]
        log.log({"loss": loss})
        log.log_image("image", image)
        log.log_scalar("folded", folded, reduce="mean")
        writing = asyncio.create_task(log.write(0))
        await writing
        del loss, image, writing
        gc.collect()
        assert pending(log) == 3
        assert [one() for one in gone] == [None, None]


# -- memory ----------------------------------------------------------------------------------------------------------


async def test_memory_is_registered_once_however_often_it_is_used(tmp_path: Path) -> None:
    device = FakeDevice()
    async with logger(tmp_path / "run", device) as log:
        for step in range(20):
            log.log_tensor("x", device.array(np.ones(MEBIBYTE // 2)))
            log.log_scalar("loss", device.array(1.0))
            await log.write(step)
            device.complete()
            await log.flush()
        slabs = sum(size > MEBIBYTE for size in device.registered.values())
        assert 1 <= slabs <= len(log._core.producer.pool.mappings)
        assert len(device.registered) == slabs + 1, "and one piece for numbers"


async def test_memory_that_a_copy_goes_to_is_nobody_elses_until_it_has_come(tmp_path: Path) -> None:
    """A write that finds no room waits for copies, and goes on when they have come."""
    device = FakeDevice()
    size = 8 * MEBIBYTE
    async with logger(tmp_path / "run", device, slabs=48 * MEBIBYTE) as log:
        written = 0

        async def flat_out() -> None:
            nonlocal written
            for step in range(12):
                log.log_tensor("x", device.array(np.full(size, step, np.uint8)))
                await log.write(step)
                written = step + 1

        writing = asyncio.create_task(flat_out())
        await until(lambda: log.statistics()["slabs"]["refusals"] > 2)
        assert written < 6
        while not writing.done():
            device.complete(1)
            await asyncio.sleep(0.001)
        await writing
    found = [(event.step, event.value.data) for event in al.read(tmp_path / "run").events()]
    assert [step for step, _ in found] == [*range(12)]
    assert all(data.shape == (size,) and (data == step).all() for step, data in found)


async def test_what_is_too_much_for_memory_at_once_crosses_in_portions(tmp_path: Path) -> None:
    device = FakeDevice()
    async with logger(tmp_path / "run", device, slabs=32 * MEBIBYTE) as log:
        for at in range(6):
            log.log_tensor(f"x{at}", device.array(np.full(6 * MEBIBYTE, at, np.uint8)))
        log.log_scalar("loss", device.array(0.5))
        writing = asyncio.create_task(log.write(0))
        while not writing.done():
            device.complete()
            await asyncio.sleep(0.001)
        await writing
    found = {event.key: event.value for event in al.read(tmp_path / "run").events()}
    assert found.pop("loss") == 0.5
    assert all((value.data == int(key[1:])).all() for key, value in found.items())
    assert len(found) == 6


async def test_what_found_no_room_is_kept_as_it_was_logged(tmp_path: Path) -> None:
    device = FakeDevice()
    async with logger(tmp_path / "run", device, slabs=24 * MEBIBYTE) as log:
        log.log_tensor("x", device.array(np.zeros(10 * MEBIBYTE, np.uint8)))
        log.write_nowait(0)
        log.log_tensor("x", device.array(np.ones(10 * MEBIBYTE, np.uint8)))
        log.log_scalar("loss", device.array(0.5))
        log.log_scalar("folded", 1.0, reduce="sum")
        log.log_scalar("folded", device.array(2.0), reduce="sum")
        with pytest.raises(WouldBlock):
            log.write_nowait(1)
        device.complete()
        await log.flush()
        await log.write(2)
        device.complete()
        await log.flush()
    assert numbers(tmp_path / "run", "loss") == [(2, 0.5)]
    assert numbers(tmp_path / "run", "folded") == [(2, 3.0)]
    tensors = [(event.step, int(event.value.data[0])) for event in al.read(tmp_path / "run").events() if event.key == "x"]
    assert tensors == [(0, 0), (2, 1)]


async def test_where_memory_cannot_be_registered_nothing_is_lost_and_a_thread_waits(tmp_path: Path) -> None:
    device = FakeDevice(registers=False)
    async with logger(tmp_path / "run", device) as log:
        for step in range(2):
            log.log_scalar("loss", device.array(float(step)))
            log.log_tensor("x", device.array([step]))
            await log.write(step)
            device.complete()
        assert device.fetched == 2, "of the second write"
    assert numbers(tmp_path / "run", "loss") == [(0, 0.0), (1, 1.0)]


# -- what goes wrong -------------------------------------------------------------------------------------------------


class Holding(FakeDevice):
    """As soon as it is asked to copy, something holds up whoever comes next."""

    def __init__(self, hold: Callable[[], None]) -> None:
        super().__init__()
        self._hold = hold

    def copy(self, moves: Any) -> Any:
        made = super().copy(moves)
        self._hold()
        return made


async def test_a_cancelled_write_gives_its_memory_back_only_when_its_copies_are_done(tmp_path: Path) -> None:
    let_go = threading.Event()
    # Large arrays of the host are copied by a thread, which is busy from then on.
    device = Holding(lambda: log._core.copier().submit(let_go.wait) and None)
    size = 9 * MEBIBYTE
    async with logger(tmp_path / "run", device, slabs=128 * MEBIBYTE) as log:
        log.log_tensor("far", device.array(np.zeros(size, np.uint8)))
        log.log_tensor("near", np.zeros(size, np.uint8))
        log.log_scalar("loss", device.array(0.5))
        writing = asyncio.create_task(log.write(0))
        await until(lambda: device.copies == 1)
        writing.cancel()
        await asyncio.sleep(0)
        let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert log.statistics()["cancelled"] == 3
        assert pending(log) == 0
        assert log.statistics()["slabs"]["bytes_in_use"] > 2 * size
        device.complete()
        await until(lambda: log.statistics()["slabs"]["bytes_in_use"] < size)
        log.log_scalar("loss", 1.0)
        await log.write(1)
    assert [(event.key, event.step) for event in al.read(tmp_path / "run").events()] == [("loss", 1)]


async def test_what_a_device_fails_at_is_lost_and_said_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    device = FakeDevice()
    async with logger(tmp_path / "run", device) as log:
        for step in range(3):
            log.log({"loss": device.array(float(step)), "near": 1.0})
            log.log_tensor("x", device.array([step]))
            await log.write(step)
        device.fail(RuntimeError("an illegal address"))
        device.complete()
        await log.flush()
        assert log.statistics()["discarded"] == 3
        assert log.statistics()["accepted"] == 2 * 3 + 1
    assert "an illegal address" in caplog.text
    assert numbers(tmp_path / "run", "loss") == [(1, 1.0), (2, 2.0)]
    told = [event.value for event in al.read(tmp_path / "run").events() if event.key == "invalid"]
    assert "an illegal address" in told[0]


class Broken(FakeDevice):
    """From some moment on, whatever it is asked for fails, as it is with CUDA after an illegal access."""

    broken = False

    def copy(self, moves: Any) -> Any:
        made = super().copy(moves)
        if self.broken:
            self.fail(RuntimeError("broken"))
        return made

    def keep(self, value: Any) -> Any:
        if self.broken:
            raise RuntimeError("broken")
        return super().keep(value)

    def unregister(self, memory: memoryview) -> None:
        if self.broken:
            raise RuntimeError("broken")
        super().unregister(memory)


async def test_a_device_that_is_broken_keeps_no_logger_from_its_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    device = Broken()
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        for step in range(2):
            log.log_scalar("loss", device.array(1.0))
            log.log_tensor("x", device.array(np.ones(MEBIBYTE)))
            await log.write(step)
            device.complete()
            await log.flush()
            device.broken = True
        log.log_scalar("folded", device.array(1.0), reduce="mean")
        log.log_scalar("near", 1.0)
        await log.write(2)
    assert log.statistics()["discarded"] == 2
    assert log.statistics()["invalid"] == 1
    assert "doesn't let go of memory" in caplog.text
    found = [(event.step, event.key) for event in al.read(tmp_path / "run").events() if event.namespace != "asynclog"]
    assert found == [(0, "loss"), (0, "x"), (2, "near")]
    assert al.read(tmp_path / "run").status == "finished"


async def test_flush_waits_for_devices_until_its_deadline(tmp_path: Path) -> None:
    device = FakeDevice()
    async with logger(tmp_path / "run", device) as log:
        log.log({"a": device.array(1.0), "b": device.array(2.0)})
        await log.write(0)
        with pytest.raises(TimeoutError, match="2 values are still on their way"):
            await log.flush(deadline=0.02)
        device.complete()
        await log.flush(deadline=20)
        assert log.statistics()["accepted"] == 2


@pytest.mark.parametrize("recorder", ["thread", "process"])
@pytest.mark.parametrize("by", ["aclose", "close"])
async def test_what_has_not_come_when_the_end_may_wait_no_longer_is_counted_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, by: str, recorder: Any
) -> None:
    device = FakeDevice()
    log = al.MultiLogger(tmp_path / "run", recorder=recorder)
    log.log_scalar("near", 1.0)
    await log.write(0)
    log.log({"loss": device.array(1.0), "host": 2.0})
    log.log_tensor("x", device.array(np.ones(2 * MEBIBYTE)))
    await log.write(1)
    if by == "aclose":
        await log.aclose(deadline=0.05)
    else:
        await asyncio.to_thread(log.close, 0.05)
    assert log.statistics()["discarded"] == 3
    assert "3 values were still on their way" in caplog.text
    # It comes all the same, to memory that is still there.
    device.complete()
    assert device.wrong == []
    # Its deadline was short for the journal, too, where that is written by a thread of this process.
    await until(lambda: al.read(tmp_path / "run").status not in ("running", "lost") and al.read(tmp_path / "run").keys())
    assert [(event.key, event.value) for event in al.read(tmp_path / "run").events()] == [("near", 1.0)]


async def test_an_end_waits_for_what_comes_in_time(tmp_path: Path) -> None:
    device = FakeDevice()
    log = al.MultiLogger(tmp_path / "run", recorder="thread")
    log.log_scalar("loss", device.array(1.0))
    await log.write(0)
    closing = asyncio.create_task(log.aclose())
    await asyncio.sleep(0)
    device.complete()
    await closing
    assert numbers(tmp_path / "run", "loss") == [(0, 1.0)]
    assert log.statistics()["discarded"] == 0
    assert device.registered == {}


async def test_limits_and_sinks_see_it_as_due_as_it_was_at_its_write(tmp_path: Path) -> None:
    device = FakeDevice()
    memory = al.sinks.Memory()
    route = al.Route(memory, limit=al.RateLimit(steps=2))
    async with logger(tmp_path / "run", device, sinks=[route]) as log:
        for step in range(6):
            log.log_scalar("loss", device.array(float(step)))
            await log.write(step)
        device.complete()
        await log.flush()
        assert log.statistics()["routes"][route.name or "memory"]["offered"] == 6
        assert log.statistics()["routes"][route.name or "memory"]["delivered"] == 3


async def test_what_was_rendered_on_loan_waits_for_what_lies_on_a_device_beside_it(tmp_path: Path) -> None:
    """And is given back where that never comes."""
    device = FakeDevice()
    async with logger(tmp_path / "run", device) as log:
        handle = log.loan("lent", (MEBIBYTE,), np.uint8)
        for step in range(2):
            async with handle as array:
                array[:] = step + 1
            log.log_scalar("loss", device.array(0.5))
            await log.write(step)
        assert pending(log) == 4
        device.fail(RuntimeError("failed"))
        device.complete()
        await log.flush()
        assert log.statistics()["discarded"] == 2
        await until(lambda: not log._core.producer.pool.ledger.announced_bytes())
    found = {event.key: event for event in al.read(tmp_path / "run").events()}
    assert found["lent"].step == 1
    assert (found["lent"].value.data == 2).all()


async def test_a_loan_that_waits_for_a_device_outlives_the_cancelling_of_its_write(tmp_path: Path) -> None:
    """It was given back with what was cancelled, and recorded without its bytes, which nobody could read."""
    device = FakeDevice()
    async with al.MultiLogger(tmp_path / "run", slabs=16 << 20, recorder="thread") as log:
        async with log.loan("loan", (1000,), np.uint8) as array:
            array[:] = 7
        with contextlib.suppress(al.WouldBlock):
            for step in range(5):
                with log.at(step) as entry:
                    entry.log_tensor("there", device.array(np.zeros(3_500_000, np.uint8)))
        before = log.statistics()["pending_on_devices"]
        log.log_scalar("x", device.array(1.0))
        log.log_tensor("here", np.zeros(3_500_000, np.uint8))
        writing = asyncio.create_task(log.write(9))
        async with asyncio.timeout(20):
            while log.statistics()["pending_on_devices"] < before + 2:
                await asyncio.sleep(0.005)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        device.complete()
        await log.flush(20)
        counted = log.statistics()
    assert (counted["cancelled"], counted["slabs"]["loans"]) == (1, 0)
    found = {event.key: event.value for event in al.read(tmp_path / "run").events() if event.step == 9}
    assert found.keys() == {"x", "loan"}
    assert found["loan"].data.tolist() == [7] * 1000
