"""Sinks in worker processes, which are killed, stopped, hang and crash: the loop goes on, and nothing is lost in silence."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration
from tests.crash.scene import exited
from tests.integration import scripts
from tests.misbehaving import Ender, Quitter, Raiser, Sleeper
from tests.unit.logger.recording import adds_up
from tests.unready import Unready
from tests.working import Chooser, Slow, Summer, Talker, Waiter, Worked

DEADLINE_S = 25.0


async def until(condition: Callable[[], Any], what: str = "") -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


def lines(target: Path) -> list[str]:
    """What a sink noted, without its process."""
    return [one.partition(" ")[2] for one in target.read_text().splitlines()] if target.exists() else []


def steps(target: Path) -> list[int]:
    return [int(one.partition(" ")[2]) for one in lines(target) if one.startswith("step ")]


def pids(target: Path) -> list[int]:
    return list(dict.fromkeys(int(one.partition(" ")[0]) for one in target.read_text().splitlines()))


def routes(log: al.MultiLogger) -> dict[str, Any]:
    return log.statistics()["routes"]  # type: ignore[no-any-return]


async def write(log: al.MultiLogger, first: int, end: int) -> None:
    for step in range(first, end):
        log.log_scalar("x", float(step))
        await log.write(step)


async def test_a_sink_lives_in_a_process_of_its_own(tmp_path: Path) -> None:
    target = tmp_path / "noted"
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(Worked(target), name="w")]) as log:
        await write(log, 0, 10)
        assert await log.flush(deadline=DEADLINE_S) == {"w": 0}
        (pid,) = pids(target)
        assert pid not in (os.getpid(), log.statistics()["recorder"]["pid"])
        await until(lambda: routes(log).get("w", {}).get("pid") == pid)
        await write(log, 10, 12)
    assert steps(target) == list(range(12))
    assert lines(target)[0] == "resumed=False"
    assert (lines(target)[-1], lines(target).count("aclose")) == ("aclose", 1)
    told = routes(log)["w"]
    assert adds_up(told)
    assert (told["delivered"], told["restarts"], told["state"]) == (12, 0, "ended")
    assert exited(pid, 0)


@pytest.mark.parametrize("call", ["open", "write", "aclose", "flush"])
async def test_a_worker_that_is_killed_in_a_call_is_started_again(tmp_path: Path, call: str) -> None:
    """By kill -9; what it had not accepted is handed to its successor."""
    target = tmp_path / "noted"
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(Worked(target, call), name="w")]) as log:
        await write(log, 0, 10)
        assert await log.flush(deadline=DEADLINE_S) == {"w": 0}
        await write(log, 10, 20)
    assert steps(target) == list(range(20))
    assert len(pids(target)) == 2
    assert lines(target)[-1] == "aclose"
    told = routes(log)["w"]
    assert adds_up(told)
    assert (told["delivered"], told["rejected"], told["restarts"], told["state"]) == (20, 0, 1, "ended")


async def test_a_worker_that_is_killed_while_it_waits_is_started_again(tmp_path: Path) -> None:
    target = tmp_path / "noted"
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(Worked(target), name="w")]) as log:
        for life in range(3):
            await write(log, 10 * life, 10 * life + 10)
            await log.flush(deadline=DEADLINE_S)
            os.kill(pids(target)[-1], signal.SIGKILL)
    assert steps(target) == list(range(30))
    assert "resumed=True" in lines(target), "it goes on with what its predecessor began"
    assert (routes(log)["w"]["delivered"], adds_up(routes(log)["w"])) == (30, True)


async def test_a_worker_that_crashes_is_told_of_and_its_batch_rejected(tmp_path: Path) -> None:
    """After three tries; its neighbours, and its recorder, never notice."""
    target = tmp_path / "noted"
    sinks = [al.Route(Ender("segfaults"), name="ender", place="process"), al.Route(Worked(target), name="w")]
    log = al.MultiLogger(tmp_path / "run", sinks=sinks)
    await write(log, 0, 1)
    await until(lambda: routes(log).get("ender", {}).get("rejected") == 1)
    assert "signal 11" in routes(log)["ender"]["error"]
    await log.aclose(deadline=DEADLINE_S)
    assert steps(target) == [0]
    assert adds_up(routes(log)["ender"])
    assert log.statistics()["recorder"]["deaths"] == 0


async def test_a_worker_that_crashes_again_and_again_is_given_up(tmp_path: Path) -> None:
    """After three such batches, aloud; the journal keeps what it did not take."""
    log = al.MultiLogger(tmp_path / "run", sinks=[al.Route(Ender("exits"), name="ender", place="process")])
    for at in range(3):
        await write(log, at, at + 1)
        await until(lambda at=at: (told := routes(log).get("ender")) and (told["rejected"] > at or told["state"] == "stopped"))
    await until(lambda: routes(log)["ender"]["state"] == "stopped")
    with pytest.raises(ExceptionGroup) as caught:
        await log.aclose(deadline=DEADLINE_S)
    (error,) = caught.value.exceptions
    assert "ender" in str(error)
    assert "exit status 3" in str(error)
    assert (routes(log)["ender"]["rejected"], routes(log)["ender"]["pending"]) == (2, 1)


@pytest.mark.parametrize(("sink", "name"), [(Quitter(), "SystemExit"), (Raiser(), "ZeroDivisionError")])
async def test_what_a_sink_raises_is_told_with_its_traceback(tmp_path: Path, sink: Any, name: str) -> None:
    log = al.MultiLogger(tmp_path / "run", sinks=[al.Route(sink, name="bad", place="process")])
    await write(log, 0, 1)
    await until(lambda: routes(log).get("bad", {}).get("rejected") == 1)
    error = routes(log)["bad"]["error"]
    assert name in error
    assert "misbehaving.py" in error
    await log.aclose(deadline=DEADLINE_S)
    assert adds_up(routes(log)["bad"])


async def test_a_module_that_only_the_worker_can_not_import_is_told_of(tmp_path: Path) -> None:
    log = al.MultiLogger(tmp_path / "run", sinks=[al.Route(Unready(), name="unready", place="process")])
    await write(log, 0, 1)
    await until(lambda: routes(log).get("unready", {}).get("state") == "stopped")
    with pytest.raises(ExceptionGroup) as caught:
        await log.aclose(deadline=DEADLINE_S)
    (error,) = caught.value.exceptions
    assert "the vendor's library is not installed here" in str(error)
    assert "unready.py" in str(error)


class Local:
    async def write(self, batch: Any, /) -> None: ...

    async def aclose(self) -> None: ...


async def test_a_sink_that_can_not_travel_is_refused(tmp_path: Path) -> None:
    sink = Local()
    sink.handle = lambda: None  # type: ignore[attr-defined]
    with pytest.raises(InvalidConfiguration, match="can't go to another process"):
        al.MultiLogger(tmp_path / "run", sinks=[al.Route(sink, place="process")])
    found = await asyncio.to_thread(
        scripts.run,
        """
