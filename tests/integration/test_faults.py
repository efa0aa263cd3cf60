"""What breaks around a logger: disks, recorders, sinks, clocks. It is said aloud, and nothing is lost in silence."""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import msgpack
import numpy as np
import pytest

import asynclog as al
from tests.integration import scripts
from tests.misbehaving import Outage, Raiser, Sleeper, Slow
from tests.unit.logger.recording import adds_up

MEBIBYTE = 1 << 20


async def recorder_of(log: al.MultiLogger, not_one_of: "set[int] | frozenset[int]" = frozenset()) -> int:
    """The pid of the recorder, once there is a new one that serves."""
    async with asyncio.timeout(20):
        while True:
            told = log.statistics()["recorder"]
            if told["pid"] is not None and told["pid"] not in not_one_of:
                return int(told["pid"])
            await asyncio.sleep(0.002)


# -- disks -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_a_full_disk_is_waited_for_and_nothing_is_lost(
    small_disk: Path, caplog: pytest.LogCaptureFixture, recorder: Any
) -> None:
    """The journal stalls, says so, and goes on where it was when there is room."""
    ballast = small_disk / "ballast"
    async with al.MultiLogger(small_disk / "run", recorder=recorder) as log:
        log.log_scalar("loss", 0.0)
        await log.write(0)
        await log.flush()
        ballast.write_bytes(bytes(3 * MEBIBYTE))
        with contextlib.suppress(OSError), (small_disk / "more").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        for step in range(1, 400):
            log.log({"loss": step * 0.5, "n": step})
            if step % 50 == 0:
                log.log_image("frame", np.full((100, 100), step % 256, np.uint8))
            await log.write(step)
        async with asyncio.timeout(20):
            while not log.statistics()["recorder"].get("stalled"):
                await asyncio.sleep(0.01)
        assert "No space left" in log.statistics()["recorder"]["stalled"]
        with pytest.raises(TimeoutError):
            await log.flush(deadline=0.1)
        ballast.unlink()
        await log.flush(deadline=20)
        log.log_scalar("loss", 200.0)
        await log.write(400)
    run = al.read(small_disk / "run")
    assert run.status == "finished"
    assert run.series("loss").value.tolist() == [step * 0.5 for step in range(401)]
    assert run.series("n").value.tolist() == list(range(1, 400))
    assert [int(event.value.data[0, 0]) for event in run.events(kind="image")] == [step % 256 for step in range(50, 400, 50)]
    assert run.damage == []
    assert run.missing == 0
    told = [one.getMessage() for one in caplog.records]
    assert any("No space left" in one for one in told)
    assert any("can be written again" in one for one in told)


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_a_disk_that_stays_full_is_told_at_the_end(small_disk: Path, recorder: Any) -> None:
    log = al.MultiLogger(small_disk / "run", recorder=recorder)
    log.log_scalar("loss", 0.5)
    await log.write(0)
    await log.flush()
    with contextlib.suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    log.log_tensor("x", np.zeros(MEBIBYTE, np.uint8))
    await log.write(1)
    began = time.monotonic()
    with pytest.raises(ExceptionGroup) as caught:
        await log.aclose(deadline=1.5)
    assert time.monotonic() - began < 5
    assert any("No space left" in str(one) for one in caught.value.exceptions)
    assert al.read(small_disk / "run").series("loss").value.tolist() == [0.5]
    (small_disk / "ballast").unlink()
    if recorder == "process":
        # It has more patience than the deadline, and finishes alone.
        await asyncio.to_thread(scripts.settled, small_disk / "run")
        assert len(al.read(small_disk / "run")) == 2


# -- recorders ---------------------------------------------------------------------------------------------------------


async def test_a_recorder_that_dies_is_replaced_and_nothing_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with al.MultiLogger(tmp_path / "run") as log:
        pid = await recorder_of(log)
        for step in range(3000):
            log.log({"loss": step * 0.5, "n": step})
            if step % 100 == 0:
                log.log_image("frame", np.full((64, 64), step % 256, np.uint8))
            await log.write(step)
            if step == 1500:
                os.kill(pid, signal.SIGKILL)
        await log.flush()
        assert log.statistics()["recorder"]["deaths"] == 1
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert run.series("n").value.tolist() == list(range(3000))
    assert [event.step for event in run.events(kind="image")] == list(range(0, 3000, 100))
    assert (run.missing, run.damage) == (0, [])
    assert any("another one takes over" in one.getMessage() for one in caplog.records)


