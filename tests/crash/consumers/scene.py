"""The scene of a logger and its consumers: training processes one after the other, processes that attach themselves, and the
recorders and workers that are found by what they run.

With ``small_memory`` the training process lives in a mount namespace of its own, with a tmpfs of a few megabytes in place of
/dev/shm, and without memfd_create: its pool falls back on shm_open, and can really run out of memory.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from tests.crash.consumers import guest, victim
from tests.crash.consumers.guest import Seen
from tests.crash.consumers.victim import Word
from tests.crash.scene import LIFE_STEPS, ROOT, Life, Scene

SMALL_BYTES: Final = 40 << 20
_ROLES: Final = {"asynclog.engine.worker": "worker", "asynclog.engine": "recorder"}


@cache
def has_small_memory() -> bool:
    """Whether this user may mount a tmpfs in a namespace of its own."""
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/dev/shm"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@dataclass
class Trainer(Life):
    """One training process of a run."""

    folder: Path

    @property
    def rows(self) -> int:
        return self.words[Word.ACCEPTED]

    @property
    def recorder(self) -> int:
        return self.words[Word.RECORDER]

    @property
    def serving(self) -> bool:
        """Whether its recorder is a process that has come up."""
        return self.recorder != 0 and self.words[Word.SERVING] == self.recorder

    def errors(self) -> str:
        return self.said.read_text()

    @property
    def said(self) -> Path:
        """What it said on its standard error. A file: nobody reads a pipe while it runs."""
        return self.folder / f"said-{self.number}"

    @property
    def shared_memory(self) -> Path:
        """What this process has as /dev/shm."""
        return Path(f"/proc/{self.process.pid}/root/dev/shm")


@dataclass
class Guest:
    """A process that attached itself."""

    process: "subprocess.Popen[str]"
    note: Path
    words: memoryview
    start: str
    killed: bool = False

    @property
    def lives(self) -> bool:
        return self.process.poll() is None


@dataclass
class ConsumersScene(Scene):
    """See the module."""

    small_memory: bool = False
    guests: list[Guest] = field(default_factory=list)

    @property
    def trainers(self) -> list[Trainer]:
        return [one for one in self.lives if isinstance(one, Trainer)]

    def start_trainer(self, *options: str) -> Trainer:
        """Start the next training process; returns when its logger is open."""
        number = len(self.lives)
        note = self._note(f"note-{number}", victim.NOTE_BYTES)
        command = [sys.executable, "-W", "ignore", "-m", "tests.crash.consumers.victim"]
        command += [str(self.folder), str(self.run), str(note), "--number", str(number), "--first", str(number * LIFE_STEPS)]
        command += options
        if self.small_memory:
            inside = f"mount -t tmpfs -o size={SMALL_BYTES} tmpfs /dev/shm && exec {shlex.join([*command, '--fallback'])}"
            command = ["unshare", "--map-root-user", "--mount", "sh", "-c", inside]
        with (self.folder / f"said-{number}").open("w") as said:
            process = self._started(command, stdout=subprocess.PIPE, stderr=said.fileno())
        life = Trainer(number, process, victim.mapped(note), self.folder)
        self.lives.append(life)
        life.hears("open")
        return life

    def start_guest(self, *options: str, start: str = "beginning") -> Guest:
        """Have somebody attach to the run; doesn't wait for it."""
        note = self._note(f"guest-{len(self.guests)}", guest.NOTE_BYTES)
        command = [sys.executable, "-W", "ignore", "-m", "tests.crash.consumers.guest"]
        command += [str(self.folder), str(self.run), str(note), "--start", start, "--life-steps", str(LIFE_STEPS), *options]
        process = self._started(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        one = Guest(process, note, guest.mapped(note), start)
        self.guests.append(one)
        return one

    def by_role(self) -> Iterator[tuple[str, int]]:
        """(role, process) of what lives: "worker", "recorder", "trainer", "attached"; no children that were forked."""
        known = {one.process.pid: "trainer" for one in self.trainers} | {one.process.pid: "attached" for one in self.guests}
        for pid in self.processes():
            role = known.get(pid) or _role(pid)
            if role is not None:
                yield role, pid

    def clear(self) -> None:
        for one in self.guests:
            one.words[Seen.LEAVE] = 1
        super().clear()
        for one in self.guests:
            one.process.communicate()

    def _note(self, name: str, nbytes: int) -> Path:
        note = self.folder / name
        with note.open("wb") as file:
            file.truncate(nbytes)
        return note

    def _started(self, command: list[str], stdout: int, stderr: int) -> "subprocess.Popen[str]":
        name, _, value = self.mark.partition("=")
        env = {**os.environ, "PYTHONPATH": str(ROOT), name: value}
        return subprocess.Popen(command, env=env, stdout=stdout, stderr=stderr, text=True, cwd=ROOT)


def _role(pid: int) -> str | None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return None
    return next((_ROLES[one] for one in words if one in _ROLES), None)
