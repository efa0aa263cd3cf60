"""W5: kill -9 at random moments, flat out: of the training process, of its recorder, of both at once.

Counted is what `write` had accepted and no reader finds: rows, and every image and string. When both die, what was not
yet persistent goes too; then the figure is how old the newest lost row was, against the linger.
"""

import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import numpy as np

from bench.figures import Bar, Figure
from bench.plan import Plan
from bench.scalars import KEYS
from bench.w5_victim import COUNT, EVENT_EVERY, RECORDER, STOP, Board, board

TITLE = "W5 kill -9"
LINGER = 0.2
START_TIMEOUT = 30.0
END_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Loss:
    """One kill: what was accepted, what of it is missing, and the age in seconds of the oldest missing row."""

    accepted: int
    rows: int
    events: int
    age: float
    status: str


def gone(pid: int, timeout: float) -> None:
    """Wait until a process that need not be a child has ended; TimeoutError after `timeout` seconds."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([handle], [], [], timeout)[0]:
            raise TimeoutError(f"process {pid} still runs {timeout:g} s after its training process died")
    finally:
        os.close(handle)


def watch(shared: Board, seconds: float) -> list[tuple[float, int]]:
    """(time, accepted steps) every 5 ms for `seconds`."""
    seen = []
    until = monotonic() + seconds
    while (now := monotonic()) < until:
        seen.append((now, shared.get(COUNT)))
        sleep(0.005)
    return seen


def kill(directory: Path, victims: str, seconds: float) -> Loss:
    """Start a victim, let it log for `seconds`, kill what `victims` names (`training`, `recorder`, `both`); count."""
    run = directory / "run"
    with board(directory / "board") as shared:
        training = subprocess.Popen([sys.executable, "-m", "bench.w5_victim", str(run), str(directory / "board")])
        give_up = monotonic() + START_TIMEOUT
        while not shared.get(RECORDER):
            if training.poll() is not None or monotonic() > give_up:
                training.kill()
                raise RuntimeError(f"the victim did not get going; exit status {training.wait()}")
            sleep(0.001)
        seen = watch(shared, seconds)
        recorder = shared.get(RECORDER)
        killed = monotonic()
        if victims in ("recorder", "both"):
            os.kill(recorder, signal.SIGKILL)
        if victims in ("training", "both"):
            training.kill()
        else:
            watch(shared, 1.0)
            shared.put(STOP, 1)
        training.wait(END_TIMEOUT)
        gone(shared.get(RECORDER), END_TIMEOUT)
        return count(run, shared.get(COUNT), seen, killed)


def count(directory: Path, accepted: int, seen: list[tuple[float, int]], killed: float) -> Loss:
    """Compare what is read with `accepted`; a step's age counts from the first look that shows it accepted."""
    import asynclog as al

    run = al.read(directory)
    missing = np.zeros(accepted, dtype=bool)
    for key in KEYS:
        found = np.zeros(accepted, dtype=bool)
        steps = np.asarray(run.series(key).step)
        found[steps[steps < accepted]] = True
        missing |= ~found
    wanted = set(range(0, accepted, EVENT_EVERY))
    events = sum(len(wanted - {event.step for event in run.events(kind=kind)}) for kind in ("image", "string"))
    lost = np.flatnonzero(missing)
    ages = [killed - when for when, steps in seen if lost.size and steps > lost[0]]
    return Loss(accepted, int(lost.size), events, max(ages, default=0.0), run.status)


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of W5."""
    chance = random.Random(5)
    for victims, kills in (("training", 20), ("recorder", 10), ("both", 10)):
        losses = []
        for _ in range(plan.size(kills, 2)):
            with plan.room() as directory:
                losses.append(kill(directory, victims, chance.uniform(0.05, 1.5)))
        name = {"training": "of the training process", "recorder": "of the recorder", "both": "of both at once"}[victims]
        accepted = sum(loss.accepted for loss in losses)
        ends = ", ".join(sorted({loss.status for loss in losses}))
        detail = f"{len(losses)} kills, {accepted} steps accepted; status {ends}"
        rows, events = sum(loss.rows for loss in losses), sum(loss.events for loss in losses)
        if victims == "both":
            ages = [loss.age for loss in losses]
            yield Figure(f"kill {name}: oldest lost row", max(ages), "s", Bar(LINGER), detail, {"age_s": ages})
            yield Figure(f"kill {name}: rows and events lost", rows + events, "", None)
        else:
            samples = {"rows": [float(loss.rows) for loss in losses], "events": [float(loss.events) for loss in losses]}
            yield Figure(f"kill {name}: rows and events lost", rows + events, "", Bar(0), detail, samples)
