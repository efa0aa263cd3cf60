"""Tables, a row at a time: rows wait where they were logged, and each write makes one event of those of a table."""

import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import asynclog as al
from asynclog.errors import InvalidValue, WouldBlock
from asynclog.logger.row_events import MOST_ROWS
from asynclog.values import Image, Table
from tests.abreast import abreast
from tests.unit.logger.recording import recorded

THREADS, ROWS = 8, 3000


def tables(run: al.Run, key: str = "t") -> list[tuple[int, list[str], list[tuple[Any, ...]]]]:
    """(step, columns, rows) of each event."""
    events = run.events(kind="table", key=key)
    return [(event.step, event.value.columns, event.value.canonical()) for event in events]


def complaints(run: al.Run) -> list[str]:
    return [event.value for event in run.events(kind="string", namespace="asynclog", key="invalid")]


async def test_rows_of_a_write_become_one_event_in_order(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        samples = log.table("t", columns=("step", "said"))
        for step in range(3):
            for at in range(4):
                samples.append(step * 4 + at, f"word {at}")
            await log.write(step)
        await log.write(3)

    run = await recorded(tmp_path / "run", body)
    wanted = [(step, ["step", "said"], [(step * 4 + at, f"word {at}") for at in range(4)]) for step in range(3)]
    assert tables(run) == wanted, "a write records the rows it was given and no others, and nothing if it was given none"


FORMS: dict[str, Any] = {
    "a handle": lambda log: [log.table("t", columns=("a", "b")).append(at, at * 0.5) for at in range(5)],
    "a handle, several at a time": lambda log: log.table("t", columns=["a", "b"]).extend([(at, at * 0.5) for at in range(5)]),
    "tuples": lambda log: [log.log_table("t", (at, at * 0.5), columns=("a", "b")) for at in range(5)],
    "columns at the first alone": lambda log: [
        log.log_table("t", [at, at * 0.5], columns=["a", "b"] if at == 0 else None) for at in range(5)
    ],
    "columns of pandas": lambda log: log.log_table("t", [(at, at * 0.5) for at in range(5)], columns=pd.Index(["a", "b"])),
    "mappings": lambda log: [log.log_table("t", {"a": at, "b": at * 0.5}) for at in range(5)],
    "mappings in another order": lambda log: [
        log.log_table("t", {"a": at, "b": at * 0.5} if at % 2 == 0 else {"b": at * 0.5, "a": at}) for at in range(5)
    ],
    "rows at once": lambda log: log.log_table("t", [(at, at * 0.5) for at in range(5)], columns=("a", "b")),
    "mappings at once": lambda log: log.log_table("t", [{"a": at, "b": at * 0.5} for at in range(5)]),
    "numpy rows": lambda log: [log.log_table("t", np.array([at, at * 0.5]), columns=("a", "b")) for at in range(5)],
    "a numpy array": lambda log: log.log_table("t", np.array([[at, at * 0.5] for at in range(5)]), columns=("a", "b")),
    "a DataFrame": lambda log: log.log_table("t", pd.DataFrame({"a": range(5), "b": [at * 0.5 for at in range(5)]})),
    "a value": lambda log: log.log_table("t", Table.of_rows(["a", "b"], [(at, at * 0.5) for at in range(5)])),
    "a callable": lambda log: log.log_table("t", lambda: [{"a": at, "b": at * 0.5} for at in range(5)]),
    "in turns": lambda log: [
        log.log_table("t", (0, 0.0), columns=("a", "b")),
        log.table("t", columns=("a", "b")).append(1, 0.5),
        log.log_table("t", [{"a": 2, "b": 1.0}, {"a": 3, "b": 1.5}]),
        log.table("t", columns=("a", "b")).append(4, 2.0),
    ],
    "another namespace's name": lambda log: [log.log_table("t", {"a": at, "b": at * 0.5}, namespace="") for at in range(5)],
}


@pytest.mark.parametrize("form", FORMS)
async def test_every_form_of_row_gives_the_same_table(tmp_path: Path, form: str) -> None:
    async def body(log: al.MultiLogger) -> None:
        FORMS[form](log)
        await log.write(1)

    run = await recorded(tmp_path / "run", body)
    assert complaints(run) == []
    assert tables(run) == [(1, ["a", "b"], [(at, at * 0.5) for at in range(5)])]


async def test_columns_hold_from_write_to_write_and_may_change(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.log_table("t", (1,), columns=("a",))
        await log.write(0)
        log.log_table("t", (2,))
        log.log_table("t", (3, 4), columns=("a", "b"))
        log.log_table("t", (5, 6))
        log.log_table("t", {"c": 7})
        await log.write(1)
        log.log_table("t", [8, 9])
        async with log.at(2) as entry:
            entry.log_table("t", (10, 11))
        await log.write(3)

    run = await recorded(tmp_path / "run", body)
    none = None
    wanted = [(2, none, none), (3, 4, none), (5, 6, none), (none, none, 7)]
    assert tables(run) == [
        (0, ["a"], [(1,)]),
        (1, ["a", "b", "c"], wanted),
        (2, ["a", "b"], [(10, 11)]),
        (3, ["a", "b"], [(8, 9)]),
    ]


async def test_columns_that_were_given_beside_a_handle_hold_on(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        handle = log.table("t", columns=("a",))
        log.log_table("t", (1,))
        log.log_table("t", (2, 3), columns=("a", "b"))
        handle.append(4)
        await log.write(0)
        log.log_table("t", (5, 6))
        handle.append(7)
        await log.write(1)

    run = await recorded(tmp_path / "run", body)
    assert tables(run) == [(0, ["a", "b"], [(1, None), (2, 3), (4, None)]), (1, ["a", "b"], [(5, 6), (7, None)])]


async def test_two_handles_may_give_a_table_different_columns(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        one, other = log.table("t", columns=("a",)), log.table("t", columns=("b", "a"))
        one.append(1)
        other.append(2, 3)
        one.append(4)
        await log.write(0)

    run = await recorded(tmp_path / "run", body)
    assert tables(run) == [(0, ["a", "b"], [(1, None), (3, 2), (4, None)])]


async def test_another_handle_s_columns_hold_for_its_rows_alone(tmp_path: Path) -> None:
    """Whatever came between in the same write, a row is under the columns that were given for it."""
    own = ("c", "d")
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        log.table("t", columns=("a", "b"))
        other = log.table("t", columns=("x", "y", "z"))
        log.log_table("t", (1, 2), columns=own)
        other.append(3, 4, 5)
        log.log_table("t", (6, 7), columns=own)
        log.log_table("t", (8, 9))
        await log.write(0)
    (event,) = al.read(tmp_path / "run").events("table")
    assert event.value.columns == ["c", "d", "x", "y", "z"]
    assert event.value.canonical() == [
        (1, 2, None, None, None),
        (None, None, 3, 4, 5),
        (6, 7, None, None, None),
        (8, 9, None, None, None),
    ]
    assert log.statistics()["invalid"] == 0


async def test_what_was_logged_may_be_changed_after_the_write(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        samples = log.table("t", columns=("nested", "array"))
        nested, array, row = {"a": [1, 2]}, np.arange(3), [1, 2]
        samples.append(nested, array)
        log.log_table("rows", row, columns=("a", "b"))
        await log.write(0)
        nested["a"].append(3)
        array[:] = 9
        row[0] = 9

    run = await recorded(tmp_path / "run", body)
    assert tables(run) == [(0, ["nested", "array"], [({"a": [1, 2]}, [0, 1, 2])])]
    assert tables(run, "rows") == [(0, ["a", "b"], [(1, 2)])]


async def test_cells_of_any_library_are_numbers(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.table("t", columns=("a", "b", "c", "d")).append(
            np.float32(0.5), torch.tensor(2.0, requires_grad=True), np.int64(3), torch.tensor([1, 2])
        )
        await log.write(0)

    assert tables(await recorded(tmp_path / "run", body))[0][2] == [(0.5, 2.0, 3, [1, 2])]


class OnDevice:
    """A number of another library that lies on a GPU."""

    fetched_by: int | None = None

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)

    def __dlpack__(self, **_: Any) -> Any:
        raise BufferError("not on the host")

    def get(self) -> Any:
        self.fetched_by = threading.get_ident()
        return np.float32(1.5)


async def test_cells_on_a_device_are_fetched_by_another_thread(tmp_path: Path) -> None:
    """Reading them may wait for all that the device was told to do before."""
    cell = OnDevice()

    async def body(log: al.MultiLogger) -> None:
        log.table("t", columns=("a", "b")).extend([(1, 0.5), (2, cell)])
        await log.write(0)

    assert tables(await recorded(tmp_path / "run", body)) == [(0, ["a", "b"], [(1, 0.5), (2, 1.5)])]
    assert cell.fetched_by not in (None, threading.get_ident())


# -- whose rows, and where --------------------------------------------------------------------------------------------


async def test_namespaces_children_and_entries_have_tables(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        child = log.child("net")
        child.table("t", columns=("a",)).append(1)
        with log.namespace("scope"):
            scoped = log.table("t", columns=("a",), namespace="own")
            log.log_table("t", {"a": 2})
        scoped.append(3)
        await log.write(0)
        async with log.at(7) as entry:
            entry.table("t", columns=("a",)).append(4)
            entry.log_table("t", (5,))
            await log.write(1)

    run = await recorded(tmp_path / "run", body)
    found = [(event.step, event.namespace, event.value.canonical()) for event in run.events(kind="table")]
    assert sorted(found) == [(0, "net", [(1,)]), (0, "scope", [(2,)]), (0, "scope/own", [(3,)]), (7, "", [(4,), (5,)])]


async def test_a_handle_wakes_a_logger_that_writes_rows_of_numbers(tmp_path: Path) -> None:
    """Numbers alone are packed without looking at anything else; a row of a table must be seen all the same."""

    async def body(log: al.MultiLogger) -> None:
        samples = log.table("t", columns=("a",))
        for step in range(20):
            log.log_scalar("loss", float(step))
            if step % 3 == 0:
                samples.append(step)
            await log.write(step)

    run = await recorded(tmp_path / "run", body)
    assert [(step, rows) for step, _, rows in tables(run)] == [(step, [(step,)]) for step in range(0, 20, 3)]
    assert run.series("loss").value.tolist() == list(range(20))


async def test_rows_of_a_body_that_raised_and_of_no_write_are_counted(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with log.at(0) as entry:
                entry.table("t", columns=("a",)).append(1)
                raise ZeroDivisionError
        assert log.statistics()["discarded"] == 1
        log.table("t", columns=("a",)).append(2)
    assert log.statistics()["discarded"] == 2
    assert list(al.read(tmp_path / "run").events(kind="table")) == []


async def test_rows_that_had_no_room_are_written_with_those_that_came_since(tmp_path: Path) -> None:
    """write_nowait keeps what is pending; the next write has all rows, in order, as one event."""
    large = np.zeros(7 << 20, np.uint8)
    filled: list[int] = []

    async def body(log: al.MultiLogger) -> None:
        samples = log.table("t", columns=("a",))
        with pytest.raises(WouldBlock):  # noqa: PT012
            while True:
                samples.append(len(filled))
                log.log_table("u", {"x": len(filled)})
                log.log_tensor("x", large)
                log.log_tensor("y", large)
                log.write_nowait(len(filled))
                filled.append(len(filled))
        samples.append(-1)
        log.log_table("u", {"x": -1})
        await log.write(1000)

    run = await recorded(tmp_path / "run", body, slabs=16 << 20)
    assert tables(run)[-1] == (1000, ["a"], [(len(filled),), (-1,)])
    assert tables(run, "u")[-1] == (1000, ["x"], [(len(filled),), (-1,)])
    assert [step for step, _, _ in tables(run)] == [*filled, 1000]


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns a hundred times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_eight_threads_append_while_the_loop_writes_and_no_row_is_lost(tmp_path: Path, recorder: Any) -> None:
    begun = threading.Event()

    def work(log: al.MultiLogger, number: int) -> None:
        samples = log.table("t", columns=("thread", "at"))
        begun.wait()
        for at in range(ROWS):
            if at % 3 == 0:
                log.log_table("t", (number, at))
            elif at % 5 == 0:
                log.log_table("t", {"thread": number, "at": at}, namespace="other")
            else:
                samples.append(number, at)

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
    rows = [*run.table("t", namespace=""), *run.table("t", namespace="other")]
    assert sorted(rows) == [(number, at) for number in range(THREADS) for at in range(ROWS)]
    for number in range(THREADS):
        order = [at for thread, at in run.table("t", namespace="") if thread == number]
        assert order == sorted(order), "a thread's rows stay in order"


# -- limits -----------------------------------------------------------------------------------------------------------


async def test_rows_are_journaled_though_no_route_is_due(tmp_path: Path) -> None:
    """They are data, as numbers are; the limited sink gets those of the writes it is due for, and the rest are counted."""
    memory = al.sinks.Memory()

    async def body(log: al.MultiLogger) -> None:
        samples = log.table("t", columns=("a",))
        for step in range(6):
            samples.append(step)
            log.log_table("lazy", lambda: [{"a": 1}])
            await log.write(step)
        await log.flush()
        (route,) = log.statistics()["routes"].values()
        assert route["not_due"] == 8, "four of each"

    run = await recorded(tmp_path / "run", body, sinks=[al.Route(memory, limit=al.RateLimit(steps=3))])
    assert [step for step, _, _ in tables(run)] == list(range(6))
    assert [step for step, _, _ in tables(run, "lazy")] == [0, 3]
    assert [event.step for event in memory.events if event.key == "t"] == [0, 3]


async def test_without_a_journal_rows_go_to_the_routes_that_are_due_and_the_others_are_counted(tmp_path: Path) -> None:
    """As text does: a write that succeeded keeps nothing back which a later one could lose."""
    memory = al.sinks.Memory()
    route = al.Route(memory, limit=al.RateLimit(steps=3), kinds={"table"})
    async with al.MultiLogger(None, recorder="thread", sinks=[route]) as log:
        samples = log.table("t", columns=("at",))
        for step in range(6):
            samples.append(step)
            await log.write(step)
    assert [(event.step, event.value.column("at")) for event in memory.events] == [(0, [0]), (3, [3])]
    assert log.statistics()["skipped"] == 4


async def test_rows_that_no_route_wants_and_no_journal_keeps_are_counted(tmp_path: Path) -> None:
    memory = al.sinks.Memory()
    async with al.MultiLogger(None, recorder="thread", sinks=[al.Route(memory, kinds={"scalar"})]) as log:
        log.table("t", columns=("a",)).append(1)
        await log.write(0)
        assert log.statistics()["skipped"] == 1


# -- bad input --------------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[Any, str, str]] = {
    "too few cells": (lambda log: log.table("t", columns=("a", "b")).append(1), "rows of 2: a, b", "(1,)"),
    "too long a row": (lambda log: log.log_table("t", (1, 2, 3), columns=("a", "b")), "rows of 2: a, b", "(1, 2, 3)"),
    "no columns": (lambda log: log.log_table("t", (1, 2), namespace="net"), "columns=", "NoneType"),
    "columns twice": (lambda log: log.log_table("t", (1, 2), columns=("a", "a")), "columns=", "('a', 'a')"),
    "no rows": (lambda log: log.log_table("t", 7, columns=("a",)), "rows of a", "int 7"),
    "text": (lambda log: log.log_table("t", "ab", columns=("a", "b")), "rows of a, b", "'ab'"),
    "an image in a cell": (
        lambda log: log.table("t", columns=("a", "b")).append(1, Image(np.zeros((2, 2)))),
        "numbers, text",
        "log_image takes it",
    ),
    "text without UTF-8": (
        lambda log: log.table("t", columns=("a", "b")).append("\ud800", 1),
        "a value that can be read",
        "utf-8",
    ),
    "a key that is no str": (lambda log: log.log_table(3, {"a": 1}), "a str as its key", "int 3"),
}


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_row_costs_itself_alone_and_names_the_table(tmp_path: Path, bad: str) -> None:
    give, expected, got = BAD[bad]

    async def body(log: al.MultiLogger) -> None:
        good = log.table("t", columns=("a", "b"))
        good.append(0, "before")
        give(log)
        good.append(1, "after")
        await log.write(0)
        assert log.statistics()["invalid"] == 1

    run = await recorded(tmp_path / "run", body)
    assert list(run.table("t")) == [(0, "before"), (1, "after")]
    (told,) = complaints(run)
    assert told.startswith({"a key that is no str": "table '3'", "no columns": "table 'net/t'"}.get(bad, "table 't'"))
    assert expected in told
    assert got in told


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_row_raises_if_the_logger_is_strict(tmp_path: Path, bad: str) -> None:
    give, expected, _ = BAD[bad]
    async with al.MultiLogger(tmp_path / "run", recorder="thread", strict=True) as log:
        log.table("t", columns=("a", "b"))
        with pytest.raises(InvalidValue, match=expected):  # noqa: PT012 - at the call, or at the write
            give(log)
            await log.write(0)
        assert log.statistics()["invalid"] == 1


@pytest.mark.parametrize("columns", [(), ("a", "a"), (1,), "ab", None])
def test_a_handle_with_wrong_columns_is_refused_at_once(tmp_path: Path, columns: Any) -> None:
    with pytest.raises(InvalidValue, match="table 'net/t': expected columns= as different str"):
        al.MultiLogger(tmp_path / "run").child("net").table("t", columns=columns)


# -- many -------------------------------------------------------------------------------------------------------------


async def test_very_many_rows_of_a_write_come_back_in_order(tmp_path: Path) -> None:
    """More than an event should hold are several; they are brought under columns by a thread."""
    count = MOST_ROWS + 1000

    async def body(log: al.MultiLogger) -> None:
        samples = log.table("t", columns=("at", "said"))
        for at in range(count):
            samples.append(at, "x")
        await log.write(0)

    run = await recorded(tmp_path / "run", body)
    assert len(tables(run)) == 2
    assert (run.table("t")["at"] == np.arange(count)).all()


async def test_rows_larger_than_shared_memory_allows_are_parted(tmp_path: Path) -> None:
    text = "x" * 100_000

    async def body(log: al.MultiLogger) -> None:
        samples = log.table("t", columns=("at", "text"))
        for at in range(200):
            samples.append(at, text)
        await log.write(0)

    run = await recorded(tmp_path / "run", body, slabs=16 << 20)
    assert complaints(run) == []
    assert list(run.table("t")) == [(at, text) for at in range(200)]


def test_a_handle_says_what_it_is(tmp_path: Path) -> None:
    log = al.MultiLogger(tmp_path / "run")
    assert repr(log.table("t", columns=("a", "b"), namespace="net")) == "<TableHandle 'net/t' of a, b>"
