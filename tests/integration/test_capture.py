"""What a program prints, logs and does, found in its run: whoever printed it, and however the program ended."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.cli.surroundings import standing_still
from asynclog.readers.asking import live_reports
from tests.integration import scripts
from tests.unmeasured import UNMEASURED

DEADLINE_S = 40.0
PLAIN = "capture=al.Capture(system=None, environment=False, logging=False, loop=False)"
RECORDERS = pytest.mark.parametrize("recorder", ["thread", "process"])
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are looked at in /proc")


def lines(path: Path, key: str = "stdout") -> list[str]:
    return [str(event.value) for event in al.read(path).events(kind="string", key=f"console/{key}")]


def ended(path: Path) -> al.Run:
    scripts.settled(path)
    return al.read(path)


def until(condition: Callable[[], Any]) -> Any:
    give_up = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < give_up
        time.sleep(0.02)
    return found


# -- who prints --------------------------------------------------------------------------------------------------------


@RECORDERS
def test_what_python_c_and_children_print_is_recorded_and_passed_on(tmp_path: Path, recorder: str) -> None:
    done = scripts.run(
        f"""
import ctypes, subprocess
with al.MultiLogger(path, recorder={recorder!r}, {PLAIN}) as log:
    print("from python", flush=True)
    ctypes.CDLL(None).puts(b"from C")
    ctypes.CDLL(None).printf(b"%s\\n", b"with a format")
    ctypes.CDLL(None).fflush(None)
    subprocess.run(["sh", "-c", "echo from a child; echo its error >&2"])
print("and after")
""",
        tmp_path / "run",
    )
    assert done.returncode == 0, done.stderr
    own = ["from python", "from C", "with a format", "from a child"]
    assert done.stdout.splitlines() == [*own, "and after"]
    assert lines(tmp_path / "run") == own
    assert lines(tmp_path / "run", "stderr") == ["its error"]


def test_a_child_that_opens_its_output_anew_takes_nothing_away(tmp_path: Path) -> None:
    done = scripts.run(
        f"""
import subprocess
with al.MultiLogger(path, {PLAIN}) as log:
    print("before", flush=True)
    subprocess.run(["sh", "-c", "echo instead > /dev/stdout"], stderr=subprocess.DEVNULL)
    subprocess.run(["sh", "-c", "echo appended >> /dev/stdout"])
    print("after", flush=True)
""",
        tmp_path / "run",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["before", "appended", "after"]
    assert lines(tmp_path / "run") == ["before", "appended", "after"]


def test_bytes_that_are_no_text_are_passed_on_as_they_are(tmp_path: Path) -> None:
    program = f"with al.MultiLogger(path, {PLAIN}) as log: os.write(1, b'\\xff\\x00 bytes')"
    child = [sys.executable, "-c", scripts.PREAMBLE + program, str(tmp_path / "run")]
    assert subprocess.run(child, stdout=subprocess.PIPE, env=environment(), check=True).stdout == b"\xff\x00 bytes"
    assert lines(tmp_path / "run") == ["\\xff\x00 bytes"]


@RECORDERS
@pytest.mark.parametrize("body", ["pass", "raise KeyError('x')"])
def test_afterwards_descriptors_threads_and_hooks_are_as_they_were(tmp_path: Path, recorder: str, body: str) -> None:
    done = scripts.run(
        f"""
import gc, json, logging
def state():
    gc.collect()  # a mapping of shared memory keeps a descriptor until it is
    def leads(fd):
        try:
            return os.readlink(f"/proc/self/fd/{{fd}}")
        except FileNotFoundError:
            return "none"
    found = [leads(fd) for fd in sorted(os.listdir("/proc/self/fd"), key=int)]
    hooks = [id(one) for one in (sys.excepthook, threading.excepthook, warnings.showwarning)]
    kinds = sorted(one.partition("[")[0] for one in found if one != "none")
    return [found[:3], kinds, threading.active_count(), hooks, id(logging.Logger.callHandlers)]