async def test_a_flush_survives_the_death_of_the_recorder(tmp_path: Path) -> None:
    """The recorder dies before it could answer; its successor does."""
    async with al.MultiLogger(tmp_path / "run") as log:
        pid = await recorder_of(log)
        await log.flush()
        os.kill(pid, signal.SIGSTOP)
        log.log_scalar("loss", 0.5)
        await log.write(0)
        flushing = asyncio.create_task(log.flush(deadline=15))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        await flushing
        assert len(al.read(tmp_path / "run")) == 1


async def test_a_flush_while_no_recorder_is_there_waits_for_the_next(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run") as log:
        pid = await recorder_of(log)
        await log.flush()
        log.log_scalar("loss", 0.5)
        await log.write(0)
        os.kill(pid, signal.SIGKILL)
        await log.flush(deadline=15)
        assert len(al.read(tmp_path / "run")) == 1


async def test_a_recorder_that_keeps_dying_becomes_a_thread_loudly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    killed: set[int] = set()
    async with al.MultiLogger(tmp_path / "run") as log:
        for step in range(400):
            log.log({"loss": step * 0.5, "n": step})
            if step % 20 == 0:
                log.log_image("frame", np.full((64, 64), step % 256, np.uint8))
            await log.write(step)
            if step in (50, 150, 250):
                pid = await recorder_of(log, killed)
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
                async with asyncio.timeout(20):
                    while log.statistics()["recorder"]["deaths"] < len(killed):
                        await asyncio.sleep(0.002)
        await log.flush(deadline=20)
        assert log.statistics()["recorder"]["deaths"] == 3
    assert len(killed) == 3
    loud = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert any("recording goes on in a thread" in one.getMessage() for one in loud)
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert run.series("n").value.tolist() == list(range(400))
    assert [event.step for event in run.events(kind="image")] == list(range(0, 400, 20))
    assert (run.missing, run.damage) == (0, [])


def test_a_recorder_that_dies_at_its_start_becomes_a_thread(tmp_path: Path) -> None:
    """As where a sandbox lets no process live: every interpreter that is started ends at once."""
    program = """
import logging
logging.basicConfig(format="%(levelname)s %(message)s")
sys.executable = "/bin/false"
async def train():
    async with al.MultiLogger(path) as log:
        for step in range(1000):
            log.log_scalar("x", step * 0.5)
            await log.write(step)
        log.log_image("frame", np.ones((3, 8, 8), np.uint8))
        await log.write(1000)
asyncio.run(train())
"""
    done = scripts.run(program, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "ERROR the recorder died 3 times" in done.stderr
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert run.series("x").step.tolist() == list(range(1000))
    assert len(list(run.events(kind="image"))) == 1


def test_a_successor_that_cant_be_started_is_a_thread(tmp_path: Path) -> None:
    program = """
import logging
logging.basicConfig(format="%(levelname)s %(message)s")
async def train():
    async with al.MultiLogger(path) as log:
        for step in range(200):
            log.log_scalar("x", step * 0.5)
            await log.write(step)
            if step == 100:
                sys.executable = "/nowhere/python"
                os.kill(log.statistics()["recorder"]["pid"], signal.SIGKILL)
        await log.flush(deadline=15)
asyncio.run(train())
"""
    done = scripts.run(program, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "ERROR the recorder process can't be started" in done.stderr
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert run.series("x").step.tolist() == list(range(200))


def test_a_recorder_is_replaced_as_soon_as_there_are_descriptors_again(tmp_path: Path) -> None:
    """It dies while the process has none left: what is logged meanwhile waits in memory, and none of it is lost."""
    program = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
async def train():
    async with al.MultiLogger(path) as log:
        for step in range(100):
            log.log_scalar("x", step * 0.5)
            await log.write(step)
        await log.flush()
        pid, held = log.statistics()["recorder"]["pid"], []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            os.kill(pid, signal.SIGKILL)
        while log._core.producer.links[1].channel is not None:
            await asyncio.sleep(0.01)
        for step in range(100, 200):
            log.log_scalar("x", step * 0.5)
            await log.write(step)
        for one in held:
            os.close(one)
        assert await log.flush(deadline=30) == {}
        log.log_scalar("x", 100.0)
        await log.write(200)
asyncio.run(train())
"""
    done = scripts.run(program, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert run.series("x").step.tolist() == list(range(201))


def test_an_end_without_a_recorder_raises(tmp_path: Path) -> None:
    """There are no descriptors until the end: what could not be recorded is said by more than a warning."""
    program = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
async def train():
    log = al.MultiLogger(path)
    log.log_scalar("x", 0.5)
    await log.write(0)
    await log.flush()
    pid, held = log.statistics()["recorder"]["pid"], []
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        os.kill(pid, signal.SIGKILL)
    while log._core.producer.links[1].channel is not None:
        await asyncio.sleep(0.01)
    log.log_scalar("x", 1.5)
    await log.write(1)
    try:
        await log.aclose(deadline=0.5)
    except ExceptionGroup as group:
        print(group.exceptions[0])
asyncio.run(train())
"""
    done = scripts.run(program, tmp_path / "run")
    assert "the end of the run could not be written: the recorder died" in done.stdout, done.stderr


def test_a_recorder_that_cant_be_started_says_so(tmp_path: Path) -> None:
    program = """
sys.executable = "/nowhere/python"
try:
    al.MultiLogger(path).write_nowait(0)
except al.AsynclogError as error:
    print(type(error).__name__, error)
sys.executable = sys._base_executable
log = al.MultiLogger(path, recorder="thread")
log.log_scalar("x", 0.5); log.write_nowait(0); log.close()
"""
    done = scripts.run(program, tmp_path / "run")
    assert done.stdout.startswith("RecorderError the recorder process can't be started"), done.stderr
    assert len(al.read(tmp_path / "run")) == 1


# -- sinks that end the recorder -----------------------------------------------------------------------------------------


ENDINGS = """
import logging
logging.basicConfig(format="%(levelname)s %(message)s")
from pathlib import Path
from tests.misbehaving import Ender, Slow
async def train():
    sinks = [
        al.Route(Ender(sys.argv[2], sys.argv[3], 200), name="ender", place="recorder"),
        al.Route(Slow(Path(path + "-slow")), name="slow", place="recorder"),
        al.Route(al.sinks.CSV("rows.csv"), name="table"),
    ]
    log = al.MultiLogger(path, sinks=sinks)
    for step in range(400):
        log.log_scalar("x", step * 0.5)
        await log.write(step)
        await asyncio.sleep(0.002)
    try:
        await log.aclose(deadline=20)
    except ExceptionGroup as group:
        for one in group.exceptions:
            print(type(one).__name__, str(one).replace(chr(10), " "))
    told = log.statistics()
    for name, one in told["routes"].items():
        parts = ("delivered", "rejected", "dropped", "not_due", "filtered", "folded", "pending")
        assert one["offered"] == sum(one[part] for part in parts), one
        print(name, one["state"], one["offered"], one["pending"])
    print("pid", told["recorder"]["pid"], "deaths", told["recorder"]["deaths"])
    print("survived")
asyncio.run(train())
"""


ENDS_BEHIND = """
import logging
logging.basicConfig(format="%(levelname)s %(message)s")
from pathlib import Path
from tests.misbehaving import Ender, Slow
async def train():
    now = Path(path + "-now")
    sinks = [
        al.Route(Ender("exits", "behind", now=now), name="ender", place="recorder"),
        al.Route(Slow(Path(path + "-slow")), name="slow", place="recorder"),
        al.Route(al.sinks.CSV("rows.csv"), name="table"),
    ]
    log = al.MultiLogger(path, sinks=sinks)
    for step in range(40):
        log.log_scalar("x", step * 0.5)
        await log.write(step)
        if step % 10 == 9 and step < 30:
            await log.flush()
            deaths = log.statistics()["recorder"]["deaths"]
            now.touch()
            while log.statistics()["recorder"]["deaths"] == deaths:
                await asyncio.sleep(0.005)
    try:
        await log.aclose(deadline=20)
    except ExceptionGroup as group:
        for one in group.exceptions:
            print(type(one).__name__, str(one).replace(chr(10), " "))
    print("survived")
asyncio.run(train())
"""


@pytest.mark.parametrize(("way", "call"), [("exits", "write"), ("segfaults", "write"), ("exits", "open"), ("exits", "aclose")])
def test_a_sink_that_ends_the_recorder_is_stopped_and_everything_else_goes_on(tmp_path: Path, way: str, call: str) -> None:
    """After two deaths, of which the slow sink beside it is innocent; the training process never runs it."""
    done = scripts.run(ENDINGS, tmp_path / "run", way, call)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0].startswith("SinkError sink 'ender' was stopped: the recorder ended twice while it was in this sink")
    assert ("exit status 3" if way == "exits" else "signal 11") in said[0]
    assert [one for one in said if one.startswith("SinkError")] == said[:1]
    assert "ERROR sink 'ender' was stopped" in done.stderr
    assert "in a thread of this process" not in done.stderr
    assert "slow ended 400 0" in said
    assert "table ended 400 0" in said
    assert any(one.startswith("ender stopped 400 ") for one in said)
    assert said[-1] == "survived"
    assert {int(line) for line in (tmp_path / "run-slow").read_text().split()} == set(range(400))
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert run.series("x").step.tolist() == list(range(400))
    assert (run.missing, run.damage, run.gaps) == (0, [], [])


def test_no_sink_goes_to_the_training_process_if_it_isn_t_known_which_one_ends_recorders(tmp_path: Path) -> None:
    """It ends them from a thread of its own, each time while every sink is idle."""
    done = scripts.run(ENDS_BEHIND, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "ERROR the recorder died 3 times within a minute; recording goes on in a thread" in done.stderr
    said = done.stdout.splitlines()
    assert said[-1] == "survived"
    assert {one.split("'")[1] for one in said if one.startswith("SinkError")} == {"ender", "slow", "table"}
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert run.series("x").step.tolist() == list(range(40))
    assert (run.missing, run.damage) == (0, [])


async def test_a_kill_from_outside_condemns_no_sink(tmp_path: Path) -> None:
    """However often it hits while the sink is being called."""
    target, killed = tmp_path / "target", set[int]()
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(Slow(target, 0.2), name="slow")]) as log:
        for step in range(3):
            pid = await recorder_of(log, killed)
            log.log_scalar("x", 0.5)
            await log.write(step)
            async with asyncio.timeout(20):
                while log.statistics()["recorder"].get("pid") != pid or not log.statistics()["recorder"].get("events"):
                    await asyncio.sleep(0.005)
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
            async with asyncio.timeout(20):
                while log.statistics()["recorder"]["deaths"] < len(killed):
                    await asyncio.sleep(0.002)
        await log.flush(deadline=20)
        assert log.statistics()["routes"]["slow"]["pending"] == 0
    assert {int(line) for line in target.read_text().split()} == {0, 1, 2}


# -- clocks ------------------------------------------------------------------------------------------------------------


def test_a_clock_that_jumps_moves_no_time_backwards(tmp_path: Path) -> None:
    """Within an epoch the wall clock is looked at once; an epoch recorded under an earlier clock is read all the same."""
    program = """
real = time.time_ns
def jump(seconds):
    time.time_ns = lambda: real() + seconds * 10**9
async def train(start):
    async with al.MultiLogger(path, recorder="thread") as log:
        for step in range(start, start + 100):
            log.log_scalar("x", step * 0.5)
            if step % 10 == 0:
                log.log_string("s", str(step))
            await log.write(step)
            if step % 25 == 0:
                jump(-3600 if step % 2 else 3600)
asyncio.run(train(0))
jump(-86400)
asyncio.run(train(100))
"""
    done = scripts.run(program, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    run = al.read(tmp_path / "run")
    assert [one.events for one in run.writers] == [110, 110]
    assert (run.damage, run.missing) == ([], 0)
    for epoch in (0, 1):
        times = [event.time_ns for event in run.events(kind="scalar") if event.step // 100 == epoch]
        assert len(times) == 100
        assert all(0 < later - earlier < 60 * 10**9 for earlier, later in itertools.pairwise(times))


# -- sinks -------------------------------------------------------------------------------------------------------------


class UdpSink:
    """The ten lines of the documentation."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    async def write(self, batch: Any, /) -> None:
        for event in batch:
            if event.kind == "scalar":
                self._transport.sendto(msgpack.packb([event.namespace, event.key, event.step, event.value]))

    async def aclose(self) -> None:
        self._transport.close()


class Heart:
    """How late the loop was at worst, in seconds."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.002)
            self.worst = max(self.worst, loop.time() - before - 0.002)


@pytest.mark.parametrize("recorder", ["thread", "process"])
async def test_a_small_sink_beside_one_that_sleeps_and_one_that_raises(tmp_path: Path, recorder: Any) -> None:
    """Every count adds up, the loop never notices, and the end comes at its deadline and names who failed."""
    received: list[Any] = []

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            received.append(msgpack.unpackb(data))

    loop = asyncio.get_running_loop()
    here, _ = await loop.create_datagram_endpoint(Receiver, local_addr=("127.0.0.1", 0))
    there = here.get_extra_info("sockname")
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=there)
    sinks = [
        al.Route(UdpSink(transport), name="udp", place="caller"),
        al.Route(Sleeper(), name="sleeper"),
        al.Route(Raiser(), name="raiser"),
    ]
    log = al.MultiLogger(tmp_path / "run", sinks=sinks, recorder=recorder)
    # Until the recorder is up: a socket's buffer doesn't hold the datagrams of all that is written meanwhile.
    await log.flush(deadline=20)
    sent = 0
    async with Heart() as heart, asyncio.timeout(30):
        # Until the raising one was given up, in three batches of three tries each.
        while log.statistics()["routes"].get("raiser", {}).get("state") != "stopped":
            log.log_scalar("loss", sent * 0.5, namespace="train")
            await log.write(sent)
            sent += 1
            await asyncio.sleep(0.001)
        while len(received) < sent:
            await asyncio.sleep(0.001)
    for name, counted in log.statistics()["routes"].items():
        assert adds_up(counted), (name, counted)
    # A loop that waited for the sleeper would be held for as long as it sleeps at a time.
    assert heart.worst < 0.4
    began = loop.time()
    with pytest.raises(ExceptionGroup) as caught:
        await log.aclose(deadline=1.0)
    assert 0.9 < loop.time() - began < 3.0
    (error,) = caught.value.exceptions
    assert isinstance(error, al.SinkError)
    assert "sink 'raiser' was stopped" in str(error)
    assert "ZeroDivisionError: the backend is gone" in str(error)
    routes = log.statistics()["routes"]
    assert all(adds_up(counted) for counted in routes.values())
    assert (routes["udp"]["delivered"], routes["udp"]["pending"]) == (sent, 0)
    assert (routes["sleeper"]["delivered"], routes["sleeper"]["pending"]) == (0, sent)
    assert routes["raiser"]["delivered"] == 0
    assert received == [["train", "loss", step, step * 0.5] for step in range(sent)]
    assert al.read(tmp_path / "run").series("loss").step.tolist() == list(range(sent))
    here.close()


@pytest.mark.parametrize("place", ["thread", "recorder"])
async def test_a_backend_that_comes_back_gets_everything_once(tmp_path: Path, place: Any) -> None:
    sign, target = tmp_path / "sign", tmp_path / "target"
    sinks = [al.Route(Outage(sign, target), place=place)]
    async with al.MultiLogger(tmp_path / "run", sinks=sinks) as log:
        for step in range(500):
            log.log_scalar("loss", step * 0.5)
            await log.write(step)
        async with asyncio.timeout(20):
            while log.statistics()["routes"].get("outage", {}).get("state") != "failing":
                await asyncio.sleep(0.005)
        sign.touch()
        await log.flush(deadline=20)
        counted = log.statistics()["routes"]["outage"]
        assert adds_up(counted)
    assert [int(line) for line in target.read_text().split()] == list(range(500))


async def test_a_backend_that_was_out_gets_the_rest_from_the_next_epoch(tmp_path: Path) -> None:
    """A whole epoch that could not be delivered waits in the journal."""
    sign, target = tmp_path / "sign", tmp_path / "target"
    for epoch in range(2):
        sinks = [al.Route(Outage(sign, target), deadline=0.2)]
        log = al.MultiLogger(tmp_path / "run", sinks=sinks, recorder="thread")
        for step in range(100):
            log.log_scalar("loss", 0.5)
            await log.write(100 * epoch + step)
        await log.aclose(deadline=0.2 if epoch == 0 else 20)
        sign.touch()
    assert [int(line) for line in target.read_text().split()] == list(range(200))
