"""Alerts of real runs: from a worker process, to a real server, while things die."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.sinks.alerts import Above, NotFinite, Webhook
from tests.integration import scripts
from tests.unit.logger.recording import adds_up
from tests.unit.sinks.alerts.servers import Channel

NAN = float("nan")


@pytest.fixture
def channel() -> Iterator[Channel]:
    with Channel() as one:
        yield one


def alerts(channel: Channel, *rules: Any) -> al.Route:
    return al.Route(al.sinks.Alerts(rules, {"slack": Webhook(channel.url, timeout=2.0)}), name="alerts")


async def write(log: al.MultiLogger, values: list[float], first: int = 0) -> None:
    for step, value in enumerate(values, first):
        log.log_scalar("loss", value)
        await log.write(step)


async def reported(log: al.MultiLogger, **wanted: Any) -> dict[str, Any]:
    """What is last known of the route, once it is as wanted."""
    async with asyncio.timeout(25):
        while True:
            told: dict[str, Any] = log.statistics()["routes"].get("alerts", {})
            if told and all(told[name] == value for name, value in wanted.items()):
                return told
            await asyncio.sleep(0.01)


async def test_a_run_tells_from_a_process_of_its_own(
    tmp_path: Path, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    """And in the training process's log."""
    async with al.MultiLogger(tmp_path / "digits", sinks=[alerts(channel, NotFinite())]) as log:
        await write(log, [1.0, 2.0, NAN, NAN])
        await log.flush(deadline=25)
        told = await reported(log, delivered=4)
        assert told["place"] == "process"
        assert adds_up(told)
    assert channel.lines == ["digits: loss is not finite: nan at train step 2"]
    assert any("loss is not finite" in one.getMessage() for one in caplog.records if one.name == "asynclog.alerts")


async def test_a_server_that_is_killed_and_comes_back_gets_each_alert_once(tmp_path: Path, channel: Channel) -> None:
    async with al.MultiLogger(tmp_path / "run", sinks=[alerts(channel, Above("loss", 10, cooldown=0))]) as log:
        await write(log, [0.0, 11.0])
        await log.flush(deadline=25)
        channel.kill()
        await write(log, [0.0, 11.0, 0.0, 11.0], 2)
        await reported(log, state="failing")
        channel.start()
        await log.flush(deadline=25)
        await write(log, [0.0, 11.0], 6)
    assert channel.lines == [f"run: loss is above 10: 11 at train step {step}" for step in (1, 3, 5, 7)]


async def test_a_run_that_goes_on_tells_nothing_twice(tmp_path: Path, channel: Channel) -> None:
    """Its recorder and the alerts' own process are killed as well."""
    for epoch in range(2):
        async with al.MultiLogger(tmp_path / "run", sinks=[alerts(channel, Above("loss", 10, cooldown=0))]) as log:
            await write(log, [0.0, 11.0, 0.0], 100 * epoch)
            await log.flush(deadline=25)
            os.kill((await reported(log, delivered=9 * epoch + 3))["pid"], signal.SIGKILL)
            await write(log, [0.0, 11.0, 0.0], 100 * epoch + 10)
            await log.flush(deadline=25)
            os.kill(log.statistics()["recorder"]["pid"], signal.SIGKILL)
            await write(log, [0.0, 11.0, 0.0], 100 * epoch + 20)
            await log.flush(deadline=25)
    assert [int(one.rpartition(" ")[2]) for one in channel.lines] == [1, 11, 21, 101, 111, 121]


TRAIN = """
from asynclog.sinks.alerts import Ended, Silent, Webhook
async def train():
    sink = al.sinks.Alerts([Ended(), Silent(float(sys.argv[3]), first=1000)], {"slack": Webhook(sys.argv[2])})
    async with al.MultiLogger(path, sinks=[al.Route(sink, place=sys.argv[4])]) as log:
        log.log_scalar("loss", 0.5)
        await log.write(0)
        await log.flush()
        print("ready", flush=True)
        if sys.stdin.readline() == "hang\\n":
            import ctypes
            ctypes.PyDLL(None).sleep(1000)
        raise ValueError("no more data")
asyncio.run(train())
"""


@pytest.fixture
def training(tmp_path: Path, channel: Channel) -> Iterator[Any]:
    process = scripts.start(TRAIN, tmp_path / "run", channel.url, 1000, "process")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()
    scripts.settled(tmp_path / "run")


def test_the_death_of_a_training_process_is_told_of(training: Any, channel: Channel) -> None:
    training.kill()
    channel.waits_for(messages=1)
    assert channel.lines == ["run: the run has ended: killed"]


def test_a_body_that_raises_is_told_of(training: Any, channel: Channel) -> None:
    training.stdin.write("go\n")
    training.stdin.flush()
    channel.waits_for(messages=1)
    assert channel.lines == ["run: the run has ended: failed: ValueError: no more data"]


def test_the_death_is_told_of_when_the_server_is_back(training: Any, channel: Channel) -> None:
    channel.answer = 503
    training.kill()
    channel.waits_for(tries=2)
    channel.answer = 200
    channel.waits_for(messages=1)
    assert channel.lines == ["run: the run has ended: killed"]


@pytest.mark.parametrize(("how", "place"), [("stopped", "process"), ("hangs with the lock", "recorder")])
def test_a_training_process_that_stands_still_is_told_of(tmp_path: Path, channel: Channel, how: str, place: str) -> None:
    """It can tell nobody itself: it is stopped, or in a C library that holds the interpreter's lock."""
    process = scripts.start(TRAIN, tmp_path / "run", channel.url, 0.5, place)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "ready\n"
    if how == "stopped":
        process.send_signal(signal.SIGSTOP)
    else:
        process.stdin.write("hang\n")
        process.stdin.flush()
    channel.waits_for(messages=1)
    assert channel.lines[0].startswith("run: nothing for ")
    process.kill()
    process.communicate()
    channel.waits_for(messages=2)
    assert channel.lines[-1] == "run: the run has ended: killed"
    scripts.settled(tmp_path / "run")
