"""Rows of several kinds in turn: packed without asking anybody, and each comes back with its own step, phase and keys."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import asynclog as al
from asynclog.logger.numbers import NumberWriter

ROWS = 1000


class Shape(NamedTuple):
    phase: Any
    keys: tuple[str, ...]


SETS = [
    Shape("train", ("loss", "accuracy")),
    Shape("train", ("norm",)),
    Shape("valid", ("loss", "accuracy")),
    Shape("train", ("lr", "scale", "share")),
]
# Told apart by the first key alone, these would be one; their rows are as wide.
ALIKE = [Shape("train", ("loss", "accuracy")), Shape("train", ("loss", "norm")), Shape("train", ("loss",))]


class Counted(NumberWriter):
    """Counts the rows that were not packed by the quick path."""

    asked = 0

    def write(self, *args: Any, **options: Any) -> Any:
        self.asked += 1
        return super().write(*args, **options)


def counted(log: al.MultiLogger) -> Counted:
    core = log._core
    core.numbers = writer = Counted(core.producer)
    return writer


async def write(log: Any, shape: Shape, step: int) -> None:
    log.log({key: step + at / 8 for at, key in enumerate(shape.keys)})
    await log.write(al.State(step, shape.phase) if shape.phase != "train" else step)


def check(run: Any, written: Sequence[Shape], prefix: str = "") -> None:
    """Every row's numbers at the row's step, in the order of the writes, and no others."""
    wanted: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for step, shape in enumerate(written):
        for at, key in enumerate(shape.keys):
            wanted[shape.phase, prefix + key].append((step, step + at / 8))
    for (phase, name), points in wanted.items():
        series = run.series(name, phase=phase)
        assert list(zip(series.step.tolist(), series.value.tolist(), strict=True)) == points, name


@pytest.mark.parametrize("sets", [SETS[:2], [SETS[0], SETS[2]], SETS], ids=["key sets", "phases", "both"])
async def test_sets_of_keys_and_phases_that_take_turns_stay_on_the_quick_path(tmp_path: Path, sets: list[Shape]) -> None:
    """Asked for only when a set is new, and when a block is full: seldom, and less often the more rows there are."""
    written = [sets[step % len(sets)] for step in range(ROWS * len(sets))]
    log = al.MultiLogger(tmp_path / "run", recorder="thread")
    writer = counted(log)
    async with log:
        for step, shape in enumerate(written):
            await write(log, shape, step)
    assert writer.asked < 10 * len(sets)
    check(al.read(tmp_path / "run"), written)


async def test_rows_between_values_of_other_kinds_stay_on_the_quick_path(tmp_path: Path) -> None:
    """Asked for with each value, and not again for the rows that follow it."""
    log = al.MultiLogger(tmp_path / "run", recorder="thread")
    writer = counted(log)
    async with log:
        for step in range(ROWS):
            if step % 10 == 0:
                log.log_tensor("weights", np.full(4, step))
            await write(log, SETS[0], step)
    assert writer.asked < ROWS // 10 + 20
    run = al.read(tmp_path / "run")
    check(run, [SETS[0]] * ROWS)
    assert [event.value.data.tolist() for event in run.events(kind="tensor")] == [[step] * 4 for step in range(0, ROWS, 10)]


async def test_a_row_never_lands_in_the_namespace_of_the_row_before_it(tmp_path: Path) -> None:
    """Where a callable of the logger's own namespace is not due, the row before was of another namespace alone."""
    async with al.MultiLogger(tmp_path / "run", recorder="thread", limit=al.RateLimit(3600.0)) as log:
        for step in range(6):
            log.log_scalar("lazy", lambda: 0.0)
            log.log_scalar("loss", 1.0, namespace="there")
            await log.write(step)
            log.log_scalar("loss", 2.0)
            await log.write(step)
    run = al.read(tmp_path / "run")
    assert run.series("loss", namespace="there").value.tolist() == [1.0] * 6
    assert run.series("loss", namespace="").value.tolist() == [2.0] * 6


async def test_sets_that_look_alike_are_never_taken_for_each_other(tmp_path: Path) -> None:
    written = [ALIKE[step % len(ALIKE)] for step in range(ROWS)]
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        for step, shape in enumerate(written):
            await write(log, shape, step)
    run = al.read(tmp_path / "run")
    check(run, written)
    assert len(run) == sum(len(shape.keys) for shape in written)


@given(written=st.lists(st.sampled_from(SETS + ALIKE), max_size=60))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_rows_in_any_order_come_back_as_written(tmp_path_factory: pytest.TempPathFactory, written: list[Shape]) -> None:
    path = tmp_path_factory.mktemp("rows") / "run"

    async def body() -> None:
        async with al.MultiLogger(path, recorder="thread") as log:
            for step, shape in enumerate(written):
                await write(log, shape, step)

    asyncio.run(body())
    run = al.read(path)
    check(run, written)
    assert len(run) == sum(len(shape.keys) for shape in written)


async def test_two_threads_that_take_turns_keep_out_of_each_others_blocks(tmp_path: Path) -> None:
    """The same sets under two namespaces. Children, since the logger's own write would take along what theirs are about to."""
    written = [(SETS + ALIKE)[step % 7] for step in range(ROWS)]
    both = threading.Barrier(2)

    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:

        async def write_all(name: str) -> None:
            child = log.child(name)
            for step, shape in enumerate(written):
                await write(child, shape, step)

        def elsewhere() -> None:
            both.wait()
            asyncio.run(write_all("there"))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        both.wait()
        await write_all("here")
        await asyncio.to_thread(thread.join)
    run = al.read(tmp_path / "run")
    check(run, written, prefix="here/")
    check(run, written, prefix="there/")
    assert len(run) == 2 * sum(len(shape.keys) for shape in written)
