"""When a route is due: per phase, once per State object, by seconds, steps, budget, or the sink's own word."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from tests.unit.logger.recording import adds_up, recorded

FRAME = np.zeros((3, 2, 2), np.uint8)


def states(*elapsed: float, phase: str = "train") -> list[al.State]:
    """States whose clock says ``elapsed``."""
    return [al.State(step, phase, elapsed_s=seconds) for step, seconds in enumerate(elapsed)]  # type: ignore[arg-type]


async def due_steps(log: al.MultiLogger, given: list[al.State]) -> list[tuple[str, int]]:
    """Where the logger's routes were due, asked and then written at."""
    due = []
    for state in given:
        if log.should_write(state):
            due.append((state.phase, state.step))
        log.log_image("frame", FRAME)
        await log.write(state)
    return due


def seen(memory: al.sinks.Memory, kind: str = "image") -> list[tuple[str, int]]:
    return [(event.phase, event.step) for event in memory.events if event.kind == kind]


async def test_the_first_write_is_due_and_then_one_an_interval(tmp_path: Path) -> None:
    """due when elapsed − last ≥ interval, and being due moves last."""
    memory = al.sinks.Memory()

    async def body(log: al.MultiLogger) -> None:
        given = states(0.0, 0.5, 0.99, 1.0, 1.5, 2.5, 3.4, 3.5)
        assert await due_steps(log, given) == [("train", 0), ("train", 3), ("train", 5), ("train", 7)]

    await recorded(tmp_path / "run", body, sinks=[memory], limit=al.RateLimit(1.0))
    assert seen(memory) == [("train", 0), ("train", 3), ("train", 5), ("train", 7)]


async def test_phases_have_intervals_of_their_own(tmp_path: Path) -> None:
    memory = al.sinks.Memory()

    async def body(log: al.MultiLogger) -> None:
        for train, valid in zip(states(*range(6)), states(*range(6), phase="valid"), strict=True):
            await due_steps(log, [train, valid])

    await recorded(tmp_path / "run", body, sinks=[memory], limit=al.RateLimit(train=3.0, valid=0.0))
    assert seen(memory) == [
        ("train", 0),
        *[("valid", step) for step in range(3)],
        ("train", 3),
        *[("valid", step) for step in range(3, 6)],
    ]


async def test_routes_are_limited_one_by_one(tmp_path: Path) -> None:
    always, seldom, default = (al.sinks.Memory() for _ in range(3))
    sinks = [
        al.Route(always, name="always", limit=al.RateLimit()),
        al.Route(seldom, name="seldom", limit=al.RateLimit(4.0)),
        al.Route(default, name="default"),
    ]

    async def body(log: al.MultiLogger) -> None:
        await due_steps(log, states(*range(6)))
        await log.flush()
        for counted in log.statistics()["routes"].values():
            assert adds_up(counted)
            assert counted["offered"] == 6

    await recorded(tmp_path / "run", body, sinks=sinks, limit=al.RateLimit(2.0))
    assert [len(one.events) for one in (always, seldom, default)] == [6, 2, 3]


async def test_a_state_gets_one_answer_however_many_children_write_at_it(tmp_path: Path) -> None:
    memory = al.sinks.Memory()

    async def body(log: al.MultiLogger) -> None:
        children = [log.child(f"part{number}") for number in range(5)]
        for state in states(0.0, 0.5, 1.0):
            for child in children:
                child.log_image("frame", FRAME)
                await child.write(state)
            log.log_image("frame", FRAME)
            await log.write(state)

    await recorded(tmp_path / "run", body, sinks=[memory], limit=al.RateLimit(1.0))
    assert seen(memory) == [("train", 0)] * 6 + [("train", 2)] * 6


async def test_equal_states_are_asked_one_by_one(tmp_path: Path) -> None:
    async with al.MultiLogger(None, sinks=[al.sinks.Memory()], limit=al.RateLimit(1.0)) as log:
        first, second = al.State(0, elapsed_s=0.0), al.State(0, elapsed_s=0.0)
        assert first == second
        assert log.should_write(first)
        assert log.should_write(first)
        assert not log.should_write(second)


async def test_steps_and_seconds_must_both_agree(tmp_path: Path) -> None:
    memory = al.sinks.Memory()

    async def body(log: al.MultiLogger) -> None:
        await due_steps(log, states(0, 1, 2, 2.2, 2.6, 3, 8, 9))

    await recorded(tmp_path / "run", body, sinks=[memory], limit=al.RateLimit(2.5, steps=3))
    assert [step for _, step in seen(memory)] == [0, 4, 7]


async def test_steps_alone_need_no_clock(tmp_path: Path) -> None:
    memory = al.sinks.Memory()

    async def body(log: al.MultiLogger) -> None:
        for step in range(100):
            log.log_scalar("loss", step * 0.5)
            await log.write(step)

    await recorded(tmp_path / "run", body, sinks=[memory], limit=al.RateLimit(steps=10))
    assert [step for _, step in seen(memory, "scalar")] == list(range(0, 100, 10))


async def test_a_limited_route_gets_what_fell_between_folded_in(tmp_path: Path) -> None:
    memory = al.sinks.Memory()

    async def body(log: al.MultiLogger) -> None:
        for state in states(*range(9)):
            for name in ("mean", "sum", "min", "max", "count", "last"):
                log.log_scalar(name, float(state.step), reduce=name)
            await log.write(state)
        await log.flush()
        counted = log.statistics()["routes"]["memory"]
        assert adds_up(counted)
        assert counted["offered"] == 54
        assert counted["delivered"] == 18

    run = await recorded(tmp_path / "run", body, sinks=[memory], limit=al.RateLimit(4.0))
    found: dict[str, list[float]] = {}
    for event in memory.events:
        found.setdefault(event.key, []).append(event.value)
    assert found == {
        "mean": [0.0, 2.5, 6.5],
        "sum": [0.0, 10.0, 26.0],
        "min": [0.0, 1.0, 5.0],
        "max": [0.0, 4.0, 8.0],
        "count": [1.0, 4.0, 4.0],
        "last": [0.0, 4.0, 8.0],
    }
    assert run.series("mean").value.tolist() == [float(step) for step in range(9)]


