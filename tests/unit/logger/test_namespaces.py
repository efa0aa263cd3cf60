"""Whose pending values they are: namespaces, children, and entries of concurrent tasks."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from tests.unit.logger.recording import recorded


def names(run: Any) -> list[str]:
    return [f"{event.namespace}/{event.key}" if event.namespace else event.key for event in run.events()]


async def test_namespaces_nest_and_join(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.log_scalar("a", 1.0, namespace="one")
        with log.namespace("outer"):
            log.log_scalar("b", 1.0)
            with log.namespace("inner"):
                log.log_scalar("c", 1.0, namespace="own")
                log.log({"d": 1.0, "e": "text"})
            log.log_string("f", "text")
        log.log_scalar("g", 1.0)
        await log.write(0)

    run = await recorded(tmp_path / "run", body)
    expected = ["one/a", "outer/b", "outer/inner/own/c", "outer/inner/d", "outer/inner/e", "outer/f", "g"]
    assert sorted(names(run)) == sorted(expected)


async def test_a_namespace_ends_when_its_body_raises(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        with pytest.raises(ZeroDivisionError), log.namespace("broken"):
            raise ZeroDivisionError
        log.log_scalar("a", 1.0)
        await log.write(0)

    assert names(await recorded(tmp_path / "run", body)) == ["a"]


async def test_a_namespace_belongs_to_its_task(tmp_path: Path) -> None:
    """A hundred tasks are in namespaces of their own at once."""
    arrived = 0
    everyone = asyncio.Event()

    async def task(log: al.MultiLogger, number: int) -> None:
        nonlocal arrived
        with log.namespace(f"task{number}"):
            arrived += 1
            if arrived == 100:
                everyone.set()
            await everyone.wait()
            log.log_scalar("own", number)
            await asyncio.sleep(0)
            log.log_string("name", str(number))

    async def body(log: al.MultiLogger) -> None:
        await asyncio.gather(*(task(log, number) for number in range(100)))
        await log.write(0)

    run = await recorded(tmp_path / "run", body)
    found = {(event.namespace, event.kind): event.value for event in run.events()}
    assert found == {
        **{(f"task{number}", "scalar"): number for number in range(100)},
        **{(f"task{number}", "string"): str(number) for number in range(100)},
    }


async def test_a_parents_write_takes_its_childrens_values_along(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        model = log.child("model")
        layer = model.child("layer")
        for step in range(50):
            log.log_scalar("loss", 1.0)
            model.log_scalar("norm", 2.0)
            layer.log_scalar("grad", 3.0)
            layer.log_string("note", "x")
            await log.write(step)

    run = await recorded(tmp_path / "run", body)
    assert [len(run.series(name)) for name in ("loss", "model/norm", "model/layer/grad")] == [50] * 3
    assert len({event.time_ns for event in run.events() if event.step == 49}) == 1


async def test_a_child_made_in_mid_run_is_taken_along(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        for step in range(100):
            log.log_scalar("loss", 1.0)
            if step == 50:
                late = log.child("late")
                late.log_scalar("x", 1.0)
            await log.write(step)

    run = await recorded(tmp_path / "run", body)
    assert run.series("late/x").step.tolist() == [50]
    assert len(run.series("loss")) == 100


async def test_a_child_writes_its_own_and_nothing_else(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        child = log.child("task")
        log.log_scalar("loss", 1.0)
        child.log_scalar("x", 2.0)
        await child.write(3)
        await log.write(4)

    run = await recorded(tmp_path / "run", body)
    assert run.series("task/x").step.tolist() == [3]
    assert run.series("loss").step.tolist() == [4]


async def test_children_of_one_name_add_to_one_namespace(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        one, other = log.child("task"), log.child("task")
        one.log_scalar("a", 1.0)
        other.log_scalar("b", 2.0)
        await log.write(0)

    assert sorted(names(await recorded(tmp_path / "run", body))) == ["task/a", "task/b"]


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_ten_thousand_tasks_do_not_mix_their_steps(tmp_path: Path, recorder: str) -> None:
    entered = 0
    everyone = asyncio.Event()

    async def task(log: al.MultiLogger, number: int) -> None:
        nonlocal entered
        async with log.at(al.State(number, "train" if number % 2 else "valid")) as entry:
            entry.log_scalar("own", number)
            entered += 1
            if entered == 10_000:
                everyone.set()
            await everyone.wait()
            entry.log_scalar("twice", 2.0 * number)
            if number % 100 == 0:
                entry.log_string("name", str(number))

    async def body(log: al.MultiLogger) -> None:
        await asyncio.gather(*(task(log, number) for number in range(10_000)))

    run = await recorded(tmp_path / "run", body, recorder=recorder)
    assert len(run) == 20_100
    for phase in ("train", "valid"):
        own, twice = run.series("own", phase=phase), run.series("twice", phase=phase)
        assert len(own) == len(twice) == 5000
        assert (own.value == own.step).all()
        assert (twice.value == 2 * twice.step).all()
    assert all(int(event.value) == event.step for event in run.events(kind="string"))


async def test_an_entry_is_under_its_loggers_namespace(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        async with log.child("actor").at(1) as entry:
            entry.log_scalar("x", 1.0)
            with log.namespace("scope"):
                entry.log_scalar("y", 1.0, namespace="own")

    assert sorted(names(await recorded(tmp_path / "run", body))) == ["actor/scope/own/y", "actor/x"]


async def test_an_entry_is_written_by_nothing_but_its_exit(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        async with log.at(7) as entry:
            entry.log_scalar("x", 1.0)
            log.log_scalar("y", 1.0)
            await log.write(8)

    run = await recorded(tmp_path / "run", body)
    assert [(event.key, event.step) for event in run.events()] == [("y", 8), ("x", 7)]


async def test_an_entry_whose_body_raises_is_dropped_and_counted(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with log.at(0) as entry:
                entry.log({"a": 1.0, "b": 2.0})
                entry.log_string("c", "text")
                raise ZeroDivisionError
        assert log.statistics()["discarded"] == 3

    assert len(await recorded(tmp_path / "run", body)) == 0


async def test_an_entry_serves_code_that_is_not_async(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        with log.at(3) as entry:
            entry.log_scalar("x", 0.5)
        with pytest.raises(ZeroDivisionError), log.at(4) as entry:  # noqa: PT012
            entry.log_scalar("x", 0.5)
            raise ZeroDivisionError

    run = await recorded(tmp_path / "run", body)
    assert run.series("x").step.tolist() == [3]


async def test_a_logger_describes_itself(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        log.log_scalar("a", 1.0)
        log.child("model").log_string("b", "x")
        assert repr(log) == "<MultiLogger 'root': 1 pending, open>"
        assert repr(log.child("model")) == "<ChildLogger 'model': 0 pending, open>"
        await log.write(0)
    assert repr(log) == "<MultiLogger 'root': 0 pending, closed>"
