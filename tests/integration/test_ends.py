"""Every way for a logger to end, and what the run says of it afterwards."""

import asyncio
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.cli.stats import route_counters
from asynclog.errors import LoggerClosed, RunError, RunNotFound
from tests.crash.scene import exited
from tests.integration import scripts
from tests.misbehaving import Gate, Raiser, Sleeper, Unopenable
from tests.unit.logger.recording import adds_up

RECORDERS = pytest.mark.parametrize("recorder", ["thread", "process"])


async def write_some(log: al.MultiLogger, count: int = 10, start: int = 0) -> None:
    for step in range(start, start + count):
        log.log_scalar("x", step * 0.5)
        await log.write(step)


def steps(path: Path, key: str = "x") -> list[int]:
    return al.read(path).series(key).step.tolist()  # type: ignore[no-any-return]


# -- in this process ---------------------------------------------------------------------------------------------------


@RECORDERS
async def test_a_run_that_was_closed_is_finished(tmp_path: Path, recorder: Any) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder=recorder) as log:
        await write_some(log)
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert run.writers[0].events == 10


@RECORDERS
async def test_it_works_without_a_context_manager(tmp_path: Path, recorder: Any) -> None:
    log = al.MultiLogger(tmp_path / "run", recorder=recorder)
    await write_some(log)
    await log.aclose()
    assert steps(tmp_path / "run") == list(range(10))


@RECORDERS
@pytest.mark.blocking
async def test_closing_twice_does_nothing(tmp_path: Path, recorder: Any) -> None:
    log = al.MultiLogger(tmp_path / "run", recorder=recorder)
    await write_some(log)
    await log.aclose()
    await log.aclose()
    log.close()
    assert al.read(tmp_path / "run").status == "finished"


async def test_two_tasks_may_close_at_once(tmp_path: Path) -> None:
    log = al.MultiLogger(tmp_path / "run")
    await write_some(log)
    await asyncio.gather(log.aclose(), log.aclose())
    assert al.read(tmp_path / "run").status == "finished"


async def test_a_logger_that_was_never_used_leaves_nothing(tmp_path: Path) -> None:
    log = al.MultiLogger(tmp_path / "run")
    await log.aclose()
    assert not (tmp_path / "run").exists()


@RECORDERS
async def test_after_the_end_every_call_that_would_record_raises(tmp_path: Path, recorder: Any) -> None:
    log = al.MultiLogger(tmp_path / "run", recorder=recorder)
    await write_some(log)
    row = log.row("r")
    row(0, 0.5)
    await log.aclose()
    log.log_scalar("x", 0.5)
    with pytest.raises(LoggerClosed):
        await log.write(100)
    log.log_scalar("x", 0.5)
    with pytest.raises(LoggerClosed):
        log.write_nowait(100)
    with pytest.raises(LoggerClosed):
        row(100, 0.5)
    with pytest.raises(LoggerClosed):
        await log.flush()
    with pytest.raises(LoggerClosed):
        async with log.at(100) as entry:
            entry.log_scalar("x", 0.5)
    assert log.statistics()["discarded"] == 3
    assert steps(tmp_path / "run") == list(range(10))
    assert steps(tmp_path / "run", "r") == [0]


@RECORDERS
async def test_a_body_that_raises_fails_the_run_with_its_error(tmp_path: Path, recorder: Any) -> None:
    with pytest.raises(RuntimeError, match="diverged"):  # noqa: PT012
        async with al.MultiLogger(tmp_path / "run", recorder=recorder) as log:
            await write_some(log)
            raise RuntimeError("diverged")
    run = al.read(tmp_path / "run")
    assert run.status == "failed"
    assert run.error == run.writers[0].error == "RuntimeError: diverged"
    assert run.traceback is not None
    assert 'raise RuntimeError("diverged")' in run.traceback
    assert [event.value.where.rpartition(":")[0] for event in run.events(kind="record")] == [__file__]
    assert len(run) == 10 + 1


