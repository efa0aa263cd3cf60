"""A run as text: the lines are Composer's, each is there once, and a file that isn't ours stays as it is."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration
from asynclog.sink import RunInfo
from asynclog.sinks import LogFile
from asynclog.sinks.log_lines import prefixed, split_oriented, text
from asynclog.testing import batch_of
from asynclog.values import Record, Table, Tensor
from tests.crash.scene import exited

ROOT = Path(__file__).parents[3]
SAID = [
    (None, "None"),
    ("a word", '"a word"'),
    (3, "3"),
    (True, "True"),
    (0.25, "0.2500"),
    (float("nan"), "nan"),
    ([1, 0.5, "x"], '[1, 0.5000, "x"]'),
    ({"lr": 0.1, "layers": [2]}, '{ "lr": 0.1000, "layers": [2], }'),
    (Tensor(np.zeros((2, 3))), "Tensor of shape torch.Size([2, 3])"),
    (Tensor(np.array([0.5])), "0.5000"),
]


@pytest.mark.parametrize(("value", "said"), SAID, ids=str)
def test_values_are_written_as_composer_writes_them(value: Any, said: str) -> None:
    assert text(value) == said


def test_each_line_of_a_text_has_the_prefix_but_for_empty_ones() -> None:
    assert prefixed("[stdout]: ", "one\n\ntwo\n") == "[stdout]: one\n\n[stdout]: two\n"
    assert prefixed("> ", "a\x0bb\n") == "> a\x0bb\n"


def test_a_table_is_written_as_pandas_writes_it() -> None:
    pandas = pytest.importorskip("pandas")
    rows = [("a/b", 1, 0.1), ('"quoted" λ', 2, float("nan")), (None, -3, 1e-12)]
    table = Table.of_rows(["said", "count", "loss"], rows)
    frame = pandas.DataFrame.from_records(rows, columns=table.columns)
    assert split_oriented(table) == frame.to_json(orient="split", index=False)


METRIC = """\
[hyperparameter]: lr: 0.1000 
[hyperparameter]: layers: [64, 64] 
[metric][batch=0]: loss: 0.5000 
[metric][batch=0]: net/grad: 7 
[metric][batch=0]: note: "two
[metric][batch=0]: lines" 
[table]: examples: {"columns":["said"],"data":[["yes"]]}
[trace]: norms:{ "grad": 1.5000, }
[WARNING][os]: disk nearly full
[stdout]: epoch 0
[metric][batch=1]: loss: 0.2500 
[metric][batch=1]: accuracy: 0.7500 
"""  # noqa: W291 - Composer's lines end so
LEVEL = """\
[FIT][batch=0]: { "lr": 0.1000, "layers": [64, 64], }
[trace]: norms:{ "grad": 1.5000, }
[WARNING][os]: disk nearly full
[stdout]: epoch 0
[table]: examples: {"columns":["said"],"data":[["yes"]]}
[BATCH][batch=0]: { "loss": 0.5000, "net/grad": 7, "note": "two
[BATCH][batch=0]: lines", }
[BATCH][batch=1]: { "loss": 0.2500, }
[EPOCH][batch=1]: { "accuracy": 0.7500, }
"""


async def train(log: al.MultiLogger) -> None:
    log.log_config({"lr": 0.1, "layers": [64, 64]})
    await log.write(al.State(0, level="fit"))
    await log.hook("epoch_start", 0)
    log.log_scalar("loss", 0.5)
    log.log_scalar("grad", 7, namespace="net")
    log.log_string("note", "two\nlines")
    log.log_table("examples", {"said": "yes"})
    log.log_record("norms", "gradients", logger="trace", fields={"trace": {"grad": 1.5}})
    log.log_record("disk", "disk nearly full", level=30, logger="os")
    log.log_string("stdout", "epoch 0", namespace="console")
    await log.write(0)
    log.log_scalar("loss", 0.25)
    await log.write(1)
    log.log_scalar("accuracy", 0.75)
    await log.write(al.State(1, "valid", level="epoch"))


@pytest.mark.parametrize(("style", "expected"), [("metric", METRIC), ("level", LEVEL)])
async def test_a_run_becomes_these_lines(tmp_path: Path, style: Any, expected: str) -> None:
    async with al.MultiLogger(tmp_path / "digits", sinks=[LogFile("{run_name}/logs-rank{rank}.txt", style=style)]) as log:
        await train(log)
    written = (tmp_path / "digits" / "digits" / "logs-rank0.txt").read_text()
    # Of one write the order of kinds is the recorder's.
    assert sorted(written.splitlines()) == sorted(expected.splitlines())
    assert [line for line in written.splitlines() if "loss" in line] == [
        line for line in expected.splitlines() if "loss" in line
    ]


def deliver(sink: LogFile, run: RunInfo, entries: list[tuple[al.State, dict[str, Any]]]) -> dict[str, int]:
    batch = batch_of(entries)

    async def body() -> None:
        await sink.open(run)
        await sink.write(batch)
        await sink.aclose()

    asyncio.run(body())
    return dict(batch.rejected)


def info(directory: Path, *, epoch: int = 0, rank: int = 0) -> RunInfo:
    return RunInfo("id", "digits", directory, "main", epoch, rank, resumed=epoch > 0)


LEVELS: list[tuple[dict[str, Any], str]] = [
    ({"log_level": "fit"}, "f"),
    ({"log_level": "epoch"}, "fee"),
    ({"log_level": "epoch", "log_interval": 2}, "fe"),
    ({"log_level": "batch"}, "fbbebbe"),
    ({"log_level": "batch", "log_interval": 2}, "fbebe"),
]


@pytest.mark.parametrize(("settings", "letters"), LEVELS, ids=str)
def test_levels_and_intervals_choose_as_composer_s_do(tmp_path: Path, settings: dict[str, Any], letters: str) -> None:
    """Of the finest level every n-th batch or epoch; coarser ones always."""
    states = [al.State(0, level="fit")]
    for epoch in range(2):
        states += [al.State(2 * epoch + one, epoch=epoch) for one in range(2)]
        states.append(al.State(2 * epoch + 1, epoch=epoch, level="epoch"))
    deliver(LogFile("log.txt", style="level", **settings), info(tmp_path), [(one, {"x": 0.5}) for one in states])
    written = (tmp_path / "log.txt").read_text().splitlines()
    assert "".join(line[1].lower() for line in written) == letters


def test_captured_lines_and_traces_can_be_left_out(tmp_path: Path) -> None:
    entries = [(al.State(0), {("console", "stdout"): "out", ("console", "stderr"): "err", "t": Record("m", logger="trace")})]
    deliver(LogFile("all.txt"), info(tmp_path), entries)
    assert (tmp_path / "all.txt").read_text() == '[stdout]: out\n[stderr]: err\n[trace]: t:"m"\n'
    sink = LogFile("some.txt", capture_stdout=False, log_traces=False)
    deliver(sink, info(tmp_path), entries)
    assert (tmp_path / "some.txt").read_text() == "[stderr]: err\n"


CAPTURED = """
import os, subprocess, sys
import asynclog as al

sink = al.sinks.LogFile("log.txt")
with al.MultiLogger(sys.argv[1], sinks=[sink], capture=al.Capture(stdout=True, stderr=True)) as log:
    print("epoch 0", flush=True)
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    print("to stderr", file=sys.stderr, flush=True)
    log.log_scalar("loss", 0.5)
    log.write_blocking(0)
print("afterwards", flush=True)
"""


def test_what_is_printed_is_there_also_of_subprocesses_and_not_what_comes_afterwards(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CAPTURED, str(tmp_path / "run")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("afterwards\n")
    lines = (tmp_path / "run" / "log.txt").read_text().splitlines()
    said = {"[stdout]: epoch 0", "[stdout]: from a child", "[stderr]: to stderr", "[metric][batch=0]: loss: 0.5000 "}
    assert said <= set(lines)
    assert "[stdout]: afterwards" not in lines


def test_what_has_no_line_is_rejected_and_said(tmp_path: Path) -> None:
    rejected = deliver(
        LogFile("log.txt"), info(tmp_path), [(al.State(0), {"i": al.Image(np.zeros((4, 4), np.uint8)), "x": 1.0})]
    )
    assert rejected == {"image has no line in a log file": 1}


def test_a_file_of_another_run_is_not_overwritten_unless_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("somebody's\n")
    entries = [(al.State(0), {"x": 1.0})]
    with pytest.raises(InvalidConfiguration, match=r"exists, and is another run's; overwrite=True replaces it"):
        deliver(LogFile("log.txt"), info(tmp_path), entries)
    assert path.read_text() == "somebody's\n"
    deliver(LogFile("log.txt", overwrite=True), info(tmp_path), entries)
    assert path.read_text() == "[metric][batch=0]: x: 1.0000 \n"


def test_a_resumed_run_goes_on_behind_the_last_whole_line_and_writes_nothing_twice(tmp_path: Path) -> None:
    entries = [(al.State(step), {"x": 0.5 * step}) for step in range(3)]
    deliver(LogFile("log.txt"), info(tmp_path), entries)
    whole = (tmp_path / "log.txt").read_text()
    with (tmp_path / "log.txt").open("a") as file:
        file.write("[metric][batch=9")
    again = LogFile("log.txt")
    deliver(again, info(tmp_path, epoch=1), entries)
    assert (tmp_path / "log.txt").read_text() == whole


def test_each_rank_has_a_file(tmp_path: Path) -> None:
    for rank in range(2):
        for name in ("logs-rank{rank}.txt", "plain.txt"):
            deliver(LogFile(name), info(tmp_path, rank=rank), [(al.State(0), {"rank": rank})])
    found = sorted(one.name for one in tmp_path.iterdir() if one.is_file())
    assert found == ["logs-rank0.txt", "logs-rank1.txt", "plain.rank1.txt", "plain.txt"]


@pytest.mark.parametrize(
    "wrong",
    [{"style": "json"}, {"log_level": "step"}, {"log_interval": 0}, {"flush_interval": 1.5}, {"filename": "{host}.txt"}],
    ids=str,
)
def test_what_it_can_not_do_is_said_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfiguration, match="LogFile"):
        LogFile(**wrong)


VICTIM = """
import asyncio, os, sys
import asynclog as al

async def main():
    async with al.MultiLogger(sys.argv[1], sinks=[al.sinks.LogFile("log.txt")]) as log:
        print(log.statistics()["recorder"]["pid"], flush=True)
        for step in range(500):
            log.log_scalar("loss", 0.5)
            await log.write(step)
        print("accepted", flush=True)
        if sys.argv[2] == "raises":
            raise RuntimeError("diverged")
        await asyncio.sleep(60)

asyncio.run(main())
"""


def _killed(process: "subprocess.Popen[str]") -> None:
    os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(("how", "ends"), [("raises", lambda process: None), ("killed", _killed)])
def test_the_file_is_whole_though_the_training_fails(
    tmp_path: Path, how: str, ends: "Callable[[subprocess.Popen[str]], None]"
) -> None:
    """It is closed by whoever survives: the logger on its way out, or the recorder."""
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(tmp_path / "run"), how],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert victim.stdout is not None
    with victim:
        recorder = int(victim.stdout.readline())
        assert victim.stdout.readline() == "accepted\n"
        ends(victim)
        victim.communicate(timeout=40)
    assert victim.returncode
    assert exited(recorder, 40.0)
    lines = (tmp_path / "run" / "log.txt").read_text().splitlines()
    assert lines[:500] == [f"[metric][batch={step}]: loss: 0.5000 " for step in range(500)]
    # What ended it is told by the one that knew.
    assert lines[500:501] == (["[CRITICAL][run/error]: RuntimeError: diverged"] if how == "raises" else [])
