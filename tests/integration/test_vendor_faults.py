"""A vendor's SDK that fails in its own way, in the process of its sink: nobody else notices, and the counters say so."""

import asyncio
import json
import sys
import time
from pathlib import Path

import pytest

import asynclog as al
from asynclog.testing.turns import Turns
from tests.crash.scene import exited
from tests.unit.logger.recording import adds_up
from tests.vendored import Vendored

STEPS = 200
DEADLINE_S = 1.0
HELD_S = 0.25

# fault, in which call, what becomes of the route
CASES = [
    ("raises", "log", "rejected"),
    ("exits", "log", "rejected"),
    ("exits", "thread", "done"),
    ("crashes", "init", "stopped"),
    ("ends its process", "log", "rejected"),
    ("ends its process", "thread", "anything"),
    ("crashes", "log", "rejected"),
    ("hangs", "log", "pending"),
    ("hangs", "finish", "done"),
    ("hangs", "at exit", "done"),
    ("hangs with the lock", "log", "pending"),
    ("", "never finishes", "done"),
    ("closes what is open", "log", "anything"),
]


@pytest.mark.parametrize(("fault", "call", "becomes"), CASES, ids=lambda one: one.replace(" ", "-") or "none")
async def test_a_vendors_fault_stays_where_it_is(tmp_path: Path, fault: str, call: str, becomes: str) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    sinks = [
        al.Route(Vendored(bad, fault, call), name="bad", deadline=DEADLINE_S),
        al.Route(Vendored(good), name="good"),
        al.Route(al.sinks.JSONLines("lines.jsonl"), name="lines"),
    ]
    turns = Turns()
    log = al.MultiLogger(tmp_path / "run", sinks=sinks)
    await log.write(0)  # opens the run, and starts what serves it
    workers: set[int] = set()
    async with turns.watched():
        for step in range(STEPS):
            log.log({"loss": 1 / (step + 1)})
            await log.write(step)
            await asyncio.sleep(0.002)
        # Until somebody has noticed: a sink that fails is tried again, after a while.
        async with asyncio.timeout(20):
            while not _settled(log.statistics()["routes"], becomes):
                await asyncio.sleep(0.01)
                workers.update(one["pid"] for one in log.statistics()["routes"].values() if one.get("pid"))
    assert turns.longest_s < HELD_S
    began = time.monotonic()
    problems: list[Exception] = []
    try:
        await log.aclose(deadline=DEADLINE_S + 5)
    except* al.SinkError as group:
        problems.extend(group.exceptions)
    assert all("'bad'" in str(one) for one in problems)
    assert time.monotonic() - began < DEADLINE_S + 10
    routes = log.statistics()["routes"]
    assert all(adds_up(one) for one in routes.values()), routes
    assert log.statistics()["recorder"]["deaths"] == 0
    assert [json.loads(line)["step"] for line in (tmp_path / "run" / "lines.jsonl").read_text().splitlines()] == list(
        range(STEPS)
    )
    assert [int(line) for line in good.read_text().split()] == list(range(STEPS))
    assert al.read(tmp_path / "run").status == "finished"
    told = routes["bad"]
    assert told["offered"] == STEPS
    if becomes == "done":
        assert told["delivered"] == STEPS
    elif becomes == "pending":
        assert (told["pending"], told["delivered"]) == (STEPS, 0)
    elif becomes == "rejected":
        assert (told["delivered"], told["dropped"]) == (0, 0)
        assert told["rejected"] > 0
    elif becomes == "stopped":
        assert (told["state"], told["delivered"]) == ("stopped", 0)
    assert all([await asyncio.to_thread(exited, pid, 10) for pid in workers]), "a worker was left behind"


def _settled(routes: "dict[str, dict[str, object]]", becomes: str) -> bool:
    if any(routes.get(name, {}).get("delivered") != STEPS for name in ("good", "lines")):
        return False
    told = routes.get("bad", {})
    match becomes:
        case "done":
            return told.get("delivered") == STEPS
        case "rejected":
            return bool(told.get("rejected"))
        case "stopped":
            return told.get("state") == "stopped"
        case "pending":
            return bool(told.get("pid"))
    return bool(told)


def test_this_process_has_not_seen_the_vendor() -> None:
    """It is imported where its sink lives."""
    assert "tests.vendor" not in sys.modules
