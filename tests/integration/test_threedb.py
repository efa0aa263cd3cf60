"""Whole runs with 3DB's kind of loggers, each in a module of its own; and that what broke 3DB doesn't break this."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import asynclog as al
from asynclog.errors import InvalidValue
from asynclog.integrations import threedb
from tests.integration.scripts import ROOT, run, start

LINES = '''
import hashlib, json, os, time
from pathlib import Path
from asynclog.integrations.threedb import BaseLogger

class Lines(BaseLogger):
    """A line a result: what came, and a digest of each channel's bytes."""

    def __init__(self, root_dir, result_buffer, config):
        super().__init__(root_dir, result_buffer, config)
        self.regid = self.buffer.register()
        self.handle = open(Path(root_dir, "lines.txt"), "a")

    def log(self, item):
        channels = self.buffer[item["result_ix"]]
        digests = {name: [list(one.shape), str(one.dtype), hashlib.sha256(one.tobytes()).hexdigest()]
                   for name, one in channels.items()}
        line = {"ix": item["result_ix"], "id": item["id"], "channels": digests}
        self.handle.write(json.dumps(line) + "\\n")
        self.buffer.free(item["result_ix"], self.regid)
'''


def logger(directory: Path, body: str = "", name: str = "lines") -> str:
    """A module with a logger; ``body`` is put before its log."""
    path = directory / f"{name}.py"
    path.write_text(LINES + body + "\nLogger = Lines\n")
    return str(path)


def config(*modules: str) -> dict[str, Any]:
    return {"logging": {"logger_modules": list(modules)}}


async def loggers(*modules: str) -> list[al.Route]:
    """Their routes, made off the loop: their files are looked at."""
    return await asyncio.to_thread(al.config.logger_modules, config(*modules))


def lines(run_directory: Path, name: str = "lines") -> list[dict[str, Any]]:
    path = run_directory / "sinks" / name / "lines.txt"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def digest(array: Any) -> list[Any]:
    import hashlib

    found = np.asarray(array)
    return [list(found.shape), str(found.dtype), hashlib.sha256(found.tobytes()).hexdigest()]


async def test_every_channel_arrives_bit_for_bit_whatever_its_shape(tmp_path: Path) -> None:
    """No shape is fixed, and no slot shows another result's data."""
    random = np.random.default_rng(0)
    given = []
    async with al.MultiLogger(tmp_path / "run", sinks=await loggers(logger(tmp_path))) as log:
        results = threedb.Results(log)
        for at in range(40):
            height, width = random.integers(1, 200, 2)
            channels = {"rgb": random.random((3, height, width), np.float32), "is_correct": bool(at % 2)}
            if at % 3:
                channels["depth"] = torch.from_numpy(random.random((height, width)))
            ix = await results.log({"id": f"r{at}"}, channels)
            given.append({"ix": ix, "id": f"r{at}", "channels": {name: digest(one) for name, one in channels.items()}})
            for one in channels.values():
                if isinstance(one, np.ndarray):
                    one[:] = 0  # it was accepted, so it may be overwritten
    assert lines(tmp_path / "run") == given
    found = [(event.step, event.phase) for event in al.read(tmp_path / "run").events(kind="record")]
    assert found == [(at, "test") for at in range(40)]


async def test_what_is_not_as_declared_is_refused_and_nothing_is_recorded_of_it(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run") as log:
        results = threedb.Results(log)
        assert results.declare_buffers({"rgb": ([3, 4], "float32"), "is_correct": ([], "bool")})
        assert results.declare_buffers({"rgb": ([3, 4], np.float32), "is_correct": ([], np.bool_)})
        assert not results.declare_buffers({"rgb": ([3, 5], "float32")})
        with pytest.raises(InvalidValue, match=r"channel 'rgb': expected shape \(3, 4\), float32, as declared"):
            await results.log({"id": "bad"}, {"is_correct": True, "rgb": np.zeros((4, 3), np.float32)})
        with pytest.raises(InvalidValue, match="expected a mapping as its item"):
            await results.log([("id", "bad")])
        assert await results.log({"id": "good"}, {"is_correct": 1}) == 0
    events = list(al.read(tmp_path / "run").events())
    assert [event.kind for event in events] == ["record", "tensor"]
    assert events[1].value.data.dtype == np.bool_


async def test_a_result_that_shared_memory_cannot_hold_at_once_is_refused(tmp_path: Path) -> None:
    """Recorded in part, it would be waited for."""
    async with al.MultiLogger(tmp_path / "run", slabs=16 << 20) as log:
        results = threedb.Results(log)
        with pytest.raises(InvalidValue, match=r"result 'big': expected at most a quarter.*slabs=bytes"):
            await results.log({"id": "big"}, {"a": np.zeros(3 << 20, np.uint8), "b": np.zeros(3 << 20, np.uint8)})
        await results.log({"id": "small"}, {"a": np.zeros(3 << 20, np.uint8)})


async def test_tasks_that_log_at_once_do_not_mix_their_channels(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", sinks=await loggers(logger(tmp_path))) as log:
        results = threedb.Results(log)
        await asyncio.gather(*(results.log({"id": f"r{at}"}, {"n": np.full((50, 50), at)}) for at in range(100)))
    found = lines(tmp_path / "run")
    assert sorted(one["ix"] for one in found) == list(range(100))
    assert all(one["channels"]["n"] == digest(np.full((50, 50), int(one["id"][1:]))) for one in found)


async def test_results_may_be_logged_under_any_namespace(tmp_path: Path) -> None:
    """As a component's own logger has one."""
    async with al.MultiLogger(tmp_path / "run", sinks=await loggers(logger(tmp_path))) as log:
        await threedb.Results(log.child("simulator")).log({"id": "r0", "outputs": np.ones(3)}, {"n": np.arange(3)})
        with log.namespace("evaluation"):
            await threedb.Results(log, first=1).log({"id": "r1"}, {"n": np.arange(3)})
        log.log_record("result", "somebody else's", namespace="threedb")
        log.log_scalar("result", 1.0, namespace="threedb")
        await log.write(2)
    assert [(one["id"], one["ix"], list(one["channels"])) for one in lines(tmp_path / "run")] == [
        ("r0", 0, ["n"]),
        ("r1", 1, ["n"]),
    ]


async def test_far_more_loggers_than_seven(tmp_path: Path) -> None:
    routes = await loggers(*[logger(tmp_path)] * 20)
    async with al.MultiLogger(tmp_path / "run", sinks=routes) as log:
        results = threedb.Results(log)
        for at in range(5):
            await results.log({"id": f"r{at}"}, {"n": np.arange(at)})
    for route in routes:
        assert [one["ix"] for one in lines(tmp_path / "run", route.name)] == list(range(5)), route.name


KEEPS = """
class Keeps(Lines):
    def log(self, item):
        self.kept = [*getattr(self, "kept", []), (item["result_ix"], self.buffer[item["result_ix"]]["n"])]
        self.buffer.free(item["result_ix"], self.regid)

    def end(self):
        for ix, array in self.kept[::10]:
            self.handle.write(json.dumps([ix, hashlib.sha256(array.tobytes()).hexdigest(), array.flags.writeable]) + "\\n")
Lines = Keeps
"""


async def test_arrays_that_a_logger_keeps_stay_what_they_are(tmp_path: Path) -> None:
    """Freed or not, and while the memory around them is used again."""
    random = np.random.default_rng(0)
    given = []
    routes = await loggers(logger(tmp_path, KEEPS))
    async with al.MultiLogger(tmp_path / "run", sinks=routes, slabs=32 << 20) as log:
        results = threedb.Results(log)
        for at in range(100):
            array = random.integers(0, 256, (100, 300), np.uint8)
            ix = await results.log({"id": f"r{at}"}, {"n": array})
            given.append([ix, digest(array)[2], False])
    assert lines(tmp_path / "run") == given[::10]


RAISES = """
class Broken(Lines):
    def log(self, item):
        raise LookupError("no such mesh")
Lines = Broken
"""
HANGS = """
class Hangs(Lines):
    def log(self, item):
        time.sleep(10_000)
Lines = Hangs
"""


async def test_a_logger_that_fails_or_hangs_stops_nobody_and_its_error_comes_home(tmp_path: Path) -> None:
    """In 3DB a dead logger held up the others and the end, and its error reached nobody."""
    modules = [logger(tmp_path), logger(tmp_path, RAISES, "broken"), logger(tmp_path, HANGS, "hanging")]
    log = al.MultiLogger(tmp_path / "run", sinks=await loggers(*modules))
    async with log:
        results = threedb.Results(log)
        for at in range(20):
            await results.log({"id": f"r{at}"}, {"n": np.arange(at)})
        while len(lines(tmp_path / "run")) < 20:
            await asyncio.sleep(0.01)
        while "no such mesh" not in str(log.statistics()["routes"].get("broken", {}).get("error")):
            await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError):
            await log.flush(deadline=0.2)
        await log.aclose(deadline=0.5)
    assert log.statistics()["routes"]["hanging"]["pending"] > 0
    assert "LookupError: no such mesh" in log.statistics()["routes"]["broken"]["error"]


async def test_a_module_that_cannot_be_imported_comes_home_with_its_traceback(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    imported = tmp_path / "imported"
    path.write_text(f"import os\nopen({str(imported)!r}, 'a').write('x')\nLogger = os.no_such_thing\n")
    with pytest.raises(ExceptionGroup) as failed:
        async with al.MultiLogger(tmp_path / "run", sinks=await loggers(str(path))) as log:
            await threedb.Results(log).log({"id": "r0"})
    (error,) = failed.value.exceptions
    assert isinstance(error, al.SinkError)
    assert 'bad.py", line 3' in str(error)
    assert "no_such_thing" in str(error)
    assert imported.read_text() == "xxx", "tried three times, and not once more to be closed"


def test_a_logger_that_comes_late_gets_every_result(tmp_path: Path) -> None:
    """The run goes on with one more; nothing waited for it meanwhile. It gets what is logged from then on, and those that
    were there go on where they were."""
    for modules in (["lines"], ["lines", "late"]):
        routes = al.config.logger_modules(config(*[logger(tmp_path, name=one) for one in modules]))

        async def session(routes: list[al.Route] = routes) -> None:
            async with al.MultiLogger(tmp_path / "run", sinks=routes) as log:
                results = threedb.Results(log)
                for at in range(3):
                    await results.log({"id": f"r{at}"})

        asyncio.run(session())
    assert [one["ix"] for one in lines(tmp_path / "run")] == [0, 1, 2, 0, 1, 2]
    assert [one["ix"] for one in lines(tmp_path / "run", "late")] == [0, 1, 2]


DIES = """
class Dies(Lines):
    def log(self, item):
        super().log(item)
        mark = Path(self.root_dir, "died")
        if item["result_ix"] == 7 and not mark.exists():
            self.handle.flush()
            mark.touch()
            os.kill(os.getpid(), 9)
Lines = Dies
"""


@pytest.mark.crash
async def test_a_logger_that_dies_in_mid_run_has_every_result_in_the_end(tmp_path: Path) -> None:
    """And at most the one it had in hand twice."""
    modules = [logger(tmp_path, DIES, "dies"), logger(tmp_path)]
    async with al.MultiLogger(tmp_path / "run", sinks=await loggers(*modules)) as log:
        results = threedb.Results(log)
        for at in range(200):
            await results.log({"id": f"r{at}"}, {"n": np.arange(at)})
            await asyncio.sleep(0)
    found = [one["ix"] for one in lines(tmp_path / "run", "dies")]
    assert found == [*range(8), *range(7, 200)]
    assert sorted({one["ix"] for one in lines(tmp_path / "run")}) == list(range(200))
    assert len((tmp_path / "run" / "sinks" / "dies" / "starts.txt").read_text().splitlines()) == 2


SPAWNED = """
from asynclog.integrations import threedb
import multiprocessing

def main():
    async def session():
        routes = al.config.logger_modules({"logging": {"logger_modules": [sys.argv[2]]}})
        async with al.MultiLogger(path, sinks=routes) as log:
            await threedb.Results(log).log({"id": "r0"}, {"n": np.arange(3)})
    asyncio.run(session())

multiprocessing.set_start_method("spawn")
main()
print(multiprocessing.active_children())
"""


def test_the_start_method_of_multiprocessing_does_not_matter(tmp_path: Path) -> None:
    """3DB's loggers were processes that only fork could start."""
    ended = run(SPAWNED, tmp_path / "run", logger(tmp_path))
    assert (ended.returncode, ended.stdout.strip()) == (0, "[]"), ended.stderr
    assert [one["ix"] for one in lines(tmp_path / "run")] == [0]


KILLED = """
from asynclog.integrations import threedb

async def main():
    routes = al.config.logger_modules({"logging": {"logger_modules": [sys.argv[2]]}})
    async with al.MultiLogger(path, sinks=routes) as log:
        results = threedb.Results(log)
        for at in range(50):
            await results.log({"id": f"r{at}"}, {"n": np.arange(at)})
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.crash
def test_results_of_a_training_process_that_was_killed_are_logged(tmp_path: Path) -> None:
    process = start(KILLED, tmp_path / "run", logger(tmp_path))
    process.communicate(timeout=50)
    patience = time.monotonic() + 40
    while (found := [one["ix"] for one in lines(tmp_path / "run")]) != list(range(50)) and time.monotonic() < patience:
        time.sleep(0.01)
    assert found == list(range(50))


# -- without asyncio -----------------------------------------------------------------------------------------------------


@pytest.mark.blocking
def test_a_manager_serves_code_that_is_driven_as_3dbs_scheduler(tmp_path: Path) -> None:
    memory = al.sinks.Memory()
    manager = threedb.LoggerManager(tmp_path / "run", config(logger(tmp_path)), slabs=16 << 20)
    manager.append(logger(tmp_path))
    manager.append(memory)
    manager.start()
    assert manager.declare_buffers({"rgb": ([300, 1000], "float32")})
    for at in range(40):  # more than shared memory holds at once
        assert manager.log({"id": f"r{at}"}, {"rgb": np.full((300, 1000), at, np.float32)}) == at
    manager.log(None)
    manager.join()
    for name in ("lines", "lines-2"):
        assert [one["ix"] for one in lines(tmp_path / "run", name)] == list(range(40))


@pytest.mark.blocking
def test_a_manager_says_what_came_out_of_order(tmp_path: Path) -> None:
    manager = threedb.LoggerManager(tmp_path / "run")
    with pytest.raises(al.LoggerClosed, match=r"start\(\) comes first"):
        manager.log({"id": "r0"})
    manager.join()
    with manager, pytest.raises(al.LoggerClosed, match=r"before start\(\)"):
        manager.append(logger(tmp_path))


def test_a_manager_is_started_once(tmp_path: Path) -> None:
    """A second start left the first one's logger open, with what was logged on it, and nobody to end it."""
    manager = threedb.LoggerManager(tmp_path / "run")
    manager.start()
    manager.log({"id": "first"})
    with pytest.raises(al.LoggerClosed, match="started already"):
        manager.start()
    manager.log({"id": "second"})
    manager.join()
    assert [event.value.message for event in al.read(tmp_path / "run").events("record")] == ["first", "second"]
    assert al.read(tmp_path / "run").status == "finished"


def test_a_manager_that_could_not_start_says_so_and_may_try_again(tmp_path: Path) -> None:
    first, second = threedb.LoggerManager(tmp_path / "run"), threedb.LoggerManager(tmp_path / "run")
    with first:
        with pytest.raises(al.RunInUse):
            second.start()
        with pytest.raises(al.LoggerClosed, match=r"start\(\) comes first"):
            second.log({"id": "lost"})
    with second:
        second.log({"id": "kept"})


async def test_a_result_of_text_that_nobody_can_read_is_refused(tmp_path: Path) -> None:
    """Its record would have been left out with a warning, and its channels recorded."""
    async with al.MultiLogger(tmp_path / "run") as log:
        results = threedb.Results(log)
        for item, channels in (({"id": "\ud800"}, {}), ({"id": "x", "\udcff": 1}, {}), ({"id": "x"}, {"\ud800": 1.0})):
            with pytest.raises(al.InvalidValue, match="expected a value that can be read, got UnicodeEncodeError"):
                await results.log(item, channels)
    assert list(al.read(tmp_path / "run").events()) == []


# -- the example ---------------------------------------------------------------------------------------------------------


def example(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "docs" / "examples" / "threedb" / "run.py"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=55, env=environment, check=False)


@pytest.mark.crash
def test_the_example_ends_with_every_result_at_every_logger(tmp_path: Path) -> None:
    """Twelve of them, one of which it kills."""
    ended = example(tmp_path / "run", "--results", 30)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "which hosted csv_logger-2, with SIGKILL" in ended.stdout
    table = [line.split() for line in ended.stdout.partition("pending\n")[2].partition("\n\n")[0].splitlines()]
    assert [row[1] for row in table] == ["30"] * 12
    assert next(row[2] for row in table if row[0] == "csv_logger-2") == "1"
    own = tmp_path / "run" / "sinks"
    header, first = (own / "csv_logger" / "details.csv").read_text().splitlines()[:2]
    assert header == "id,correct,CameraControl.zoom_factor,OrientationControl.rotation_z"
    details = [json.loads(line) for line in (own / "json_logger" / "details.log").read_text().splitlines()]
    assert first.startswith(f"{details[0]['id']},{details[0]['is_correct']}")
    assert json.loads((own / "json_logger" / "class_maps.json").read_text())["mug"] == 504
    images = own / "image_logger" / "images"
    assert len(list(images.glob("*_rgb.png"))) == len(list(images.glob("*_segmentation.npy"))) == 30
    assert len(list(images.glob("*_depth.png"))) == 20
    summary = json.loads((own / "summary_logger" / "summary.json").read_text())
    assert sum(one["correct"] for one in summary["models"].values()) == sum(one["is_correct"] for one in details)


def test_the_example_leaves_an_older_run_alone(tmp_path: Path) -> None:
    ended = example(tmp_path)
    assert ended.returncode == 2
    assert "exists already" in ended.stderr
