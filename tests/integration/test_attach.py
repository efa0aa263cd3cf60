"""Attaching to a live run from other processes, which join, leave, stop and die as they like."""

import asyncio
import contextlib
import os
import signal
import socket
import stat
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.engine.door import DOOR, Door, knock, peer
from asynclog.errors import InvalidConfiguration, RunNotFound, RunNotLive
from asynclog.readers.asking import live_reports
from tests.integration import scripts

DEADLINE_S = 25.0
MIB = 1 << 20


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def write(log: al.MultiLogger, first: int, end: int) -> None:
    for step in range(first, end):
        log.log_scalar("x", float(step))
        await log.write(step)


async def heard(live: Any, last: int, found: list[int] | None = None) -> list[int]:
    """The steps of what comes, to the one of ``last``."""
    steps = [] if found is None else found
    async with asyncio.timeout(DEADLINE_S):
        while last not in steps:
            steps += [event.step for event in await anext(live)]
    return steps


async def all_of(live: Any) -> list[int]:
    async with asyncio.timeout(DEADLINE_S):
        return [event.step async for event in live.events()]


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[al.MultiLogger]:
    """A logger of a run with less memory than most tests want at once."""
    async with al.MultiLogger(tmp_path / "run", slabs=32 * MIB) as log:
        await write(log, 0, 5)
        await log.flush(deadline=DEADLINE_S)
        yield log


def attached(log: al.MultiLogger) -> list[dict[str, Any]]:
    return log.statistics()["attached"]  # type: ignore[no-any-return]


GUEST = """
async def main():
    kept = []
    async with al.attach(path) as live:
        print("in", flush=True)
        async for batch in live:
            for event in batch:
                if event.kind == "tensor":
                    kept.append(event.value.data)
                    print("tensor", event.step, bool((event.value.data == event.step % 251).all()), flush=True)
    print(live.status, flush=True)
asyncio.run(main())
"""


class Guest:
    """Another process that keeps every array it is given."""

    def __init__(self, path: Path, program: str = GUEST) -> None:
        self.process = scripts.start(program, path)

    async def says(self, word: str) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while (line := await asyncio.to_thread(self.process.stdout.readline)).strip() != word:
                assert line, await asyncio.to_thread(self.process.stderr.read)  # type: ignore[union-attr]

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


# -- what comes -----------------------------------------------------------------------------------------------------------


async def test_whoever_attaches_gets_everything_and_the_end(tmp_path: Path) -> None:
    log = al.MultiLogger(tmp_path / "run")
    await write(log, 0, 5)
    await log.flush(deadline=DEADLINE_S)
    async with al.attach(tmp_path / "run") as live:
        assert live.run.writer == "main"
        steps = await heard(live, 4)
        assert live.status == "open"
        await write(log, 5, 10)
        await heard(live, 9, steps)
        closing = asyncio.create_task(log.aclose(deadline=DEADLINE_S))
        steps += await all_of(live)
        await closing
        assert steps == list(range(10))
        assert live.status == "finished"
        async with asyncio.timeout(5):
            assert [batch async for batch in live] == [], "the end is the end, however often one asks"
    assert not list((tmp_path / "run").glob(f"streams/*/{DOOR}"))


async def test_one_may_begin_now(log: al.MultiLogger, tmp_path: Path) -> None:
    async with al.attach(tmp_path / "run", start="now") as live:
        await write(log, 5, 8)
        assert await heard(live, 7) == [5, 6, 7]


async def test_one_that_began_now_misses_nothing_of_another_recorder(log: al.MultiLogger, tmp_path: Path) -> None:
    """Killed before anything came: what its successor records first is wanted as well."""
    async with al.attach(tmp_path / "run", start="now") as live:
        os.kill(log.statistics()["recorder"]["pid"], signal.SIGKILL)
        await write(log, 5, 300)
        assert await heard(live, 299) == list(range(5, 300))


async def test_many_join_at_any_time(log: al.MultiLogger, tmp_path: Path) -> None:
    async def join(after: int) -> list[int]:
        await until(lambda: written[0] >= after)
        async with al.attach(tmp_path / "run") as live:
            return await heard(live, 299)

    written = [0]
    joining = [asyncio.create_task(join(after)) for after in (0, 0, 10, 100, 250, 300)]
    for step in range(5, 300):
        await write(log, step, step + 1)
        written[0] = step + 1
        await asyncio.sleep(0)
    assert await asyncio.gather(*joining) == [list(range(300))] * 6


