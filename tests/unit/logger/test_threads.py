"""``log_*`` from any thread, while the loop writes."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from tests.abreast import abreast

THREADS, VALUES = 8, 4000


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns a hundred times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_eight_threads_log_while_the_loop_writes_and_no_value_is_lost(tmp_path: Path, recorder: Any) -> None:
    """Every key is used once, so that no value may replace another: what is missing was lost."""
    begun = threading.Event()

    def work(log: al.MultiLogger, number: int) -> None:
        begun.wait()
        for at in range(VALUES):
            if at % 7 == 0:
                log.log({f"{number}-{at}": at * 0.5})
            elif at % 11 == 0:
                log.log_string(f"{number}-{at}", "text")
            elif at % 5 == 0:
                log.log_scalar(f"{number}-{at}", at * 0.5, namespace="space")
            else:
                log.log_scalar(f"{number}-{at}", at * 0.5)

    async with al.MultiLogger(tmp_path / "run", recorder=recorder, switch_interval=None) as log:
        threads = abreast(partial(work, log, number) for number in range(THREADS))
        step = 0
        while not step or any(thread.is_alive() for thread in threads):
            log.log_scalar("loop", float(step))
            await log.write(step)
            step += 1
            begun.set()
        await log.write(step)
    run = al.read(tmp_path / "run")
    counted = Counter(event.key for event in run.events())
    assert counted.pop("loop") == step
    assert counted == {f"{number}-{at}": 1 for number in range(THREADS) for at in range(VALUES)}


@pytest.mark.usefixtures("restless")
async def test_sums_from_threads_are_exact(tmp_path: Path) -> None:
    """Folding loses no addend either."""

    def work(log: al.MultiLogger) -> None:
        for _ in range(VALUES):
            log.log_scalar("tokens", 1, reduce="sum")

    async with al.MultiLogger(tmp_path / "run", recorder="thread", switch_interval=None) as log:
        threads = abreast([partial(work, log)] * THREADS)
        step = 0
        while any(thread.is_alive() for thread in threads):
            await log.write(step)
            step += 1
        await log.write(step)
    assert al.read(tmp_path / "run").series("tokens").value.sum() == THREADS * VALUES


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_threads_write_by_themselves(tmp_path: Path, recorder: Any) -> None:
    """Children in threads, an entry a step, a row handle, and the loop: all write at once."""

    def child(log: al.MultiLogger, number: int) -> None:
        own = log.child(f"child{number}")
        for step in range(1000):
            own.log_scalar("x", step * 0.5)
            if step % 100 == 0:
                own.log_image("frame", np.full((4, 4), number, np.uint8))
            own.write_nowait(step)

    def entries(log: al.MultiLogger, number: int) -> None:
        for step in range(1000):
            with log.at(step) as entry:
                entry.log_scalar("y", step * 0.5, namespace=f"entry{number}")

    def rows(log: al.MultiLogger, number: int) -> None:
        row = log.row("z", namespace=f"row{number}")
        for step in range(1000):
            row(step, step * 0.5)

    async with al.MultiLogger(tmp_path / "run", recorder=recorder, switch_interval=None) as log:
        threads = abreast(partial(kind, log, number) for number in range(2) for kind in (child, entries, rows))
        step = 0
        while any(thread.is_alive() for thread in threads):
            # An entry, not the logger's own write: that would take along what a child is about to write by itself.
            async with log.at(step) as entry:
                entry.log_scalar("own", step * 0.5)
            step += 1
    run = al.read(tmp_path / "run")
    for number in range(2):
        for name in (f"child{number}/x", f"entry{number}/y", f"row{number}/z"):
            series = run.series(name)
            assert sorted(series.step.tolist()) == list(range(1000)), name
            assert (series.value == series.step * 0.5).all()
            assert (np.diff(series.time_ns) > 0).all()
    assert run.series("own").step.tolist() == list(range(step))
    assert [event.step for event in run.events(kind="image", namespace="child0")] == list(range(0, 1000, 100))
    assert run.missing == 0
    assert run.damage == []