async def test_a_body_that_is_cancelled_fails_the_run_and_closes_it(tmp_path: Path) -> None:
    inside = asyncio.Event()

    async def train() -> None:
        async with al.MultiLogger(tmp_path / "run") as log:
            await write_some(log)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(train())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    run = al.read(tmp_path / "run")
    assert (run.status, run.writers[0].error) == ("failed", "CancelledError")
    assert len(run) == 10


@RECORDERS
def test_code_that_is_not_async_uses_with(tmp_path: Path, recorder: Any) -> None:
    memory = al.sinks.Memory()
    with al.MultiLogger(tmp_path / "run", recorder=recorder, sinks=[memory], config={"lr": 0.5}) as log:
        for step in range(10):
            log.log_scalar("x", step * 0.5)
            log.log_image("frame", np.full((3, 4, 4), step, np.uint8))
            log.write_nowait(step)
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert run.config == {"lr": 0.5}
    assert run.series("x").step.tolist() == list(range(10))
    assert [int(event.value.data[0, 0, 0]) for event in run.events(kind="image")] == list(range(10))
    assert len(memory.events) == 21


def test_a_with_body_that_raises_fails_the_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="bad"), al.MultiLogger(tmp_path / "run", recorder="thread") as log:  # noqa: PT012
        log.log_scalar("x", 0.5)
        log.write_nowait(0)
        raise ValueError("bad")
    assert al.read(tmp_path / "run").status == "failed"


@RECORDERS
async def test_what_was_logged_and_never_written_is_counted(tmp_path: Path, recorder: Any) -> None:
    log = al.MultiLogger(tmp_path / "run", recorder=recorder)
    await write_some(log)
    log.log({"a": 1.0, "b": 2.0})
    log.child("model").log_string("c", "text")
    await log.aclose()
    assert log.statistics()["discarded"] == 3


@RECORDERS
async def test_a_flush_makes_everything_readable(tmp_path: Path, recorder: Any) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder=recorder) as log:
        await write_some(log)
        assert await log.flush() == {}
        assert await asyncio.to_thread(steps, tmp_path / "run") == list(range(10))
        assert al.read(tmp_path / "run").status == "running"
        await write_some(log, start=10)
    assert steps(tmp_path / "run") == list(range(20))


@RECORDERS
async def test_an_end_waits_no_longer_than_its_deadline(tmp_path: Path, recorder: Any) -> None:
    place = "recorder" if recorder == "process" else "thread"
    sinks = [al.Route(Sleeper(), place=place, deadline=60)]  # type: ignore[arg-type]
    log = al.MultiLogger(tmp_path / "run", sinks=sinks, recorder=recorder)
    await write_some(log)
    while await asyncio.to_thread(lambda: len(al.read(tmp_path / "run"))) < 10:
        # A recorder that still starts would be given up for another reason than its sink.
        await asyncio.sleep(0.01)
    began = time.monotonic()
    await log.aclose(deadline=0.5)
    assert time.monotonic() - began < 30.0
    assert len(al.read(tmp_path / "run")) == 10
    pid = log.statistics()["recorder"]["pid"]
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def held_up(path: Path, gate: Gate) -> al.MultiLogger:
    """A logger whose one route is full."""
    log = al.MultiLogger(path, sinks=[al.Route(gate, name="gate", overflow="block", deadline=0.5)], slabs=16 << 20)
    with suppress(al.WouldBlock):
        for step in range(10_000):
            log.log_tensor("t", np.zeros((512, 512)))
            log.write_nowait(step)
            gate.reached.wait(5)
    assert repr(log).endswith("1 pending, open>")
    return log


def gone(log: al.MultiLogger) -> None:
    """Its recorder, which may outlive the deadline that it was closed with."""
    assert exited(log.statistics()["recorder"]["pid"], 30)