def once():
    try:
        with al.MultiLogger(path, recorder={recorder!r}, capture=True) as log:
            print("x")
            {body}
    except KeyError:
        pass
once()
time.sleep(0)
before = state()
once()
print(json.dumps([before, state()]))
""",
        tmp_path / "run",
    )
    assert done.returncode == 0, done.stderr
    before, after = json.loads(done.stdout.splitlines()[-1])
    assert after == before
    assert "memfd" not in str(after)


def test_a_print_belongs_to_the_step_that_was_last_written(tmp_path: Path) -> None:
    done = scripts.run(
        f"""
with al.MultiLogger(path, {PLAIN}) as log:
    for step in (3, 7):
        log.log_scalar("x", 0.5)
        log.write_nowait(step)
        print("at", step, flush=True)
        while not [one for one in al.read(path).events(kind="string") if one.value == f"at {{step}}"]:
            time.sleep(0.05)
""",
        tmp_path / "run",
    )
    assert done.returncode == 0, done.stderr
    assert [(event.step, event.value) for event in al.read(tmp_path / "run").events(kind="string")] == [
        (3, "at 3"),
        (7, "at 7"),
    ]


def test_a_forked_child_prints_into_the_same_run(tmp_path: Path) -> None:
    done = scripts.run(
        f"""