async def test_spared_kinds_are_delivered_whatever_the_limit(tmp_path: Path) -> None:
    memory = al.sinks.Memory()

    async def body(log: al.MultiLogger) -> None:
        for state in states(*range(10)):
            log.log_scalar("loss", 0.5)
            log.log_string("note", "x")
            log.log_image("frame", FRAME)
            await log.write(state)

    await recorded(tmp_path / "run", body, sinks=[memory], limit=al.RateLimit(5.0, spare={"scalar", "string"}))
    assert [len(seen(memory, kind)) for kind in ("scalar", "string", "image")] == [10, 10, 2]


async def test_the_journal_keeps_every_number_and_only_due_media(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        for state in states(*range(10)):
            log.log_scalar("loss", 0.5)
            log.log_image("frame", FRAME)
            await log.write(state)

    run = await recorded(tmp_path / "run", body, sinks=[al.sinks.Memory()], limit=al.RateLimit(5.0))
    assert len(run.series("loss")) == 10
    assert [event.step for event in run.events(kind="image")] == [0, 5]


@pytest.mark.parametrize("how", ["journal", "default"])
async def test_without_sinks_a_limit_says_when_media_are_kept(tmp_path: Path, how: str) -> None:
    limit = al.RateLimit(3.0)
    options: dict[str, Any] = {"journal": al.Journal(limit=limit)} if how == "journal" else {"limit": limit}

    async def body(log: al.MultiLogger) -> None:
        await due_steps(log, states(*range(9)))

    run = await recorded(tmp_path / "run", body, **options)
    assert [event.step for event in run.events(kind="image")] == [0, 3, 6]


async def test_a_budget_of_nothing_left_is_silence(tmp_path: Path) -> None:
    """Writing took real time, and the states' clock stands still: the budget is spent after the first write."""
    memory = al.sinks.Memory()

    async def body(log: al.MultiLogger) -> None:
        await due_steps(log, states(*[0.0] * 5, 3600.0))

    await recorded(tmp_path / "run", body, sinks=[memory], limit=al.RateLimit(budget=0.01))
    assert seen(memory) == [("train", 0), ("train", 5)]


async def test_a_sinks_own_should_write_is_asked_instead(tmp_path: Path) -> None:
    class Choosy(al.sinks.Memory):
        def should_write(self, state: al.State) -> bool:
            return state.step % 3 == 1

    choosy = Choosy()

    async def body(log: al.MultiLogger) -> None:
        await due_steps(log, states(*range(9)))
        for step in range(9, 18):
            log.log_scalar("loss", 0.5)
            await log.write(step)

    await recorded(tmp_path / "run", body, sinks=[al.Route(choosy, name="choosy")], limit=al.RateLimit(1000.0))
    assert [step for _, step in seen(choosy)] == [1, 4, 7]
    assert [step for _, step in seen(choosy, "scalar")] == [10, 13, 16]


async def test_filters_choose_what_a_route_gets(tmp_path: Path) -> None:
    by_kind, by_space, by_phase, by_level = (al.sinks.Memory() for _ in range(4))
    sinks = [
        al.Route(by_kind, name="kind", kinds={"image"}),
        al.Route(by_space, name="space", namespaces={"model"}),
        al.Route(by_phase, name="phase", phases={"valid"}),
        al.Route(by_level, name="level", level="epoch"),
    ]

    async def body(log: al.MultiLogger) -> None:
        for state in (al.State(0), al.State(1, "valid"), al.State(2, level="epoch")):
            log.log_scalar("loss", 0.5)
            log.log_scalar("norm", 0.5, namespace="model/layer")
            log.log_scalar("other", 0.5, namespace="models")
            log.log_image("frame", FRAME)
            await log.write(state)
        await log.flush()
        for counted in log.statistics()["routes"].values():
            assert adds_up(counted)
            assert counted["offered"] == 12

    await recorded(tmp_path / "run", body, sinks=sinks)
    assert [event.kind for event in by_kind.events] == ["image"] * 3
    assert [event.key for event in by_space.events] == ["norm"] * 3
    assert {event.step for event in by_phase.events} == {1}
    assert len(by_phase.events) == 4
    assert {event.step for event in by_level.events} == {2}


async def test_a_limit_by_the_clock_ends_the_quiet_of_the_quick_path(tmp_path: Path) -> None:
    """Bare steps as fast as they go: the next interval is noticed though every write takes the quick path."""
    memory = al.sinks.Memory()

    async def body(log: al.MultiLogger) -> None:
        while len({event.step for event in memory.events}) < 4:
            log.log_scalar("loss", 0.5)
            began = time.monotonic_ns()
            await log.write(len(asked))
            asked.append((began, time.monotonic_ns()))

    asked: list[tuple[int, int]] = []
    run = await recorded(tmp_path / "run", body, sinks=[memory], limit=al.RateLimit(0.05))
    due = [asked[event.step] for event in memory.events]
    # The limit was asked somewhere between the two.
    assert all(later[1] - earlier[0] >= 50_000_000 for earlier, later in pairwise(due))
    assert len(run.series("loss")) == len(asked) > len(memory.events)
