"""Tensors on a real CUDA device. What a logger does with them is tested with a fake one, everywhere; here is what only a device
can show: that the copies are right, that they come in the order of its streams, and that nobody waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.values import same_array
from tests.unit.logger.recording import recorded

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.gpu

random = np.random.default_rng(0)
WAITS = {"cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy"}
BUSY_CYCLES = 500_000_000
"""About a quarter of a second on any device of these years: what waits for it has time to be noticed."""
LARGE = 32 << 20
"""Bytes of what isn't copied on the device first."""


@asynccontextmanager
async def warm(path: Path, **options: Any) -> AsyncIterator[al.MultiLogger]:
    """A logger whose memory is there and registered: the first time, the driver may wait."""
    async with al.MultiLogger(path, recorder="thread", strict=True, **options) as log:
        for nbytes in (8, 1 << 16, LARGE):
            log.log_tensor("warm", torch.zeros(nbytes, dtype=torch.uint8, device="cuda"))
            log.log({"warm": torch.zeros((), device="cuda"), "whole": torch.zeros((), dtype=torch.int64, device="cuda")})
            await log.write(0)
        await log.flush()
        yield log


def of_steps(path: Path, key: str) -> list[Any]:
    return [event.value for event in al.read(path).events() if event.key == key]


async def test_tensors_come_back_bit_for_bit(tmp_path: Path) -> None:
    """Of any dtype, strided, in a graph, in lists and as parameters."""
    held = torch.from_numpy(random.random((9, 6)).astype(np.float32))
    there = held.cuda().requires_grad_()

    async def body(log: al.MultiLogger) -> None:
        log.log_tensor("strided", there[:, ::2])
        log.log_tensor("narrow", there.bfloat16())
        log.log_tensor("conjugated", torch.complex(there, there).conj())
        log.log_images("images", [there, there.half()])
        log.log_point_cloud("points", there[:, :3], colors=there[:, 3:])
        log.log_histogram("numbers", there)
        log.log_scalar("sum", there.sum())
        log.log({"value": al.Image(there)})  # type: ignore[arg-type]
        await log.write(0)

    run = await recorded(tmp_path / "run", body, strict=True)
    found = {event.key: event.value for event in run.events()}
    assert same_array(found["strided"].data, np.ascontiguousarray(held[:, ::2].numpy()))
    assert found["narrow"].dtype == "bfloat16"
    assert same_array(found["narrow"].canonical(), held.bfloat16().float().numpy())
    assert same_array(found["conjugated"].data, torch.complex(held, held).conj().resolve_conj().numpy())
    assert same_array(found["images"].data[1], held.half().numpy())
    assert same_array(found["points"].colors, np.ascontiguousarray(held[:, 3:].numpy()))
    assert found["numbers"].count == held.numel()
    assert found["sum"] == there.sum().item()
    assert same_array(found["value"].data, held.numpy())


async def test_numbers_of_every_dtype_are_exact(tmp_path: Path) -> None:
    floats = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2]
    whole = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32]
    given = {str(one): torch.tensor(1.5, device="cuda").to(one) for one in floats}
    given |= {str(one): torch.tensor(1, device="cuda").to(one) for one in whole}
    given["large"] = torch.tensor(2**62 + 1, device="cuda")
    expected = {key: one.item() for key, one in given.items()}

    async def body(log: al.MultiLogger) -> None:
        log.log(given)
        await log.write(0)

    run = await recorded(tmp_path / "run", body, strict=True)
    assert {event.key: event.value for event in run.events()} == expected


async def test_a_write_returns_while_the_device_computes_what_it_records(tmp_path: Path) -> None:
    async with warm(tmp_path / "run") as log:
        torch.cuda.synchronize()
        torch.cuda._sleep(BUSY_CYCLES)
        loss = torch.ones((), device="cuda") * 3
        computed = torch.cuda.Event()
        computed.record()
        log.log({"loss": loss, "count": torch.full((), 5, device="cuda")})
        log.log_tensor("small", torch.full((1000,), 7.0, device="cuda"))
        log.log_tensor("large", torch.full((LARGE,), 7, dtype=torch.uint8, device="cuda"))
        await log.write(1)
        assert not computed.query(), "somebody waited for the device"
        assert log.statistics()["pending_on_devices"] == 4
        await log.flush()
    assert of_steps(tmp_path / "run", "loss") == [3.0]
    assert (of_steps(tmp_path / "run", "small")[0].data == 7.0).all()
    assert (of_steps(tmp_path / "run", "large")[0].data == 7).all()


