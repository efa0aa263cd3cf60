"""What happens to the processes of a scene: drawn from a seed, at any moment, for as long as it lasts.

Two things are never done, as nothing is promised there: a training process isn't killed while no recorder serves it, and the
recorder of a dead training process isn't killed.
"""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.crash.consumers.guest import Seen
from tests.crash.consumers.possessions import Possessions
from tests.crash.consumers.scene import ConsumersScene, Trainer
from tests.crash.consumers.victim import Word
from tests.crash.scene import PATIENCE_S, exited

MOST_GUESTS: Final = {False: 4, True: 2}
"""By whether memory is small: what each of them may keep of it, together they must not have all of it."""
_LONGEST_STOP_S: Final = 1.5
_RECORDERS_A_LIFE: Final = (2, 2, 2, 3)
"""With a third death within a minute recording goes on in a thread of the training process, which is then not to be killed."""
_FILLER: Final = "filler"
_WEIGHTS: Final = {
    "attach": 5,
    "kill attached": 3,
    "stop attached": 4,
    "leave": 1,
    "kill worker": 4,
    "stop worker": 4,
    "kill recorder": 2,
    "stop recorder": 2,
    "stop trainer": 2,
    "kill trainer": 1,
    "fork": 3,
    "fill memory": 3,
}


@dataclass
class Chaos:
    """options: of every training process. done: how often what was done."""

    scene: ConsumersScene
    chance: random.Random
    options: tuple[str, ...] = ()
    done: Counter[str] = field(default_factory=Counter)
    possessions: Possessions = field(default_factory=Possessions)
    _stopped: list[tuple[float, int]] = field(default_factory=list)
    _filled_until: float = 0.0
    _recorders: int = 0
    _killed: int = 0
    """The last recorder that was."""

    def __post_init__(self) -> None:
        self._most_recorders = self.chance.choice(_RECORDERS_A_LIFE)

    def reign(self, seconds: float) -> Trainer:
        """Returns the training process that is there at the end, with nothing stopped and nothing full."""
        trainer = self.scene.start_trainer(*self.options)
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until:
                trainer = self._act(trainer)
                self._wait(self.chance.uniform(0.02, 0.3), trainer)
                self.possessions.look(self.scene)
        finally:
            self._wait(0.0, trainer, all_of_it=True)
        return trainer

    def _act(self, trainer: Trainer) -> Trainer:
        what = self.chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        verb, _, role = what.partition(" ")
        if what == "kill trainer":
            return self._kill_trainer(trainer)
        if verb == "attach":
            self._attach()
        elif verb == "leave":
            self._leave()
        elif verb == "fork":
            trainer.words[Word.FORK] += 1
            self.done["fork"] += 1
        elif verb == "fill":
            self._fill(trainer)
        else:
            self._signal(verb, role, trainer)
        return trainer

    # -- consumers --------------------------------------------------------------------------------------------------

    def _attach(self) -> None:
        if sum(one.lives for one in self.scene.guests) >= MOST_GUESTS[self.scene.small_memory]:
            return
        slow = self.chance.choice([0.0, 0.0, 0.05])
        keeps = self.chance.choice([0, 2, 2 if self.scene.small_memory else 20])
        start = self.chance.choice(["beginning", "beginning", "now"])
        self.scene.start_guest("--keeps", str(keeps), "--slow", str(slow), start=start)
        self.done["attach"] += 1

    def _leave(self) -> None:
        living = [one for one in self.scene.guests if one.lives]
        if living:
            self.chance.choice(living).words[Seen.LEAVE] = 1
            self.done["leave"] += 1

    def _signal(self, verb: str, role: str, trainer: Trainer) -> None:
        pid = self._one_of(role, trainer)
        if pid is None or ((verb, role) == ("kill", "recorder") and self._recorders >= self._most_recorders):
            return
        if verb == "stop":
            if not _sent(pid, signal.SIGSTOP):
                return
            lasts = self.chance.uniform(0.05, _LONGEST_STOP_S)
            self._stopped.append((time.monotonic() + lasts, pid))
        else:
            for one in self.scene.guests:
                one.killed |= one.process.pid == pid
            if role == "recorder":
                self._recorders += 1
                self._killed = pid
            if not _sent(pid, signal.SIGKILL):
                return
        self.done[f"{verb} {role}"] += 1

    def _one_of(self, role: str, trainer: Trainer) -> int | None:
        if role == "recorder":
            return trainer.recorder if trainer.serving else None
        found = sorted(pid for one, pid in self.scene.by_role() if one == role)
        if role == "trainer":
            found = [one for one in found if one == trainer.process.pid]
        return self.chance.choice(found) if found else None

    # -- the training process and its memory ------------------------------------------------------------------------

    def _kill_trainer(self, trainer: Trainer) -> Trainer:
        if not trainer.serving:
            return trainer
        # One that was killed may not have been missed yet, or be on its way out for as long as the disk lets it wait.
        if trainer.recorder == self._killed or exited(trainer.recorder, 0.0):
            return trainer
        self._empty(trainer)
        trainer.kill()
        self.done["kill trainer"] += 1
        # A stopped one would keep the run from its successor.
        self._wait(0.0, trainer, all_of_it=True)
        self._recorders = 0
        return self.scene.start_trainer(*self.options)

    def _fill(self, trainer: Trainer) -> None:
        if not self.scene.small_memory or self._filled_until:
            return
        with (trainer.shared_memory / _FILLER).open("wb") as file:
            system = os.fstatvfs(file.fileno())
            free = system.f_bavail * system.f_frsize
            if free:
                try:
                    os.posix_fallocate(file.fileno(), 0, free)
                except OSError:
                    # The training process was quicker to take some of it.
                    return
        self._filled_until = time.monotonic() + self.chance.uniform(0.1, 1.0)
        self.done["fill memory"] += 1

    def _empty(self, trainer: Trainer) -> None:
        if self._filled_until:
            (trainer.shared_memory / _FILLER).unlink()
            self._filled_until = 0.0

    # -- time -------------------------------------------------------------------------------------------------------

    def _wait(self, seconds: float, trainer: Trainer, *, all_of_it: bool = False) -> None:
        until = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            for due, pid in list(self._stopped):
                if due <= now or all_of_it:
                    _sent(pid, signal.SIGCONT)
                    self._stopped.remove((due, pid))
            if self._filled_until and (self._filled_until <= now or all_of_it) and trainer.process.poll() is None:
                self._empty(trainer)
            if now >= until:
                return
            time.sleep(min(0.02, until - now))


def end(scene: ConsumersScene, trainer: Trainer) -> None:
    """Nobody keeps anything any more; the training process comes to rest and closes its logger."""
    for one in scene.guests:
        one.words[Seen.LET_GO] = 1
    trainer.words[Word.END] = 1
    trainer.process.wait(4 * PATIENCE_S)
    assert trainer.process.returncode == 0, trainer.errors()
    for one in scene.guests:
        try:
            one.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"an attached process, {one.process.pid}, doesn't end with its run") from None


def _sent(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