async def test_filters_are_a_route_s(log: al.MultiLogger, tmp_path: Path) -> None:
    async with al.attach(tmp_path / "run", kinds={"string"}, namespaces={"a"}, phases={"valid"}, level="epoch") as live:
        for phase in ("train", "valid"):
            for level in ("batch", "epoch"):
                for namespace in ("a", "b"):
                    log.log_string("note", f"{phase} {level} {namespace}", namespace=namespace)
                    log.log_scalar("x", 0.5, namespace=namespace)
                await log.write(al.State(5, phase=phase, level=level))  # type: ignore[arg-type]
        batch = await anext(live)
        assert [event.value for event in batch] == ["valid epoch a"]


async def test_what_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    for wrong in (
        {"start": "then"},
        {"kinds": {"pictures"}},
        {"phases": {"later"}},
        {"level": "year"},
        {"wait": -1},
        {"wait": float("nan")},
    ):
        with pytest.raises(InvalidConfiguration):
            al.attach(tmp_path / "run", **wrong)  # type: ignore[arg-type]


async def test_a_run_that_is_not_live_can_not_be_attached_to(tmp_path: Path) -> None:
    with pytest.raises(RunNotFound):
        async with al.attach(tmp_path / "none"):
            pass
    async with al.MultiLogger(tmp_path / "run") as log:
        await write(log, 0, 1)
    with pytest.raises(RunNotLive, match=r"al\.read"):
        async with al.attach(tmp_path / "run"):
            pass


@pytest.fixture
def silent(log: al.MultiLogger, tmp_path: Path) -> Iterator[socket.socket]:
    """Somebody at a live run's door who answers nothing, as a recorder that is stopped."""
    door = tmp_path / "run" / "streams" / "main" / DOOR
    door.unlink()
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(door.parent):
        listening.bind(DOOR)
        listening.listen()
        yield listening


async def test_one_who_does_not_answer_is_not_waited_for_for_ever(silent: socket.socket, tmp_path: Path) -> None:
    live = al.attach(tmp_path / "run")
    live._patience_s = 0.2
    with pytest.raises(RunNotLive, match="doesn't answer as a recorder does"):
        await asyncio.wait_for(live.__aenter__(), DEADLINE_S)


async def test_one_who_talks_nonsense_and_hangs_up_is_not_knocked_at_for_ever(silent: socket.socket, tmp_path: Path) -> None:
    def answer() -> None:
        with contextlib.suppress(OSError):
            while True:
                with silent.accept()[0] as guest:
                    guest.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    answering = asyncio.create_task(asyncio.to_thread(answer))
    live = al.attach(tmp_path / "run")
    live._patience_s = 0.2
    with pytest.raises(RunNotLive, match="doesn't answer as a recorder does"):
        await asyncio.wait_for(live.__aenter__(), DEADLINE_S)
    silent.shutdown(socket.SHUT_RDWR)
    await answering


async def test_of_one_who_does_not_answer_the_statistics_say_so(silent: socket.socket, tmp_path: Path) -> None:
    assert await asyncio.to_thread(live_reports, tmp_path / "run") == {"main": None}


async def test_one_may_wait_until_a_run_comes_up(tmp_path: Path) -> None:
    async def follow() -> list[int]:
        async with al.attach(tmp_path / "run", wait=20) as live:
            return await heard(live, 4)

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    async with al.MultiLogger(tmp_path / "run") as log:
        await write(log, 0, 5)
        assert await following == list(range(5))