async def test_an_end_does_not_wait_for_room_for_settings(tmp_path: Path) -> None:
    """It waited for a full route without any deadline, and the run had no end."""
    gate = Gate()
    log = await asyncio.to_thread(held_up, tmp_path / "run", gate)
    log.log_config({"a": 1})
    await asyncio.wait_for(log.aclose(deadline=0.5), 30)
    gate.open_gate.set()
    await asyncio.to_thread(gone, log)
    assert al.read(tmp_path / "run").status == "finished"


def test_an_end_without_asyncio_does_not_wait_for_room_for_settings(tmp_path: Path) -> None:
    """It raised WouldBlock, and left the run open."""
    gate = Gate()
    log = held_up(tmp_path / "run", gate)
    log.log_config({"a": 1})
    log.close(deadline=0.5)
    gate.open_gate.set()
    gone(log)
    assert al.read(tmp_path / "run").status == "finished"
    assert log.statistics()["discarded"] == 2


@RECORDERS
async def test_settings_that_are_refused_do_not_keep_a_run_from_its_end(tmp_path: Path, recorder: Any) -> None:
    log = al.MultiLogger(tmp_path / "run", recorder=recorder, strict=True)
    await write_some(log)
    log.log_config("no settings")  # type: ignore[arg-type]
    with pytest.raises(ExceptionGroup) as raised:
        await log.aclose()
    assert isinstance(raised.value.exceptions[0], al.InvalidValue)
    assert al.read(tmp_path / "run").status == "finished"


# -- again -------------------------------------------------------------------------------------------------------------


@RECORDERS
async def test_a_run_goes_on_as_its_next_epoch(tmp_path: Path, recorder: Any) -> None:
    for epoch in range(3):
        async with al.MultiLogger(tmp_path / "run", recorder=recorder) as log:
            await write_some(log, start=10 * epoch)
    run = al.read(tmp_path / "run")
    assert [one.epoch for one in run.writers] == [0, 1, 2]
    assert run.series("x").step.tolist() == list(range(30))
    assert (np.diff(run.series("x").time_ns) > 0).all()


async def test_resume_must_wants_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunNotFound, match="nothing was recorded there"):
        async with al.MultiLogger(tmp_path / "run", resume="must"):
            pass
    assert not (tmp_path / "run").exists()
    async with al.MultiLogger(tmp_path / "run", recorder="thread"):
        pass
    async with al.MultiLogger(tmp_path / "run", recorder="thread", resume="must") as log:
        await write_some(log)
    assert [one.epoch for one in al.read(tmp_path / "run").writers] == [0, 1]


async def test_resume_never_wants_none(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder="thread", resume="never") as log:
        await write_some(log)
    with pytest.raises(RunError, match="exists already"):
        async with al.MultiLogger(tmp_path / "run", resume="never"):
            pass
    assert len(al.read(tmp_path / "run").writers) == 1


# -- other processes ---------------------------------------------------------------------------------------------------

WRITE = """
log = al.MultiLogger(path)
async def train():
    for step in range(500):
        log.log_scalar("x", step * 0.5)
        await log.write(step)
    log.log_image("frame", np.ones((3, 8, 8), np.uint8))
    await log.write(500)
asyncio.run(train())
print("written", flush=True)
"""


@pytest.mark.parametrize(
    ("end", "status", "code"),
    [
        ("", "exited", 0),
        ("sys.exit(3)", "exited", 3),
        ("raise KeyError('lost')", "exited", 1),
        ("os._exit(4)", "killed", 4),
        ("os.kill(os.getpid(), signal.SIGTERM)", "killed", -signal.SIGTERM),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed", -signal.SIGKILL),
        ("os.abort()", "killed", -signal.SIGABRT),
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(5)", "exited", None),
    ],
    ids=["no end", "sys.exit", "error", "os._exit", "SIGTERM", "SIGKILL", "abort", "SIGINT"],
)
def test_a_process_that_ends_without_closing_loses_nothing(tmp_path: Path, end: str, status: str, code: int | None) -> None:
    done = scripts.run(WRITE + end, tmp_path / "run")
    assert code is None or done.returncode == code, done.stderr
    assert done.stdout == "written\n"
    scripts.settled(tmp_path / "run")
    run = al.read(tmp_path / "run")
    assert run.status == status
    assert run.series("x").step.tolist() == list(range(500))
    assert len(list(run.events(kind="image"))) == 1


