"""Values: how long the canonical forms take whoever shows them, how long a histogram takes the engine, and what of all that
the loop pays, which is neither: a look at shape and dtype, and the copy into shared memory, a piece at a time.

Where neighbours share the machine a median says as much of them: the quickest stands beside it.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from bench.figures import Bar, Figure, Sample, middle
from bench.forms import FORMS, HISTOGRAM, POINTS, Make, floats
from bench.plan import Plan
from bench.scalars import settle

TITLE = "Values"
REPEATS = 40
HELD = Bar(1.0)


def forms(directory: Path, *, kind: str, repeats: int) -> Sample:
    """ms of each form of a kind: the median of ``repeats``, and the quickest."""
    return {name: _times(make, repeats) for name, make in FORMS[kind][0]().items()}


def _times(make: Make, repeats: int) -> tuple[float, float]:
    make()
    times = []
    for _ in range(repeats):
        before = perf_counter()
        make()
        times.append((perf_counter() - before) * 1e3)
    return median(times), min(times)


def _bfloat16(data: Any) -> Any:
    import torch

    return torch.from_numpy(data).to(torch.bfloat16)


LOGGED: dict[str, tuple[str, Callable[[], Any]]] = {
    "image 256², float32": ("log_image", lambda: floats(3, 256, 256)),
    "image 512², uint8, HWC": ("log_image", lambda: (floats(512, 512, 3) * 255).astype(np.uint8)),
    "video 16×3×128², uint8": ("log_video", lambda: (floats(16, 3, 128, 128) * 255).astype(np.uint8)),
    "histogram of 1e6, float32": ("log_histogram", lambda: floats(HISTOGRAM)),
    "histogram of 1e6, bfloat16 of torch": ("log_histogram", lambda: _bfloat16(floats(HISTOGRAM))),
    "1e6 points, float32": ("log_point_cloud", lambda: floats(POINTS, 3)),
}


def logged(directory: Path, *, what: str, repeats: int) -> Sample:
    """ms of the ``log_*`` call; of the write; at most at a time without the loop turning; and of copying as many bytes."""
    return asyncio.run(_logged(directory / "run", *LOGGED[what], repeats))


async def _logged(directory: Path, method: str, make: Callable[[], Any], repeats: int) -> Sample:
    import asynclog as al

    data = make()
    nbytes = data.nbytes
    source, target = np.ones(nbytes, np.uint8), np.ones(nbytes, np.uint8)
    longest = 0.0

    async def turn() -> None:
        """A task that wants the loop all the time, and sees how long it doesn't get it."""
        nonlocal longest
        last = perf_counter()
        while True:
            await asyncio.sleep(0)
            now = perf_counter()
            longest, last = max(longest, now - last), now

    taken: dict[str, list[float]] = {"call": [], "write": [], "held": [], "copy": []}
    async with al.MultiLogger(directory) as log:
        settle()
        turning = asyncio.create_task(turn())
        for step in range(repeats + 3):
            await asyncio.sleep(0.02)
            longest = 0.0
            before = perf_counter()
            getattr(log, method)("value", data)
            between = perf_counter()
            await log.write(step)
            after = perf_counter()
            await asyncio.sleep(0)
            copied = perf_counter()
            np.copyto(target, source)
            copy = perf_counter() - copied
            # The first few make the shared memory that the later ones use again.
            if step >= 3:
                for name, took in (("call", between - before), ("write", after - between), ("held", longest), ("copy", copy)):
                    taken[name].append(took * 1e3)
        turning.cancel()
        await asyncio.wait([turning])
    return {name: median(times) for name, times in taken.items()} | {"nbytes": nbytes, "quickest": min(taken["write"])}


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of the values."""
    repeats, processes = plan.size(REPEATS, 3), plan.size(3, 1)
    for kind, (_, bar) in FORMS.items():
        samples = [plan.sample(forms, kind=kind, repeats=repeats) for _ in range(processes)]
        for name in samples[0]:
            quickest = f"quickest {min(sample[name][1] for sample in samples):.3g}"
            judged = None if "512²" in name else bar
            yield middle(name, [sample[name][0] for sample in samples], "ms", bar=judged, detail=quickest)
    for what, (method, _) in LOGGED.items():
        samples = [plan.sample(logged, what=what, repeats=repeats) for _ in range(processes)]
        call, copy = (median([sample[name] for sample in samples]) for name in ("call", "copy"))
        copied = f"copying {samples[0]['nbytes'] / 1e6:.2g} MB by itself {copy:.2g} ms"
        detail = f"{method} {call * 1e3:.2g} µs; {copied}; quickest {min(sample['quickest'] for sample in samples):.2g}"
        yield middle(f"{what}: write", [sample["write"] for sample in samples], "ms", detail=detail)
        yield middle(f"{what}: the loop held at a time", [sample["held"] for sample in samples], "ms", bar=HELD)