async def test_several_writers_need_a_name(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run") as log:
        await write(log, 0, 2)
        await log.flush(deadline=DEADLINE_S)
        (tmp_path / "run" / "streams" / "other").mkdir()
        (tmp_path / "run" / "streams" / "other" / "0000-000000.alog").touch()
        with pytest.raises(InvalidConfiguration, match="main, other"):
            async with al.attach(tmp_path / "run"):
                pass
        with pytest.raises(InvalidConfiguration, match="no 'third'"):
            async with al.attach(tmp_path / "run", writer="third"):
                pass
        async with al.attach(tmp_path / "run", writer="main") as live:
            assert await heard(live, 1) == [0, 1]


# -- memory ---------------------------------------------------------------------------------------------------------------


async def test_arrays_are_read_only_and_right_and_outlive_the_iterator(log: al.MultiLogger, tmp_path: Path) -> None:
    arrays: list[Any] = []
    async with al.attach(tmp_path / "run", kinds={"tensor"}) as live:
        for step in range(5, 60):
            log.log_tensor("w", np.full(2 * MIB, step, np.uint8))
            await log.write(step)
            arrays += [event.value.data for event in await anext(live)]
            arrays = arrays[-3:]
    for step in range(60, 80):
        log.log_tensor("w", np.full(2 * MIB, step, np.uint8))
        await log.write(step)
    assert [int(array[0]) for array in arrays] == [57, 58, 59]
    for array in arrays:
        assert (array == array[0]).all(), "what it looks into is not written again"
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_guest_that_stops_or_dies_holds_up_nobody(log: al.MultiLogger, tmp_path: Path, number: int) -> None:
    """With arrays in hand: what it keeps is bounded, a flush returns, and once it is dead its memory is free."""
    guest = Guest(tmp_path / "run")
    try:
        await guest.says("in")
        for step in range(5, 10):
            log.log_tensor("w", np.full(2 * MIB, step, np.uint8))
            await log.write(step)
        await guest.says("tensor 9 True")
        os.kill(guest.process.pid, number)
        async with asyncio.timeout(DEADLINE_S):
            for step in range(10, 60):
                log.log_tensor("w", np.full(2 * MIB, step, np.uint8))
                await log.write(step)
            await log.flush()
    finally:
        guest.end()
    await until(lambda: not attached(log))
    async with asyncio.timeout(DEADLINE_S):
        for step in range(60, 80):
            log.log_tensor("w", np.full(10 * MIB, step, np.uint8))
            await log.write(step)


async def test_whoever_leaves_early_gives_back_what_it_had(log: al.MultiLogger, tmp_path: Path) -> None:
    for _ in range(3):
        async with al.attach(tmp_path / "run") as live:
            for step in range(5):
                log.log_tensor("w", np.full(2 * MIB, step, np.uint8))
                await log.write(step)
            async for batch in live:
                assert len(batch)
                break
            del batch
        await until(lambda: not attached(log))
    async with asyncio.timeout(DEADLINE_S):
        log.log_tensor("w", np.zeros(24 * MIB, np.uint8))
        await log.write(9)


async def test_who_gives_up_while_it_enters_leaves_nobody_behind(log: al.MultiLogger, tmp_path: Path) -> None:
    os.kill(log.statistics()["recorder"]["pid"], signal.SIGSTOP)
    with pytest.raises(TimeoutError):  # noqa: PT012 - the whole of it
        async with asyncio.timeout(0.1):
            async with al.attach(tmp_path / "run"):
                pass
    os.kill(log.statistics()["recorder"]["pid"], signal.SIGCONT)
    assert [one for one in asyncio.all_tasks() if one.get_name() == "asynclog-attached"] == []


# -- recorders and strangers ----------------------------------------------------------------------------------------------


async def test_nothing_is_twice_or_missing_when_the_recorder_is_killed(log: al.MultiLogger, tmp_path: Path) -> None:
    async with al.attach(tmp_path / "run") as live:
        steps = await heard(live, 4)
        for first in (5, 305):
            await write(log, first, first + 150)
            os.kill(log.statistics()["recorder"]["pid"], signal.SIGKILL)
            await write(log, first + 150, first + 300)
            await heard(live, first + 299, steps)
    assert steps == list(range(605))


async def test_the_status_of_a_killed_run_comes_with_its_rest(tmp_path: Path) -> None:
    process = scripts.start(
        """
async def main():
    log = al.MultiLogger(path)
    for step in range(50):
        log.log_scalar("x", float(step))
        await log.write(step)
    await log.flush()
    print("written", flush=True)
    signal.pause()
asyncio.run(main())
""",
        tmp_path / "run",
    )
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == "written\n"
    async with al.attach(tmp_path / "run") as live:
        process.kill()
        assert await all_of(live) == list(range(50))
        assert live.status == "killed"
    await asyncio.to_thread(process.communicate)


async def test_the_next_life_of_the_writer_is_another_attachment_s(tmp_path: Path) -> None:
    """Its recorder is there while the old one still sees to the end of the first."""
    path = tmp_path / "run"
    first = scripts.start(
        """
async def main():
    log = al.MultiLogger(path)
    for step in range(50):
        log.log_scalar("x", float(step))
        await log.write(step)
    print("written", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
""",
        path,
    )
    assert first.stdout is not None
    assert (await asyncio.to_thread(first.stdout.readline)).strip() == "written"
    async with al.attach(path) as live:
        batch = await anext(live)
        steps = [event.step for event in batch]
        first.kill()
        await asyncio.to_thread(first.communicate)
        async with al.MultiLogger(path) as second:
            await write(second, 1_000, 1_010)
            await second.flush(deadline=DEADLINE_S)
            steps += await all_of(live)
    assert steps == list(range(50))
    assert live.status == "killed"


async def test_arrays_stay_when_one_has_left(tmp_path: Path) -> None:
    """For as long as somebody looks at them, and not a moment longer."""
    async with al.MultiLogger(tmp_path / "run", slabs=128 * MIB) as log:
        await write(log, 0, 5)
        async with al.attach(tmp_path / "run", kinds={"tensor"}) as live:
            await until(lambda: [one["live"] for one in attached(log)] == [True])
            log.log_tensor("kept", np.full(2 * MIB, 77, np.uint8))
            await log.write(5)
            async with asyncio.timeout(DEADLINE_S):
                kept = [event.value.data async for event in first_of(live)]
        for step in range(6, 26):
            log.log_tensor("later", np.full(2 * MIB, step, np.uint8))
            await log.write(step)
        await log.flush(deadline=DEADLINE_S)
        assert bool((kept[0] == 77).all())
        assert log.statistics()["slabs"]["held_bytes"].get("recorder")
        kept.clear()
        await until(lambda: not log.statistics()["slabs"]["held_bytes"].get("recorder"))


async def first_of(live: Any) -> AsyncIterator[Any]:
    batch = await anext(live)
    for event in batch:
        yield event


async def test_only_the_owner_may_come_in(log: al.MultiLogger, tmp_path: Path) -> None:
    stream = tmp_path / "run" / "streams" / "main"
    mode = (stream / DOOR).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    sock = await asyncio.to_thread(knock, stream)
    assert sock is not None
    assert peer(sock) == (log.statistics()["recorder"]["pid"], os.geteuid())
    sock.close()


@pytest.mark.blocking
async def test_another_user_is_turned_away(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    for one in (tmp_path, *tmp_path.parents):
        if not one.stat().st_mode & 0o001:
            one.chmod(one.stat().st_mode | 0o055)
        if one == Path("/tmp"):
            break
    door = Door(tmp_path)
    (tmp_path / DOOR).chmod(0o666)
    program = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({str(tmp_path / DOOR)!r}); print(s.recv(1))"
    process = await asyncio.to_thread(
        subprocess.Popen, ["python3", "-c", program], user=65534, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        async with asyncio.timeout(10):
            while process.poll() is None:
                assert door.answer() is None
                await asyncio.sleep(0.005)
        out, err = process.communicate()
        assert out.strip() == "b''", err
    finally:
        door.close()


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 5000, b"", b"\x01\0\0\0\0\0\0\0\0\0\0\0\xc0",
     b"\x09\0\0\0\0\0\0\0\0\0\0\0\x96\xa5hello\x01\x02", b"\x0b\0\0\0\0\0\0\0\0\0\0\0\x92\xa5hello\xa3abc"],
)  # fmt: skip
async def test_a_stranger_who_talks_nonsense_hurts_nobody(log: al.MultiLogger, tmp_path: Path, data: bytes) -> None:
    stream = tmp_path / "run" / "streams" / "main"
    pid = log.statistics()["recorder"]["pid"]
    for _ in range(3):
        sock = await asyncio.to_thread(knock, stream)
        assert sock is not None
        await asyncio.to_thread(sock.sendall, data)
        if not data:
            sock.shutdown(socket.SHUT_WR)
        sock.settimeout(10)
        while await asyncio.to_thread(sock.recv, 4096):
            pass
        sock.close()
    async with al.attach(tmp_path / "run") as live:
        await write(log, 5, 7)
        assert await heard(live, 6) == list(range(7))
    assert log.statistics()["recorder"]["pid"] == pid
    printed = (tmp_path / "run" / "recorder.log").read_text()
    assert "Traceback" not in printed


async def test_runs_with_long_paths_can_be_attached_to(tmp_path: Path) -> None:
    """A socket's path may have 107 bytes."""
    path = tmp_path / ("a" * 100) / ("b" * 100) / "run"
    async with al.MultiLogger(path) as log:
        await write(log, 0, 3)
        await log.flush(deadline=DEADLINE_S)
        async with al.attach(path) as live:
            assert await heard(live, 2) == [0, 1, 2]


async def test_what_a_dead_recorder_left_at_the_door_is_in_nobody_s_way(tmp_path: Path) -> None:
    stream = tmp_path / "run" / "streams" / "main"
    stream.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left:
        os.chdir(stream)
        try:
            left.bind(DOOR)
        finally:
            os.chdir(scripts.ROOT)
    async with al.MultiLogger(tmp_path / "run") as log:
        await write(log, 0, 3)
        await log.flush(deadline=DEADLINE_S)
        async with al.attach(tmp_path / "run") as live:
            assert await heard(live, 2) == [0, 1, 2]
