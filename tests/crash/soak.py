"""Kills by the hundred, and ten minutes of consumers that are killed, stopped and starved:
``make soak ARGS="--training 100 --recorder 50 --both 50 --consumers 10"``.

Each run has its seed, which is its number: one that fails can be tried again with ``--from``, and its directory is kept.
Exit status 1 if anything accepted was lost, delivered torn, or anything was left over.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.crash.consumers.report import Rounds, Rows, rounds
from tests.crash.findings import Findings
from tests.crash.kills import kill_both, kill_recorder, kill_training
from tests.crash.scene import Scene

Kill = Callable[[Scene, random.Random], Findings]
KINDS: Final[dict[str, Kill]] = {"training": kill_training, "recorder": kill_recorder, "both": kill_both}
DEFAULTS: Final = {"training": 100, "recorder": 50, "both": 50}
CONSUMERS_MINUTES: Final = 10.0
COLUMNS: Final = ("killed", "kills", "accepted", "read", "lost", "oldest lost", "leftovers", "bad", "seconds")


@dataclass
class Tally:
    """What became of all kills of one kind."""

    kind: str
    kills: int = 0
    accepted: int = 0
    read: int = 0
    lost: int = 0
    oldest_lost_s: float = 0.0
    leftovers: int = 0
    seconds: float = 0.0
    bad: list[str] = field(default_factory=list)

    def add(self, found: Findings) -> None:
        self.kills += 1
        self.accepted += found.accepted
        self.read += found.read
        self.lost += found.lost
        self.oldest_lost_s = max(self.oldest_lost_s, found.oldest_lost_s)
        self.leftovers += len(found.leftovers)

    @property
    def cells(self) -> tuple[str, ...]:
        oldest = f"{self.oldest_lost_s:.3f} s" if self.kind == "both" else "–"
        numbers = (self.kills, self.accepted, self.read, self.lost)
        return (
            self.kind,
            *(f"{one:,}" for one in numbers),
            oldest,
            f"{self.leftovers}",
            f"{len(self.bad)}",
            f"{self.seconds:.0f}",
        )


def soak(kind: str, seeds: range, say: Callable[[str], None]) -> Tally:
    """Kill once for each seed."""
    tally = Tally(kind)
    began = time.monotonic()
    for seed in seeds:
        folder = Path(tempfile.mkdtemp(prefix=f"asynclog-soak-{kind}-{seed}-"))
        scene = Scene(folder)
        try:
            found = KINDS[kind](scene, random.Random(seed))
        except Exception as error:  # noqa: BLE001 - one broken run is a finding, and the others go on
            found = Findings(complaints=[f"{type(error).__name__}: {error}"])
        finally:
            scene.clear()
        tally.add(found)
        tally.seconds = time.monotonic() - began
        if found.complaints:
            tally.bad += [f"{kind} {seed} ({folder}): {one}" for one in found.complaints]
        else:
            shutil.rmtree(folder)
        say(f"{kind} {tally.kills}/{len(seeds)}: {tally.accepted:,} accepted, {tally.lost:,} lost, {tally.seconds:.0f} s")
    return tally


def table(rows: Rows) -> str:
    """Rows under their headings."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join([lines[0], "  ".join("─" * width for width in widths), *lines[1:]])


def progress_line() -> Callable[[str], None]:
    """One line that is written over on a terminal; elsewhere a line for every tenth word."""
    said = 0

    def say(text: str) -> None:
        nonlocal said
        said += 1
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        elif said % 10 == 0:
            print(text, file=sys.stderr, flush=True)

    return say


def main() -> int:
    parser = argparse.ArgumentParser(
        description="kill and stop training processes, recorders and consumers, and look for losses"
    )
    for kind, count in DEFAULTS.items():
        parser.add_argument(f"--{kind}", type=int, default=count, metavar="N", help=f"kills (default {count})")
    parser.add_argument(
        "--consumers",
        type=float,
        default=CONSUMERS_MINUTES,
        metavar="MINUTES",
        help=f"of rounds with workers, attached processes, forks and little memory (default {CONSUMERS_MINUTES:g})",
    )
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="SEED", help="the first run's seed")
    options = parser.parse_args()
    counts: dict[str, int] = {kind: getattr(options, kind) for kind in KINDS}
    say = progress_line()
    tallies = [soak(kind, range(options.first, options.first + count), say) for kind, count in counts.items() if count]
    consumers = rounds(options.consumers, options.first, say) if options.consumers else Rounds()
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    # Of ``both`` only rows older than linger count as lost: that is what is promised there.
    tables: list[Rows] = [[COLUMNS, *(one.cells for one in tallies)]] if tallies else []
    if consumers.rounds:
        tables += [consumers.summary, consumers.events, consumers.possessions]
    print("\n\n".join(map(table, tables)))
    bad = [one for tally in (*tallies, consumers) for one in tally.bad]
    for one in bad:
        print(one)
    return 1 if bad or any(one.lost or one.leftovers for one in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