async def test_nothing_synchronises(tmp_path: Path) -> None:
    """Neither as torch tells of it, nor as its profiler sees it."""
    from torch.profiler import ProfilerActivity, profile, record_function

    async with warm(tmp_path / "run") as log:
        values = torch.rand(10, device="cuda")
        image = torch.rand(3, 64, 64, device="cuda")
        large = torch.zeros(LARGE, dtype=torch.uint8, device="cuda")
        row = log.row("first", "second")
        torch.cuda.synchronize()

        async def some() -> None:
            for step in range(20):
                log.log({f"m{at}": values[at] for at in range(10)})
                log.log_scalar("mean", values[0], reduce="mean")
                log.log_image("image", image)
                await log.write(step)
                row(step, values[0], values[1])
            log.log_tensor("large", large)
            await log.write(20)

        torch.cuda.set_sync_debug_mode("error")
        try:
            await some()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        await log.flush()
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen, record_function("writes"):
            await some()
        await log.flush()
    events = list(seen.events())
    within = next(one.time_range for one in events if one.name == "writes")
    waits = [one.name for one in events if one.name in WAITS and within.start <= one.time_range.start <= within.end]
    assert waits == []
    assert any(one.name.startswith("cudaMemcpyAsync") for one in events), "the profiler saw the copies"


@pytest.mark.parametrize("count", [1000, LARGE], ids=["copied on the device first", "waited for by the stream"])
async def test_what_is_overwritten_after_a_write_is_recorded_as_it_was(tmp_path: Path, count: int) -> None:
    async with warm(tmp_path / "run") as log:
        there = torch.zeros(count, dtype=torch.uint8, device="cuda")
        number = torch.zeros((), device="cuda")
        for step in range(1, 9):
            there.fill_(step)
            number.fill_(step)
            log.log_tensor("x", there)
            log.log_scalar("number", number)
            await log.write(step)
            there.fill_(99)
            number.fill_(99)
        await log.flush()
    for step, value in enumerate(of_steps(tmp_path / "run", "x"), 1):
        assert (value.data == step).all()
    assert of_steps(tmp_path / "run", "number") == [float(step) for step in range(1, 9)]


async def test_memory_that_was_let_go_of_is_not_used_again_before_it_has_crossed(tmp_path: Path) -> None:
    async with warm(tmp_path / "run", slabs=1 << 30) as log:
        for step in range(1, 9):
            log.log_tensor("x", torch.full((LARGE,), step, dtype=torch.uint8, device="cuda"))
            await log.write(step)
            torch.full((LARGE,), 99, dtype=torch.uint8, device="cuda")
        await log.flush()
    assert [int(value.data.min()) for value in of_steps(tmp_path / "run", "x")] == [*range(1, 9)]
    assert [int(value.data.max()) for value in of_steps(tmp_path / "run", "x")] == [*range(1, 9)]


async def test_what_another_stream_computes_is_waited_for_by_the_copy(tmp_path: Path) -> None:
    async with warm(tmp_path / "run") as log:
        with torch.cuda.stream(torch.cuda.Stream()):
            torch.cuda._sleep(BUSY_CYCLES)
            log.log_scalar("loss", torch.ones((), device="cuda") * 3)
            log.log_tensor("x", torch.full((1000,), 3.0, device="cuda"))
            log.write_nowait(1)
        await log.flush()
    assert of_steps(tmp_path / "run", "loss") == [3.0]
    assert (of_steps(tmp_path / "run", "x")[0].data == 3.0).all()


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_slabs_are_pinned_for_torch(tmp_path: Path, recorder: Any) -> None:
    """Pages of shared memory as well as anonymous ones."""
    async with al.MultiLogger(tmp_path / "run", recorder=recorder) as log:
        log.log_tensor("x", torch.zeros(LARGE, dtype=torch.uint8, device="cuda"))
        await log.write(0)
        pool = log._core.producer.pool
        views = [np.frombuffer(one.view, np.uint8) for one in pool.mappings.values() if one.size >= LARGE]
        assert any(torch.from_numpy(one).is_pinned() for one in views)
        await log.flush()
        assert log.statistics()["accepted"] == 1


async def test_tensors_of_a_tight_loop_are_all_there(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run") as log:
        counter = torch.zeros((), dtype=torch.int64, device="cuda")
        for step in range(5_000):
            counter += 1
            log.log({"count": counter, "half": counter * 0.5})
            await log.write(step)
            if step % 500 == 0:
                await asyncio.sleep(0)
    run = al.read(tmp_path / "run")
    assert run.series("count").value.tolist() == [*range(1, 5_001)]
    assert run.series("half").value.tolist() == [step * 0.5 for step in range(1, 5_001)]
