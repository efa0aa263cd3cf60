"""A run's directory: made once, opened by many, each stream written by one; and what is wrong is said in words."""

import fcntl
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asynclog.engine.rundir import claim_epoch, open_run, segments
from asynclog.engine.settings import Journal
from asynclog.errors import InvalidConfiguration, RunInUse, RunUnwritable
from tests.unit.engine.parts import settings


@contextmanager
def no_room() -> Iterator[None]:
    """No file may grow: what a full disk or quota does, and root feels it too."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_run_is_described_once(tmp_path: Path) -> None:
    """Whoever comes later finds the same, and nothing but it is left."""
    run = tmp_path / "some" / "digits"
    made = open_run(run)
    assert (made["format"], made["name"]) == (1, "digits")
    assert open_run(run) == made == json.loads((run / "run.json").read_text())
    assert sorted(one.name for one in run.iterdir()) == ["cursors", "run.json", "streams"]


def test_many_open_a_run_at_once_and_agree(tmp_path: Path) -> None:
    found: list[str] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait(10)
        found.append(open_run(tmp_path / "run")["id"])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(10)
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("where", ["run", "run/streams", "run/cursors"])
def test_a_file_in_the_way_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / where).parent.mkdir(exist_ok=True)
    (tmp_path / where).write_text("I was here first")
    with pytest.raises(RunUnwritable, match=r"run '.*run': a file is in the way"):
        open_run(tmp_path / "run")


def test_a_file_above_the_run_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunUnwritable, match="a file is in the way"):
        open_run(tmp_path / "file" / "run")


def test_a_place_that_takes_no_directories_is_unwritable() -> None:
    with pytest.raises(RunUnwritable, match="can't be written"):
        open_run(Path("/proc/no/run"))


def test_a_run_without_room_is_unwritable(tmp_path: Path) -> None:
    with no_room(), pytest.raises(RunUnwritable, match="can't be written: File too large"):
        open_run(tmp_path / "run")


@pytest.mark.parametrize(
    "text", ["", "not json", "[1, 2]", "3", '"abc"', "{}", '{"id": "x"}', "\ud800".encode("utf-8", "surrogatepass")]
)
def test_a_description_of_something_else_is_refused(tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RunUnwritable, match=r"run.json is not one of ours"):
        open_run(tmp_path)


def test_an_epoch_is_claimed_by_its_first_segment(tmp_path: Path) -> None:
    for epoch in range(3):
        claim = claim_epoch(tmp_path, "main")
        assert claim.epoch == epoch
        assert [one[:2] for one in segments(claim.stream)] == [(at, 0) for at in range(epoch + 1)]
        assert (claim.stream / "lock").read_text() == f"{os.getpid()}\n"
        claim.release()


def test_other_files_are_no_segments(tmp_path: Path) -> None:
    stream = tmp_path / "streams" / "main"
    stream.mkdir(parents=True)
    for name in ("0007-000000.alog.bak", "7-000001.alog", "0007-000002.txt", "12345-1234567.alog", "0003-000002.alog"):
        (stream / name).touch()
    assert [one[:2] for one in segments(stream)] == [(3, 2), (12345, 1234567)]
    assert segments(tmp_path / "nowhere") == []
    assert claim_epoch(tmp_path, "main").epoch == 12346


def test_a_stream_has_one_writer(tmp_path: Path) -> None:
    """The message says who, and what to do; other streams of the run are free."""
    claim = claim_epoch(tmp_path, "main")
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(RunInUse, match=rf"process {os.getpid()} writes its stream 'main'"):
        claim_epoch(tmp_path, "main")
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert [one[0] for one in segments(claim.stream)] == [0], "no epoch was claimed"
    claim_epoch(tmp_path, "other").release()
    claim.release()
    claim_epoch(tmp_path, "main").release()


@pytest.mark.parametrize("owner", ["dead", "unknown"])
def test_a_dead_writer_s_recorder_is_waited_for(tmp_path: Path, owner: str) -> None:
    """It still holds the lock, and finishes its stream."""
    stream = tmp_path / "streams" / "main"
    stream.mkdir(parents=True)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (stream / "lock").write_text(f"{process.pid}\n" if owner == "dead" else "")
    held = os.open(stream / "lock", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    claims: list[int] = []

    def claim() -> None:
        made = claim_epoch(tmp_path, "main")
        claims.append(made.epoch)
        made.release()

    waiting = threading.Thread(target=claim)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    os.close(held)
    waiting.join(10)
    assert claims == [0]


def test_a_zombie_writes_nothing_any_more(tmp_path: Path) -> None:
    stream = tmp_path / "streams" / "main"
    stream.mkdir(parents=True)
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    (stream / "lock").write_text(f"{process.pid}\n")
    held = os.open(stream / "lock", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    waiting = threading.Thread(target=lambda: claim_epoch(tmp_path, "main").release())
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive(), "a live writer would have been refused by now"
    os.close(held)
    waiting.join(10)
    process.stdout.close()
    process.wait()
    assert [one[0] for one in segments(stream)] == [0]


def test_a_stream_that_can_not_be_made_is_unwritable(tmp_path: Path) -> None:
    (tmp_path / "streams").write_text("")
    with pytest.raises(RunUnwritable, match="can't be written: Not a directory"):
        claim_epoch(tmp_path, "main")


def test_a_claim_without_room_is_unwritable_and_leaves_the_stream_free(tmp_path: Path) -> None:
    with no_room(), pytest.raises(RunUnwritable, match="can't be written: File too large"):
        claim_epoch(tmp_path, "main")
    claim_epoch(tmp_path, "main").release()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fsync": "sometimes"}, "Journal fsync: expected 'interval', 'always' or 'close', got 'sometimes'"),
        ({"linger": 0}, "Journal linger: expected seconds > 0, as a number, got 0"),
        ({"segment_bytes": 4095}, "Journal segment_bytes: expected at least 4096, as a whole number, got 4095"),
        ({"compress": "gzip"}, "Journal compress: expected None or 'zstd', got 'gzip'"),
        ({"keep": "a week"}, "Journal keep: expected 'forever', got 'a week'"),
        ({"kinds": {"image", "smell"}}, "Journal kinds: expected some of "),
    ],
)
def test_a_journal_that_can_not_be_is_refused_in_words(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        Journal(**options)  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)


def test_kinds_come_as_any_collection() -> None:
    journal = Journal(kinds=["image", "string"])  # type: ignore[arg-type]
    assert journal.kinds == frozenset({"image", "string"})


def test_segments_say_which_kinds_are_kept_only_if_some_are_not(tmp_path: Path) -> None:
    assert "kinds" not in settings(tmp_path).segment_meta(0)
    some = settings(tmp_path, journal=Journal(kinds=frozenset({"string", "image"}))).segment_meta(7)
    assert (some["kinds"], some["segment"], some["writer"]) == (["image", "string"], 7, "main")
