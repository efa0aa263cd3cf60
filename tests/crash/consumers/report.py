"""Rounds one after the other for as long as one likes, and the tables of what became of them."""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.crash.consumers.findings import Outcome
from tests.crash.consumers.possessions import Had, highest
from tests.crash.consumers.rounds import play
from tests.crash.consumers.scene import ConsumersScene, has_small_memory

COLUMNS: Final = (
    *("rounds", "writes", "read", "lost", "tensors checked", "GiB", "torn"),
    *("longest call", "leftovers", "bad", "seconds"),
)
Rows = list[tuple[str, ...]]


@dataclass
class Rounds:
    """What became of all rounds. done: how often what happened. most: the most that any process of a role had."""

    rounds: int = 0
    total: Outcome = field(default_factory=Outcome)
    seconds: float = 0.0
    bad: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    most: dict[str, Had] = field(default_factory=dict)

    def play(self, seed: int) -> None:
        """One round more; the directory of a bad one is kept."""
        folder = Path(tempfile.mkdtemp(prefix=f"asynclog-soak-consumers-{seed}-"))
        scene = ConsumersScene(folder)
        try:
            found = self._played(scene, seed)
        except Exception as error:  # noqa: BLE001 - one broken round is a finding, and the others go on
            found = Outcome(complaints=[f"{type(error).__name__}: {error}"])
        finally:
            scene.clear()
        self._add(found)
        if found.complaints:
            self.bad += [f"consumers {seed} ({folder}): {one}" for one in found.complaints]
        else:
            shutil.rmtree(folder)

    def _played(self, scene: ConsumersScene, seed: int) -> Outcome:
        found, chaos = play(scene, seed)
        self.done += chaos.done
        for role, had in chaos.possessions.most().items():
            self.most[role] = highest([had, self.most.get(role, had)])
        return found

    def _add(self, found: Outcome) -> None:
        self.rounds += 1
        total = self.total
        for name in ("accepted", "read", "lost", "torn", "checked", "nbytes"):
            setattr(total, name, getattr(total, name) + getattr(found, name))
        total.longest_s = max(total.longest_s, found.longest_s)
        total.leftovers += found.leftovers

    @property
    def summary(self) -> Rows:
        one = self.total
        numbers = (self.rounds, one.accepted, one.read, one.lost, one.checked)
        cells = [f"{number:,}" for number in numbers]
        cells += [f"{one.nbytes / 2**30:.1f}", f"{one.torn}", f"{one.longest_s:.1f} s", f"{len(one.leftovers)}"]
        return [("consumers", *COLUMNS), ("all", *cells, f"{len(self.bad)}", f"{self.seconds:.0f}")]

    @property
    def events(self) -> Rows:
        memory = "" if has_small_memory() else " (no small tmpfs can be mounted here)"
        rows = [(what + memory * (what == "fill memory"), f"{self.done[what]:,}") for what in sorted(self.done)]
        return [("what happened", "times"), *rows]

    @property
    def possessions(self) -> Rows:
        rows = [(role, f"{one.descriptors}", f"{one.nbytes >> 20} MiB") for role, one in sorted(self.most.items())]
        return [("process", "most descriptors", "most memory of its own"), *rows]


def rounds(minutes: float, first: int, say: Callable[[str], None]) -> Rounds:
    """Play rounds, each with its seed, until the time is over."""
    found = Rounds()
    began = time.monotonic()
    while found.seconds < 60 * minutes:
        found.play(first + found.rounds)
        found.seconds = time.monotonic() - began
        total = found.total
        say(
            f"consumers {found.seconds / 60:.1f} of {minutes:g} min, {found.rounds} rounds: {total.accepted:,} written, "
            f"{total.lost:,} lost, {total.torn} torn, {len(found.bad)} bad"
        )
    return found
