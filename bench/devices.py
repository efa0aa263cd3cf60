"""Tensors on a CUDA device: what logging them does to a training step, how fast they cross, and how often anybody waits.

`step`: a small network is trained; each step logs ten numbers that the device has just computed, and every tenth an image of
1 MiB. Beside it the same loop without a logger, and one that fetches its ten numbers with `.item()`, as loggers that know no
better do. `crossing`: tensors of 64 MiB, back to back, until all have come, beside `copy_` into pinned memory. The memory is
warm and registered on both sides. Synchronisations are those that torch's profiler sees between the first step and the last.

Where there is no CUDA device this says so and measures nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.figures import Bar, Figure, Sample, column, middle, ratio, worst
from bench.plan import Plan

TITLE = "CUDA devices"
NUMBERS = 10
IMAGE_EVERY = 10
TENSOR_BYTES = 64 << 20
TENSORS = 12
WAITS = frozenset({"cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy"})

Say = Callable[[int, list[Any], Any], Awaitable[None]]


def cuda_is_there() -> bool:
    """Whether torch is installed and sees a CUDA device."""
    if find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


async def train(steps: int, say: Say) -> Sample:
    """ms a step of a training loop, synchronisations a step that the profiler saw, and what the last loss was."""
    import torch
    from torch.profiler import ProfilerActivity, profile, record_function

    torch.manual_seed(0)
    layers = [layer for _ in range(6) for layer in (torch.nn.Linear(2048, 2048), torch.nn.ReLU())]
    model = torch.nn.Sequential(*layers).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    given = torch.randn(1024, 2048, device="cuda")
    image = torch.rand(1, 512, 512, device="cuda")

    async def some(count: int) -> None:
        for step in range(count):
            loss = (model(given) - given).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            await say(step, [loss.detach() * number for number in range(NUMBERS)], image)
            await asyncio.sleep(0)

    await some(50)
    torch.cuda.synchronize()
    begin = perf_counter()
    await some(steps)
    torch.cuda.synchronize()
    took = perf_counter() - begin
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen, record_function("steps"):
        await some(50)
    events = list(seen.events() or ())
    within = next(one.time_range for one in events if one.name == "steps")
    waits = [one for one in events if one.name in WAITS and within.start <= one.time_range.start <= within.end]
    return {"step_ms": took / steps * 1e3, "waits": len(waits) / 50}


def alone(directory: Path, *, steps: int) -> Sample:
    """The same loop without a logger."""

    async def silence(step: int, numbers: list[Any], image: Any) -> None:
        pass

    return asyncio.run(train(steps, silence))


def fetched(directory: Path, *, steps: int) -> Sample:
    """Each number by `.item()`, the image by `.cpu()`; nothing is recorded."""

    async def fetch(step: int, numbers: list[Any], image: Any) -> None:
        _ = [one.item() for one in numbers]
        if step % IMAGE_EVERY == 0:
            image.cpu()

    return asyncio.run(train(steps, fetch))


def logged(directory: Path, *, steps: int) -> Sample:
    """Everything into a journal."""

    async def whole() -> Sample:
        import asynclog as al

        async with al.MultiLogger(directory / "run") as log:

            async def say(step: int, numbers: list[Any], image: Any) -> None:
                log.log({f"m{at}": one for at, one in enumerate(numbers)})
                if step % IMAGE_EVERY == 0:
                    log.log_image("image", image)
                await log.write(step)

            sample = await train(steps, say)
        counted = log.statistics()
        return {**sample, "lost": counted["discarded"] + counted["invalid"]}

    return asyncio.run(whole())


def pinned(directory: Path) -> Sample:
    """`copy_` of each tensor into pinned memory of its own, and one wait at the end."""
    import torch

    there = torch.ones(TENSOR_BYTES, dtype=torch.uint8, device="cuda")
    here = [torch.empty(TENSOR_BYTES, dtype=torch.uint8, pin_memory=True) for _ in range(TENSORS)]
    took = []
    for _ in range(5):
        torch.cuda.synchronize()
        begin = perf_counter()
        for one in here:
            one.copy_(there, non_blocking=True)
        torch.cuda.synchronize()
        took.append(perf_counter() - begin)
    return {"gb_s": TENSORS * TENSOR_BYTES / min(took) / 1e9}


def crossing(directory: Path) -> Sample:
    """As many tensors logged, until all have come; and ms that each held up its caller."""

    async def whole() -> Sample:
        import torch

        import asynclog as al

        there = torch.ones(TENSOR_BYTES, dtype=torch.uint8, device="cuda")
        took, inside = [], []
        async with al.MultiLogger(directory / "run", slabs=2 * TENSORS * TENSOR_BYTES) as log:
            for repeat in range(5):
                await log.flush()
                torch.cuda.synchronize()
                begin = perf_counter()
                for at in range(TENSORS):
                    log.log_tensor("tensor", there)
                    before = perf_counter()
                    await log.write(repeat * TENSORS + at)
                    inside.append(perf_counter() - before)
                while log.statistics()["pending_on_devices"]:  # noqa: ASYNC110 - the loop has nothing else to do
                    await asyncio.sleep(0)
                took.append(perf_counter() - begin)
        warm = sorted(inside[TENSORS:])
        return {"gb_s": TENSORS * TENSOR_BYTES / min(took) / 1e9, "caller_ms": warm[len(warm) // 2] * 1e3}

    return asyncio.run(whole())


def run(plan: Plan) -> Iterator[Figure]:
    """Nothing where there is no CUDA device."""
    if not cuda_is_there():
        print(f"{TITLE}: there is none here, so nothing is measured")
        return
    steps = plan.size(1000, 100)
    free, slow, ours = plan.alternate(
        plan.size(5, 1), (alone, {"steps": steps}), (fetched, {"steps": steps}), (logged, {"steps": steps})
    )
    step_ms = ("alone", column(free, lambda one: one["step_ms"]))
    what = f"a training step with {NUMBERS} numbers, and an image every {IMAGE_EVERY}"
    yield ratio(f"{what}: logged", ("logged", column(ours, lambda one: one["step_ms"])), step_ms, unit="ms/step")
    yield ratio(f"{what}: .item()", (".item()", column(slow, lambda one: one["step_ms"])), step_ms, unit="ms/step")
    extra = [one["waits"] - other["waits"] for one, other in zip(ours, free, strict=True)]
    by_item = column(slow, lambda one: one["waits"])
    detail = f".item() makes {max(by_item):.3g}"
    yield worst("synchronisations that logging adds to a step", extra, "a step", bar=Bar(0.0), detail=detail)
    yield worst("values lost", column(ours, lambda one: one["lost"]), "values", bar=Bar(0.0))
    theirs, crossed = plan.alternate(plan.size(5, 1), (pinned, {}), (crossing, {}))
    name = f"tensors of {TENSOR_BYTES >> 20} MiB"
    by_copy = ("copy_", column(theirs, lambda one: one["gb_s"]))
    yield ratio(f"{name}: until all have come", ("logged", column(crossed, lambda one: one["gb_s"])), by_copy, unit="GB/s")
    yield middle(f"{name}: in the caller", column(crossed, lambda one: one["caller_ms"]), "ms")