warnings.simplefilter("ignore")
with al.MultiLogger(path, {PLAIN}) as log:
    child = os.fork()
    if not child:
        print("child", flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print("parent")
""",
        tmp_path / "run",
    )
    assert done.stdout.splitlines() == ["child", "parent"]
    assert lines(tmp_path / "run") == ["child", "parent"]


@pytest.mark.parametrize("first", ["inner", "outer"])
def test_captures_may_lie_on_top_of_each_other_and_end_in_any_order(tmp_path: Path, first: str) -> None:
    done = scripts.run(
        f"""
from asynclog.routines import capture
what = dict(system=None, environment=False, logging=False, loop=False)
outer, inner = al.MultiLogger(path + "/outer"), al.MultiLogger(path + "/inner")
captures = dict(outer=capture(outer, **what), inner=capture(inner, **what))
captures["outer"].__enter__()
print("one", flush=True)
captures["inner"].__enter__()
print("two", flush=True)
last = "inner" if {first!r} == "outer" else "outer"
captures[{first!r}].__exit__(None, None, None)
print("three", flush=True)
captures[last].__exit__(None, None, None)
print("four", flush=True)
outer.close()
inner.close()
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["one", "two", "three", "four"]
    other = "inner" if first == "outer" else "outer"
    assert "three" in lines(tmp_path / other)
    assert lines(tmp_path / "inner")[0] == "two"
    # What the inner one has not passed on yet goes to whoever is below, once the outer one has gone.
    assert lines(tmp_path / "outer")[: 1 if first == "outer" else 2] == ["one", "two"][: 1 if first == "outer" else 2]
    assert "four" not in lines(tmp_path / other) + lines(tmp_path / first)


def test_a_terminal_stays_one_for_python(tmp_path: Path) -> None:
    import pty

    outside, inside = pty.openpty()
    program = f"with al.MultiLogger(path, {PLAIN}) as log: print('terminal', sys.stdout.isatty())\nprint(sys.stdout.isatty())"
    child = subprocess.Popen(
        [sys.executable, "-c", scripts.PREAMBLE + program, str(tmp_path / "run")], stdout=inside, env=environment()
    )
    assert child.wait(DEADLINE_S) == 0
    os.close(inside)
    assert os.read(outside, 1000).split() == [b"terminal", b"True", b"True"]
    os.close(outside)
    assert lines(tmp_path / "run") == ["terminal True"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(scripts.ROOT)}


# -- how it ends -------------------------------------------------------------------------------------------------------

ENDS = {
    "segfault": ("import ctypes, faulthandler; faulthandler.enable(); ctypes.string_at(0)", -signal.SIGSEGV),
    "kill": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "exit": ("os._exit(3)", 3),
    "abort": ("os.abort()", -signal.SIGABRT),
}


@pytest.mark.crash
@pytest.mark.parametrize("end", ENDS)
def test_the_last_words_of_a_process_are_recorded_and_shown(tmp_path: Path, end: str) -> None:
    how, code = ENDS[end]
    program = f"""
log = al.MultiLogger(path, {PLAIN})
log.log_scalar("x", 0.5)
log.write_nowait(5)
for at in range(3000):
    os.write(1, b"line %d\\n" % at)
os.write(1, b"last words")
{how}
"""
    done = scripts.run(program, tmp_path / "run")
    run = ended(tmp_path / "run")
    said = [f"line {at}" for at in range(3000)] + ["last words"]
    assert (done.returncode, run.status) == (code, "killed")
    assert lines(tmp_path / "run") == said
    assert done.stdout.splitlines() == said
    assert [event.step for event in run.events(key="console/stdout")][-1] == 5
    if end == "segfault":
        told = lines(tmp_path / "run", "stderr")
        assert "Fatal Python error: Segmentation fault" in told
        assert any("string_at" in one for one in told)
        assert done.stderr.splitlines() == told


@pytest.mark.crash
def test_a_recorder_that_dies_loses_no_line_and_repeats_none(tmp_path: Path) -> None:
    """The file in memory outlives it: its successor goes on behind what is recorded, and behind what was shown."""
    done = scripts.run(
        f"""
with al.MultiLogger(path, {PLAIN}) as log:
    log.log_scalar("x", 0.5)
    log.write_nowait(0)
    for at in range(6000):
        os.write(1, b"line %d\\n" % at)
        if at == 2000:
            while not any(one.value == "line 1000" for one in al.read(path).events(kind="string")):
                time.sleep(0.01)
        if at in (2000, 4000):
            os.kill(log.statistics()["recorder"]["pid"], signal.SIGKILL)
            time.sleep(0.05)
""",
        tmp_path / "run",
    )
    assert done.returncode == 0, done.stderr
    said = [f"line {at}" for at in range(6000)]
    assert lines(tmp_path / "run") == said
    # What it showed last may be shown once more: at most one piece of it.
    assert list(dict.fromkeys(done.stdout.splitlines())) == said


def test_an_exception_that_nobody_catches_fails_the_run_with_its_traceback(tmp_path: Path) -> None:
    """Here the logger isn't used under `with`: the interpreter's hook tells why it ends."""
    done = scripts.run(
        f"""
log = al.MultiLogger(path, {PLAIN})
log.log_scalar("x", 0.5)
log.write_nowait(0)
def diverge():
    raise FloatingPointError("loss is NaN")
diverge()
""",
        tmp_path / "run",
    )
    run = ended(tmp_path / "run")
    assert done.returncode == 1
    assert (run.status, run.error) == ("failed", "FloatingPointError: loss is NaN")
    assert run.traceback is not None
    assert "in diverge" in run.traceback
    assert "FloatingPointError: loss is NaN" in done.stderr
    assert lines(tmp_path / "run", "stderr")[-1] == "FloatingPointError: loss is NaN"


def test_whoever_reads_the_output_may_go_away(tmp_path: Path) -> None:
    program = f"""
with al.MultiLogger(path, {PLAIN}) as log:
    print("one", flush=True)
    sys.stdin.readline()
    for at in range(1000):
        print("line", at)
os._exit(0)
"""
    child = scripts.start(program, tmp_path / "run")
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == "one\n"
    child.stdout.close()
    child.stdin.write("\n")
    child.stdin.flush()
    assert child.wait(DEADLINE_S) == 0
    child.stdin.close()
    assert child.stderr is not None
    child.stderr.close()
    assert lines(tmp_path / "run") == ["one", *(f"line {at}" for at in range(1000))]


@pytest.mark.timeout(120)
def test_a_flood_is_shown_whole_and_recorded_in_part_with_a_count(tmp_path: Path) -> None:
    """30 MB at once: no print waits for anybody, the run holds a bounded part, and says what it left out."""
    done = scripts.run(
        f"""
with al.MultiLogger(path, {PLAIN}) as log:
    for at in range(300):
        os.write(1, b"".join(b"this is line %08d of a flood, and it is as long as a hundred bytes or thereabouts, no less\\n"
                             % (1000 * at + one) for one in range(1000)))
    os.write(1, b"the end\\n")
""",
        tmp_path / "run",
    )
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()
    assert len(shown) == 300_001
    assert shown[-1] == "the end"
    found = lines(tmp_path / "run")
    assert any("bytes were printed here and not recorded" in one for one in found)
    assert len(found) < 150_000
    assert found[-1] == "the end"


# -- log records, warnings, exceptions ---------------------------------------------------------------------------------


def test_log_records_warnings_and_exceptions_of_threads_and_tasks_are_recorded(tmp_path: Path) -> None:
    done = scripts.run(
        """
import logging
async def main():
    async with al.MultiLogger(path, capture=al.Capture(system=None, environment=False, logging="INFO")) as log:
        logging.getLogger().setLevel(logging.DEBUG)
        logging.getLogger("lib.part").info("step %d", 3)
        logging.getLogger("lib.part").debug("too small")
        logging.getLogger("lib.wrong").info("%d", "no number")
        try:
            1 / 0
        except ZeroDivisionError:
            logging.getLogger("lib").exception("it failed")
        warnings.warn("careful", stacklevel=1)
        def in_thread():
            raise KeyError("of a thread")
        thread = threading.Thread(target=in_thread, name="loader")
        thread.start()
        thread.join()
        asyncio.get_running_loop().call_soon(lambda: [][0])
        await asyncio.sleep(0.01)
asyncio.run(main())
""",
        tmp_path / "run",
    )
    assert done.returncode == 0, done.stderr
    found = {event.key: event.value for event in al.read(tmp_path / "run").events(kind="record", namespace="log")}
    assert [found["lib.part"].message, found["lib.part"].level] == ["step 3", 20]
    assert found["lib"].message == "it failed"
    assert "ZeroDivisionError" in found["lib"].exception
    assert found["warnings"].message == "UserWarning: careful"
    uncaught = [event.value for event in al.read(tmp_path / "run").events(kind="record", key="log/uncaught")]
    assert [one.message.partition(": ")[2] for one in uncaught[:1]] == ["KeyError: 'of a thread'"]
    assert "IndexError" in uncaught[1].message
    assert "lib.wrong" not in found
    # Whoever was there before is called as well.
    assert "KeyError: 'of a thread'" in done.stderr
    assert "UserWarning: careful" in done.stderr


def test_what_the_program_logs_to_its_terminal_is_as_without_capture(tmp_path: Path) -> None:
    done = scripts.run(
        """
import logging
with al.MultiLogger(path, capture=al.Capture(system=None, environment=False)) as log:
    logging.getLogger("nobody").warning("handled by nobody")
    logging.basicConfig(level=logging.INFO, format="basic: %(message)s")
    logging.getLogger("set.up").info("with a set-up of its own")
    logging.getLogger("alone").propagate = False
    logging.getLogger("alone").info("does not propagate")
logging.getLogger("set.up").info("after")
""",
        tmp_path / "run",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["handled by nobody", "basic: with a set-up of its own", "basic: after"]
    found = {event.key: event.value.message for event in al.read(tmp_path / "run").events(kind="record", namespace="log")}
    assert found == {"nobody": "handled by nobody", "set.up": "with a set-up of its own", "alone": "does not propagate"}


async def test_a_handler_may_be_used_alone(tmp_path: Path) -> None:
    import logging

    from asynclog.routines import LogHandler

    logger = logging.getLogger("tests.of.capture")
    logger.propagate = False
    async with al.MultiLogger(tmp_path / "run") as log:
        handler = LogHandler(log, "WARNING", namespace="words")
        logger.addHandler(handler)
        logger.warning("said %s", "so")
        logger.info("not this")
        logging.getLogger("asynclog").warning("nor asynclog's own")
        await log.flush()
    logger.warning("nor after the end")
    logger.removeHandler(handler)
    (event,) = al.read(tmp_path / "run").events(kind="record")
    assert (event.namespace, event.key, event.value.message) == ("words", "tests.of.capture", "said so")
    assert handler.dropped == 1


async def test_what_is_captured_moves_no_limit(tmp_path: Path) -> None:
    """A record between two writes doesn't take the loop's turn from it."""
    import logging

    from asynclog.routines import LogHandler

    memory = al.sinks.Memory()
    route = al.Route(memory, limit=al.RateLimit(steps=2), name="memory")
    async with al.MultiLogger(tmp_path / "run", sinks=[route]) as log:
        handler = LogHandler(log)
        for step in range(4):
            log.log_string("word", f"at {step}")
            await log.write(step)
            handler.emit(logging.LogRecord("x", 30, "f.py", 1, "said", None, None))
        await log.flush()
        strings = [event.step for event in memory.events if event.kind == "string"]
    assert strings == [0, 2]


# -- to sinks ----------------------------------------------------------------------------------------------------------


def test_lines_go_to_sinks_that_ask_for_them_and_a_console_never_sees_its_own(tmp_path: Path) -> None:
    done = scripts.run(
        f"""
class Taker:
    takes_console = True
    default_place = "thread"
    def __init__(self): self.found = []
    async def write(self, batch, /): self.found += [event.value for event in batch if event.namespace == "console"]
    async def aclose(self): os.write(1, f"taken {{self.found}}\\n".encode())
class Other(Taker):
    takes_console = False
console = al.sinks.Console(sys.stdout, tree=False)
sinks = [Taker(), Other(), console, al.Route(Other(), name="named", namespaces={{"console"}})]
with al.MultiLogger(path, sinks=sinks, {PLAIN}) as log:
    print("hello", flush=True)
    log.log_scalar("x", 0.5)
    log.write_nowait(0)
""",
        tmp_path / "run",
    )
    assert done.returncode == 0, done.stderr
    taken = [one for one in done.stdout.splitlines() if one.startswith("taken")]
    assert sorted(one.count("'hello'") for one in taken) == [0, 1, 1]
    assert sum("x=0.5" in one for one in lines(tmp_path / "run")) <= 1


async def test_who_attaches_gets_the_lines_and_a_later_sync_only_where_it_asks(tmp_path: Path) -> None:
    program = f"""
with al.MultiLogger(path, {PLAIN}) as log:
    log.log_scalar("x", 0.5)
    log.write_nowait(0)
    print("hello", flush=True)
    sys.stdin.readline()
"""
    child = scripts.start(program, tmp_path / "run")
    try:
        heard = []
        async with asyncio.timeout(DEADLINE_S), al.attach(tmp_path / "run", kinds={"string"}, wait=DEADLINE_S) as live:
            async for event in live.events():
                heard.append(event.value)
                break
    finally:
        await asyncio.to_thread(child.communicate, "\\n")
    assert heard == ["hello"]
    for name, namespaces, told in (("quiet", None, 0), ("asks", {"console"}, 1)):
        sink = al.sinks.JSONLines(tmp_path / name)
        route = al.Route(sink, name=name, namespaces=namespaces)
        await al.sync(tmp_path / "run", route)
        found = (tmp_path / name).read_text() if (tmp_path / name).exists() else ""
        assert found.count("hello") == told


async def test_without_a_run_lines_go_to_the_sinks_that_ask(tmp_path: Path) -> None:
    done = scripts.run(
        f"""
memory = al.sinks.Memory()
with al.MultiLogger(None, sinks=[al.Route(memory, namespaces={{"console"}})], {PLAIN}) as log:
    print("hello")
print([event.value for event in memory.events])
""",
        tmp_path / "none",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["hello", "['hello']"]


def test_capture_is_a_section_of_the_configuration(tmp_path: Path) -> None:
    pytest.importorskip("pydantic")
    settings = {"run": str(tmp_path / "run"), "capture": {"system": None, "environment": False, "stderr": False}}
    done = scripts.run(f"with al.from_config({settings!r}) as log: print('hello')", tmp_path)
    assert done.returncode == 0, done.stderr
    assert lines(tmp_path / "run") == ["hello"]


def test_one_capture_at_a_time(tmp_path: Path) -> None:
    from asynclog.routines import capture

    what = {"stdout": False, "stderr": False, "logging": False, "environment": False, "system": None}
    with (
        al.MultiLogger(tmp_path / "run") as log,
        capture(log, **what),
        pytest.raises(al.InvalidConfiguration, match="captures already"),
        capture(log, **what),
    ):
        pass
    for wrong in ({"system": 0}, {"ansi": "no"}, {"stdout": 1}, {"hang_after": "x"}, {"logging": "LOUD"}):
        with pytest.raises(al.InvalidConfiguration, match=next(iter(wrong))):
            al.Capture(**wrong)  # type: ignore[arg-type]


# -- the loop and the machine ------------------------------------------------------------------------------------------


@pytest.mark.timeout(120)
def test_a_loop_that_stands_still_is_seen_from_outside_and_its_stack_recorded(tmp_path: Path) -> None:
    program = """
def deep_inside():
    sys.stdin.readline()
async def main():
    async with al.MultiLogger(path, capture=al.Capture(stdout=False, stderr=False, environment=False, system=0.5,
                                                       hang_after=0.5)) as log:
        log.log_scalar("x", 0.5)
        await log.write(4)
        deep_inside()
        while len([*al.read(path).events(key="loop/hung")]) < 2 or not [*al.read(path).events(key="lag_max_s")]:
            await asyncio.sleep(0.05)
asyncio.run(main())
"""
    child = subprocess.Popen(
        [sys.executable, "-c", scripts.PREAMBLE + program, str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        env={**UNMEASURED, "PYTHONPATH": str(scripts.ROOT)},
        text=True,
    )

    def still() -> float | None:
        reports = live_reports(tmp_path / "run").values() if (tmp_path / "run" / "streams").is_dir() else ()
        return next((found for one in reports if (found := standing_still(one, time.time_ns()))), None)

    assert until(still) >= 2.0
    child.communicate("\n", timeout=DEADLINE_S)
    assert child.returncode == 0
    run = al.read(tmp_path / "run")
    hung = [event.value for event in run.events(kind="record", key="loop/hung")]
    assert "the loop has not turned" in hung[0].message
    assert "in deep_inside" in hung[0].exception
    assert "turns again" in hung[1].message
    assert run.series("lag_max_s", "loop").value.max() >= 1.0


@RECORDERS
def test_the_machine_and_the_environment_are_in_the_run(tmp_path: Path, recorder: str) -> None:
    done = scripts.run(
        f"""
os.environ["WANDB_API_KEY"] = os.environ["SLURM_JWT"] = "secret" + "-1"
os.environ["SLURM_JOB_ID"] = "77"
with al.MultiLogger(path, recorder={recorder!r}, capture=al.Capture(system=0.2)) as log:
    log.log_scalar("x", 0.5)
    log.write_nowait(6)
    while not [one for one in al.read(path).keys() if one.key == "process/memory_gib" and one.events >= 2]:
        time.sleep(0.05)
    assert log.write_nowait(7) is None
""",
        tmp_path / "run",
        "--api-key",
        "secret-2",
        "--token=secret-3",
    )
    assert done.returncode == 0, done.stderr
    run = al.read(tmp_path / "run")
    memory = run.series("process/memory_gib", "system")
    assert 0.01 < memory.value[-1] < 100
    assert set(memory.step) <= {0, 6, 7}
    assert 0 <= run.series("memory/percent", "system").value[-1] <= 100
    assert run.environment["variables"]["SLURM_JOB_ID"] == "77"
    assert run.environment["packages"]["numpy"]
    assert run.environment["pid"] == run.writers[0].pid
    assert not [one for one in ("secret-1", "secret-2", "secret-3") if one in str(run.environment)]
    assert "--api-key" in run.environment["command"]
    assert run.config == {}