class Mine:
    async def write(self, batch, /): ...
    async def aclose(self): ...
al.MultiLogger(path, sinks=[al.Route(Mine(), place="process")])
""",
        tmp_path / "other",
    )
    assert "a class of __main__ can't go to another process" in found.stderr


async def test_a_sink_that_hangs_ends_with_its_deadline(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And its process with it; what it had not taken is pending."""
    target = tmp_path / "noted"
    log = al.MultiLogger(tmp_path / "run", sinks=[al.Route(Waiter(target), name="waiter", deadline=0.3)])
    await write(log, 0, 5)
    await until(lambda: lines(target)[-1:] == ["waits"])
    began = time.monotonic()
    await log.aclose(deadline=10)
    assert time.monotonic() - began < 8
    assert routes(log)["waiter"]["pending"] == 5
    told = [one.getMessage() for one in caplog.records]
    assert any("not finished in time: waiter (5 pending)" in one for one in told)
    assert all("shutdown" not in one and "Killed" not in one for one in told), "it was ended because its time was up"
    assert exited(pids(target)[0], 5)


async def test_routes_of_one_worker_do_not_wait_for_each_other(tmp_path: Path) -> None:
    target = tmp_path / "noted"
    sinks = [
        al.Route(Sleeper(), name="sleeper", place="process", worker="shared", deadline=0.2),
        al.Route(Worked(target), name="w", worker="shared"),
    ]
    log = al.MultiLogger(tmp_path / "run", sinks=sinks)
    await write(log, 0, 10)
    await until(lambda: steps(target) == list(range(10)))
    await until(lambda: routes(log).get("sleeper", {}).get("pid") == routes(log).get("w", {}).get("pid") == pids(target)[0])
    await log.aclose(deadline=10)
    assert lines(target)[-1] == "aclose"
    assert exited(pids(target)[0], 5)


