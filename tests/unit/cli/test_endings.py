"""How a command ends that can't go on, or is not let to: in a line, without halves of anything."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asynclog.wire.frame import Frame, encode, joined
from asynclog.wire.layout import Kind
from asynclog.wire.schema import Series
from tests.runfiles import StreamWriter, make_run
from tests.unit.cli.conftest import Invoke
from tests.unmeasured import UNMEASURED


def test_a_path_without_a_run_ends_with_a_line_not_a_traceback(asynclog: Invoke, tmp_path: Path) -> None:
    """Whatever the command."""
    for command in ("cat", "tail", "verify", "stats"):
        shown = asynclog(command, tmp_path / "nowhere")
        assert shown.exit_code == 2
        assert shown.stderr.startswith("error: there is no ")


def test_ctrl_c_ends_a_command_with_130_and_no_traceback(run: Path) -> None:
    """In a process of its own, which follows a run that doesn't end."""
    writer = StreamWriter(run, "other", epoch=1)
    writer.rows(writer.schema(Series("train", "", "loss")), [(1.0,)])
    lock = os.open(writer.directory / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    command = [sys.executable, "-m", "asynclog.cli", "tail", str(run), "-f", "--json", "-n", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=UNMEASURED) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["key"] == "loss"
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=60)
        finally:
            process.kill()
            os.close(lock)
    assert (process.returncode, complaints) == (130, "")


def many_frames(directory: Path) -> Path:
    """A run that takes a second or so to go through, frame by frame."""
    writer = StreamWriter(make_run(directory))
    schema = writer.schema(Series("train", "", "loss"))
    with writer.path.open("ab") as file:
        for step in range(40_000):
            payload = schema.struct.pack(step, 1.0, writer.time + step)
            frame = Frame(Kind.ROWS, seq=step, time=writer.time + step, schema=1, count=1, payload=payload)
            file.write(joined(encode(frame, writer.nonce)))
    return directory


@pytest.mark.parametrize("words", ["export csv", "export jsonl", "repair"])
def test_ctrl_c_in_the_middle_leaves_nothing_behind(tmp_path: Path, words: str) -> None:
    """No half of a file or of a copy, no traceback; and what was there stays."""
    run, place = many_frames(tmp_path / "run"), tmp_path / "place"
    place.mkdir()
    command = [sys.executable, "-m", "asynclog.cli", *words.split(), str(run), str(place / "target")]
    if words != "repair":
        (place / "target").write_text("older")
        command.append("--force")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=UNMEASURED) as process:
        try:
            while not any(one.name.startswith(".target.") for one in place.iterdir()):
                assert process.poll() is None, process.communicate()
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, complaints) == (130, "")
    assert [one.name for one in place.iterdir()] == ([] if words == "repair" else ["target"])
    assert words == "repair" or (place / "target").read_text() == "older"


def test_an_export_into_a_pipe_replaces_it_with_nothing(asynclog: Invoke, run: Path, tmp_path: Path) -> None:
    """A device or a pipe is written to, not renamed onto."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert asynclog("export", "jsonl", run, pipe, "--force").exit_code == 0
        assert os.read(reader, 1 << 16).count(b"\n") == 25
    finally:
        os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("verify {tmp}/file", "is a file, not a run's directory"),
        ("verify {tmp}/bare", "holds no run"),
        ("repair {tmp}/bare {tmp}/copy", "holds no run"),
        ("export csv {run} {tmp}/bare", "is a directory; name a file in it"),
        ("export csv {run} {tmp}/nowhere/out.csv", "there is no directory"),
        ("export csv {run} {tmp}/file", "exists; --force replaces it"),
        ("ls {tmp}/file", "is not a directory"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_line(asynclog: Invoke, run: Path, tmp_path: Path, words: str, told: str) -> None:
    """With exit code 2, and nothing is made."""
    (tmp_path / "file").write_text("kept")
    (tmp_path / "bare").mkdir()
    before = sorted(tmp_path.rglob("*"))
    shown = asynclog(*words.format(run=run, tmp=tmp_path).split())
    assert shown.exit_code == 2
    assert shown.stderr.startswith("error: ")
    assert told in shown.stderr.replace("\n", " ")
    assert shown.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "kept"


def test_a_run_that_goes_on_is_exported_and_repaired_with_a_word_about_it(asynclog: Invoke, tmp_path: Path) -> None:
    """Nobody takes the beginning for the whole."""
    writer = StreamWriter(make_run(tmp_path / "run"))
    writer.rows(writer.schema(Series("train", "", "loss")), [(1.0,)])
    lock = os.open(writer.directory / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        assert "the run goes on" in asynclog("export", "csv", writer.run, tmp_path / "out.csv").stderr
        assert "the run goes on" in asynclog("repair", writer.run, tmp_path / "copy").stdout
        assert asynclog("verify", writer.run).exit_code == 0
    finally:
        os.close(lock)
    assert "the run goes on" not in asynclog("export", "csv", writer.run, tmp_path / "again.csv").stderr


def test_a_reader_that_closes_the_pipe_ends_the_command_quietly(run: Path) -> None:
    """As `| head` does."""
    writer = StreamWriter(run, "other")
    schema = writer.schema(Series("train", "", "loss"))
    writer.rows(schema, [(float(step),) for step in range(20_000)])
    command = [sys.executable, "-m", "asynclog.cli", "export", "jsonl", str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        complaints = process.stderr.read()
        process.wait(timeout=20)
    assert (process.returncode, complaints) == (0, "")
