"""The scene around a kill: a training process is started, watched and killed.

Every process of a scene has the scene's mark in its environment, so that what is left of it can be found, whoever its
parent is by then.
"""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from tests.crash.victim import MOST_TIMED, NOTE_BYTES, Word, mapped

ROOT: Final = Path(__file__).parents[2]
LIFE_STEPS: Final = 20_000_000
"""The n-th life of a run begins at this step, n times: the steps tell the lives apart."""
PATIENCE_S: Final = 40.0
_MARK: Final = "ASYNCLOG_SCENE"


def _shared_memory() -> set[str]:
    return {name for name in os.listdir("/dev/shm") if re.match("asynclog", name)}


@dataclass
class Life:
    """One training process of a run."""

    number: int
    process: "subprocess.Popen[str]"
    words: memoryview

    @property
    def first(self) -> int:
        return self.number * LIFE_STEPS

    @property
    def rows(self) -> int:
        """Accepted so far."""
        return self.words[Word.ROWS]

    @property
    def events(self) -> int:
        return self.words[Word.EVENTS]

    @property
    def recorder(self) -> int:
        return self.words[Word.RECORDER]

    def accepted_before(self, moment_ns: int) -> int:
        """How many rows had been accepted at a moment of the monotonic clock."""
        return int(np.searchsorted(self._times, moment_ns))

    def age_s(self, row: int, moment_ns: int) -> float:
        """How long before a moment a row was accepted; 0 if it wasn't."""
        return max(0.0, (moment_ns - int(self._times[row])) / 1e9) if row < self.rows else 0.0

    @property
    def _times(self) -> np.ndarray:
        assert self.rows <= MOST_TIMED
        return np.array(self.words[Word.TIMES : Word.TIMES + self.rows])

    def hears(self, word: str) -> None:
        """Wait for a word of the training process."""
        assert self.process.stdout is not None
        said = self.process.stdout.readline().strip()
        assert said == word, f"expected {word!r} of the training process, it said {said!r}:\n{self.errors()}"

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read() if self.process.poll() is not None else ""

    def accepts(self, rows: int) -> None:
        """Wait until so many rows more have been accepted."""
        wanted = self.rows + rows
        eventually(lambda: self.rows >= wanted or self.process.poll() is not None, f"{rows} rows")
        assert self.process.poll() is None, self.errors()

    def kill(self) -> int:
        """Kill the training process; returns its exit status."""
        self.process.kill()
        return self.process.wait()

    def kill_recorder(self) -> int:
        """Kill the recorder; returns which process it was."""
        pid = self.recorder
        os.kill(pid, signal.SIGKILL)
        return pid

    def has_another_recorder_than(self, pid: int) -> None:
        eventually(lambda: self.recorder not in (0, pid), "another recorder")

    def stop(self) -> str:
        """Have the loop end and the logger close; returns what the process said on its standard error."""
        self.words[Word.STOP] = 1
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, errors
        return errors


@dataclass
class Scene:
    """A run and the processes that write it, one after the other."""

    folder: Path
    lives: list[Life] = field(default_factory=list)
    shared_before: set[str] = field(default_factory=_shared_memory)

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def is_journaled(self) -> None:
        """Wait until the recorder has come up and written something."""
        eventually(lambda: any(one.stat().st_size for one in self.run.glob("streams/main/*.alog")), "the journal's first bytes")

    @property
    def mark(self) -> str:
        return f"{_MARK}={self.folder}"

    def start(self, *options: str, wait: bool = True) -> Life:
        """Start a training process; ``wait``: until its logger is open."""
        number = len(self.lives)
        note = self.folder / f"note-{number}"
        with note.open("wb") as file:
            file.truncate(NOTE_BYTES)
        process = subprocess.Popen(
            [
                *(sys.executable, "-W", "ignore", str(ROOT / "tests" / "crash" / "victim.py"), str(self.run), str(note)),
                *("--first", str(number * LIFE_STEPS), *options),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT), _MARK: str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        life = Life(number, process, mapped(note))
        self.lives.append(life)
        if wait:
            life.hears("open")
        return life

    def processes(self) -> list[int]:
        """Those of this scene that live."""
        found = []
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and self.mark.encode() in _environment(int(entry.name)).split(b"\0"):
                found.append(int(entry.name))
        return found

    def wait_until_empty(self, seconds: float = PATIENCE_S) -> list[int]:
        """Wait until every process has gone; returns those that haven't."""
        until = time.monotonic() + seconds
        # A process that is ending has no environment any more, but may still hold its files and their locks.
        for life in self.lives:
            if life.recorder:
                exited(life.recorder, until - time.monotonic())
        while (left := self.processes()) and time.monotonic() < until:
            exited(left[0], until - time.monotonic())
        return left

    def leftovers(self) -> list[str]:
        """What should have gone with the processes: processes, and names in /dev/shm."""
        processes = [described(pid) for pid in self.wait_until_empty()]
        return processes + sorted(_shared_memory() - self.shared_before)

    def clear(self) -> None:
        """End what a failed test left."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
            exited(pid, PATIENCE_S)
        for life in self.lives:
            life.process.communicate()


def described(pid: int) -> str:
    """A process in words: what it runs, how it stands, and where each of its threads waits."""
    home = Path(f"/proc/{pid}")
    try:
        command = (home / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        state = (home / "stat").read_text().rpartition(")")[2].split()[0]
        threads = [
            f"{(one / 'comm').read_text().strip()} in {(one / 'wchan').read_text()}" for one in (home / "task").iterdir()
        ]
    except OSError:
        return f"process {pid}, gone since"
    return f"process {pid} ({state}): {command[-200:]}; {', '.join(threads)}"


def exited(pid: int, seconds: float) -> bool:
    """Wait for the end of a process, be it ours or not."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))
    finally:
        os.close(fd)


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Look again and again, where nothing tells."""
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.002)


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