async def test_a_crash_is_held_against_the_sink_that_crashed_alone(tmp_path: Path) -> None:
    """A neighbour in the same process that was being called, too, gets its batch again, as often as it takes."""
    target = tmp_path / "noted"
    sinks = [
        al.Route(Ender("exits"), name="ender", place="process", worker="shared"),
        al.Route(Slow(target), name="slow", worker="shared"),
    ]
    log = al.MultiLogger(tmp_path / "run", sinks=sinks)
    await write(log, 0, 1)
    await until(lambda: routes(log).get("ender", {}).get("rejected") == 1)
    await until(lambda: routes(log).get("slow", {}).get("delivered") == 1)
    await log.aclose(deadline=DEADLINE_S)
    assert steps(target) == [0]
    assert routes(log)["slow"]["rejected"] == 0
    assert "exit status 3" in routes(log)["ender"]["error"]


async def test_a_worker_that_is_stopped_stops_nobody(tmp_path: Path) -> None:
    target, other = tmp_path / "noted", tmp_path / "other"
    sinks = [al.Route(Worked(target), name="stopped", deadline=0.3), al.Route(Worked(other), name="w")]
    log = al.MultiLogger(tmp_path / "run", sinks=sinks)
    await write(log, 0, 5)
    await log.flush(deadline=DEADLINE_S)
    os.kill(pids(target)[0], signal.SIGSTOP)
    await write(log, 5, 500)
    await until(lambda: steps(other) == list(range(500)))
    began = time.monotonic()
    await log.aclose(deadline=10)
    assert time.monotonic() - began < 8
    assert exited(pids(target)[0], 5)
    assert al.read(tmp_path / "run").status == "finished"
    assert routes(log)["stopped"]["pending"] == 495


async def test_signals_that_ask_for_an_end_are_the_training_process_s(tmp_path: Path) -> None:
    target = tmp_path / "noted"
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(Worked(target), name="w")]) as log:
        await write(log, 0, 5)
        await log.flush(deadline=DEADLINE_S)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pids(target)[0], number)
        await write(log, 5, 10)
    assert steps(target) == list(range(10))
    assert len(pids(target)) == 1


@pytest.mark.parametrize("stopped", [False, True])
async def test_workers_go_with_their_recorder(tmp_path: Path, stopped: bool) -> None:
    """At once, also a stopped one; the successor's deliver the rest."""
    target = tmp_path / "noted"
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(Worked(target), name="w")]) as log:
        await write(log, 0, 10)
        await log.flush(deadline=DEADLINE_S)
        (first,) = pids(target)
        if stopped:
            os.kill(first, signal.SIGSTOP)
        os.kill(log.statistics()["recorder"]["pid"], signal.SIGKILL)
        assert await asyncio.to_thread(exited, first, 10)
        await write(log, 10, 20)
    # What was accepted within the last moment before the kill may come once more.
    assert sorted(set(steps(target))) == list(range(20))
    assert len(pids(target)) == 2
    assert routes(log)["w"]["state"] == "ended"