def test_ctrl_c_closes_the_run_under_async_with(tmp_path: Path) -> None:
    program = """
async def train():
    async with al.MultiLogger(path) as log:
        step = 0
        while True:
            log.log_scalar("x", step * 0.5)
            await log.write(step)
            step += 1
            if step == 200:
                print("ready", flush=True)
            await asyncio.sleep(0.001)
asyncio.run(train())
"""
    process = scripts.start(program, tmp_path / "run")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert err.rstrip().endswith("KeyboardInterrupt")
    run = al.read(tmp_path / "run")
    assert run.status == "failed"
    assert run.writers[0].error in ("CancelledError", "KeyboardInterrupt")
    assert run.series("x").step.tolist() == list(range(len(run)))
    assert len(run) >= 200


def test_sys_exit_in_the_body_closes_the_run(tmp_path: Path) -> None:
    done = scripts.run(
        """
async def train():
    async with al.MultiLogger(path) as log:
        log.log_scalar("x", 0.5)
        await log.write(0)
        sys.exit(3)
asyncio.run(train())
""",
        tmp_path / "run",
    )
    assert done.returncode == 3
    run = al.read(tmp_path / "run")
    assert (run.status, run.writers[0].error) == ("failed", "SystemExit: 3")
    assert len(run) == 1


def test_no_process_and_no_shared_memory_outlives_a_killed_one(tmp_path: Path) -> None:
    before = set(os.listdir("/dev/shm"))
    program = WRITE + "print(log.statistics()['recorder']['pid'], flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    done = scripts.run(program, tmp_path / "run")
    pid = int(done.stdout.split()[1])
    scripts.settled(tmp_path / "run")
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not {name for name in set(os.listdir("/dev/shm")) - before if "asynclog" in name}


# -- fork and pickling -------------------------------------------------------------------------------------------------

FORK = """
import logging
logging.basicConfig(format="%(message)s", level=logging.WARNING)
log = al.MultiLogger(path, recorder=sys.argv[2])
row = log.row("r")
async def write(start, stop):
    for step in range(start, stop):
        log.log_scalar("x", step * 0.5)
        row(step, step * 0.5)
        await log.write(step)
asyncio.run(write(0, 100))
child = os.fork()
if child == 0:
    asyncio.run(write(1000, 1100))
    log.log_image("frame", np.ones((3, 8, 8), np.uint8))
    log.write_nowait(2000)
    with log.at(3000) as entry:
        entry.log_scalar("x", 1.0)
    log.close()
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
asyncio.run(write(100, 200))
log.close()
"""


