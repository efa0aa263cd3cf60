"""``asynclog sync``: what it says, what it leaves behind, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.runfiles import StreamWriter, million
from tests.unit.cli.conftest import Invoke
from tests.unmeasured import UNMEASURED

ROOT = Path(__file__).parents[3]
DEADLINE_S = 25.0


def test_a_run_is_delivered_and_what_was_is_counted(asynclog: Invoke, run: Path) -> None:
    result = asynclog("sync", run, "--to", "jsonlines", "--set", "path=lines.jsonl")
    assert result.exit_code == 0
    assert result.stderr.startswith("synced")
    assert "25 events of" in result.stderr
    assert len((run / "lines.jsonl").read_text().splitlines()) == 14
    again = asynclog("sync", run, "--to", "jsonlines", "--set", "path=lines.jsonl")
    assert (again.exit_code, "0 events of" in again.stderr) == (0, True)
    assert "jsonlines" in asynclog("stats", run).stdout


def test_for_scripts_it_says_so_in_json(asynclog: Invoke, run: Path) -> None:
    result = asynclog("sync", run, "--to", "csv", "--set", "path=x.csv", "--name", "mine", "--kind", "scalar", "--json")
    told = json.loads(result.stdout)
    assert (told["route"], told["complete"], told["delivered"], told["filtered"]) == ("mine", True, 22, 3)


def test_of_a_run_that_goes_on_it_says_so(asynclog: Invoke, recorded: StreamWriter) -> None:
    import fcntl

    recorded.rotate()
    with (recorded.directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = asynclog("sync", recorded.run, "--to", "csv", "--set", "path=x.csv")
    assert result.exit_code == 0
    assert "the run goes on" in result.stderr


def test_all_runs_below_a_directory_are_delivered(asynclog: Invoke, run: Path) -> None:
    """One that can't be doesn't keep the others from it, and the exit code says so."""
    million(run.parent / "other", rows=10)
    (run.parent / "broken" / "streams").mkdir(parents=True)
    (run.parent / "broken" / "run.json").write_text("{}")
    result = asynclog("sync", run.parent, "--all", "--to", "jsonlines", "--set", "path=lines.jsonl")
    assert result.exit_code == 2
    assert "nothing was recorded in" in result.stderr
    assert (run / "lines.jsonl").exists()
    assert (run.parent / "other" / "lines.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "jsonline"], "did you mean 'jsonlines'"),
        (["--to", "jsonlines"], "path: it is needed"),
        (["--to", "csv", "--set", "path"], "expected key=value"),
        (["--to", "csv", "--set", "path=x", "--name", "a/b"], "Route name"),
        (["--to", "csv", "--set", "path=x", "--kind", "sclar"], "Route kinds"),
    ],
)
def test_what_cant_be_done_ends_in_a_line(asynclog: Invoke, run: Path, words: list[str], said: str) -> None:
    result = asynclog("sync", run, *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_sink_that_is_broken_ends_with_its_traceback(asynclog: Invoke, run: Path) -> None:
    result = asynclog("sync", run, "--to", "tests.misbehaving:Unopenable")
    assert result.exit_code == 2
    assert "no credentials" in result.stderr
    assert "error     " in result.stderr


def test_a_sink_that_raises_ends_it_with_2_and_the_next_try_gets_everything(asynclog: Invoke, run: Path) -> None:
    result = asynclog("sync", run, "--to", "tests.misbehaving:Raiser", "--name", "route")
    assert result.exit_code == 2
    assert "ZeroDivisionError" in result.stderr
    assert "synced" not in result.stderr
    again = asynclog("sync", run, "--to", "jsonlines", "--set", "path=lines.jsonl", "--name", "route")
    assert (again.exit_code, "25 events of" in again.stderr) == (0, True)


def test_what_is_refused_makes_the_exit_code_2_and_can_be_had_again(asynclog: Invoke, run: Path) -> None:
    words = ("sync", run, "--name", "route", "--json")
    result = asynclog(*words, "--to", "tests.misbehaving:Refuser")
    assert (result.exit_code, json.loads(result.stdout)["refused"]) == (2, 25)
    assert "refused   25 events" in result.stderr
    again = asynclog(*words, "--again", "--to", "jsonlines", "--set", "path=lines.jsonl")
    assert (again.exit_code, json.loads(again.stdout)["delivered"]) == (0, 25)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_in_good_order_and_it_goes_on_there(tmp_path: Path, number: signal.Signals) -> None:
    """Exit code 130, a cursor that says how far it came, and nothing delivered twice."""
    run = million(tmp_path / "run", rows=20_000)
    target = tmp_path / "steps"
    words = ["sync", str(run), "--to", "tests.misbehaving:Slow", "--set", f"target={target}"]
    command = [sys.executable, "-m", "asynclog.cli", *words]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=UNMEASURED) as process:
        give_up = time.monotonic() + DEADLINE_S
        while not target.exists() and time.monotonic() < give_up:
            time.sleep(0.005)
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert "the same command goes on from here" in errors
    assert "Traceback" not in errors
    before = len(target.read_text().splitlines())
    assert before < 200_000
    counters = json.loads((run / "cursors" / "slow" / "main.json").read_text())["counters"]
    assert (counters["delivered"], counters["pending"]) == (before, 200_000 - before)
    assert subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, timeout=DEADLINE_S).returncode == 0
    assert target.read_text().split() == [str(step) for step in range(20_000) for _ in range(10)]