async def test_workers_get_the_rest_when_the_training_process_is_killed(tmp_path: Path) -> None:
    target = tmp_path / "noted"
    process = scripts.start(
        """
from pathlib import Path
from tests.working import Worked
async def main():
    log = al.MultiLogger(path, sinks=[al.Route(Worked(Path(sys.argv[2])), name="w")])
    for step in range(50):
        log.log_scalar("x", float(step))
        await log.write(step)
    print("written", flush=True)
    signal.pause()
asyncio.run(main())
""",
        tmp_path / "run",
        target,
    )
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == "written\n"
    process.kill()
    await asyncio.to_thread(process.communicate)
    await until(lambda: lines(target)[-1:] == ["aclose"])
    assert steps(target) == list(range(50))
    assert await asyncio.to_thread(exited, pids(target)[0], 10)


async def test_what_a_worker_logs_comes_home(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(Talker(tmp_path / "noted"), name="talker")]) as log:
        await write(log, 0, 1)
        await log.flush(deadline=DEADLINE_S)
        await until(lambda: any(one.name == "vendor" for one in caplog.records))
    (said,) = [one for one in caplog.records if one.name == "vendor"]
    assert (said.levelno, said.getMessage()) == (logging.WARNING, "sink 'talker': a word about 1 events")
    assert any(one.name == "py.warnings" and "an old habit" in one.getMessage() for one in caplog.records)


@pytest.mark.parametrize(("overflow", "recorder"), [("drop_oldest", "process"), ("block", "process"), ("block", "thread")])
async def test_runs_without_a_directory_have_workers_too(tmp_path: Path, overflow: Any, recorder: Any) -> None:
    target = tmp_path / "noted"
    sinks = [al.Route(Worked(target), name="w", overflow=overflow)]
    async with al.MultiLogger(None, sinks=sinks, recorder=recorder) as log:
        await write(log, 0, 20)
        await log.flush(deadline=DEADLINE_S)
        if recorder == "process":
            os.kill(pids(target)[0], signal.SIGKILL)
        await write(log, 20, 40)
    assert steps(target) == list(range(40))
    assert adds_up(routes(log)["w"])


async def test_a_thread_that_records_has_workers(tmp_path: Path) -> None:
    target = tmp_path / "noted"
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(Worked(target), name="w")], recorder="thread") as log:
        await write(log, 0, 20)
    assert steps(target) == list(range(20))
    assert lines(target)[-1] == "aclose"
    assert exited(pids(target)[0], 5)


async def test_large_arrays_arrive_whole_whatever_becomes_of_the_worker(tmp_path: Path) -> None:
    """Killed in between, again and again, with less memory than all of them take."""
    target = tmp_path / "noted"
    sinks = [al.Route(Summer(target), name="summer")]
    async with al.MultiLogger(tmp_path / "run", sinks=sinks, slabs=32 << 20) as log:
        for step in range(60):
            log.log_tensor("w", np.full(1 << 20, step % 251, np.uint8))
            await log.write(step)
            if step in (20, 40) and target.exists():
                os.kill(pids(target)[-1], signal.SIGKILL)
        await log.flush(deadline=DEADLINE_S)
    told = lines(target)
    assert [one for one in told if one.startswith("torn")] == []
    found = [int(one.partition(" ")[2]) for one in told if one.startswith("sum")]
    assert sorted(set(found)) == list(range(60))


async def test_what_a_sink_of_a_worker_rejects_is_counted_here(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = tmp_path / "noted"
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(Chooser(target), name="w")]) as log:
        await write(log, 0, 10)
        assert await log.flush(deadline=DEADLINE_S) == {"w": 0}
        await write(log, 10, 12)
    told = routes(log)["w"]
    assert adds_up(told)
    assert (told["delivered"], told["rejected"]) == (6, 6)
    assert caplog.text.count("odd steps have no place here") == 1


async def test_a_worker_hears_how_the_run_ended(tmp_path: Path) -> None:
    target = tmp_path / "noted"

    async def fail() -> None:
        async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(Chooser(target), name="w")]) as log:
            await write(log, 0, 1)
            raise ZeroDivisionError("by nought")

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert lines(target)[-2:] == ["run_ended failed ZeroDivisionError: by nought", "aclose"]
