"""What the processes of a scene have while it lasts, descriptors and memory: how much at the most, and whether it grows."""

import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from tests.crash.consumers.scene import ConsumersScene

_ENOUGH: Final = 60
"""Looks at one process that can tell growth from a beginning; there are some six a second."""


class Had(NamedTuple):
    """At one look. nbytes: anonymous memory, which no mapping of a slab is part of."""

    descriptors: int
    nbytes: int


GROWTH: Final = Had(40, 160 << 20)
"""What the last third of a process's time may show beyond the two before: consumers come and go, and read what they missed; and
an engine may move into the training process late, with all that it holds."""
UP: Final = Had(60, 64 << 20)
"""What one has once it has come up, which takes its time where the disk is busy."""
MOST: Final = {
    "trainer": Had(200, 400 << 20),
    "recorder": Had(300, 500 << 20),
    "worker": Had(60, 300 << 20),
    "attached": Had(60, 300 << 20),
}
"""Of one process. What it copies or queues is bounded by the quota."""


@dataclass
class Possessions:
    """Looks at every process, by role and number of the process."""

    looks: "dict[tuple[str, int], list[Had]]" = field(default_factory=lambda: defaultdict(list))

    def look(self, scene: ConsumersScene) -> None:
        """At all that live now."""
        for role, pid in scene.by_role():
            try:
                descriptors = len(os.listdir(f"/proc/{pid}/fd"))
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                # It has just ended.
                continue
            own = [line for line in status.splitlines() if line.startswith("RssAnon:")]
            if own:
                self.looks[role, pid].append(Had(descriptors, int(own[0].split()[1]) << 10))

    def most(self) -> dict[str, Had]:
        """By role, of any process."""
        found: dict[str, Had] = {}
        for (role, _), looks in self.looks.items():
            found[role] = highest([*looks, found.get(role, Had(0, 0))])
        return found

    def complaints(self) -> list[str]:
        """Who had too much, and whose possessions grew."""
        told = [f"a {role} had {had}" for role, had in self.most().items() if not _within(had, MOST[role])]
        for (role, pid), looks in self.looks.items():
            if len(looks) < _ENOUGH:
                continue
            third = len(looks) // 3
            before, after = highest([UP, *looks[:-third]]), highest(looks[-third:])
            if not _within(after, Had(before.descriptors + GROWTH.descriptors, before.nbytes + GROWTH.nbytes)):
                told.append(f"{role} {pid} grew from {before} to {after}")
        return told


def highest(looks: list[Had]) -> Had:
    """The most of each."""
    return Had(max(one.descriptors for one in looks), max(one.nbytes for one in looks))


def _within(had: Had, bound: Had) -> bool:
    return had.descriptors <= bound.descriptors and had.nbytes <= bound.nbytes