@RECORDERS
def test_a_forked_child_is_inert_and_its_parent_goes_on(tmp_path: Path, recorder: str) -> None:
    done = scripts.run(FORK, tmp_path / "run", recorder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("was inherited by a forked process") == 1, done.stderr
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert run.series("x").step.tolist() == list(range(200))
    assert run.series("r").step.tolist() == list(range(200))
    assert list(run.events(kind="image")) == []
    assert run.damage == []


def test_a_forked_child_that_lives_on_does_not_hold_the_run(tmp_path: Path) -> None:
    """As a data loader's workers may, when the training function is called a second time."""
    program = """
log = al.MultiLogger(path)
log.log_scalar("x", 0.5); log.write_nowait(0)
child = os.fork()
if child == 0:
    signal.pause()
log.close()
with al.MultiLogger(path) as log:
    log.log_scalar("x", 0.5); log.write_nowait(1)
print("again", flush=True)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
"""
    done = scripts.run(program, tmp_path / "run")
    assert done.stdout == "again\n", done.stderr
    assert steps(tmp_path / "run") == [0, 1]


def test_workers_of_a_data_loader_inherit_an_inert_logger(tmp_path: Path) -> None:
    program = """
import multiprocessing
log = al.MultiLogger(path)
def load(number):
    log.log_scalar("worker", float(number))
    log.write_nowait(number)
    return number * number
async def train():
    for step in range(50):
        log.log_scalar("x", step * 0.5)
        await log.write(step)
if __name__ == "__main__":
    asyncio.run(train())
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(sum(pool.map(load, range(20))))
        asyncio.run(train())
    log.close()
"""
    done = scripts.run(program, tmp_path / "run")
    assert done.stdout == "2470\n", done.stderr
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert {event.key for event in run.events()} == {"x"}
    assert len(run) == 100


def work(log: al.MultiLogger, number: int) -> None:
    with log:
        for step in range(100):
            log.log_scalar(f"worker{number}", step * 0.5)
            log.write_nowait(step)


async def test_a_pickled_logger_writes_a_stream_of_its_own(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    async with al.MultiLogger(tmp_path / "run", sinks=[al.sinks.Memory()]) as log:
        await write_some(log, 50)
        workers = [context.Process(target=work, args=(log, number)) for number in range(2)]
        for worker in workers:
            await asyncio.to_thread(worker.start)
        await write_some(log, 50, start=50)
        for worker in workers:
            await asyncio.to_thread(worker.join)
            assert worker.exitcode == 0
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert len({one.writer for one in run.writers}) == 3
    assert run.series("x").step.tolist() == list(range(100))
    for number in range(2):
        assert run.series(f"worker{number}").step.tolist() == list(range(100))
    times = [event.time_ns for event in run.events()]
    assert times == sorted(times)


def test_a_pickled_logger_keeps_its_settings(tmp_path: Path) -> None:
    log = al.MultiLogger(tmp_path / "run", limit=al.RateLimit(5.0), strict=True)
    copy = pickle.loads(pickle.dumps(log))
    with copy:
        copy.log_scalar("x", object())
        with pytest.raises(al.InvalidValue):
            copy.write_nowait(0)
    (writer,) = al.read(tmp_path / "run").writers
    assert writer.writer == f"main-{os.getpid()}"


def test_many_loggers_live_in_one_process(tmp_path: Path) -> None:
    """Each has a run, a recorder and a link of its own; threads that served them are gone at the end."""
    threads = threading.active_count()
    logs = [al.MultiLogger(tmp_path / str(number), recorder="process" if number < 2 else "thread") for number in range(6)]
    for step in range(20):
        for number, log in enumerate(logs):
            log.log_scalar("x", float(number))
            log.write_nowait(step)
    for log in logs:
        log.close()
    for number in range(6):
        assert set(al.read(tmp_path / str(number)).series("x").value.tolist()) == {float(number)}
    deadline = time.monotonic() + 10
    while threading.active_count() > threads:
        assert time.monotonic() < deadline, threading.enumerate()
        time.sleep(0.01)


def test_importing_costs_no_process_and_no_thread() -> None:
    program = "import threading, asynclog as al; al.MultiLogger('never'); print(threading.active_count())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=scripts.ROOT)
    assert done.stdout == "1\n", done.stderr
    assert not (scripts.ROOT / "never").exists()


# -- loops that end before the logger ------------------------------------------------------------------------------------


@pytest.mark.parametrize("directory", [True, False])
def test_a_sink_on_the_caller_s_loop_survives_the_loop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, directory: bool
) -> None:
    """``asyncio.run`` twice with one logger: a flush in the second claims nothing that its sink hasn't got."""
    memory = al.sinks.Memory()
    log = al.MultiLogger(tmp_path / "run" if directory else None, sinks=[al.Route(memory, name="memory", place="caller")])

    async def train(first: int, *, flush: bool) -> None:
        for step in range(first, first + 100):
            log.log_scalar("x", step * 0.5)
            await log.write(step)
        if flush:
            assert await log.flush(deadline=20) == {"memory": 0}

    def steps() -> list[int]:
        return [state.step for state, _ in memory.data["x"]]

    asyncio.run(train(0, flush=True))
    assert steps() == list(range(100))
    asyncio.run(train(100, flush=False))
    asyncio.run(train(200, flush=True))
    assert steps() == list(range(300))
    asyncio.run(train(300, flush=False))
    log.close()
    assert steps() == list(range(400))
    counted = log.statistics()["routes"]["memory"]
    assert (counted["offered"], counted["delivered"], counted["pending"], counted["state"]) == (400, 400, 0, "ended")
    told = [one.getMessage() for one in caplog.records if "its event loop has ended" in one.getMessage()]
    assert 2 <= len(told) <= 4, "once for each loop that a sink was left by; a short loop may not have had it at all"


# -- what the command tells after the end --------------------------------------------------------------------------------


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_the_command_tells_what_the_logger_told(tmp_path: Path, recorder: Any) -> None:
    """Of sinks that kept up, were stopped, or hang; of what was folded, and of what was never looked at."""
    sinks = [
        al.Route(al.sinks.Memory(), name="memory", limit=al.RateLimit(steps=40)),
        al.Route(Raiser(), name="raiser", place="recorder"),
        al.Route(Sleeper(), name="sleeper", place="recorder", deadline=0.3),
        al.Route(Raiser(), name="here", place="thread"),
        al.Route(al.sinks.CSV("rows.csv"), name="table", limit=al.RateLimit(3600.0)),
        al.Route(Unopenable(), name="unopenable", place="recorder"),
    ]
    log = al.MultiLogger(tmp_path / "run", sinks=sinks, limit=al.RateLimit(3600.0), recorder=recorder)
    for step in range(300):
        log.log_scalar("loss", step * 0.5, reduce="mean")
        log.log_scalar("lazy", lambda: 0.5)
        log.log_image("frame", lambda: np.zeros((2, 2), np.uint8))
        await log.write(step)
        await asyncio.sleep(0.001)
    with pytest.raises(ExceptionGroup):
        await log.aclose(deadline=2.0)
    routes = log.statistics()["routes"]
    shown = {one["route"]: one for one in await asyncio.to_thread(route_counters, tmp_path / "run")}
    names = ("offered", "delivered", "rejected", "dropped", "not_due", "filtered", "folded", "pending")
    for name, told in routes.items():
        if name != "memory":  # ephemeral: it keeps nothing over a restart, and so no cursor
            assert {one: shown[name][one] for one in names} == {one: told[one] for one in names}, name
    assert log.statistics()["skipped"] > 0
    assert routes["sleeper"]["pending"] > 0


# -- flushes that nobody waits for any more ------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["thread", "recorder"])
async def test_a_flush_whose_deadline_passed_leaves_nothing(tmp_path: Path, place: Any) -> None:
    """However often a loop flushes beside a sink that hangs."""
    gate = Gate()
    log = al.MultiLogger(
        tmp_path / "run",
        sinks=[al.Route(gate, name="gate", place=place)],
        recorder="thread" if place == "recorder" else "process",
    )
    for step in range(5):
        log.log_scalar("x", 0.5)
        await log.write(step)
        with pytest.raises(TimeoutError):
            await log.flush(deadline=0.05)
    assert log._core.flush_tickets == {}
    assert len(log._lifecycle._engines.flushes) == 0
    gate.open_gate.set()
    assert await log.flush(deadline=20) == {"gate": 0}
    for runner in log._lifecycle._engines._runners():
        assert len(runner._tickets) == 0
    await log.aclose(deadline=20)


async def test_the_last_mean_of_a_run_reaches_a_limited_sink(tmp_path: Path) -> None:
    memory = al.sinks.Memory()
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(memory, limit=al.RateLimit(steps=10))]) as log:
        for step in range(30):
            log.log_scalar("return", float(step), reduce="mean")
            await log.write(step)
    assert [(state.step, value) for state, value in memory.data["return"]] == [(0, 0.0), (10, 5.5), (20, 15.5), (29, 25.0)]
    assert adds_up(log.statistics()["routes"]["memory"])
